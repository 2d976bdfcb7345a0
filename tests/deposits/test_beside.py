"""What joints and label maps make of a place."""

import numpy as np
import pytest

from calcimetry.anatomy import LabelMap, Structure
from calcimetry.deposits.beside import _within, near_joint, tissue_in
from calcimetry.records import Place


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
