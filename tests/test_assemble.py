"""Groups get their numbers by kind and mass, and keep them through corrections."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.assemble import grouped
from calcimetry.records import Frame, Kind
from drawn import deposit, other, runs_of

SHAPE = (40, 6, 6)
FRAME = Frame.of(SHAPE, np.eye(4))


def at(z: int, number: int, **row):
    """A deposit of one voxel: those 6 mm apart are lesions of their own."""
    return deposit(number, runs=runs_of(SHAPE, (z, 2, 2)), **row)


def vessel(z: int, number: int, mass_mg: float):
    runs = runs_of(SHAPE, (z, 2, 2))
    return replace(other(number, Kind.VESSEL), runs=runs, mass_mg=mass_mg)


def groups(found) -> list[int | None]:
    return [item.group for part in found for item in part]


def test_deposits_come_first_then_uncertain_then_vessels_each_by_mass():
    listed = [
        at(0, 1, mass_mg=5.0),
        at(10, 2, mass_mg=3.0),
        at(13, 3, mass_mg=3.0),  # with 2 in one group of 6 mg
        at(20, 4, mass_mg=50.0, kind="uncertain"),
        at(30, 5, mass_mg=None),
    ]
    objects = [vessel(38, 1, 900.0), replace(other(2, Kind.BONE), runs=runs_of(SHAPE, (39, 2, 2)))]
    assert groups(grouped(FRAME, listed, objects)) == [2, 1, 1, 4, 3, 5, None]


def test_a_doubtful_piece_of_a_deposit_has_its_number():
    listed = [at(0, 1, mass_mg=5.0), at(3, 2, mass_mg=9.0, kind="uncertain")]
    assert groups(grouped(FRAME, listed, [])) == [1, 1]


def test_what_is_left_keeps_its_number_and_what_is_new_begins_after_the_last():
    listed = [at(z, n, mass_mg=10.0 - n) for n, z in enumerate((0, 10, 20), 1)]
    before, _ = grouped(FRAME, listed, [])
    assert groups([before]) == [1, 2, 3]
    left = [before[1], at(30, 4, mass_mg=99.0)]
    after, _ = grouped(FRAME, left, [], last=3)
    assert groups([after]) == [2, 4]
    assert after[0] is before[1]


def test_of_a_group_that_was_parted_the_heavier_part_keeps_the_number():
    whole = [at(z, n, mass_mg=float(n)) for n, z in enumerate((0, 3, 6), 1)]
    before, _ = grouped(FRAME, whole, [])
    assert groups([before]) == [1, 1, 1]
    after, _ = grouped(FRAME, [before[0], before[2]], [], last=1)
    assert groups([after]) == [2, 1]


@given(st.lists(st.tuples(st.integers(0, 39), st.floats(0, 9)), unique_by=lambda v: v[0]))
def test_numbers_run_from_one_and_masses_fall(drawn):
    listed = [at(z, n, mass_mg=mass) for n, (z, mass) in enumerate(drawn, 1)]
    found, _ = grouped(FRAME, listed, [])
    mass = {d.group: 0.0 for d in found}
    for d in found:
        mass[d.group] += d.mass_mg.value
    assert sorted(mass) == list(range(1, len(mass) + 1))
    falling = [mass[n] for n in sorted(mass)]
    assert all(one >= next_ - 1e-9 for one, next_ in pairwise(falling))
    again, _ = grouped(FRAME, found, [], last=len(mass))
    assert all(one is two for one, two in zip(again, found, strict=True))
