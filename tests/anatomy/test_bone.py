"""Skeleton and distance to it."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.anatomy import bone_distance, bone_gaps, find_body, find_bone
from calcimetry.anatomy.bone import _holes
from calcimetry.runs import dense_objects, find_runs, to_mask
from calcimetry.scan import read

BONE, MUSCLE = 900, 50


def skeleton_of(scan):
    return find_bone(scan, dense_objects(scan.hu, 130), find_body(scan))


def test_a_limb_bone_is_skeleton_and_a_nodule_is_not(stage):
    field = stage((100, 100, 100)).limb(50, 50, 40, bone=10)
    field.put((field.z - 50) ** 2 + (field.y - 50) ** 2 + (field.x - 78) ** 2 <= 6**2, 600)
    scan = field.scan()
    dense = dense_objects(scan.hu, 130)
    skeleton = find_bone(scan, dense, find_body(scan))
    assert skeleton.members[np.argmax(dense.voxels)]
    assert skeleton.members.sum() == 1
    assert dense.voxels.max() == skeleton.runs.voxels


def test_small_bones_are_told_by_their_marrow(stage):
    field = stage((60, 80, 80), (1.0, 0.5, 0.5)).cylinder(40, 40, 30, MUSCLE)
    # a phalanx: cortex around spongiosa, not touching the ends; and a solid nodule
    field.cylinder(30, 30, 6, BONE, z=(15, 45)).cylinder(30, 30, 4, 150, z=(17, 43))
    field.cylinder(52, 50, 6, 700, z=(20, 40))
    scan = field.scan()
    dense = dense_objects(scan.hu, 130)
    members = find_bone(scan, dense, find_body(scan)).members
    listed = dense.voxels > 100
    assert listed.sum() == 2
    first = np.argmin(dense.centroid[listed, 1])
    assert members[listed][first]
    assert members.sum() == 1


@pytest.mark.parametrize("spacing", [(2.0, 1.0, 1.0), (3.27, 0.98, 0.98)])
def test_distance_is_that_of_a_distance_map(stage, spacing):
    field = stage((100, 100, 100), spacing).limb(50, 50, 40, bone=10)
    scan = field.scan()
    skeleton = skeleton_of(scan)
    bone = to_mask(skeleton.runs)
    expected = ndimage.distance_transform_edt(~bone, sampling=spacing)
    rng = np.random.default_rng(2)
    points = rng.integers(0, scan.hu.shape, (400, 3))
    z, y, x = points.T
    outer = np.hypot(y * spacing[1] - 50, x * spacing[2] - 50) > 11
    found = bone_distance(skeleton, points)
    error = np.abs(found - expected[z, y, x])[outer]
    assert error.max() < 0.5
    assert np.median(error) < 1e-6
    assert (found[bone[z, y, x]] == 0).all()


def test_the_gap_of_an_object_is_its_least_distance(stage):
    skeleton = skeleton_of(stage((100, 100, 100)).limb(50, 50, 40, bone=10).scan())
    points = np.random.default_rng(4).integers(0, (50, 100, 100), (300, 3))
    bounds = np.array([0, 1, 40, 41, 300])
    far = bone_distance(skeleton, points)
    least = [far[a:b].min() for a, b in pairwise(bounds)]
    assert bone_gaps(skeleton, points, bounds, jobs=2).tolist() == least


def test_marrow_is_in_the_bone(stage):
    field = stage((60, 100, 100)).limb(50, 50, 40, bone=14)
    skeleton = skeleton_of(field.scan())
    assert bone_distance(skeleton, field.at(30, 50, [48, 50, 53])).tolist() == [0, 0, 0]


def test_without_bone_the_distance_is_unknown(stage):
    scan = stage().cylinder(50, 50, 30, MUSCLE).scan()
    skeleton = skeleton_of(scan)
    assert np.isnan(bone_distance(skeleton, np.zeros((2, 3)))).all()
    assert len(find_runs(scan.hu, 130)) == 0


def test_a_dense_table_is_no_skeleton(stage):
    field = stage((100, 120, 120)).limb(50, 60, 40)
    field.box((-1, 999), (98, 102), (-1, 999), 400)
    scan = field.scan()
    dense = dense_objects(scan.hu, 130)
    members = skeleton_of(scan).members
    table = np.flatnonzero(dense.centroid[:, 1] > 95)
    assert not members[table].any()
    assert members.sum() == 1


@pytest.mark.integration
@pytest.mark.parametrize(("case", "bones"), [("003", 135), ("049", 471), ("019", 102)])
def test_real_skeletons_are_found(shared, case, bones):
    file = shared / f"limbs/STS_{case}_CT.nii.gz"
    scan = read(file)
    cm3 = skeleton_of(scan).runs.voxels * scan.voxel_mm3 / 1000
    assert abs(cm3 - bones) < 0.1 * bones


@pytest.mark.parametrize("shape", [(5, 40, 50), (3, 1, 1), (2, 2, 130), (4, 70, 3)])
def test_holes_are_what_filling_fills(shape):
    mask = np.random.default_rng(4).random(shape) < 0.55
    faces = ndimage.generate_binary_structure(2, 1)
    expected = np.stack([ndimage.binary_fill_holes(plane, faces) & ~plane for plane in mask])
    assert np.array_equal(_holes(mask), expected)
    labels, count = ndimage.label(expected, ndimage.generate_binary_structure(3, 1) * _FLAT)
    small = np.append(False, ndimage.sum(expected, labels, np.arange(1, count + 1)) <= 2)
    assert np.array_equal(_holes(mask, 2), small[labels])


_FLAT = np.array([0, 1, 0])[:, None, None]


def test_holes_of_nothing_and_of_everything():
    for mask in (np.zeros((2, 5, 6), np.bool_), np.ones((2, 5, 6), np.bool_)):
        assert not _holes(mask).any()


def test_only_those_that_may_be_bone_are(stage):
    field = stage((100, 100, 100)).limb(50, 50, 40, bone=10)
    scan = field.scan()
    dense = dense_objects(scan.hu, 130)
    none = np.zeros(len(dense), np.bool_)
    skeleton = find_bone(scan, dense, find_body(scan), among=none)
    assert not skeleton.members.any()
    assert len(skeleton.runs) == 0
