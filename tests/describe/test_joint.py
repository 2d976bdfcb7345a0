"""What joints and label maps make of a place."""

from dataclasses import replace

import numpy as np
import pytest

from calcimetry.anatomy import Anatomy, LabelMap, Structure, find_body, find_bone
from calcimetry.describe.joint import _within, beside, near_joint, tissue_in
from calcimetry.records import Place, Runs, Scan
from calcimetry.runs import dense_objects, from_mask
from calcimetry.scan import from_array


@pytest.mark.parametrize(
    ("tissue", "bone_mm", "gap", "radius", "expected"),
    [
        ("muscle", 1.0, 9.0, 4.0, "periarticular"),  # a finger's joint reaches 4 + 6 mm
        ("muscle", 1.0, 11.0, 4.0, "muscle"),
        ("muscle", 1.0, 26.0, 15.0, "periarticular"),  # a knee's 15 + 12
        ("fascia", 2.0, 28.0, 15.0, "fascia"),
        ("subcutis", 3.0, 6.0, 4.0, "subcutis"),  # a pad lies in fat, near a joint or not
        ("subcutis", 0.0, 6.0, 4.0, "periarticular"),  # on bone by its joint
        ("muscle", 7.0, 6.0, 12.0, "muscle"),  # not beside bone
        ("muscle", None, 6.0, 12.0, "muscle"),
        ("skin", 1.0, 2.0, 4.0, "skin"),
        (None, 1.0, 2.0, 4.0, None),
    ],
)
def test_periarticular_is_beside_bone_and_within_a_joints_reach(
    tissue, bone_mm, gap, radius, expected
):
    touches = bone_mm is not None and bone_mm < 1.0
    place = Place(tissue=tissue, bone_distance_mm=bone_mm, touches_bone=touches)
    assert near_joint(place, gap, radius) == expected


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("aorta", "vessel", "vessel wall"),
        ("gluteus_maximus_left", "muscle", "muscle"),
        ("lung_upper_lobe_left", "organ", "lung"),
        ("kidney_left", "organ", "organ"),
        ("trachea", "airway", "airway"),
        ("femur_left", "bone", None),
        ("costal_cartilages", "cartilage", None),
    ],
)
def test_tissue_of_a_structure(name, kind, expected):
    assert tissue_in(Structure(name, kind, None)) == expected


def test_most_of_a_deposit_must_lie_in_the_structure():
    numbers = np.zeros((10, 4, 4), np.uint8)
    numbers[:5] = 1
    labels = LabelMap(numbers, np.eye(4), {1: Structure("aorta", "vessel", None)}, "test")
    place = Place(tissue="muscle")
    inside = np.array([[n, 1.0, 1.0] for n in (1, 2, 3, 7)])
    outside = np.array([[n, 1.0, 1.0] for n in (3, 6, 7, 8)])
    assert _within(place, labels, inside).tissue == "vessel wall"
    assert _within(place, labels, outside).tissue == "muscle"


# a joint between two shafts end to end

SHAPE, SPACING, MIDDLE = (70, 90, 90), (1.0, 0.7, 0.7), 35


@pytest.fixture(scope="module")
def joint() -> tuple[Scan, Anatomy]:
    """Two bones of 9 mm radius along z, 3 mm apart at slice MIDDLE."""
    z, y, x = (n * s for n, s in zip(np.indices(SHAPE), SPACING, strict=True))
    far, along = np.hypot(y - 31.5, x - 31.5), np.abs(z - MIDDLE)
    hu = np.where(far < 28, 55.0, -1000.0)
    hu += np.random.default_rng(0).normal(0, 10, SHAPE)
    bone, inside = (far < 9) & (along > 1.5), (far < 7) & (along > 3)
    hu[bone] = 1100
    hu[inside] = 300
    hu[inside & (along > 14)] = -60
    scan = from_array(np.round(hu).astype(np.int16), spacing=SPACING, kvp=120)
    body = find_body(scan)
    skeleton = find_bone(scan, dense_objects(scan.hu, 130.0), body)
    return scan, Anatomy(body, replace(skeleton, runs=from_mask(scan.hu >= 130)))


def deposit(z: int) -> Runs:
    """Four voxels each way, 10 mm in front of the bones' axis."""
    mask = np.zeros(SHAPE, bool)
    mask[z : z + 4, 28:32, 43:47] = True
    return from_mask(mask)


def two_bones(scan: Scan) -> LabelMap:
    upper = np.arange(SHAPE[0])[:, None, None] > MIDDLE
    numbers = np.where(scan.hu > 250, np.where(upper, 1, 2), 0).astype(np.uint8)
    bones = ("fingers_left", "metacarpal_left")
    named = {k: Structure(name, "bone", "left") for k, name in enumerate(bones, 1)}
    return LabelMap(numbers.transpose(2, 1, 0), scan.affine, named, "test")


BY_BONE = Place(tissue="muscle", bone_distance_mm=2.0, touches_bone=False)


def test_what_lies_by_a_joint_is_periarticular(joint):
    scan, anatomy = joint
    near, far = beside(scan, [deposit(MIDDLE), deposit(2)], anatomy, [BY_BONE, BY_BONE])
    assert near.tissue == "periarticular"
    assert near.joint_distance_mm is not None
    assert near.joint_distance_mm < 8
    assert near.nearest_joint is None, "no label map names it"
    assert far.tissue == "muscle", "out of the capsule's reach"
    assert far.joint_distance_mm is None or far.joint_distance_mm > 20


def test_a_label_map_names_the_joint_by_its_two_bones(joint):
    scan, anatomy = joint
    labelled = replace(anatomy, labels=two_bones(scan))
    (place,) = beside(scan, [deposit(MIDDLE)], labelled, [BY_BONE])
    assert place.nearest_joint == "metacarpophalangeal joint"
    assert place.tissue == "periarticular"


def test_a_place_keeps_what_joints_do_not_tell(joint):
    scan, anatomy = joint
    told = replace(BY_BONE, side="left", site="hand", region="upper limb", skin_depth_mm=4.0)
    (place,) = beside(scan, [deposit(MIDDLE)], anatomy, [told])
    joints = {"nearest_joint": None, "joint_distance_mm": None, "tissue": "muscle"}
    assert replace(place, **joints) == told
    assert beside(scan, [], anatomy, []) == []
