"""The calibration table against the numbers it was built from and checked with."""

import numpy as np
import pytest

from calcimetry.quantity import kvp_table


@pytest.mark.parametrize(
    ("kvp", "path_mm", "slope"),
    [
        (120.0, 60.0, 0.638),  # hand
        (120.0, 300.0, 0.793),  # chest
        (80.0, 20.0, 0.440),  # finger
        (120.0, 70.0, 0.646),  # halfway between rows 60 and 80 mm
        (110.0, 60.0, 0.597),  # halfway between columns 100 and 120 kVp
        (150.0, 60.0, 0.746),  # 0.710 + (0.710 - 0.638) / 20 * 10
        (120.0, 5.0, 0.604),  # thinner than the table: its first row
    ],
)
def test_table_by_voltage_and_path(kvp: float, path_mm: float, slope: float) -> None:
    assert kvp_table.slope_at(kvp, path_mm) == pytest.approx(slope, abs=6e-4)


def test_slope_ratio_of_80_and_120_kvp_is_as_measured() -> None:
    ratio = kvp_table.slope_at(120.0, 300.0) / kvp_table.slope_at(80.0, 300.0)
    assert 1.37 <= ratio <= 1.45


@pytest.mark.parametrize(("kev", "slope"), [(40.0, 0.2971), (60.0, 0.6029), (100.0, 1.1544)])
def test_monoenergetic_slope_by_hand(kev: float, slope: float) -> None:
    # 40 keV: 0.9877/0.2683 - 1/3.16 = 3.36489 HU per mg/cm3, and so on from NIST XCOM.
    assert kvp_table.slope_at_kev(kev) == pytest.approx(slope, rel=2e-3)


def test_slope_grows_with_energy_and_size() -> None:
    assert np.all(np.diff(kvp_table.SLOPES, axis=0) > 0)
    assert np.all(np.diff(kvp_table.SLOPES, axis=1) > 0)
