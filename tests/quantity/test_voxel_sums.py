"""Sums over many objects against those of their masks."""

from __future__ import annotations

import numpy as np
import pytest

from calcimetry.quantity.voxel_sums import voxel_sums
from calcimetry.runs import from_mask


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("jobs", [1, 3])
def test_sums_are_those_of_the_voxels(rng, jobs):
    hu = rng.integers(-1000, 3000, (6, 11, 13)).astype(np.int16)
    masks = np.zeros((70, *hu.shape), bool)
    for n, mask in enumerate(masks[:-2]):
        mask[n % 4 : n % 4 + 2] = rng.random((2, 11, 13)) < 0.3
    masks[-2, 5, 10, 12] = True  # one voxel, in the corner
    masks[-1] = True
    slopes = rng.random(6)
    found = voxel_sums(hu, [from_mask(mask) for mask in masks], slopes, jobs=jobs)
    for n, mask in enumerate(masks):
        values, held = hu[mask].astype(int), np.flatnonzero(mask.any(axis=(1, 2)))
        assert (found.voxels[n], found.total[n]) == (values.size, values.sum())
        assert (found.peak[n], found.dense[n]) == (values.max(), (values >= 130).sum())
        assert found.slope[n] == pytest.approx(slopes[held[0] : held[-1] + 1].mean())


def test_sums_of_nothing():
    assert len(voxel_sums(np.zeros((2, 3, 4), np.int16), [], np.ones(2)).voxels) == 0
