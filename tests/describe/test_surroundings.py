"""Surroundings from runs are those that a distance map gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.describe.surroundings import surroundings
from calcimetry.records import Scan
from calcimetry.runs import dense_objects, object_runs, sample_voxels, to_mask, voxels_of

THRESHOLD = 130.0


def _scan(spacing, shape=(14, 40, 90), seed=0):
    rng = np.random.default_rng(seed)
    hu = ndimage.gaussian_filter(rng.normal(0, 1, shape), 1.5)
    hu = np.round(hu * 150 / hu.std() - 60).astype(np.int16)
    hu[3:5, 10, 5:85] = 900  # longer than a word of bits
    affine = np.diag([*spacing[::-1], 1.0])
    return Scan.of(hu, affine)


def _noise(hu):
    """Of the middle absolute difference of neighbours in tissue, the axis with the most."""
    spreads = []
    for axis in range(3):
        one, other = np.delete(hu, -1, axis), np.delete(hu, 0, axis)
        low, high = np.minimum(one, other), np.maximum(one, other)
        tissue = (low > -200) & (high < THRESHOLD)
        if tissue.sum() >= 20:
            apart = high[tissue].astype(float) - low[tissue]
            spreads.append(1.4826 * float(np.median(apart)) / np.sqrt(2))
    return max(spreads, default=None)


def _by_map(scan, runs):
    reach = max(6.0, 1.5 * max(scan.spacing))
    own = to_mask(runs)
    distance = ndimage.distance_transform_edt(~own, sampling=scan.spacing)
    at = np.argwhere(own)
    margin = np.ceil(reach / np.array(scan.spacing)).astype(int)
    low = np.maximum(at.min(0) - margin, 0)
    box = tuple(slice(a, b) for a, b in zip(low, at.max(0) + margin + 1, strict=True))
    shell = scan.hu[(distance >= 2.0) & (distance <= reach)]
    quiet = shell[shell < THRESHOLD]
    shares = (
        (shell > -200) & (shell < -30),
        (shell >= -30) & (shell < THRESHOLD),
        shell < -300,
        shell >= THRESHOLD,
    )
    return [*(float(s.mean()) for s in shares), float(np.median(quiet)), _noise(scan.hu[box])]


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("spacing", [(3.0, 1.0, 1.0), (1.0, 0.7, 0.7), (7.0, 2.5, 2.0)])
def test_shells_are_those_of_a_distance_map(spacing, jobs):
    scan = _scan(spacing)
    pieces = object_runs(dense_objects(scan.hu, THRESHOLD))
    assert len(pieces) > 20
    for seen, runs in zip(surroundings(scan, pieces, THRESHOLD, jobs=jobs), pieces, strict=True):
        found = [seen.fat, seen.soft, seen.air, seen.dense, seen.median_hu, seen.noise_hu]
        assert found == pytest.approx(_by_map(scan, runs), abs=1e-12)


def test_an_object_that_fills_the_scan_has_no_surroundings():
    scan = _scan((1.0, 1.0, 1.0), (6, 12, 90))
    scan.hu[:] = 500
    assert surroundings(scan, object_runs(dense_objects(scan.hu, THRESHOLD)), THRESHOLD) == [None]
    assert surroundings(scan, [], THRESHOLD) == []


@pytest.mark.parametrize("most", [1, 7, 400])
def test_samples_are_every_nth_voxel(most):
    scan = _scan((1.0, 1.0, 1.0))
    pieces = object_runs(dense_objects(scan.hu, THRESHOLD))
    points, bounds = sample_voxels(pieces, scan.hu.shape, most)
    for k, runs in enumerate(pieces):
        voxels = voxels_of(runs)
        every = max(1, -(-len(voxels) // most))
        assert np.array_equal(points[bounds[k] : bounds[k + 1]], voxels[::every])
