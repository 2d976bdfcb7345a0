from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.anatomy import Structure
from calcimetry.deposits.around import Surroundings
from calcimetry.deposits.evidence import Evidence
from calcimetry.deposits.rules import (
    Verdict,
    in_company,
    in_place,
    judge,
    may_be_on_course,
    not_marked,
    of_one_piece,
    on_course,
)
from calcimetry.records import Kind, Rule

ALONE_IN_FAT = Surroundings(fat=0.9, soft=0.1, air=0.0, dense=0.0, median_hu=-100.0, noise_hu=12.0)
ON_SKIN = replace(ALONE_IN_FAT, fat=0.3, air=0.6)
NOISY = replace(ALONE_IN_FAT, noise_hu=40.0)
POOL = {"mean_hu": 220.0, "peak_hu": 270, "volume_mm3": 5000.0, "thickness_mm": 15.0}
MARKED = {"deposit_probability": 0.8, "marked": True}
FREED = {**MARKED, "freed": True, "bone_distance_mm": 0.0}
FAINT = {"peak_hu": 200, "mean_hu": 160.0, "deposit_probability": 0.01}
INMOST = {"skin_depth_mm": 120.0, "enclosure": 0.9, "volume_mm3": 500.0}
SURELY = {"deposit_probability": 0.97, "marked": True}

NODULE = Evidence(
    voxels=60,
    volume_mm3=120.0,
    mean_hu=400.0,
    peak_hu=700,
    axes_mm=(7.0, 6.0, 6.0),
    thickness_mm=6.0,
    inside=1.0,
    at_edge=False,
    skeletal=False,
    bone_distance_mm=30.0,
    skin_depth_mm=12.0,
    surroundings=ALONE_IN_FAT,
    contrast_given=None,
    deposit_probability=None,
)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({}, Kind.DEPOSIT),
        (MARKED, Kind.DEPOSIT),
        ({"deposit_probability": 0.05}, Kind.UNCERTAIN),
        ({"deposit_probability": 0.4}, Kind.DEPOSIT),
        ({"deposit_probability": 0.0, "bone_distance_mm": 2.0}, Kind.BONE),
        ({**FREED, "enclosure": 0.4}, Kind.DEPOSIT),
        ({**FREED, "deposit_probability": 0.45, "enclosure": 0.9}, Kind.UNCERTAIN),
        ({**FREED, **SURELY, "enclosure": 0.9}, Kind.DEPOSIT),
        ({**FREED, "enclosure": 0.4, "peak_hu": 180, "surroundings": NOISY}, Kind.DEPOSIT),
        ({**MARKED, "freed": True, "at_edge": True}, Kind.UNCERTAIN),
        ({**MARKED, "freed": True, "in_trunk": True}, Kind.UNCERTAIN),
        (
            {"marked": True, "deposit_probability": 0.6, "freed": True, "volume_mm3": 9000.0},
            Kind.UNCERTAIN,
        ),
        ({**SURELY, "freed": True, "in_trunk": True}, Kind.DEPOSIT),
        ({**SURELY, "freed": True, "in_trunk": True, "skin_depth_mm": 70.0}, Kind.UNCERTAIN),
        ({**SURELY, "in_trunk": True}, Kind.DEPOSIT),
        ({**MARKED, "in_trunk": True}, Kind.UNCERTAIN),
        ({"marked": True, "deposit_probability": 0.3, "freed": True}, Kind.UNCERTAIN),
        ({**MARKED, "skeletal": True}, Kind.BONE),
        ({**MARKED, "at_edge": True}, Kind.DEPOSIT),
        ({**MARKED, "at_edge": True, "volume_mm3": 400.0}, Kind.UNCERTAIN),
        ({**SURELY, "at_edge": True, "volume_mm3": 400.0}, Kind.DEPOSIT),
        ({**SURELY, "skin_depth_mm": 60.0}, Kind.UNCERTAIN),
        ({**SURELY, "skin_depth_mm": 60.0, "enclosure": 0.9}, Kind.UNCERTAIN),
        ({**SURELY, "skin_depth_mm": 60.0, "enclosure": 0.2}, Kind.DEPOSIT),
        ({**SURELY, "skin_depth_mm": 60.0, "enclosure": 0.7}, Kind.UNCERTAIN),
        (
            {**SURELY, "skin_depth_mm": 60.0, "enclosure": 0.7, "bone_distance_mm": 5.0},
            Kind.DEPOSIT,
        ),
        (
            {**SURELY, "skin_depth_mm": 60.0, "enclosure": 0.9, "bone_distance_mm": 5.0},
            Kind.UNCERTAIN,
        ),
        ({**SURELY, **INMOST, "at_edge": True}, Kind.UNCERTAIN),
        ({**SURELY, **INMOST}, Kind.DEPOSIT),
        ({**SURELY, **INMOST, "at_edge": True, "skin_depth_mm": 80.0}, Kind.DEPOSIT),
        (
            {"marked": True, "deposit_probability": 0.85, "freed": True, "volume_mm3": 1500.0},
            Kind.UNCERTAIN,
        ),
        ({**FREED, **SURELY, "volume_mm3": 1500.0}, Kind.DEPOSIT),
        ({**SURELY, "in_trunk": True, "enclosure": 0.9}, Kind.UNCERTAIN),
        ({**SURELY, "in_trunk": True, "enclosure": 0.3, "skin_depth_mm": 45.0}, Kind.DEPOSIT),
        ({**SURELY, "in_trunk": True, "enclosure": 0.6, "front": 0.8}, Kind.UNCERTAIN),
        ({**SURELY, "in_trunk": True, "enclosure": 0.6, "front": 0.2}, Kind.DEPOSIT),
        ({**SURELY, "at_edge": True, "volume_mm3": 9000.0}, Kind.UNCERTAIN),
        ({**SURELY, "in_trunk": True, "surroundings": ON_SKIN}, Kind.EXTERNAL),
        ({**SURELY, "peak_hu": 180, "surroundings": NOISY}, Kind.DEPOSIT),
        ({"inside": 0.1}, Kind.EXTERNAL),
        ({**SURELY, "inside": 0.1}, Kind.EXTERNAL),
        ({**FAINT, "contrast_hu": 160.0}, Kind.CONTRAST),
        ({**FAINT, "contrast_hu": None}, Kind.UNCERTAIN),
        ({**FAINT, "contrast_hu": 160.0, "peak_hu": 230}, Kind.UNCERTAIN),
        ({**FAINT, "contrast_hu": 160.0, "deposit_probability": 0.25}, Kind.DEPOSIT),
        ({**FAINT, "contrast_hu": 160.0, "deposit_probability": None}, Kind.DEPOSIT),
        ({**FAINT, **MARKED, "contrast_hu": 160.0}, Kind.DEPOSIT),
        ({"peak_hu": 3071, "mean_hu": 2200.0}, Kind.METAL),
        ({"peak_hu": 3071, "mean_hu": 900.0}, Kind.DEPOSIT),
        ({"peak_hu": 180, "mean_hu": 150.0, "surroundings": NOISY}, Kind.NOISE),
        ({"peak_hu": 290, "mean_hu": 190.0, "surroundings": NOISY}, Kind.DEPOSIT),
        ({"skeletal": True}, Kind.BONE),
        ({**POOL, "thickness_mm": 3.0}, Kind.DEPOSIT),
        ({"deposit_probability": 0.4, "in_trunk": True}, Kind.UNCERTAIN),
        ({"at_edge": True}, Kind.UNCERTAIN),
        ({"axes_mm": (30.0, 4.0, 3.0)}, Kind.UNCERTAIN),
        ({**SURELY, "axes_mm": (30.0, 4.0, 3.0), "skin_depth_mm": 3.0}, Kind.DEPOSIT),
        ({**SURELY, "axes_mm": (30.0, 4.0, 3.0), "skin_depth_mm": 30.0}, Kind.UNCERTAIN),
        ({"skin_depth_mm": 60.0}, Kind.UNCERTAIN),
        ({"skin_depth_mm": 60.0, "volume_mm3": 900.0}, Kind.DEPOSIT),
        ({"structure": Structure("aorta", "vessel", None)}, Kind.VESSEL),
        (
            {"structure": Structure("aorta", "vessel", None), **MARKED},
            Kind.VESSEL,
        ),
        ({"structure": Structure("femur_left", "bone", "left")}, Kind.BONE),
        (
            {"structure": Structure("femur_left", "bone", "left"), **MARKED},
            Kind.DEPOSIT,
        ),
        ({"structure": Structure("kidney_left", "organ", "left")}, Kind.STONE),
        ({"structure": Structure("spleen", "organ", None)}, Kind.UNCERTAIN),
        ({"structure": Structure("gluteus_maximus_left", "muscle", "left")}, Kind.DEPOSIT),
        (POOL, Kind.CONTRAST),
        ({**POOL, "contrast_given": False}, Kind.DEPOSIT),
    ],
)
def test_what_speaks_decides(change, kind):
    verdict = judge(replace(NODULE, **change))
    assert verdict.kind is kind
    assert 0.0 <= verdict.confidence <= 1.0
    assert verdict.reason


def test_what_no_rule_claims_is_uncertain_not_dropped():
    lost = replace(NODULE, surroundings=replace(ALONE_IN_FAT, dense=0.4, fat=0.5))
    assert judge(lost).kind is Kind.UNCERTAIN


def test_small_deep_things_along_a_line_are_a_vessel_s():
    deep = replace(NODULE, skin_depth_mm=30.0, enclosure=0.1)
    verdict = judge(deep)
    assert may_be_on_course(verdict, deep)
    assert on_course(verdict, True).kind is Kind.VESSEL
    assert on_course(verdict, False) == verdict


@pytest.mark.parametrize(
    "change",
    [{"skin_depth_mm": 5.0}, {"in_trunk": True}, {"at_edge": True}, {"volume_mm3": 900.0}],
)
def test_what_is_shallow_big_or_in_the_trunk_is_on_no_course(change):
    other = replace(replace(NODULE, skin_depth_mm=30.0, enclosure=0.1), **change)
    assert not may_be_on_course(judge(other), other)


def test_satellites_of_a_deposit_are_no_phleboliths():
    alone = judge(replace(NODULE, skin_depth_mm=60.0))
    assert in_company(alone, 80.0) == alone
    assert in_company(alone, 10.0).kind is Kind.DEPOSIT
    doubted = judge(replace(NODULE, deposit_probability=0.05))
    assert in_company(doubted, 10.0).kind is Kind.DEPOSIT
    other = judge(replace(NODULE, axes_mm=(30.0, 4.0, 3.0)))
    assert in_company(other, 10.0) == other


def test_what_stands_alone_is_one_with_the_deposit_that_was_cut_from_it():
    doubted = Verdict(Kind.UNCERTAIN, Rule.ISOLATED_LOW_PROBABILITY, 0.5)
    assert of_one_piece(doubted, 0.5).kind is Kind.DEPOSIT
    assert of_one_piece(doubted, 0.1) == doubted, "a crumb says little of the whole"
    bone = Verdict(Kind.BONE, Rule.SKELETON, 0.9)
    assert of_one_piece(bone, 0.5) == bone


probable = st.one_of(st.none(), st.floats(0, 1))


@settings(deadline=None, max_examples=300)
@given(
    changes=st.fixed_dictionaries(
        {
            "volume_mm3": st.floats(10, 5000),
            "mean_hu": st.floats(130, 2000),
            "peak_hu": st.integers(130, 3071),
            "thickness_mm": st.floats(0.5, 30),
            "bone_distance_mm": st.one_of(st.none(), st.floats(0, 60)),
            "skin_depth_mm": st.one_of(st.none(), st.floats(0, 150)),
            "enclosure": st.one_of(st.none(), st.floats(0, 1)),
            "front": st.one_of(st.none(), st.floats(-1, 1)),
            "contrast_hu": st.one_of(st.none(), st.floats(100, 500)),
            "deposit_probability": probable,
            "contrast_given": st.sampled_from([None, True, False]),
            "in_trunk": st.booleans(),
            "at_edge": st.booleans(),
        }
    )
)
def test_what_is_decided_without_its_depth_is_decided_the_same_with_it(changes):
    evidence = replace(NODULE, marked=False, freed=False, **changes)
    early = not_marked(evidence)
    if early is not None:
        assert early == in_place(evidence)
    hidden = replace(evidence, skin_depth_mm=None, enclosure=None, front=None)
    assert not_marked(hidden) == early
