"""Tiles: they cover every mark, do not overlap, and cost no more than one box would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.deposits.tiles import BLOCK, DEAR, LARGEST, MARGINS, padded, tiles


def _cover(found, shape):
    count = np.zeros(shape, int)
    for z0, z1, y0, y1, x0, x1 in found:
        count[z0 // BLOCK : z1 // BLOCK, y0 // BLOCK : y1 // BLOCK, x0 // BLOCK : x1 // BLOCK] += 1
    return count


def _voxels(found, margin):
    sides = ([padded(box[k + 1] - box[k], margin) for k in (0, 2, 4)] for box in found)
    return sum(z * y * x for z, y, x in sides)


@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(*[st.integers(1, 45)] * 3),
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.0, 0.002, 0.05, 1.0]),
)
def test_every_mark_lies_in_exactly_one_tile(shape, seed, share):
    marked = np.random.default_rng(seed).random(shape) < share
    found, margin = tiles(marked)
    assert margin in MARGINS
    cover = _cover(found, shape)
    assert (cover[marked] == 1).all()
    assert cover.max(initial=0) <= 1
    longest = [max(b[1] - b[0], b[3] - b[2], b[5] - b[4]) for b in found]
    assert all(side <= LARGEST for side in longest)


def test_two_far_marks_are_not_run_as_one_box():
    marked = np.zeros((30, 30, 30), bool)
    marked[2, 2, 2] = marked[27, 27, 27] = True
    found, margin = tiles(marked)
    assert len(found) == 2
    assert _voxels(found, margin) == 2 * padded(BLOCK, margin) ** 3


def test_a_solid_box_stays_one_tile():
    marked = np.zeros((30, 30, 30), bool)
    marked[5:15, 5:15, 5:15] = True  # 80 voxels wide: below LARGEST
    assert tiles(marked) == ([(40, 120, 40, 120, 40, 120)], MARGINS[0])


@pytest.mark.parametrize("length", [1, 8, 13, 128])
def test_padding_holds_margins_on_both_sides_in_eights(length):
    for margin in MARGINS:
        assert padded(length, margin) % 8 == 0
        assert padded(length, margin) >= length + 2 * margin
        assert padded(length, margin) < length + 2 * margin + 8


def test_no_marks_no_tiles():
    assert tiles(np.zeros((4, 5, 6), bool)) == ([], MARGINS[0])


def test_surroundings_are_wide_unless_that_is_dear():
    marked = np.zeros((28, 28, 28), bool)
    marked[:20, :20, :20] = True  # 160 voxels wide: 5.5 million with margins
    found, margin = tiles(marked)
    assert margin == MARGINS[1]
    assert _voxels(found, MARGINS[1]) < _voxels(found, MARGINS[0])
    found, margin = tiles(marked[:14])
    assert margin == MARGINS[0]
    assert _voxels(found, margin) <= DEAR
