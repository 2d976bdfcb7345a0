"""A scan in another guise shows the same matter in the same place."""

from __future__ import annotations

import numpy as np
import pytest
from training.guises import GUISES, shifted, trimmed

from calcimetry.scan import from_array

SPACING = (3.0, 0.8, 0.9)


@pytest.fixture(scope="module")
def scan():
    z, y, x = np.indices((20, 40, 44))
    ball = np.exp(-((z - 9) ** 2 / 8 + (y - 21) ** 2 / 30 + (x - 23) ** 2 / 30))
    return from_array(np.round(1900 * ball - 1000).astype(np.int16), spacing=SPACING, kvp=120)


def middle(one):
    weight = one.hu.astype(float) + 1000
    at = [(weight * axis).sum() / weight.sum() for axis in np.indices(one.hu.shape)]
    return np.array(at)


def test_a_shift_moves_everything_by_the_same_part_of_a_voxel(scan):
    other = shifted(scan)
    assert middle(other) - middle(scan) == pytest.approx(np.full(3, 0.4), abs=0.02)
    assert other.hu.shape == scan.hu.shape
    assert other.hu.max() <= scan.hu.max()
    assert other.hu.dtype == np.int16


def test_a_trimmed_scan_has_its_voxels_where_they_were(scan):
    other = trimmed(scan)
    assert other.hu.shape == (19, 37, 39)
    assert (np.abs(other.hu - scan.hu[:-1, 3:, 5:]) <= 1).all()
    assert (other.hu % 2 == 0).all()
    points = np.array([[0.0, 0, 0], [18, 36, 38]])
    assert other.to_lps(points) == pytest.approx(scan.to_lps(points + np.array([0, 3, 5])))
    assert other.acquisition.kvp == 120


@pytest.mark.parametrize("name", GUISES)
def test_the_scan_itself_is_left_as_it_is(scan, name):
    before = scan.hu.copy()
    assert not np.array_equal(GUISES[name](scan).hu, before)
    assert np.array_equal(scan.hu, before)
