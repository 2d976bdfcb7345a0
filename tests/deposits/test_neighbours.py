"""What objects say of one another, on drawn scans: vessels, remainders, satellites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from calcimetry.deposits.neighbours import (
    COMPANY_MM,
    NEARLY_HALF,
    as_remainder,
    as_satellite,
    as_vessel,
    mark_vessels,
    may_be_vessel,
    promote_satellites,
    rejoin_remainders,
)
from calcimetry.deposits.reasons import Verdict
from calcimetry.deposits.rules import SMALL_MM3
from calcimetry.deposits.vessel_course import LEAST
from calcimetry.describe.evidence import Evidence, SampledObjects, sample_objects
from calcimetry.records import LISTED, Kind, Rule, Runs, Scan
from calcimetry.runs import from_mask
from calcimetry.scan import from_array

SHAPE, SPACING = (30, 60, 130), (1.0, 1.0, 1.0)

BIG = Verdict(Kind.DEPOSIT, Rule.NETWORK_POSITIVE, 0.9)
SPLIT = Verdict(Kind.DEPOSIT, Rule.SPLIT_FROM_BONE, 0.8)
DOUBTED = Verdict(Kind.UNCERTAIN, Rule.ISOLATED_LOW_PROBABILITY, 0.5)
DEEP = Verdict(Kind.UNCERTAIN, Rule.SMALL_DEEP, 0.5)
LINEAR = Verdict(Kind.UNCERTAIN, Rule.LINEAR, 0.5)
BONE = Verdict(Kind.BONE, Rule.SKELETON, 0.9)

SPECK = Evidence(
    voxels=8,
    volume_mm3=8.0,
    mean_hu=300.0,
    peak_hu=400,
    axes_mm=(2.0, 2.0, 2.0),
    fraction_in_body=1.0,
    touches_field_edge=False,
    skeletal=False,
    contrast_given=None,
    skin_depth_mm=30.0,
)


def box(corner: tuple[int, int, int], size: tuple[int, int, int]) -> Runs:
    mask = np.zeros(SHAPE, bool)
    mask[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = True
    return from_mask(mask)


def scene(*boxes: Runs, spacing: Sequence[float] = SPACING) -> tuple[Scan, SampledObjects]:
    scan = from_array(np.full(SHAPE, 40, np.int16), spacing=tuple(spacing), kvp=120)
    return scan, sample_objects(boxes, SHAPE)


def rules(verdicts: Sequence[Verdict]) -> list[Rule]:
    return [verdict.rule for verdict in verdicts]


# satellites


def test_the_satellites_of_a_big_deposit_are_deposits():
    near, far = 20 + COMPANY_MM, 20 + COMPANY_MM + 1
    scan, objects = scene(
        box((5, 5, 10), (8, 8, 11)),  # its last voxel at x = 20
        box((5, 5, int(near)), (2, 2, 2)),
        box((5, 5, int(far)), (2, 2, 2)),
        box((5, 5, 100), (2, 2, 2)),
    )
    found = promote_satellites(scan, objects, [BIG, DOUBTED, DOUBTED, DEEP])
    assert rules(found) == [BIG.rule, Rule.SATELLITE, DOUBTED.rule, DEEP.rule]
    assert found[1].kind is Kind.DEPOSIT


def test_both_rules_that_doubt_what_stands_alone_give_way():
    scan, objects = scene(
        box((5, 5, 10), (8, 8, 8)), box((5, 5, 22), (2, 2, 2)), box((15, 5, 10), (2, 2, 2))
    )
    found = promote_satellites(scan, objects, [BIG, DOUBTED, DEEP])
    assert rules(found) == [BIG.rule, Rule.SATELLITE, Rule.SATELLITE]


@pytest.mark.parametrize("other", [LINEAR, BONE])
def test_whom_another_rule_doubts_company_does_not_help(other):
    scan, objects = scene(box((5, 5, 10), (8, 8, 8)), box((5, 5, 22), (2, 2, 2)))
    assert promote_satellites(scan, objects, [BIG, other]) == [BIG, other]


@pytest.mark.parametrize("host", [SPLIT, DOUBTED, BONE, LINEAR])
def test_only_a_deposit_that_stands_alone_has_satellites(host):
    scan, objects = scene(box((5, 5, 10), (8, 8, 8)), box((5, 5, 22), (2, 2, 2)))
    assert promote_satellites(scan, objects, [host, DEEP]) == [host, DEEP]


def test_a_small_deposit_has_no_satellites():
    small, big = (6, 6, 7), (6, 6, 8)
    assert np.prod(small) <= SMALL_MM3 < np.prod(big)
    for size, rule in ((small, DEEP.rule), (big, Rule.SATELLITE)):
        scan, objects = scene(box((5, 5, 10), size), box((5, 5, 22), (2, 2, 2)))
        assert rules(promote_satellites(scan, objects, [BIG, DEEP])) == [BIG.rule, rule]


def test_satellites_have_no_satellites_of_their_own():
    """The verdicts before count: a chain of specks does not lead off from a deposit."""
    step = int(COMPANY_MM)
    boxes = [box((5, 5, 20 + k * step), (7, 7, 7)) for k in range(3)]
    scan, objects = scene(box((5, 5, 10), (8, 8, 8)), *boxes)
    found = promote_satellites(scan, objects, [BIG, DEEP, DEEP, DEEP])
    assert rules(found) == [BIG.rule, Rule.SATELLITE, DEEP.rule, DEEP.rule]


def test_the_distance_to_a_host_is_in_mm():
    boxes = box((2, 5, 10), (8, 8, 8)), box((20, 5, 10), (2, 2, 2))  # 11 slices apart
    for edge, rule in ((1.0, Rule.SATELLITE), (3.0, DEEP.rule)):
        scan, objects = scene(*boxes, spacing=(edge, 1.0, 1.0))
        assert rules(promote_satellites(scan, objects, [BIG, DEEP])) == [BIG.rule, rule]


def test_without_company_nothing_changes():
    scan, objects = scene(box((5, 5, 10), (8, 8, 8)))
    assert promote_satellites(scan, objects, [DEEP]) == [DEEP]
    assert as_satellite(DEEP, COMPANY_MM + 1) == DEEP
    scan, objects = scene()
    assert promote_satellites(scan, objects, []) == []


# remainders


def test_only_what_touches_the_deposit_split_from_it_is_one_with_it():
    near = box((8, 8, 8), (4, 4, 4)), box((8, 8, 12), (4, 4, 3)), box((8, 8, 20), (4, 4, 4))
    scan, objects = scene(*near)
    found = rejoin_remainders(scan, objects, [SPLIT, DOUBTED, DOUBTED])
    assert rules(found) == [SPLIT.rule, Rule.REMAINDER, DOUBTED.rule]
    assert found[1].kind is Kind.DEPOSIT
    assert rejoin_remainders(scan, objects, [DOUBTED] * 3) == [DOUBTED] * 3, "nothing was split"
    assert rejoin_remainders(scan, objects, [BIG, DOUBTED, BONE]) == [BIG, DOUBTED, BONE]


@pytest.mark.parametrize("spacing", [SPACING, (3.0, 0.7, 0.7)])
def test_neighbours_at_a_corner_touch_and_a_voxel_between_parts(spacing):
    core = box((8, 8, 8), (4, 4, 4))
    for corner, rule in (((12, 12, 12), Rule.REMAINDER), ((13, 13, 13), DOUBTED.rule)):
        scan, objects = scene(core, box(corner, (2, 2, 2)), spacing=spacing)
        assert rules(rejoin_remainders(scan, objects, [SPLIT, DOUBTED])) == [SPLIT.rule, rule]


def test_a_core_that_is_little_of_the_whole_does_not_speak_for_it():
    scan, objects = scene(box((8, 8, 8), (4, 4, 4)), box((8, 8, 12), (4, 4, 7)))
    assert NEARLY_HALF > 4 / 11
    assert rejoin_remainders(scan, objects, [SPLIT, DOUBTED]) == [SPLIT, DOUBTED]


def test_it_is_the_core_that_it_touches_that_counts():
    """A bigger core that lies further off does not."""
    scan, objects = scene(
        box((8, 8, 8), (2, 2, 2)), box((8, 8, 10), (4, 4, 7)), box((8, 8, 19), (9, 9, 9))
    )
    assert rejoin_remainders(scan, objects, [SPLIT, DOUBTED, SPLIT])[1] == DOUBTED


def test_what_bone_explains_is_not_joined():
    scan, objects = scene(box((8, 8, 8), (4, 4, 4)), box((8, 8, 12), (4, 4, 3)))
    assert rejoin_remainders(scan, objects, [SPLIT, BONE]) == [SPLIT, BONE]
    assert as_remainder(BONE, 0.9) == BONE
    assert as_remainder(DOUBTED, NEARLY_HALF).kind is Kind.DEPOSIT


# vessels


def strung(count: int) -> list[Runs]:
    return [box((10, 20, 5 + 20 * k), (2, 2, 2)) for k in range(count)]


def test_small_deep_objects_along_a_line_are_a_vessel_s():
    aside = box((10, 50, 45), (2, 2, 2))
    scan, objects = scene(*strung(LEAST), aside)
    verdicts = [DEEP, BIG, DOUBTED, LINEAR, BIG, BIG]
    found = mark_vessels(scan, objects, verdicts, [SPECK] * len(verdicts))
    assert rules(found) == [Rule.VESSEL_COURSE] * LEAST + [BIG.rule]
    assert {verdict.kind for verdict in found[:LEAST]} == {Kind.VESSEL}


@pytest.mark.parametrize(
    "change",
    [
        {"skin_depth_mm": 5.0},
        {"skin_depth_mm": None},
        {"in_trunk": True},
        {"touches_field_edge": True},
        {"volume_mm3": 900.0},
    ],
)
def test_what_is_shallow_big_or_in_the_trunk_is_on_no_course(change):
    other = replace(SPECK, **change)
    assert not may_be_vessel(BIG, other)
    scan, objects = scene(*strung(LEAST))
    evidence = [SPECK, SPECK, other, SPECK, SPECK]
    assert mark_vessels(scan, objects, [BIG] * LEAST, evidence) == [BIG] * LEAST, "four are left"


@pytest.mark.parametrize("kind", Kind)
def test_only_what_is_listed_can_be_a_vessel_by_its_course(kind):
    assert may_be_vessel(Verdict(kind, Rule.ISOLATED, 0.5), SPECK) == (kind in LISTED)


def test_off_a_line_the_verdict_stays():
    assert as_vessel(DEEP, False) == DEEP
    assert as_vessel(DEEP, True).kind is Kind.VESSEL
    scan, objects = scene()
    assert mark_vessels(scan, objects, [], []) == []
