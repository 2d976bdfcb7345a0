"""Which deposit is which: pairs of least cost, parts, ties, and every deposit in one group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.followup.match import REACH_MM, matched
from calcimetry.followup.motion import Motion

from .conftest import still, visit_with

STILL = still()


def groups(first, second, alignment=STILL, numbers=None):
    found = matched(visit_with(first, 1), visit_with(second, 2), alignment, numbers)
    return {(group.first, group.second): group for group in found}


def test_each_is_paired_with_the_nearest_of_its_mass():
    first = {1: ((60, 100, 100), 40), 2: ((140, 100, 100), 40)}
    second = {1: ((141, 100, 100), 40), 2: ((61, 100, 100), 40)}
    assert set(groups(first, second)) == {((1,), (2,)), ((2,), (1,))}


def test_a_pairing_is_best_as_a_whole_not_one_by_one():
    """The later visit's first is nearest to both; but then two would be alone, not none."""
    first = {1: ((100.0, 100, 100), 2.0), 2: ((102.0, 100, 100), 2.0)}
    second = {1: ((101.2, 100, 100), 2.0), 2: ((103.5, 100, 100), 2.0)}
    assert set(groups(first, second)) == {((1,), (1,)), ((2,), (2,))}


def test_a_deposit_is_carried_before_it_is_sought():
    shift = Motion.moved(np.array([30.0, -12.0, 5.0]))
    moved = replace(STILL, motions=(shift,), backward=(shift.inverse(),))
    first, second = {1: ((80, 100, 100), 40)}, {1: ((110, 88, 105), 40)}
    assert set(groups(first, second, moved)) == {((1,), (1,))}
    assert set(groups(first, second)) == {((1,), ()), ((), (1,))}


@pytest.mark.parametrize(("beyond", "paired"), [(-0.4, True), (1.5, False)])
def test_reach_is_a_gap_between_surfaces_widened_by_the_alignments_error(beyond, paired):
    error = STILL.error_mm(np.array([100.0, 100.0, 100.0]))
    gap = REACH_MM + 1.5 * error + beyond
    first = {1: ((100, 100, 100), 0.02)}  # so small that it is one point
    second = {1: ((100 + gap, 100, 100), 0.02)}
    assert (((1,), (1,)) in groups(first, second)) is paired


def test_a_part_joins_what_holds_most_of_it():
    """Two halves lie in the place of one: one is its partner, the other belongs to it too."""
    first = {1: ((100, 100, 100), 200)}
    second = {1: ((97, 100, 100), 60), 2: ((103, 100, 100), 60)}
    assert set(groups(first, second)) == {((1,), (1, 2))}


def test_two_that_would_do_as_well_are_a_tie():
    first = {1: ((100, 100, 100), 2)}
    second = {1: ((98.8, 100, 100), 2), 2: ((101.2, 100, 100), 2)}
    found = groups(first, second)
    (pair,) = (group for group in found.values() if group.first and group.second)
    assert pair.tie
    clear = {1: ((100.3, 100, 100), 2), 2: ((102.2, 100, 100), 2)}
    assert not groups(first, clear)[(1,), (1,)].tie


def test_chosen_numbers_alone_are_matched():
    balls = {1: ((60, 100, 100), 40), 2: ((140, 100, 100), 40)}
    assert set(groups(balls, balls, numbers=([2], [1]))) == {((2,), ()), ((), (1,))}
    assert set(groups(balls, balls, numbers=([2], [2]))) == {((2,), (2,))}


@pytest.mark.parametrize(("first", "second"), [({}, {}), ({}, {3: ((9, 9, 9), 4)})])
def test_nothing_has_no_partner(first, second):
    assert set(groups(first, second)) == {((), (n,)) for n in second}


balls = st.dictionaries(
    st.integers(1, 9),
    st.tuples(st.tuples(*(st.floats(60, 140),) * 3), st.floats(0.5, 120)),
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(balls, balls)
def test_every_deposit_is_in_one_group(first, second):
    found = groups(first, second).values()
    for side, given_ in (("first", first), ("second", second)):
        listed = [n for group in found for n in getattr(group, side)]
        assert sorted(listed) == sorted(given_)
    assert all(group.first or group.second for group in found)


@settings(max_examples=40, deadline=None)
@given(balls)
def test_a_visit_matched_with_itself_is_itself(one):
    found = groups(one, one).values()
    assert all(group.first == group.second for group in found)
