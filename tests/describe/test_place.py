"""Where a deposit lies: words, regions and tissue by themselves, and places on a drawn limb."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import limb_maker
from calcimetry.anatomy import Anatomy, LabelMap, Structure, find_bone
from calcimetry.describe.evidence import Evidence
from calcimetry.describe.place import (
    REACH_MM,
    TOUCH_MM,
    nearest_bone,
    places,
    region_of,
    side_and_site,
    site_flags,
    tissue,
)
from calcimetry.describe.surroundings import Surroundings
from calcimetry.records import Acquisition, Place, Runs, Scan
from calcimetry.runs import from_mask


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


# places of deposits on a limb

SEEN = Evidence(
    voxels=100,
    volume_mm3=100.0,
    mean_hu=500.0,
    peak_hu=700,
    axes_mm=(6.0, 6.0, 6.0),
    fraction_in_body=1.0,
    edge_mm=40.0,
    skeletal=False,
    contrast_given=None,
    surroundings=Surroundings(0.05, 0.95, 0.0, 0.0, 50.0, 10.0),
    bone_distance_mm=16.0,
    skin_depth_mm=20.0,
)
"""As the finder's steps leave it: in muscle, away from skin and bone."""


@pytest.fixture(scope="module")
def limb() -> limb_maker.Limb:
    return limb_maker.draw()


@pytest.fixture(scope="module")
def anatomy(limb) -> Anatomy:
    return Anatomy(limb.body, find_bone(limb.scan, limb.dense, limb.body))


def ball(limb, name: str = "mass") -> Runs:
    return from_mask(limb.masks[name])


def bone_map(limb, name: str = "femur_left", side: str | None = "left") -> LabelMap:
    numbers = limb.masks["bone"].astype(np.uint8).transpose(2, 1, 0)
    return LabelMap(numbers, limb.scan.affine, {1: Structure(name, "bone", side)}, "test")


def test_a_place_holds_what_the_finder_saw(limb, anatomy):
    (place,) = places(limb.scan, [ball(limb)], [SEEN], anatomy, "left thigh")
    assert (place.side, place.site, place.region) == ("left", "thigh", "lower limb")
    assert place.tissue == "muscle"
    assert (place.skin_depth_mm, place.bone_distance_mm) == (20.0, 16.0)
    assert place.touches_bone is False
    assert place.nearest_bone is None, "no label map names it"


@pytest.mark.parametrize(
    ("gap", "touches"),
    [(None, None), (0.0, True), (TOUCH_MM + 1.0, True), (TOUCH_MM + 1.1, False)],
)
def test_a_gap_of_a_voxel_more_than_can_be_seen_touches(limb, anatomy, gap, touches):
    assert max(limb.scan.spacing[1:]) == 1.0
    seen = replace(SEEN, bone_distance_mm=gap)
    (place,) = places(limb.scan, [ball(limb)], [seen], anatomy, None)
    assert place.touches_bone is touches
    assert place.bone_distance_mm == gap


def test_what_was_not_seen_is_not_told(limb, anatomy):
    seen = replace(SEEN, surroundings=None, skin_depth_mm=None, bone_distance_mm=None)
    (place,) = places(limb.scan, [ball(limb)], [seen], anatomy, None)
    assert place == Place()


def test_a_label_map_names_bone_side_and_site_where_the_user_named_none(limb, anatomy):
    labelled = replace(anatomy, labels=bone_map(limb))
    (place,) = places(limb.scan, [ball(limb)], [SEEN], labelled, None)
    assert place.nearest_bone == "femur_left"
    assert (place.side, place.site, place.region) == ("left", "thigh", "lower limb")


def test_the_users_words_outrank_a_label_map(limb, anatomy):
    labelled = replace(anatomy, labels=bone_map(limb))
    (place,) = places(limb.scan, [ball(limb)], [SEEN], labelled, "right knee")
    assert place.nearest_bone == "femur_left"
    assert (place.side, place.site, place.region) == ("right", "knee", "lower limb")


def test_a_bone_without_a_known_site_is_named_and_no_more(limb, anatomy):
    labelled = replace(anatomy, labels=bone_map(limb, "hyoid", None))
    (place,) = places(limb.scan, [ball(limb)], [SEEN], labelled, None)
    assert place.nearest_bone == "hyoid"
    assert (place.side, place.site, place.region) == (None, None, None)


def test_a_bone_out_of_reach_is_not_named(limb, anatomy):
    affine = limb.scan.affine.copy()
    affine[0, 3] += 10 * REACH_MM
    far = replace(bone_map(limb), affine=affine)
    (place,) = places(limb.scan, [ball(limb)], [SEEN], replace(anatomy, labels=far), None)
    assert place.nearest_bone is None
    assert place.site is None


def test_a_structure_of_the_label_map_tells_the_tissue(limb, anatomy):
    numbers = limb.masks["mass"].astype(np.uint8).transpose(2, 1, 0)
    vessel = {1: Structure("iliac_artery_left", "vessel", "left")}
    labelled = replace(anatomy, labels=LabelMap(numbers, limb.scan.affine, vessel, "test"))
    inside, beside = places(
        limb.scan, [ball(limb), ball(limb, "speck")], [SEEN, SEEN], labelled, None
    )
    assert inside.tissue == "vessel wall"
    assert beside.tissue == "muscle"


def test_places_are_in_the_order_of_the_deposits(limb, anatomy):
    deep = replace(SEEN, skin_depth_mm=1.0)
    found = places(limb.scan, [ball(limb), ball(limb, "speck")], [SEEN, deep], anatomy, None)
    assert [place.tissue for place in found] == ["muscle", "skin"]
    assert places(limb.scan, [], [], anatomy, "left hand") == []
