"""What objects say of one another, on drawn scans: courses of vessels, lists too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.deposits.listed import MOST_UNCERTAIN, stay_listed
from calcimetry.deposits.neighbours import COURSE_DEPTH_MM, end_list, mark_vessels, may_be_vessel
from calcimetry.deposits.object_stage import KINDS
from calcimetry.deposits.reasons import Verdict
from calcimetry.deposits.rules import EDGE_MM, SMALL_MM3
from calcimetry.deposits.vessel_course import LEAST
from calcimetry.describe.evidence import SampledObjects, sample_objects
from calcimetry.records import LISTED, Kind, Likeness, Rule, Runs, Scan
from calcimetry.runs import from_mask
from calcimetry.scan import from_array
from evidence_maker import SPECK

SHAPE, SPACING = (30, 60, 130), (1.0, 1.0, 1.0)

VALUES = {"percent": 30.0, "like": "vessel", "evidence": "alone", "edge_mm": 40.0}
BIG = Verdict(Kind.DEPOSIT, Rule.OBJECT_STAGE, 0.9, VALUES, Likeness.BONE)
DOUBTED = Verdict(Kind.UNCERTAIN, Rule.OBJECT_STAGE, 0.3, VALUES, Likeness.VESSEL)
DEEP = Verdict(Kind.UNCERTAIN, Rule.SMALL_DEEP, 0.1, VALUES, Likeness.ORGAN)
STONE = Verdict(Kind.UNCERTAIN, Rule.LABEL_MAP, 0.7, {"structure": "spleen"})


def box(corner: tuple[int, int, int], size: tuple[int, int, int]) -> Runs:
    mask = np.zeros(SHAPE, bool)
    mask[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = True
    return from_mask(mask)


def scene(*boxes: Runs, spacing: Sequence[float] = SPACING) -> tuple[Scan, SampledObjects]:
    scan = from_array(np.full(SHAPE, 40, np.int16), spacing=tuple(spacing), kvp=120)
    return scan, sample_objects(boxes, SHAPE)


def rules(verdicts: Sequence[Verdict]) -> list[Rule]:
    return [verdict.rule for verdict in verdicts]


# vessels


def strung(count: int) -> list[Runs]:
    return [box((10, 20, 5 + 20 * k), (2, 2, 2)) for k in range(count)]


def test_small_deep_objects_along_a_line_are_a_vessel_s():
    aside = box((10, 50, 45), (2, 2, 2))
    scan, objects = scene(*strung(LEAST), aside)
    verdicts = [DEEP, BIG, DOUBTED, STONE, BIG, BIG]
    found = mark_vessels(scan, objects, verdicts, [SPECK] * len(verdicts))
    assert rules(found) == [Rule.VESSEL_COURSE] * LEAST + [BIG.rule]
    assert {(v.kind, v.likeness) for v in found[:LEAST]} == {(Kind.VESSEL, Likeness.VESSEL)}
    assert all(verdict.reason for verdict in found)


def test_one_fewer_makes_no_course():
    scan, objects = scene(*strung(LEAST - 1))
    verdicts = [BIG] * (LEAST - 1)
    assert mark_vessels(scan, objects, verdicts, [SPECK] * (LEAST - 1)) == verdicts


@pytest.mark.parametrize(
    "change",
    [
        {"skin_depth_mm": COURSE_DEPTH_MM - 1},
        {"skin_depth_mm": None},
        {"in_trunk": True},
        {"edge_mm": EDGE_MM},
        {"volume_mm3": SMALL_MM3 + 1},
    ],
)
def test_what_is_shallow_big_cut_or_in_the_trunk_is_on_no_course(change):
    other = replace(SPECK, **change)
    assert may_be_vessel(BIG, SPECK)
    assert not may_be_vessel(BIG, other)
    scan, objects = scene(*strung(LEAST))
    evidence = [SPECK, SPECK, other, SPECK, SPECK]
    assert mark_vessels(scan, objects, [BIG] * LEAST, evidence) == [BIG] * LEAST, "four are left"


@pytest.mark.parametrize("kind", Kind)
def test_only_what_is_listed_can_be_a_vessel_by_its_course(kind):
    assert may_be_vessel(Verdict(kind, Rule.OBJECT_STAGE, 0.5), SPECK) == (kind in LISTED)


def test_lengths_of_a_course_are_in_mm():
    """At half the spacing the same voxels span too little."""
    for edge, kind in ((1.0, Kind.VESSEL), (0.5, Kind.DEPOSIT)):
        scan, objects = scene(*strung(LEAST), spacing=(edge, edge, edge))
        found = mark_vessels(scan, objects, [BIG] * LEAST, [SPECK] * LEAST)
        assert {verdict.kind for verdict in found} == {kind}


def test_no_objects_no_vessels():
    scan, objects = scene()
    assert mark_vessels(scan, objects, [], []) == []


# lists


verdicts = st.builds(
    lambda chance, like: Verdict(Kind.UNCERTAIN, Rule.OBJECT_STAGE, chance, VALUES, like),
    st.floats(0.05, 0.49),
    st.sampled_from([Likeness(name) for name in KINDS]),
)
volumes = st.floats(1, 3000)


@given(st.lists(st.tuples(verdicts, volumes), min_size=MOST_UNCERTAIN - 3, max_size=50))
def test_a_list_ends_where_readers_stop(rows):
    doubted = [verdict for verdict, _ in rows]
    evidence = [replace(SPECK, volume_mm3=volume) for _, volume in rows]
    found = end_list([BIG, *doubted, STONE], [SPECK, *evidence, SPECK])
    assert (found[0], found[-1]) == (BIG, STONE), "neither deposits nor what the user named"
    stays = stay_listed([v.confidence for v in doubted], [volume for _, volume in rows])
    assert stays.sum() == min(len(rows), MOST_UNCERTAIN)
    for before, after, stay in zip(doubted, found[1:-1], stays, strict=True):
        if stay:
            assert after == before
        else:
            assert after.kind is KINDS[before.likeness]
            assert after.rule is Rule.UNLIKELY
            assert after.likeness is before.likeness
            assert after.confidence == pytest.approx(1 - before.confidence)
            assert after.reason


def test_a_short_list_stays_as_it_is():
    few = [DOUBTED, DEEP, BIG] * 10
    assert end_list(few, [SPECK] * 30) == few
    assert end_list([], []) == []
