from __future__ import annotations

import numpy as np
import pytest

from calcimetry.anatomy import LabelMap, Structure
from calcimetry.deposits.around import Surroundings
from calcimetry.deposits.place import nearest_bone, region_of, side_and_site, site_flags, tissue
from calcimetry.records import Acquisition, Scan


def scan(**facts) -> Scan:
    return Scan.of(np.zeros((4, 4, 4), np.int16), np.eye(4), Acquisition(**facts))


@pytest.mark.parametrize(
    ("words", "facts", "expected"),
    [
        ("left hand", {}, ("left", "hand")),
        ("Right  Upper Arm", {}, ("right", "upper arm")),
        (None, {"body_part": "HAND", "laterality": "R"}, ("right", "hand")),
        ("left", {"body_part": "KNEE", "laterality": "R"}, ("left", "knee")),
        (None, {}, (None, None)),
        ("linkes Knie", {}, ("left", "knee")),
        ("genou", {"body_part": "LT KNEE"}, ("left", "knee")),
        (None, {"body_part": "WHOLEBODY", "laterality": "B"}, (None, None)),
        (None, {"body_part": "=cmd|' /C calc'!A0", "laterality": "[red]"}, (None, None)),
        (None, {"body_part": "LT HAND", "laterality": "R"}, (None, "hand")),
        ("right", {"body_part": "LT HAND", "laterality": "R"}, ("right", "hand")),
    ],
)
def test_the_users_words_outrank_the_scans_tags(words, facts, expected):
    assert side_and_site(words, scan(**facts)) == expected


@pytest.mark.parametrize(
    ("site", "region"),
    [
        ("index finger", "upper limb"),
        ("upper arm", "upper limb"),
        ("knee", "lower limb"),
        ("chest", "trunk"),
        ("head", "head and neck"),
        ("elsewhere", None),
        (None, None),
    ],
)
def test_regions(site, region):
    assert region_of(site) == region


@pytest.mark.parametrize(
    ("words", "facts", "said"),
    [
        ("hand", {"body_part": "KNEE"}, "hand was given, the file says knee"),
        ("left knee", {"body_part": "KNEE", "laterality": "R"}, "left was given, the file says r"),
        ("Hand", {"body_part": "CHESTABDPELVIS"}, "hand was given, the file says trunk"),
        ("finger", {"body_part": "ELBOW"}, "finger was given, the file says elbow"),
        (None, {"body_part": "LT HAND", "laterality": "R"}, "the file says left and right"),
    ],
)
def test_a_site_that_the_file_contradicts_is_flagged(words, facts, said):
    (flag,) = site_flags(words, scan(**facts))
    assert flag.code == "SITE_CONTRADICTS"
    assert said in flag.text


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        ("hand", {}),
        (None, {"body_part": "HAND", "laterality": "R"}),
        ("finger", {"body_part": "HAND"}),
        ("wrist", {"body_part": "HAND"}),
        ("forearm", {"body_part": "UPPER_EXTREMITY"}),
        ("right main", {"body_part": "HAND/WRIST", "laterality": "R"}),
        ("hip", {"body_part": "PELVIS"}),
        ("hand", {"body_part": "EXTREMITY", "laterality": "U"}),
        ("hand", {"body_part": "no such place"}),
    ],
)
def test_a_site_that_the_file_can_be_of_is_not(words, facts):
    assert site_flags(words, scan(**facts)) == ()


def around(fat: float, soft: float, air: float = 0.0) -> Surroundings:
    return Surroundings(fat, soft, air, 0.0, 0.0, 10.0)


@pytest.mark.parametrize(
    ("surroundings", "depth", "expected"),
    [
        (around(0.9, 0.1), 10.0, "subcutis"),
        (around(0.9, 0.1), 1.0, "skin"),
        (around(0.05, 0.95), 30.0, "muscle"),
        (around(0.5, 0.5), 20.0, "fascia"),
        (around(0.5, 0.5), 4.0, "subcutis"),  # the other half is the skin above it
        (around(0.1, 0.2, 0.7), 50.0, "lung"),
        (around(0.3, 0.1, 0.6), 3.0, "subcutis"),  # a fingertip: that air is the room's
        (around(0.9, 0.1), None, "subcutis"),
        (Surroundings(0.0, 0.0, 0.0, 1.0, None, None), 5.0, None),
        (None, 5.0, None),
    ],
)
def test_tissue_by_what_surrounds_it(surroundings, depth, expected):
    assert tissue(surroundings, depth) == expected


def test_the_nearest_bone_of_a_label_map_is_named():
    numbers = np.zeros((60, 60, 60), np.uint8)
    numbers[40:44, 30, 30] = 1
    numbers[30, 30, 50:55] = 2
    numbers[30, 33, 30] = 3
    named = {
        1: Structure("radius_left", "bone", "left"),
        2: Structure("ulna_left", "bone", "left"),
        3: Structure("biceps_left", "muscle", "left"),
    }
    labels = LabelMap(numbers, np.eye(4), named, "test")
    found = nearest_bone(labels, np.array([30.0, 30.0, 30.0]))
    assert found is not None
    assert found.name == "radius_left"
    assert nearest_bone(labels, np.array([-300.0, 0.0, 0.0])) is None
