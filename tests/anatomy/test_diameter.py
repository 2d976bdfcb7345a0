"""Water-equivalent diameter against cylinders whose diameter is known."""

import numpy as np
import pytest

from calcimetry.anatomy import cut_share, find_body, water_equivalent_diameter


@pytest.mark.parametrize("spacing", [(2.0, 1.0, 1.0), (5.0, 0.7, 0.7)])
def test_water_is_its_own_diameter(stage, spacing):
    scan = stage((60, 140, 140), spacing).cylinder(70, 70, 50, 0).scan()
    body = find_body(scan)
    found = water_equivalent_diameter(scan, body)
    assert found.shape == scan.hu.shape[:1]
    assert np.abs(found - 100).max() < 1.0
    assert np.abs(cut_share(scan, body)).max() == 0


def test_density_counts(stage):
    scan = stage((60, 140, 140)).cylinder(70, 70, 50, 0).cylinder(70, 70, 25, -1000).scan()
    expected = 2 * np.sqrt(50**2 - 25**2)
    assert np.abs(water_equivalent_diameter(scan, find_body(scan)) - expected).max() < 1.0


def test_no_body_is_unknown_and_cut_bodies_say_so(stage):
    field = stage((60, 100, 100)).cylinder(50, 0, 40, 20, z=(-1, 30))
    scan = field.scan()
    body = find_body(scan)
    diameter, share = water_equivalent_diameter(scan, body), cut_share(scan, body)
    assert np.isfinite(diameter[5])
    assert np.isnan(diameter[-2])
    assert 0.3 < share[5] < 0.5  # 80 of 80 + 126 mm
    assert np.isnan(share[-2])
