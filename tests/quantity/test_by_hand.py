"""Formulas against numbers worked out by hand, where no whole scan is needed."""

from __future__ import annotations

import numpy as np
import pytest

from calcimetry.plan import Plan
from calcimetry.quantity.mass import Mass, _limits
from calcimetry.quantity.volume import _in_part, ball_profile
from calcimetry.records import Calibration, Estimate, Quantity


@pytest.mark.parametrize(
    ("radius", "peak"),
    [(1.0, 0.19875), (2.0, 0.73854), (3.0, 0.97071)],
)
def test_the_middle_of_a_blurred_ball_is_maxwells_distribution(radius: float, peak: float) -> None:
    """P(|X| < R) for three unit normals: erf(R/sqrt 2) - sqrt(2/pi) R exp(-R^2/2)."""
    assert ball_profile(np.array([0.0]), radius)[0] == pytest.approx(peak, abs=2e-5)


@pytest.mark.parametrize(("level", "counts"), [(0.25, 0.0), (0.5, 0.5), (0.6, 0.7), (0.8, 1.0)])
def test_a_voxel_counts_by_how_far_over_half_it_is(level: float, counts: float) -> None:
    assert _in_part.py_func(level) == pytest.approx(counts)


@pytest.mark.parametrize(
    ("mg", "errors", "calibration", "low", "high"),
    [
        # sqrt(3^2 + 4^2) = 5; with 12 % of 100: 13; 1.959964 x 13 = 25.48
        (100.0, {"noise": 3.0, "background": 4.0}, 0.12, 74.52, 125.48),
        # sqrt(6^2 + 0.8^2) = 6.053, x 1.959964 = 11.864: the lower end would be negative
        (10.0, {"noise": 6.0}, 0.08, 0.0, 21.86),
        # sqrt(1 + 4 + 4 + 16) = 5, c exact: 9.80
        (
            50.0,
            {"noise": 1.0, "background": 2.0, "segmentation": 2.0, "matrix": 4.0},
            0,
            40.2,
            59.8,
        ),
    ],
)
def test_errors_add_in_quadrature(
    mg: float, errors: dict[str, float], calibration: float, low: float, high: float
) -> None:
    found = Mass(mg, errors, critical_mg=1.0, limit_mg=2.0, background_hu=40.0).estimate(
        calibration
    )
    assert (found.value, found.low, found.high) == pytest.approx((mg, low, high), abs=0.006)


@pytest.mark.parametrize(
    ("mg", "nothing", "peak", "critical", "limit"),
    [
        # One SD of peak is 20 / 4 = 5 mg; 5 x min(2, 5) = 10 over 1.645 x 2; limit + 1.645 SD
        (20.0, 2.0, 4.0, 10.0, 13.29),
        # The peak stands 40 SD out: one SD of it is 0.5 mg, so Currie's 1.645 x 2 rules
        (20.0, 2.0, 40.0, 3.29, 6.58),
        # Less than nothing: only the sum counts
        (-1.0, 2.0, 3.0, 10.0, 13.29),
    ],
)
def test_zero_test(mg: float, nothing: float, peak: float, critical: float, limit: float) -> None:
    """Currie 1968, doi 10.1021/ac60259a007; 5 SD for what a whole scan was searched for."""
    found = _limits(mg, nothing, peak, Plan().quantity)
    assert found == pytest.approx((critical, limit), abs=0.01)


@pytest.mark.parametrize(
    ("fat", "air", "slope"),
    [
        # 60 keV: 1000 (0.95 x 0.1974 / 0.2059 - 1) = -89.2 HU, c 0.6029 (NIST XCOM, ICRU-44)
        (-89.2, -1000.0, 0.6029),
        # 100 keV: 1000 (0.95 x 0.1688 / 0.1707 - 1) = -60.6 HU, c 1.1544
        (-60.6, -1000.0, 1.1544),
        # 60 keV with air at -980: -1000 + (fat + 980) / 0.98 = -89.2 for fat of -87.4
        (-87.4, -980.0, 0.6029),
    ],
)
def test_fat_and_air_tell_the_energy(make_scan, fat: float, air: float, slope: float) -> None:
    from calcimetry.quantity.internal_reference import from_tissue

    hu = np.full((12, 160, 160), air)
    hu[:, 20:140, 20:140] = fat
    hu += np.random.default_rng(4).normal(0, 6, hu.shape)
    found = from_tissue(make_scan(hu))
    assert isinstance(found, Calibration)
    assert found.mg_cm3_per_hu == pytest.approx(slope, rel=0.06)


def _quantity(mg: float, **errors: float) -> Quantity:
    none = Estimate()
    return Quantity(
        Estimate(mg, 0.0, 2 * mg), none, none, 0.0, 0.0, 0, None, None, relative_error=errors
    )


@pytest.mark.parametrize(
    ("parts", "calibration", "half"),
    [
        # Alone: 10 % of 30 and of 40: sqrt(9 + 16) = 5 -> 9.80
        ([(30.0, {"noise": 0.1}), (40.0, {"noise": 0.1})], 0.0, 9.80),
        # The matrix is one for all: 10 % of 70 = 7 -> 13.72
        ([(30.0, {"matrix": 0.1}), (40.0, {"matrix": 0.1})], 0.0, 13.72),
        # And the calibration: 10 % of 70 and 10 % of 30 alone: sqrt(49 + 9) -> 14.93
        ([(30.0, {"noise": 0.1}), (40.0, {})], 0.1, 14.93),
    ],
)
def test_totals_by_hand(
    parts: list[tuple[float, dict[str, float]]], calibration: float, half: float
) -> None:
    from calcimetry.quantity import total

    sums = total([_quantity(m, **e) for m, e in parts], Calibration(0.7, calibration, "user"))
    assert sums.mass_mg.value == pytest.approx(70.0)
    assert sums.mass_mg.high - 70.0 == pytest.approx(half, abs=0.01)
