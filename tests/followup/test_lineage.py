"""Lineages of balls whose fate is known: each fate, symmetry in time, mass over a split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.followup.alignment import Alignment
from calcimetry.followup.comparability import compared
from calcimetry.followup.events import Events
from calcimetry.followup.fates import rows_of
from calcimetry.followup.follow import total_change
from calcimetry.followup.motion import Motion
from calcimetry.followup.repeatability import repeatability
from calcimetry.followup.visit_pair import VisitPair

from .conftest import FIELD_MM, still, visit_with

RULE = repeatability()
STILL = still()
TURNED = {
    "grown": "shrunk", "shrunk": "grown", "new": "gone", "gone": "new", "split": "merged",
    "merged": "split",
}  # fmt: skip


def step(first, second, alignment=None):
    visits = visit_with(first, 1), visit_with(second, 2)
    how = compared(*visits, RULE)
    return VisitPair(visits, how, alignment or STILL, RULE, Events())


def fates(first, second, **names):
    return {(r.first, r.second): r.fate for r in rows_of(step(first, second, **names))}


def radius(mass_mg):
    """Of the conftest's ball of this mass, mm."""
    return (mass_mg * 2 * 3 / (4 * np.pi)) ** (1 / 3)


def test_each_fate():
    first = {1: ((40, 40, 40), 50), 2: ((80, 40, 40), 50), 3: ((120, 40, 40), 50),
             4: ((160, 40, 40), 50), 5: ((40, 90, 40), 100)}  # fmt: skip
    second = {1: ((40, 40, 40), 52), 2: ((80, 40, 40), 100), 3: ((120, 40, 40), 25),
              4: ((160, 120, 120), 50), 5: ((37, 90, 40), 50), 6: ((43.5, 90, 40), 50)}  # fmt: skip
    assert fates(first, second) == {
        ((1,), (1,)): "stable", ((2,), (2,)): "grown", ((3,), (3,)): "shrunk",
        ((4,), ()): "gone", ((), (4,)): "new", ((5,), (5, 6)): "split",
    }  # fmt: skip


def test_what_the_other_field_does_not_hold_is_never_gone():
    outside = ((FIELD_MM + 30.0, 50.0, 50.0), 40.0)
    assert fates({1: outside}, {}) == {((1,), ()): "not_covered"}
    assert fates({}, {1: outside}) == {((), (1,)): "not_covered"}


def test_parts_out_of_place_are_parts_if_masses_add_up():
    whole = {1: ((100, 100, 100), 200)}
    apart = {1: ((94.5, 101, 100), 100), 2: ((107, 101, 100), 100)}
    unlike = {1: ((94.5, 101, 100), 200), 2: ((107, 101, 100), 100)}
    assert fates(whole, apart) == {((1,), (1, 2)): "split"}
    assert set(fates(whole, unlike)) == {((1,), (1,)), ((), (2,))}


def test_a_deposit_between_bones_is_not_gone_while_another_may_be_it():
    """Two bones lay it 16 mm apart: what lies between, without a partner, may be it."""
    plain = still()
    piece = (plain.marks[:, 2] > FIELD_MM / 2).astype(np.int64)
    motions = Motion.none(), Motion.moved(np.array([16.0, 0.0, 0.0]))
    back = tuple(motion.inverse() for motion in motions)
    bent = Alignment(plain.marks, piece, plain.residual, motions, back, 1.0, False)
    first, near = {1: ((100, 100, 100), 300)}, {1: ((108, 118, 100), 20)}
    assert set(fates(first, near, alignment=bent).values()) == {"doubtful"}
    assert set(fates(first, {}, alignment=bent).values()) == {"gone"}


places = st.lists(st.tuples(*(st.integers(1, 5),) * 3), min_size=1, max_size=7, unique=True)
kinds = st.sampled_from(["same", "other", "first", "second", "split", "merged"])


@st.composite
def pairs(draw):
    """Two visits' balls, 32 mm apart, so that each fate is plain."""
    first, second = {}, {}
    for cell in draw(places):
        at = np.array(cell) * 32.0 + np.array(draw(st.tuples(*(st.floats(-1, 1),) * 3)))
        mass = draw(st.floats(10, 200))
        kind = draw(kinds)
        off = np.array([radius(mass), 0.0, 0.0])
        parts = [(at - off, 0.5 * mass), (at + off, 0.5 * mass)]
        sides = {
            "same": ([(at, mass)], [(at, mass)]),
            "other": ([(at, mass)], [(at, mass * draw(st.floats(0.4, 2.5)))]),
            "first": ([(at, mass)], []),
            "second": ([], [(at, mass)]),
            "split": ([(at, mass)], parts),
            "merged": (parts, [(at, mass)]),
        }[kind]
        for visit, balls in zip((first, second), sides, strict=True):
            for one in balls:
                visit[len(visit) + 1] = one
    return first, second


@settings(max_examples=40)
@given(pairs())
def test_exchanging_the_visits_exchanges_the_fates(balls):
    forward = {(r.first, r.second): r for r in rows_of(step(*balls))}
    back = {(r.second, r.first): r for r in rows_of(step(*balls[::-1]))}
    assert forward.keys() == back.keys()
    for key, row in forward.items():
        assert back[key].fate == TURNED.get(row.fate, row.fate)
        assert back[key].change.called == row.change.called
        if row.change.mass_pct.value is not None:
            product = (1 + row.change.mass_pct.value / 100) * (
                1 + back[key].change.mass_pct.value / 100
            )
            assert product == pytest.approx(1.0)


@settings(max_examples=40)
@given(pairs())
def test_no_mass_is_lost_or_counted_twice(balls):
    found = step(*balls)
    rows = rows_of(found)
    for side in (0, 1):
        numbers = [n for row in rows for n in (row.first, row.second)[side]]
        assert sorted(numbers) == sorted(balls[side])
        held = sum(row.amounts[side].mass_mg for row in rows)
        assert held == pytest.approx(sum(mass for _, mass in balls[side].values()))
    total = total_change(found, rows)
    summed = sum(row.change.mass_mg.value for row in rows)
    assert total.mass_mg.value == pytest.approx(summed, abs=1e-6)


@settings(max_examples=25)
@given(st.floats(20, 400), st.floats(0.3, 0.7))
def test_a_split_keeps_its_mass(mass, share):
    at, off = np.full(3, 100.0), np.array([radius(mass), 0.0, 0.0])
    first = {1: (at, mass)}
    second = {1: (at - off, share * mass), 2: (at + off, (1 - share) * mass)}
    (row,) = rows_of(step(first, second))
    assert row.fate == "split"
    assert row.change.mass_mg.value == pytest.approx(0.0, abs=1e-9)
    assert not row.change.called


def test_a_cut_in_doubt_is_the_same_doubt_on_scans_made_alike():
    first, second = ({1: ((100.0, 100.0, 100.0), mass)} for mass in (40.0, 60.0))
    alike = step(first, second)
    unsure = {"noise": 0.02, "background": 0.02, "segmentation": 0.3, "calibration": 0.08}
    for visit in alike.visits:
        visit.facts["deposits"][0]["relative_error"].update(unsure)
    (row,) = rows_of(alike)
    other = replace(alike, comparability=replace(alike.comparability, widened=0.01))
    (wide,) = rows_of(other)
    assert row.change.mass_pct.low > wide.change.mass_pct.low
