"""Joints as narrow spaces between bones: found where they are, and not in marrow or beside."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from calcimetry.anatomy import LabelMap, Structure
from calcimetry.anatomy.joint import REACH_MM, Joint, _gradient, find_joints, nearest_joints
from calcimetry.anatomy.joint_names import joint_name, labelled_joints
from calcimetry.records import Scan
from calcimetry.runs import from_mask

SPACING = (1.0, 0.7, 0.7)
MUSCLE, CORTEX, SPONGY, MARROW = 55, 1100, 300, -60


def grid(size=(60, 60, 60)):
    shape = [round(mm / s) for mm, s in zip(size, SPACING, strict=True)]
    return np.meshgrid(
        *[np.arange(n) * s - mm / 2 for n, s, mm in zip(shape, SPACING, size, strict=True)],
        indexing="ij",
    )


def scan_of(hu, noise=10.0):
    hu = hu + np.random.default_rng(0).normal(0, noise, hu.shape)
    affine = np.diag([SPACING[2], SPACING[1], SPACING[0], 1.0])
    affine[:3, 3] = -30.0
    return Scan.of(hu.astype(np.int16), affine)


def two_bones(gap, radius=9.0):
    """Two shafts end to end along z, cancellous at their ends, marrow further off."""
    z, y, x = grid()
    hu = np.full(z.shape, float(MUSCLE))
    far = np.hypot(y, x)
    bone = (far < radius) & (np.abs(z) > gap / 2)
    inside = (far < radius - 2) & (np.abs(z) > gap / 2 + 1.5)
    hu[bone] = CORTEX
    hu[inside] = SPONGY
    hu[inside & (np.abs(z) > 14)] = MARROW
    return hu


def bone_and_deposit(scan, at):
    z, y, x = grid()
    deposit = np.linalg.norm(np.stack([z, y, x]) - np.reshape(at, (3, 1, 1, 1)), axis=0) < 2
    return from_mask((scan.hu >= 130) & ~deposit), from_mask(deposit)


@pytest.mark.parametrize("gap", [2.0, 3.0, 5.0])
def test_the_space_between_two_bones_is_a_joint(gap):
    scan = scan_of(two_bones(gap))
    bone, deposit = bone_and_deposit(scan, (0.0, 14.0, 0.0))
    joints = find_joints(scan, bone, [deposit])
    assert len(joints) == 1
    assert np.abs(joints[0].points.mean(axis=0)).max() < 1.0
    assert joints[0].radius_mm == pytest.approx(9.0, abs=2.5)
    assert joints[0].name is None


def test_distance_is_from_the_deposits_surface_to_the_space():
    scan = scan_of(two_bones(3.0))
    bone, deposit = bone_and_deposit(scan, (12.0, 14.0, 0.0))
    joints = find_joints(scan, bone, [deposit])
    surface = scan.to_lps(np.argwhere(_mask(deposit)))
    ((joint, gap),) = nearest_joints(joints, surface, np.array([0, len(surface)]))
    # From (10..14, 14, 0) to the rim of the space at (0, 9, 0): about sqrt(10^2 + 5^2) = 11
    assert gap == pytest.approx(11.0, abs=2.0)
    assert joint is joints[0]


def _mask(runs):
    from calcimetry.runs import to_mask

    return to_mask(runs)


def test_marrow_is_no_joint():
    z, y, x = grid()
    far = np.hypot(y, x)
    hu = np.full(z.shape, float(MUSCLE))
    hu[far < 5.0] = CORTEX
    hu[far < 2.2] = MARROW
    scan = scan_of(hu)
    bone, deposit = bone_and_deposit(scan, (0.0, 9.0, 0.0))
    assert find_joints(scan, bone, [deposit]) == []


@pytest.mark.parametrize("apart", [10.0, 16.0])
def test_shafts_side_by_side_are_no_joint(apart):
    z, y, x = grid()
    hu = np.full(z.shape, float(MUSCLE))
    for side in (-1, 1):
        far = np.hypot(y, x - side * (apart / 2 + 5))
        hu[far < 5.0] = CORTEX
        hu[far < 2.5] = MARROW
    scan = scan_of(hu)
    bone, deposit = bone_and_deposit(scan, (0.0, 12.0, 0.0))
    assert find_joints(scan, bone, [deposit]) == []


def test_a_deposit_beside_bone_is_no_wall_of_a_joint():
    hu = two_bones(30.0)
    scan = scan_of(hu)
    z, y, x = grid()
    near = (np.abs(z + 13) < 1.0) & (np.hypot(y, x) < 8)
    hu[near] = 800
    scan = scan_of(hu)
    bone, deposit = from_mask((scan.hu >= 130) & ~near), from_mask(near)
    assert find_joints(scan, bone, [deposit]) == []


def test_far_from_every_deposit_nothing_is_looked_for():
    scan = scan_of(np.concatenate([two_bones(3.0), np.full((60, *two_bones(3.0).shape[1:]), 55.0)]))
    deposit = np.zeros(scan.hu.shape, bool)
    deposit[-4:, 20:24, 20:24] = True
    assert find_joints(scan, from_mask(scan.hu >= 130), [from_mask(deposit)]) == []
    assert find_joints(scan, from_mask(scan.hu >= 130), []) == []
    assert nearest_joints([], np.zeros((1, 3)), np.array([0, 1])) == [None]


def _labels(gap):
    z, _, _ = grid()
    numbers = np.where(two_bones(gap) > 250, np.where(z > 0, 1, 2), 0).astype(np.uint8)
    affine = np.diag([SPACING[2], SPACING[1], SPACING[0], 1.0])
    affine[:3, 3] = -30.0
    named = {
        1: Structure("fingers_left", "bone", "left"),
        2: Structure("metacarpal_left", "bone", "left"),
    }
    return LabelMap(numbers.transpose(2, 1, 0), affine, named, "test")


def test_the_label_map_names_the_joint():
    scan = scan_of(two_bones(3.0))
    bone, deposit = bone_and_deposit(scan, (0.0, 14.0, 0.0))
    joints = find_joints(scan, bone, [deposit], _labels(3.0))
    assert [joint.name for joint in joints] == ["metacarpophalangeal joint"]


def test_where_the_scan_shows_no_space_the_label_map_still_knows_it():
    scan = scan_of(two_bones(-1.0))
    bone, deposit = bone_and_deposit(scan, (0.0, 14.0, 0.0))
    assert find_joints(scan, bone, [deposit]) == []
    joints = find_joints(scan, bone, [deposit], _labels(-1.0))
    assert [joint.name for joint in joints] == ["metacarpophalangeal joint"]
    assert np.abs(joints[0].points[:, 2]).max() < 4.0


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ("femur_left", "tibia_left", "knee joint"),
        ("tibia_left", "femur_left", "knee joint"),
        ("hip_right", "femur_right", "hip joint"),
        ("fingers_left", "fingers_left", "interphalangeal joint"),
        ("fingers_left", "metacarpal_left", "metacarpophalangeal joint"),
        ("vertebrae_L4", "vertebrae_L5", "intervertebral joint"),
        ("rib_left_4", "vertebrae_T4", "costovertebral joint"),
        ("skull", "femur_left", None),
    ],
)
def test_joints_by_their_two_bones(one, other, name):
    assert joint_name(one, other) == name


def test_bones_without_a_joint_in_the_table_make_none():
    labels = _labels(2.0)
    other = {1: Structure("skull", "bone", None), 2: labels.structures[2]}
    unknown = LabelMap(labels.numbers, labels.affine, other, "test")
    box = np.array([[-30.0, -30, -30], [29, 29, 29]])
    assert list(labelled_joints(unknown, [box])) == []
    (name, points, area) = next(labelled_joints(labels, [box]))
    assert name == "metacarpophalangeal joint"
    assert np.abs(points[:, 2]).max() < 3.0
    assert area > 100


def test_nearest_joints_are_those_of_a_search_one_by_one():
    rng = np.random.default_rng(3)
    joints = [Joint(rng.normal(at, 3, (20, 3)), 1.0, None) for at in (0, 25, 60)]
    groups = [rng.normal(at, 2, (n, 3)) for at, n in ((0, 1), (14, 30), (28, 200), (200, 5))]
    bounds = np.append(0, np.cumsum([len(points) for points in groups]))
    found = nearest_joints(joints, np.concatenate(groups), bounds)
    for points, near in zip(groups, found, strict=True):
        gaps = [cKDTree(joint.points).query(points)[0].min() for joint in joints]
        if min(gaps) > REACH_MM:
            assert near is None
            continue
        assert near[0] is joints[int(np.argmin(gaps))]
        assert near[1] == pytest.approx(min(gaps), rel=1e-12)
    assert found[3] is None


def test_of_joints_as_near_the_first_counts():
    at = np.zeros((1, 3))
    joints = [Joint(at + off, 1.0, None) for off in ([REACH_MM, 0, 0], [0, REACH_MM, 0])]
    ((joint, gap),) = nearest_joints(joints, at, np.array([0, 1]))
    assert joint is joints[0]
    assert gap == REACH_MM


def test_gradients_are_sobels():
    rng = np.random.default_rng(0)
    scan = scan_of(rng.normal(100, 400, (6, 7, 8)), noise=0.0)
    at = np.argwhere(np.ones(scan.hu.shape)).astype(np.int32)
    found = _gradient(scan, at)
    for axis in range(3):
        expected = ndimage.sobel(scan.hu.astype(float), axis, mode="nearest")
        scale = 32 * SPACING[axis]
        assert found[:, axis] == pytest.approx(expected.ravel() / scale, rel=1e-12, abs=1e-12)
    outside = np.array([[-2, -3, 99], [50, 90, -4]], np.int32)  # far off, all is the border's
    assert not _gradient(scan, outside).any()
