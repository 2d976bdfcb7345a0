"""What is measured of all objects in one call, against SciPy object by object."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.describe.evidence import (
    MOST_VOXELS,
    edge_distances,
    sample_objects,
    thicknesses,
)
from calcimetry.records import Scan
from calcimetry.runs import dense_objects, object_runs, voxels_of


def scan_of(mask: np.ndarray, spacing: tuple[float, float, float]) -> Scan:
    affine = np.diag([*spacing[::-1], 1.0])
    hu = np.where(mask, 500, 0).astype(np.int16)
    return Scan.of(hu, affine)


def by_distance_map(scan: Scan, own: np.ndarray) -> float:
    """The thickness by the definition: twice the largest distance to what is not the object."""
    (box,) = ndimage.find_objects(own.astype(np.int8))
    padded = np.pad(own[box], 1)
    stride = max(1, round((padded.size / MOST_VOXELS) ** (1 / 3)))
    coarse = padded[::stride, ::stride, ::stride]
    if coarse.all():
        pytest.fail("the border is not in the map")
    step = np.array(scan.spacing) * stride
    return 2 * ndimage.distance_transform_edt(coarse, sampling=step).max()


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.7, 0.8)])
def test_thickness_is_that_of_a_distance_map(spacing, jobs):
    rng = np.random.default_rng(5)
    mask = ndimage.gaussian_filter(rng.normal(size=(30, 60, 70)), 1.2) > 0.09
    scan = scan_of(mask, spacing)
    pieces = object_runs(dense_objects(scan.hu, 130.0))
    assert len(pieces) > 40  # more than a chunk; of one voxel, and at the scan's borders
    assert min(runs.voxels for runs in pieces) == 1
    found = thicknesses(scan, pieces, jobs=jobs)
    for runs, thick in zip(pieces, found.tolist(), strict=True):
        own = np.zeros_like(mask)
        own[tuple(voxels_of(runs).T)] = True
        assert thick == pytest.approx(by_distance_map(scan, own), rel=1e-12)


@pytest.mark.parametrize("side", [90, 150])
def test_thickness_of_a_big_object_is_taken_coarser(side):
    z, y, x = np.indices((side, side + 3, side)) - side / 2
    own = z**2 + y**2 + x**2 < (0.47 * side) ** 2
    scan = scan_of(own, (1.0, 1.0, 1.0))
    assert side**3 > 1.5**3 * MOST_VOXELS  # so that steps are wider than a voxel
    (found,) = thicknesses(scan, object_runs(dense_objects(scan.hu, 130.0)))
    assert found == pytest.approx(by_distance_map(scan, own), rel=1e-12)


def test_thickness_of_nothing():
    scan = scan_of(np.zeros((2, 3, 4), np.bool_), (1.0, 1.0, 1.0))
    assert thicknesses(scan, []).tolist() == []


def test_some_of_the_listed_are_listed_as_if_alone():
    rng = np.random.default_rng(1)
    scan = scan_of(rng.random((6, 20, 90)) < 0.1, (1.0, 1.0, 1.0))
    pieces = object_runs(dense_objects(scan.hu, 130.0))
    chosen = [4, 0, 17, 17]
    some = sample_objects(pieces, scan.hu.shape).subset(chosen)
    alone = sample_objects([pieces[k] for k in chosen], scan.hu.shape)
    assert np.array_equal(some.points, alone.points)
    assert np.array_equal(some.bounds, alone.bounds)
    assert np.array_equal(some.centroids, alone.centroids)
    none = sample_objects(pieces, scan.hu.shape).subset([])
    assert len(none.points) == len(none.runs) == 0


def test_share_is_of_each_objects_own_points():
    mask = np.zeros((1, 4, 8), np.bool_)
    mask[0, 0, :4] = mask[0, 2, 2:] = True
    scan = scan_of(mask, (1.0, 1.0, 1.0))
    listed = sample_objects(object_runs(dense_objects(scan.hu, 130.0)), scan.hu.shape)
    assert listed.fraction_where(listed.points[:, 2] < 3).tolist() == [3 / 4, 1 / 6]


def test_how_far_the_edge_of_the_scan_is():
    """Nothing of the scan lies between an object that is cut and the edge; else whole voxels do."""
    spacing = (3.0, 0.7, 0.8)
    mask = np.zeros((12, 30, 40), bool)
    mask[0, 10, 20] = mask[5, 29, 10] = mask[5, 10, 0] = True  # at three sides
    mask[4:6, 15:17, 18:20] = mask[1, 20, 30] = True
    scan = scan_of(mask, spacing)
    objects = dense_objects(scan.hu, 130.0)
    expected = []
    for runs in object_runs(objects):
        voxels = voxels_of(runs)
        sides = np.minimum(voxels, np.array(mask.shape) - 1 - voxels) * spacing
        expected.append(sides.min())
    assert sorted(expected) == pytest.approx([0.0, 0.0, 0.0, 3.0, 13 * 0.7])
    assert edge_distances(objects, spacing) == pytest.approx(expected)
