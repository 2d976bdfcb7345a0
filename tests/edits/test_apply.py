"""Edits on drawn objects: no voxel is two objects, and numbers are never used again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.edits import (
    Accept,
    AddByThreshold,
    Ball,
    CutFromBone,
    Draw,
    Erase,
    Merge,
    Piece,
    Pieces,
    Reject,
    Seen,
    SetKind,
    SetPlace,
    SplitByPlane,
    SplitBySeeds,
    Strokes,
    apply,
    edits_from_json,
    edits_to_json,
)
from calcimetry.edits.apply import changed_voxels, same_voxels
from calcimetry.errors import CalcimetryError, InputError, UsageError
from calcimetry.records import Frame, Kind, Likeness, Rule, Scan
from calcimetry.runs import from_mask, to_mask

SHAPE = (6, 12, 14)
AFFINE = np.array([[0.8, 0, 0, -3], [0, 0.9, 0, 5], [0, 0, 2.0, 10], [0, 0, 0, 1.0]])
FRAME = Frame.of(SHAPE, AFFINE)


def lps(z, y, x):
    """The middle of a voxel."""
    return tuple(FRAME.to_lps(np.array([z, y, x])).tolist())


def box(z, y, x):
    mask = np.zeros(SHAPE, bool)
    mask[slice(*z), slice(*y), slice(*x)] = True
    return mask


DEPOSIT, DOUBT, BONE = box((1, 3), (1, 5), (1, 7)), box((4, 6), (8, 11), (8, 12)), None
BONE = box((0, 6), (6, 8), (0, 14)) | box((1, 3), (5, 6), (8, 12))


def seen() -> Seen:
    hu = np.where(DEPOSIT | DOUBT | BONE, 600, 40).astype(np.int16)
    hu[1:3, 1:5, 4] = 300  # a waist
    hu[0, 0, 10:13] = 400  # nobody's
    scan = Scan.of(hu, AFFINE)
    nub = from_mask(box((1, 3), (5, 6), (8, 12)))

    def cut(runs):
        own = to_mask(runs) & to_mask(nub)
        return [from_mask(own)] if own.any() else [], [from_mask(to_mask(runs) & ~own)]

    return Seen(scan, cut)


def pieces() -> Pieces:
    kinds = {
        1: (DEPOSIT, Kind.DEPOSIT, Rule.ISOLATED),
        2: (DOUBT, Kind.UNCERTAIN, Rule.UNDECIDED),
        -1: (BONE, Kind.BONE, Rule.SKELETON),
    }
    made = {n: Piece(from_mask(m), kind, rule, "x", 0.7) for n, (m, kind, rule) in kinds.items()}
    return Pieces(made, 2, 1)


def after(*edits) -> Pieces:
    return apply(pieces(), edits, seen())


def voxels(found: Pieces, number: int) -> np.ndarray:
    return to_mask(found.by_number[number].runs)


def test_accept_counts_what_was_uncertain_or_left_out():
    found = after(Accept(2), Accept(-1))
    assert found.by_number[2].kind is Kind.DEPOSIT
    assert found.by_number[2].rule is Rule.READER
    assert found.by_number[3].kind is Kind.DEPOSIT
    assert -1 not in found.by_number
    np.testing.assert_array_equal(voxels(found, 3), BONE)


def test_reject_leaves_out_with_a_new_number():
    found = after(Reject(1), Reject(2, Kind.VESSEL))
    assert set(found.by_number) == {-1, -2, -3}
    assert [found.by_number[n].kind for n in (-2, -3)] == [Kind.OTHER, Kind.VESSEL]
    again = after(Reject(1), Accept(-2))
    assert set(again.by_number) == {2, 3, -1}  # 1 is not used again


def test_what_it_looks_like_goes_once_a_reader_says_what_it_is():
    start = pieces()
    marked = {n: replace(p, likeness=Likeness.VESSEL) for n, p in start.by_number.items()}
    found = apply(
        replace(start, by_number=marked), [Accept(2), Erase(Ball(lps(1, 1, 1), 1.0))], seen()
    )
    assert {n: piece.likeness for n, piece in found.by_number.items()} == {
        1: Likeness.VESSEL,
        2: None,
        -1: Likeness.VESSEL,
    }


def test_set_kind_keeps_the_number_where_it_can():
    assert after(SetKind(1, Kind.UNCERTAIN)).by_number[1].kind is Kind.UNCERTAIN
    assert after(SetKind(-1, Kind.VESSEL)).by_number[-1].kind is Kind.VESSEL
    assert after(SetKind(1, Kind.METAL)).by_number[-2].kind is Kind.METAL


def test_set_place_keeps_what_is_not_said():
    found = after(SetPlace(1, site="hand"), SetPlace(1, side="left"))
    assert found.by_number[1].place == {"site": "hand", "side": "left"}


def test_a_plane_splits_and_merging_is_the_way_back():
    cut = SplitByPlane(1, lps(1, 2, 3.5), (1.0, 0, 0))
    found = after(cut)
    np.testing.assert_array_equal(voxels(found, 1), DEPOSIT & (np.arange(14) <= 3))
    np.testing.assert_array_equal(voxels(found, 3), DEPOSIT & (np.arange(14) > 3))
    back = after(cut, Merge((1, 3)))
    assert set(back.by_number) == {1, 2, -1}
    assert same_voxels(back.by_number[1].runs, pieces().by_number[1].runs)


def test_a_watershed_meets_at_the_waist():
    found = after(SplitBySeeds(1, (lps(1, 2, 1), lps(2, 3, 6))))
    one, other = voxels(found, 1), voxels(found, 3)
    np.testing.assert_array_equal(one | other, DEPOSIT)
    assert not (one & other).any()
    assert one[1:3, 1:5, 1:4].all()
    assert other[1:3, 1:5, 5:7].all()


def test_a_deposit_is_cut_from_bone():
    found = after(CutFromBone(-1))
    np.testing.assert_array_equal(voxels(found, 3), box((1, 3), (5, 6), (8, 12)))
    assert found.by_number[3].kind is Kind.DEPOSIT
    assert found.by_number[-1].kind is Kind.BONE
    by_plane = after(CutFromBone(-1, lps(1, 5.5, 9), (0, -1.0, 0)))
    np.testing.assert_array_equal(voxels(by_plane, 3), voxels(found, 3))


def test_drawing_takes_voxels_from_others():
    stroke = Strokes(((1, 1, 5, 9), (1, 2, -4, 99), (99, 0, 0, 3)))
    found = after(Draw(stroke, 2))
    line = np.zeros(SHAPE, bool)
    line[1, 1, 5:9] = line[1, 2, :] = True
    np.testing.assert_array_equal(voxels(found, 2), DOUBT | line)
    np.testing.assert_array_equal(voxels(found, 1), DEPOSIT & ~line)
    new = after(Draw(stroke))
    np.testing.assert_array_equal(voxels(new, 3), line)


def test_erasing_all_of_an_object_takes_it_away():
    ball = Ball(lps(1.5, 2.5, 3.5), 8.0)
    found = after(Erase(ball, 1))
    assert 1 not in found.by_number
    np.testing.assert_array_equal(voxels(found, -1), BONE)
    assert not (voxels(after(Erase(ball)), -1) & (np.arange(12) < 7)[:, None]).all()


def test_what_was_missed_is_added_by_threshold():
    found = after(AddByThreshold(lps(0, 0, 11), 5.0, 350.0))
    np.testing.assert_array_equal(voxels(found, 3), box((0, 1), (0, 1), (10, 13)))
    with pytest.raises(UsageError, match="BAD_EDIT"):
        after(AddByThreshold(lps(0, 0, 11), 5.0, 500.0))


@pytest.mark.parametrize(
    "edit",
    [
        Accept(9),
        Accept(0),
        Reject(1, Kind.UNCERTAIN),
        SetPlace(-1, site="hand"),
        SetPlace(1, side="up"),
        SetPlace(1, tissue="brain"),
        SplitByPlane(1, lps(0, 0, 99), (1.0, 0, 0)),
        SplitByPlane(1, lps(1, 2, 3), (0.0, 0, 0)),
        SplitBySeeds(1, (lps(1, 2, 1),)),
        SplitBySeeds(1, (lps(1, 2, 1), lps(1, 2, 1))),
        CutFromBone(1),
        CutFromBone(-1, point_mm=(0, 0, 0)),
        Merge((1,)),
        Merge((1, 1)),
        Merge((1, 7)),
        Draw(Ball((1e4, 0, 0), 3.0)),
        Erase(Strokes(()), 1),
        AddByThreshold((1e4, 0, 0), 3.0, 130.0),
    ],
)
def test_an_edit_that_does_not_fit_names_itself(edit):
    with pytest.raises(UsageError, match="BAD_EDIT") as caught:
        after(Accept(2), edit)
    assert "edit 2" in caught.value.where


def test_a_site_that_nobody_knows():
    with pytest.raises(CalcimetryError):
        after(SetPlace(1, site="Mrs Quillfeather"))


balls = st.builds(
    Ball,
    st.builds(lps, st.floats(0, 5), st.floats(0, 11), st.floats(0, 13)),
    st.floats(0.5, 6),
)
targets = st.sampled_from([1, 2, 3, 4, -1, -2])
normals = st.tuples(*[st.floats(-1, 1)] * 3)
points = st.builds(lps, st.integers(0, 5), st.integers(0, 11), st.integers(0, 13))
strokes = st.builds(
    Strokes,
    st.lists(
        st.tuples(st.integers(-1, 6), st.integers(-1, 12), st.integers(-2, 9), st.integers(4, 16)),
        max_size=3,
    ).map(tuple),
)
any_edit = st.one_of(
    st.builds(Accept, targets, note=st.text(max_size=5)),
    st.builds(Reject, targets, st.sampled_from([Kind.OTHER, Kind.BONE])),
    st.builds(SetKind, targets, st.sampled_from(Kind)),
    st.builds(SetPlace, targets, side=st.sampled_from(["left", None])),
    st.builds(SplitByPlane, targets, points, normals),
    st.builds(SplitBySeeds, targets, st.lists(points, min_size=2, max_size=3).map(tuple)),
    st.builds(CutFromBone, targets),
    st.builds(Merge, st.lists(targets, min_size=2, max_size=3).map(tuple)),
    st.builds(Draw, balls | strokes, targets | st.none()),
    st.builds(Erase, balls | strokes, targets | st.none()),
    st.builds(AddByThreshold, points, st.floats(1, 9), st.just(350.0)),
)


@given(st.lists(any_edit, max_size=6))
def test_whatever_is_done_no_voxel_is_two_objects_and_numbers_are_not_used_again(edits):
    found, highest = pieces(), (2, 1)
    for edit in edits:
        before = found
        try:
            found = apply(found, [edit], seen())
        except UsageError as error:
            assert error.code == "BAD_EDIT"  # noqa: PT017
        count = sum(to_mask(piece.runs).astype(int) for piece in found.by_number.values())
        assert np.max(count, initial=0) <= 1
        new = set(found.by_number) - set(before.by_number)
        assert all(n > highest[0] if n > 0 else -n > highest[1] for n in new)
        highest = found.deposits, found.objects
        touched = np.zeros(SHAPE, bool)
        for runs in changed_voxels(before, found):
            touched |= to_mask(runs)
        for number in set(found.by_number) & set(before.by_number):
            differ = voxels(found, number) != voxels(before, number)
            assert not (differ & ~touched).any()


@given(st.lists(any_edit, max_size=6))
def test_edits_are_kept_as_plain_values(edits):
    import json

    plain = json.loads(json.dumps(edits_to_json(edits)))
    assert list(edits_from_json(plain)) == edits


@pytest.mark.parametrize(
    "given",
    [
        5,
        "accept",
        [5],
        [{}],
        [{"edit": "explode"}],
        [{"edit": "accept"}],
        [{"edit": "accept", "target": "1"}],
        [{"edit": "accept", "target": True}],
        [{"edit": "accept", "target": 1, "name": "x"}],
        [{"edit": "reject", "target": 1, "kind": "stuff"}],
        [{"edit": "draw", "region": {}}],
        [{"edit": "draw", "region": {"centre_mm": [0, 0], "radius_mm": 1}}],
        [{"edit": "draw", "region": {"centre_mm": [0, 0, float("nan")], "radius_mm": 1}}],
        [{"edit": "draw", "region": {"centre_mm": [0, 0, 0], "radius_mm": 0}}],
        [{"edit": "draw", "region": {"stretches": [[1, 2, 3]]}}],
        [{"edit": "merge", "targets": 5}],
        [{"edit": "merge", "targets": None}],
    ],
)
def test_what_is_no_edit_is_refused(given):
    with pytest.raises(InputError, match="BAD_EDITS"):
        edits_from_json(given)


def test_records_are_values():
    assert Accept(1) == Accept(1)
    assert replace(Accept(1), note="a") != Accept(1)
