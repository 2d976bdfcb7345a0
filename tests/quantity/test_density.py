"""Density maps and classes, by hand."""

import numpy as np
import pytest

from calcimetry.plan import Plan
from calcimetry.quantity import density_classes, density_map
from calcimetry.records import Calibration
from calcimetry.runs import from_mask


def test_map_is_slope_times_hu_over_the_matrix(make_scan) -> None:
    hu = np.full((6, 8, 8), 50)
    hu[2, 3, 3:6] = [340, 540, 1040]  # 300, 500, 1000 over the matrix of 40
    scan = make_scan(hu)
    box, density = density_map(scan, from_mask(hu > 130), Calibration(0.7, 0.1, "user"), Plan())
    assert density[np.isfinite(density)] == pytest.approx([210.0, 350.0, 700.0])
    assert np.isfinite(density).sum() == 3
    assert scan.hu[box].shape == density.shape


def test_slope_follows_the_slice(make_scan) -> None:
    hu = np.full((6, 8, 8), 50)
    hu[1:3, 3, 3] = 1040
    scale = Calibration(0.7, 0.1, "table", per_slice=(0.5, 0.6, 0.8, 0.8, 0.8, 0.8))
    _, density = density_map(make_scan(hu), from_mask(hu > 130), scale, Plan())
    assert density[np.isfinite(density)] == pytest.approx([600.0, 800.0])


def test_classes_share_out_mass_and_volume() -> None:
    density = np.array([[[100.0, 300.0, 500.0, 1000.0, 1500.0, np.nan]]], np.float32)
    soft, lobular, stony = density_classes(density, voxel_mm3=2.0)
    # Two voxels of 2 mm3 at 100 and 300 mg/cm3: 4 mm3, 2 * (0.1 + 0.3) = 0.8 mg.
    assert (soft.volume_mm3, soft.mass_mg) == pytest.approx((4.0, 0.8))
    assert (lobular.volume_mm3, lobular.mass_mg) == pytest.approx((4.0, 3.0))
    assert (stony.volume_mm3, stony.mass_mg) == pytest.approx((2.0, 3.0))
    assert stony.high_mg_cm3 is None
