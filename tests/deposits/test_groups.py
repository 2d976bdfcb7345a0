"""Groups: pieces of one lesion, whatever their order and whichever way the volume lies."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.deposits.groups import CLOSE_MM, CLOSE_SLICES, are_close, groups_of
from calcimetry.records import Frame, Kind, Likeness, Runs
from calcimetry.runs import from_mask, voxels_of

SHAPE = (9, 14, 17)
SPACINGS = [(1.0, 1.0, 1.0), (3.27, 0.98, 0.98), (5.0, 0.7, 0.7), (2.0, 1.0, 1.5)]


@dataclass
class Drawn:
    """A piece of a group."""

    runs: Runs | None
    kind: Kind = Kind.DEPOSIT
    likeness: Likeness | None = None


def frame_of(shape, spacing) -> Frame:
    z, y, x = spacing
    return Frame.of(shape, np.diag([x, y, z, 1.0]))


def box(corner, size, shape=SHAPE) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))] = True
    return mask


def partition(groups) -> set[frozenset[int]]:
    """Which pieces are together."""
    return {
        frozenset(k for k, own in enumerate(groups) if own == group)
        for group in set(groups) - {None}
    }


@st.composite
def volumes(draw):
    """A spacing, and masks of pieces that share no voxel, each with a kind and a likeness."""
    spacing = draw(st.sampled_from(SPACINGS))
    taken, found = np.zeros(SHAPE, bool), []
    for _ in range(draw(st.integers(1, 7))):
        corner = [draw(st.integers(0, length - 2)) for length in SHAPE]
        size = [draw(st.integers(1, 4)) for _ in SHAPE]
        mask = box(corner, size) & ~taken
        taken |= mask
        kind, like = draw(st.sampled_from(KINDS))
        if mask.any():
            found.append((mask, kind, like))
    return spacing, found


KINDS = [
    (Kind.DEPOSIT, Likeness.VESSEL),
    (Kind.DEPOSIT, None),
    (Kind.UNCERTAIN, Likeness.VESSEL),
    (Kind.UNCERTAIN, Likeness.BONE),
    (Kind.VESSEL, None),
    (Kind.BONE, Likeness.VESSEL),
]


def groups_in(spacing, pieces, axes=(0, 1, 2), flips=()):
    """The groups of pieces in a volume that is turned: axes permuted, then some flipped."""
    drawn = [
        Drawn(from_mask(np.ascontiguousarray(np.flip(m.transpose(axes), flips))), kind, like)
        for m, kind, like in pieces
    ]
    shape = tuple(SHAPE[axis] for axis in axes)
    return groups_of(frame_of(shape, [spacing[axis] for axis in axes]), drawn)


def gap_by_hand(one, other, spacing) -> float:
    """Between the boxes of all voxels: 1 is as far as close pieces may lie."""
    most = [max(CLOSE_MM, CLOSE_SLICES * step) for step in spacing]
    apart = np.abs(np.argwhere(one)[:, None] - np.argwhere(other)[None])
    gaps = np.maximum(apart - 1, 0) * spacing / most
    return float(np.sqrt((gaps**2).sum(axis=2)).min())


@given(volumes())
@settings(max_examples=60, deadline=None)
def test_close_is_what_the_boxes_of_all_voxels_say(drawn):
    spacing, pieces = drawn
    for (one, *_), (other, *_) in combinations(pieces, 2):
        gap = gap_by_hand(one, other, spacing)
        found = are_close(frame_of(SHAPE, spacing), from_mask(one), from_mask(other))
        assert found == (gap <= 1 + 1e-6)


@given(volumes(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_pieces_does_not_matter(drawn, random):
    spacing, pieces = drawn
    order = list(range(len(pieces)))
    random.shuffle(order)
    again = groups_in(spacing, [pieces[k] for k in order])
    moved = {frozenset(order[k] for k in group) for group in partition(again)}
    assert moved == partition(groups_in(spacing, pieces))


@given(volumes(), st.permutations([0, 1, 2]), st.sets(st.integers(0, 2)))
@settings(max_examples=60, deadline=None)
def test_which_axis_is_which_does_not_matter(drawn, axes, flips):
    spacing, pieces = drawn
    turned = groups_in(spacing, pieces, tuple(axes), tuple(flips))
    assert turned == groups_in(spacing, pieces)


@given(volumes())
@settings(max_examples=60, deadline=None)
def test_a_further_piece_joins_groups_and_parts_none(drawn):
    spacing, pieces = drawn
    before = partition(groups_in(spacing, pieces[:-1]))
    after = partition(groups_in(spacing, pieces))
    assert all(any(group <= wider for wider in after) for group in before)


@given(volumes())
@settings(max_examples=30, deadline=None)
def test_only_what_is_listed_and_vessels_have_a_group(drawn):
    spacing, pieces = drawn
    found = groups_in(spacing, pieces)
    assert [group is None for group in found] == [kind is Kind.BONE for _, kind, _ in pieces]
    firsts = list(dict.fromkeys(group for group in found if group is not None))
    assert firsts == list(range(len(firsts)))  # numbered in the order of their first pieces


def balls(gap_mm, shift_mm, spacing) -> list[Runs]:
    """Two balls of 8 mm with a gap between their surfaces, laid onto a grid by centres."""
    shape = [int(length / step) + 1 for length, step in zip((24, 24, 48), spacing, strict=True)]
    zyx = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) * spacing
    middle = np.array([12.0, 12.0, 14.0]) + shift_mm
    ends = middle, middle + np.array([0.0, 0.0, 8.0 + gap_mm])
    return [from_mask(((zyx - end) ** 2).sum(-1) <= 16.0) for end in ends]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(("gap_mm", "together"), [(2.0, True), (9.0, False)])
def test_where_the_grid_lies_does_not_matter(spacing, gap_mm, together):
    rng = np.random.default_rng(5)
    for shift in rng.uniform(0, 1, (12, 3)) * spacing:
        runs = balls(gap_mm, shift, spacing)
        found = groups_of(frame_of(runs[0].shape, spacing), [Drawn(part) for part in runs])
        assert (found[0] == found[1]) == together


@pytest.mark.parametrize(("apart", "together"), [(2, True), (3, False)])
def test_thick_slices_one_without_a_dense_voxel_may_lie_between(apart, together):
    runs = [from_mask(box((z, 3, 3), (1, 2, 2))) for z in (1, 1 + apart)]
    found = groups_of(frame_of(SHAPE, (5.0, 0.7, 0.7)), [Drawn(part) for part in runs])
    assert (found[0] == found[1]) == together


def strung(count, step=4, kind=Kind.VESSEL, like=None):
    """Specks every `step` voxels of 5 mm along a line."""
    shape = (4 + step * count, 6, 6)
    return [Drawn(from_mask(box((1 + step * k, 2, 2), (1, 1, 1), shape)), kind, like)
            for k in range(count)]  # fmt: skip


def groups_along(pieces) -> list[int | None]:
    return groups_of(frame_of(pieces[0].runs.shape, (5.0, 5.0, 5.0)), pieces)


def test_a_line_of_vascular_calcium_is_one_group():
    assert groups_along(strung(6)) == [0] * 6
    assert groups_along(strung(4)) == [0, 1, 2, 3]  # too few to tell a line from chance
    assert groups_along(strung(6, kind=Kind.DEPOSIT, like=Likeness.VESSEL)) == list(range(6))


def test_two_long_pieces_in_one_line_are_a_line():
    shape = (60, 20, 20)
    pieces = [
        Drawn(from_mask(box(corner, (20, 1, 1), shape)), Kind.UNCERTAIN, Likeness.VESSEL)
        for corner in ((2, 4, 4), (30, 5, 4), (2, 18, 18))
    ]
    found = groups_of(frame_of(shape, (2.0, 2.0, 2.0)), pieces)
    assert found == [0, 0, 1]


def test_a_deposit_beside_a_vessel_is_not_its_piece():
    pieces = strung(6)
    beside = Drawn(from_mask(box((1, 3, 2), (1, 1, 1), pieces[0].runs.shape)), Kind.DEPOSIT)
    assert groups_along([beside, *pieces]) == [0, *[1] * 6]


def test_pieces_without_voxels_have_no_group():
    empty = from_mask(np.zeros(SHAPE, bool))
    pieces = [Drawn(None), Drawn(empty), Drawn(from_mask(box((1, 1, 1), (2, 2, 2))))]
    assert groups_of(frame_of(SHAPE, (1.0, 1.0, 1.0)), pieces) == [None, None, 0]
    assert groups_of(frame_of(SHAPE, (1.0, 1.0, 1.0)), []) == []


def test_arcs_that_face_each_other_are_one_group():
    zyx = np.stack(np.meshgrid(*[np.arange(30)] * 3, indexing="ij"), -1) - 14.5
    ring = np.abs(np.hypot(zyx[..., 1], zyx[..., 2]) - 11.0) <= 1.2
    ring &= np.abs(zyx[..., 0]) < 2
    arcs = [ring & (zyx[..., 2] * sign > 5.0) for sign in (-1, 1)]
    pieces = [Drawn(from_mask(arc)) for arc in arcs]
    frame = frame_of(ring.shape, (1.0, 1.0, 1.0))
    assert groups_of(frame, pieces) == [0, 0]
    assert not are_close(frame, pieces[0].runs, pieces[1].runs)
    assert len(voxels_of(pieces[0].runs)) > 20
