"""What each rule says of one object, by evidence that is made up here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calcimetry.anatomy import Structure
from calcimetry.deposits.classify import first_pass, second_pass
from calcimetry.deposits.reasons import Verdict
from calcimetry.describe.evidence import Evidence
from calcimetry.describe.surroundings import Surroundings
from calcimetry.records import Kind, Rule

ALONE_IN_FAT = Surroundings(fat=0.9, soft=0.1, air=0.0, dense=0.0, median_hu=-100.0, noise_hu=12.0)
ON_SKIN = replace(ALONE_IN_FAT, fat=0.3, air=0.6)
CROWDED = replace(ALONE_IN_FAT, dense=0.4, fat=0.5)
NOISY = replace(ALONE_IN_FAT, noise_hu=40.0)
POOL = {"mean_hu": 220.0, "peak_hu": 270, "volume_mm3": 5000.0, "thickness_mm": 15.0}
MARKED = {"deposit_probability": 0.8, "network_positive": True}
FREED = {**MARKED, "split_off": True, "bone_distance_mm": 0.0}
FAINT = {"peak_hu": 200, "mean_hu": 160.0, "deposit_probability": 0.01}
INMOST = {"skin_depth_mm": 120.0, "enclosure": 0.9, "volume_mm3": 500.0}
SURELY = {"deposit_probability": 0.97, "network_positive": True}

NODULE = Evidence(
    voxels=60,
    volume_mm3=120.0,
    mean_hu=400.0,
    peak_hu=700,
    axes_mm=(7.0, 6.0, 6.0),
    thickness_mm=6.0,
    fraction_in_body=1.0,
    touches_field_edge=False,
    skeletal=False,
    bone_distance_mm=30.0,
    skin_depth_mm=12.0,
    surroundings=ALONE_IN_FAT,
    contrast_given=None,
    deposit_probability=None,
)


def judge(evidence: Evidence) -> Verdict:
    """The verdict where all evidence is there."""
    return first_pass(evidence) or second_pass(evidence)


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
        ({**MARKED, "split_off": True, "touches_field_edge": True}, Kind.UNCERTAIN),
        ({**MARKED, "split_off": True, "in_trunk": True}, Kind.UNCERTAIN),
        (
            {
                "network_positive": True,
                "deposit_probability": 0.6,
                "split_off": True,
                "volume_mm3": 9000.0,
            },
            Kind.UNCERTAIN,
        ),
        ({**SURELY, "split_off": True, "in_trunk": True}, Kind.DEPOSIT),
        ({**SURELY, "split_off": True, "in_trunk": True, "skin_depth_mm": 70.0}, Kind.UNCERTAIN),
        ({**SURELY, "in_trunk": True}, Kind.DEPOSIT),
        ({**MARKED, "in_trunk": True}, Kind.UNCERTAIN),
        ({"network_positive": True, "deposit_probability": 0.3, "split_off": True}, Kind.UNCERTAIN),
        ({**MARKED, "skeletal": True}, Kind.BONE),
        ({**MARKED, "touches_field_edge": True}, Kind.DEPOSIT),
        ({**MARKED, "touches_field_edge": True, "volume_mm3": 400.0}, Kind.UNCERTAIN),
        ({**SURELY, "touches_field_edge": True, "volume_mm3": 400.0}, Kind.DEPOSIT),
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
        ({**SURELY, **INMOST, "touches_field_edge": True}, Kind.UNCERTAIN),
        ({**SURELY, **INMOST}, Kind.DEPOSIT),
        ({**SURELY, **INMOST, "touches_field_edge": True, "skin_depth_mm": 80.0}, Kind.DEPOSIT),
        (
            {
                "network_positive": True,
                "deposit_probability": 0.85,
                "split_off": True,
                "volume_mm3": 1500.0,
            },
            Kind.UNCERTAIN,
        ),
        ({**FREED, **SURELY, "volume_mm3": 1500.0}, Kind.DEPOSIT),
        ({**SURELY, "in_trunk": True, "enclosure": 0.9}, Kind.UNCERTAIN),
        ({**SURELY, "in_trunk": True, "enclosure": 0.3, "skin_depth_mm": 45.0}, Kind.DEPOSIT),
        ({**SURELY, "in_trunk": True, "enclosure": 0.6, "front": 0.8}, Kind.UNCERTAIN),
        ({**SURELY, "in_trunk": True, "enclosure": 0.6, "front": 0.2}, Kind.DEPOSIT),
        ({**SURELY, "touches_field_edge": True, "volume_mm3": 9000.0}, Kind.UNCERTAIN),
        ({**SURELY, "in_trunk": True, "surroundings": ON_SKIN}, Kind.EXTERNAL),
        ({**SURELY, "peak_hu": 180, "surroundings": NOISY}, Kind.DEPOSIT),
        ({"fraction_in_body": 0.1}, Kind.EXTERNAL),
        ({**SURELY, "fraction_in_body": 0.1}, Kind.EXTERNAL),
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
        ({"touches_field_edge": True}, Kind.UNCERTAIN),
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
    assert judge(replace(NODULE, surroundings=CROWDED)).kind is Kind.UNCERTAIN


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"fraction_in_body": 0.1}, Rule.EXTERNAL),
        ({"peak_hu": 3071, "mean_hu": 2200.0}, Rule.METAL),
        ({"structure": Structure("aorta", "vessel", None)}, Rule.LABEL_MAP),
        ({"structure": Structure("kidney_left", "organ", "left")}, Rule.LABEL_MAP),
        ({**MARKED, "touches_field_edge": True, "volume_mm3": 400.0}, Rule.FIELD_EDGE),
        ({"touches_field_edge": True}, Rule.FIELD_EDGE),
        (
            {**MARKED, "split_off": True, "volume_mm3": 1500.0},
            Rule.LARGE_SPLIT_DOUBTED,
        ),
        ({**FREED, "deposit_probability": 0.3}, Rule.SPLIT_DOUBTED),
        ({"skeletal": True}, Rule.SKELETON),
        ({"peak_hu": 180, "mean_hu": 150.0, "surroundings": NOISY}, Rule.NOISE),
        ({**FREED, "deposit_probability": 0.45, "enclosure": 0.9}, Rule.SPLIT_AMID_BONES),
        ({**FREED, "enclosure": 0.4}, Rule.SPLIT_FROM_BONE),
        ({**SURELY, "split_off": True, "in_trunk": True}, Rule.SPLIT_FROM_BONE),
        (POOL, Rule.CONTRAST_POOL),
        ({**SURELY, "in_trunk": True, "surroundings": ON_SKIN}, Rule.AIR_AROUND),
        ({**SURELY, "in_trunk": True, "enclosure": 0.9}, Rule.WITHIN_TRUNK),
        ({**SURELY, **INMOST, "touches_field_edge": True}, Rule.WITHIN_TRUNK),
        ({**SURELY, "in_trunk": True, "enclosure": 0.6, "front": 0.8}, Rule.AT_RIBS),
        ({**MARKED, "in_trunk": True}, Rule.TRUNK_WALL),
        ({"deposit_probability": 0.0, "bone_distance_mm": 2.0}, Rule.BESIDE_BONE),
        ({**FAINT, "contrast_hu": 160.0}, Rule.CONTRAST_LEVEL),
        ({"axes_mm": (30.0, 4.0, 3.0)}, Rule.LINEAR),
        ({"skin_depth_mm": 60.0}, Rule.SMALL_DEEP),
        (MARKED, Rule.NETWORK_POSITIVE),
        ({}, Rule.ISOLATED),
        ({"deposit_probability": 0.05}, Rule.ISOLATED_LOW_PROBABILITY),
        ({"surroundings": CROWDED}, Rule.UNDECIDED),
    ],
)
def test_each_rule_is_named_where_it_decides(change, rule):
    verdict = judge(replace(NODULE, **change))
    assert verdict.rule is rule
    assert verdict.reason


def test_the_sentence_tells_what_the_rule_saw():
    noisy = replace(NODULE, peak_hu=180, mean_hu=150.0, surroundings=NOISY)
    assert judge(noisy).reason == "its peak of 180 HU is within 5 SD of noise (40 HU)"
    metal = replace(NODULE, peak_hu=3071, mean_hu=2200.0)
    assert judge(metal).reason == "brighter than mineral (peak 3071 HU)"
    bright = replace(NODULE, **FAINT, contrast_hu=160.4)
    assert judge(bright).reason.endswith("contrast medium here (160 HU)")
    named = replace(NODULE, structure=Structure("kidney_left", "organ", "left"))
    assert judge(named).reason == "lies in the label map's kidney left"


@pytest.mark.parametrize("change", [{}, MARKED, {"deposit_probability": 0.05}, POOL])
def test_a_shell_outside_the_scan_is_as_one_that_tells_nothing(change):
    """None, and a shell that holds nothing remarkable and whose noise nobody could measure."""
    bare = Surroundings(fat=0.0, soft=0.0, air=0.0, dense=0.0, median_hu=None, noise_hu=None)
    one, other = (replace(NODULE, **change, surroundings=shell) for shell in (None, bare))
    assert judge(one) == judge(other)


def test_what_has_no_thickness_is_no_pool():
    assert judge(replace(NODULE, **POOL)).kind is Kind.CONTRAST
    assert judge(replace(NODULE, **{**POOL, "thickness_mm": None})).kind is Kind.DEPOSIT
