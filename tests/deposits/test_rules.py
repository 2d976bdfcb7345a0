"""What geometry surely knows of one object, by evidence that is made up here."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.deposits.rules import (
    DEEP_MM,
    EDGE_MM,
    METAL_PEAK_HU,
    NOISE_SDS,
    RULES,
    SMALL_MM3,
    SOFT_HU,
    SPECK_VOXELS,
    TRUNK_WALL_MM,
    decided,
    held_back,
    within_noise,
)
from calcimetry.describe.surroundings import Surroundings
from calcimetry.records import Kind, Rule
from evidence_maker import (
    AORTA,
    FEMUR,
    GLUTEUS,
    IN_FAT,
    KIDNEY,
    NODULE,
    SPLEEN,
    everything,
    unknown_or,
)

MARKED = {"deposit_probability": 0.8, "network_positive": True}
SURELY = {"deposit_probability": 0.97, "network_positive": True}
NOISY = replace(IN_FAT, noise_hu=40.0)
FAINT = replace(NODULE, peak_hu=180, mean_hu=150.0, surroundings=NOISY)
BRIGHT = {"peak_hu": METAL_PEAK_HU}

# what is decided at once


@pytest.mark.parametrize(
    ("change", "kind", "rule"),
    [
        ({"fraction_in_body": 0.1}, Kind.EXTERNAL, Rule.EXTERNAL),
        ({**SURELY, "fraction_in_body": 0.1}, Kind.EXTERNAL, Rule.EXTERNAL),
        (BRIGHT, Kind.METAL, Rule.METAL),
        ({**BRIGHT, "mean_hu": 700.0}, Kind.METAL, Rule.METAL),
        ({**BRIGHT, "skeletal": True}, Kind.BONE, Rule.SKELETON),
        ({"structure": AORTA}, Kind.VESSEL, Rule.LABEL_MAP),
        ({"structure": AORTA, **SURELY}, Kind.VESSEL, Rule.LABEL_MAP),
        ({"structure": AORTA, "skeletal": True}, Kind.VESSEL, Rule.LABEL_MAP),
        ({"structure": FEMUR}, Kind.BONE, Rule.LABEL_MAP),
        ({"structure": KIDNEY}, Kind.STONE, Rule.LABEL_MAP),
        ({"structure": SPLEEN}, Kind.UNCERTAIN, Rule.LABEL_MAP),
        ({"structure": KIDNEY, "skeletal": True}, Kind.BONE, Rule.SKELETON),
        ({"skeletal": True}, Kind.BONE, Rule.SKELETON),
        ({**SURELY, "skeletal": True}, Kind.BONE, Rule.SKELETON),
    ],
)
def test_what_geometry_or_the_user_surely_knows(change, kind, rule):
    verdict = decided(replace(NODULE, **change))
    assert verdict is not None
    assert (verdict.kind, verdict.rule) == (kind, rule)


@pytest.mark.parametrize(
    "change",
    [
        {},
        MARKED,
        {"fraction_in_body": 0.5},
        {"peak_hu": METAL_PEAK_HU - 1},
        {"structure": GLUTEUS},
        {"structure": FEMUR, **MARKED},  # what grows on bone is not the bone's
        {"edge_mm": 0.0},
        {"axes_mm": (30.0, 4.0, 3.0)},
        {"in_trunk": True, "skin_depth_mm": 90.0},
    ],
)
def test_all_else_is_a_candidate(change):
    seen = replace(NODULE, **change)
    assert decided(seen) is None
    assert within_noise(seen) is None


@given(everything)
def test_the_first_rule_that_speaks_decides(seen):
    spoken = [verdict for rule in RULES if (verdict := rule(seen)) is not None]
    assert decided(seen) == (spoken[0] if spoken else None)
    for verdict in spoken:
        assert verdict.kind is not Kind.DEPOSIT, "to call a deposit is the object stage's part"
        assert 0.5 <= verdict.confidence <= 1.0
        assert verdict.reason


# noise


def test_a_speck_within_noise_is_noise():
    verdict = within_noise(FAINT)
    assert verdict is not None
    assert (verdict.kind, verdict.rule) == (Kind.NOISE, Rule.NOISE)
    assert verdict.reason == "its peak of 180 HU is within 5 SD of noise (40 HU)"


@pytest.mark.parametrize(
    "change",
    [
        {"peak_hu": 251},
        {"surroundings": None},
        {"surroundings": replace(NOISY, noise_hu=None)},
        {"surroundings": replace(NOISY, median_hu=None)},
        {"surroundings": replace(NOISY, median_hu=120.0), "peak_hu": 330},
        {"split_off": True},
        SURELY,
        {"voxels": SPECK_VOXELS},
    ],
)
def test_what_is_big_bright_trusted_or_not_surrounded_is_no_noise(change):
    assert within_noise(replace(FAINT, **change)) is None


@given(everything)
def test_noise_is_what_does_not_stand_out(seen):
    verdict, shell = within_noise(seen), seen.surroundings
    if verdict is not None:
        assert shell is not None
        assert shell.noise_hu is not None
        assert shell.median_hu is not None
        assert seen.peak_hu < max(shell.median_hu, SOFT_HU) + NOISE_SDS * shell.noise_hu
        assert not seen.split_off
        dimmer = replace(seen, peak_hu=seen.peak_hu - 10)
        assert within_noise(dimmer) is not None, "what is fainter still is noise, too"


def test_a_shell_that_tells_nothing_is_as_none():
    bare = Surroundings(fat=0.0, soft=0.0, air=0.0, dense=0.0, median_hu=None, noise_hu=None)
    assert within_noise(replace(FAINT, surroundings=bare)) is None


# what is held back

DEEP = {"skin_depth_mm": DEEP_MM + 10.0, "enclosure": 0.7}
WALL = {"in_trunk": True, "skin_depth_mm": TRUNK_WALL_MM + 5.0}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({}, None),
        ({"edge_mm": 0.0}, Rule.FIELD_EDGE),
        ({"edge_mm": EDGE_MM}, Rule.FIELD_EDGE),
        ({"edge_mm": EDGE_MM + 0.1}, None),
        ({"edge_mm": 0.0, **WALL, "enclosure": 0.9}, Rule.FIELD_EDGE),
        ({"in_trunk": True}, None),
        ({"in_trunk": True, "enclosure": 0.8}, Rule.WITHIN_TRUNK),
        ({"in_trunk": False, "enclosure": 0.8}, None),
        ({**WALL, "enclosure": 0.6}, Rule.WITHIN_TRUNK),
        ({**WALL, "enclosure": 0.6, "skin_depth_mm": 20.0}, None),
        ({**WALL, "enclosure": 0.3, "volume_mm3": 900.0}, None),
        ({**WALL, "enclosure": None}, Rule.WITHIN_TRUNK),
        ({"in_trunk": True, "enclosure": None}, None),
        (DEEP, Rule.SMALL_DEEP),
        ({**DEEP, "volume_mm3": SMALL_MM3 + 1}, None),
        ({**DEEP, "skin_depth_mm": DEEP_MM}, None),
        ({**DEEP, "skin_depth_mm": None}, None),
        ({**DEEP, "enclosure": 0.2}, None),
        ({**DEEP, "enclosure": None}, Rule.SMALL_DEEP),
        ({**DEEP, "bone_distance_mm": None}, Rule.SMALL_DEEP),
        ({**DEEP, "bone_distance_mm": 5.0}, None),
        ({**DEEP, "enclosure": 0.9, "bone_distance_mm": 5.0}, Rule.SMALL_DEEP),
        ({**DEEP, "enclosure": 0.9, "bone_distance_mm": 1.0}, None),
        ({**DEEP, "enclosure": 0.2, "in_trunk": True}, Rule.SMALL_DEEP),
    ],
)
def test_what_lies_at_the_edge_or_in_a_cavity_is_held_back(change, rule):
    assert held_back(replace(NODULE, **change)) is rule


@given(everything, st.floats(0, 80))
def test_nearer_to_the_edge_nothing_is_freed(seen, edge_mm):
    nearer = replace(seen, edge_mm=min(edge_mm, seen.edge_mm))
    assert held_back(seen) is None or held_back(nearer) is not None


@given(everything, st.floats(1, 5000), unknown_or(st.floats(0, 150)))
def test_smaller_or_deeper_nothing_is_freed(seen, volume, depth):
    smaller = replace(seen, volume_mm3=min(volume, seen.volume_mm3))
    assert held_back(seen) is None or held_back(smaller) is not None
    if depth is not None and seen.skin_depth_mm is not None:
        deeper = replace(seen, skin_depth_mm=max(depth, seen.skin_depth_mm))
        assert held_back(seen) is None or held_back(deeper) is not None


@given(everything, everything)
def test_how_likely_or_bright_it_is_holds_nothing_back(seen, other):
    changed = replace(
        seen,
        deposit_probability=other.deposit_probability,
        peak_hu=other.peak_hu,
        mean_hu=other.mean_hu,
    )
    assert held_back(changed) is held_back(seen)
