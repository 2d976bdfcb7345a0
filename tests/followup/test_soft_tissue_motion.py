"""Which deposits are placed by the tissue around them, and which are left to the bones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcimetry.followup import soft_tissue_motion
from calcimetry.followup.agreement import NONE
from calcimetry.followup.alignment import Alignment
from calcimetry.followup.motion import Motion
from calcimetry.followup.soft_tissue_motion import placed

from .conftest import visit_with
from .test_tissue_registration import visit as tissue

MIDDLE = (40.0, 40.0, 40.0)
SIDEWAYS = np.array([12.0, 0.0, 0.0])  # of the upper bone; together they say half as much
THERE = (41.0, 40.0, 40.0)
TRUE = Motion.moved(np.subtract(THERE, MIDDLE))


def bones(shift: np.ndarray = SIDEWAYS) -> Alignment:
    """Two bones 20 mm below and above the middle, of which the upper moved aside."""
    line = np.linspace(30.0, 50.0, 11)
    plate = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    marks = np.concatenate([np.column_stack([plate, np.full(len(plate), z)]) for z in (20.0, 60.0)])
    segment = np.repeat([0, 1], len(plate))
    motions = Motion.none(), Motion.moved(shift)
    back = tuple(motion.inverse() for motion in motions)
    return Alignment(marks, segment, 0.3 * np.ones(len(marks)), motions, back, 1.0, False)


def visits(first=MIDDLE, second=THERE):
    balls = ({1: (at, 20.0)} if at is not None else {} for at in (first, second))
    made = [visit_with(ball, number) for number, ball in enumerate(balls, 1)]
    soft = tissue(Motion.none(), 3), tissue(TRUE, 4)
    return [replace(visit, soft=part) for visit, part in zip(made, soft, strict=True)]


def test_between_bones_that_moved_otherwise_the_tissue_is_asked():
    found = placed(bones(), *visits())
    (place,) = found.places
    np.testing.assert_allclose(place.centre, MIDDLE, atol=0.2)
    assert np.linalg.norm(place.there - TRUE(np.array(MIDDLE))) < 0.7
    np.testing.assert_allclose(found.to_second(np.array(MIDDLE)), place.there, atol=0.2)


def test_a_deposit_of_the_second_visit_alone_is_sought_backwards():
    found = placed(bones(), *visits(first=None))
    (place,) = found.places
    assert np.linalg.norm(place.there - np.array(THERE)) < 0.2
    assert np.linalg.norm(place.centre - np.array(MIDDLE)) < 0.7


def never(*_):
    raise AssertionError("the tissue was asked")


@pytest.mark.parametrize(
    "case", ["one motion", "at a bone", "no tissue", "by skin", "failed", "no deposits"]
)
def test_what_needs_no_tissue_does_not_ask_it(case, monkeypatch):
    monkeypatch.setattr(soft_tissue_motion, "sought", never)
    first, second = visits()
    alignment = bones()
    if case == "one motion":
        alignment = bones(np.zeros(3))
    elif case == "at a bone":
        first, second = visits((40.0, 40.0, 24.0), (40.0, 40.0, 24.0))
    elif case == "no tissue":
        first = replace(first, soft=None)
    elif case == "by skin":
        alignment = replace(alignment, by_skin=True)
    elif case == "failed":
        alignment = replace(alignment, agreement=NONE)
    else:
        first, second = visits(None, None)
    assert placed(alignment, first, second) is alignment


def test_where_tissue_does_not_say_bones_keep_the_word(monkeypatch):
    monkeypatch.setattr(soft_tissue_motion, "sought", lambda *_: None)
    before = bones()
    after = placed(before, *visits())
    assert after.places == ()
    point = np.array(MIDDLE)
    np.testing.assert_array_equal(after.to_second(point), before.to_second(point))


def test_one_place_is_sought_once():
    """Two deposits of the later visit near where the first one's went are not sought again."""
    first, second = visits()
    two = visit_with({1: (THERE, 20.0), 2: ((45.0, 40.0, 40.0), 5.0)}, 2)
    two = replace(two, soft=second.soft)
    assert len(placed(bones(), first, two).places) == 1
