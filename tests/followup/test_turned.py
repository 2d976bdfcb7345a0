"""Any turn is found; a mirror image, another body and a field elsewhere are not laid over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calcimetry.followup import follow
from calcimetry.followup.motion import BONE, Cloud, Motion
from calcimetry.followup.registration import register
from calcimetry.followup.visit import Visit

from .conftest import ball, row, visit_with

DEPOSITS = {
    1: ((18.0, 4.0, -30.0), 60.0),
    2: ((-20.0, 9.0, 5.0), 30.0),
    3: ((6.0, -18.0, 35.0), 90.0),
}
MIDDLE = np.full(3, 100.0)


def bones(person: int, seed: int) -> np.ndarray:
    """Points of bone about 0, 0.3 mm rough: a shaft, and knobs where this person has them."""
    body, rng = np.random.default_rng(person), np.random.default_rng(seed)
    z, turn = rng.uniform(-60, 60, 2500), rng.uniform(0, 2 * np.pi, 2500)
    wide = 8.0 + 3.0 * np.sin(z / 15.0 + person) + 2.0 * np.cos(2 * turn + person)
    parts = [np.stack([wide * np.cos(turn), wide * np.sin(turn), z], axis=1)]
    for _ in range(4):
        at, radius = body.uniform((-25, -25, -55), (25, 25, 55)), body.uniform(5, 10)
        way = rng.normal(size=(500, 3))
        parts.append(at + radius * way / np.linalg.norm(way, axis=1, keepdims=True))
    every = np.concatenate(parts)
    return every + rng.normal(0, 0.3, every.shape)


def scanned(person: int, number: int, motion: Motion, balls=DEPOSITS) -> Visit:
    """A visit of a person who lies as `motion` says, in a field of 200 mm."""
    visit = visit_with({}, number)
    there = motion.after(Motion.none())
    shapes = {n: MIDDLE + there(ball(at, mass)) for n, (at, mass) in balls.items()}
    points = MIDDLE + there(bones(person, 10 * person + number))
    own = np.concatenate([points, *shapes.values()])
    cloud = Cloud(own, np.full(len(own), BONE), np.ones(len(own)))
    rows = [row(n, shape, balls[n][1]) for n, shape in shapes.items()]
    facts = {**visit.facts, "deposits": rows}
    return replace(
        visit, facts=facts, shapes=shapes, cloud=cloud, bone=cloud.pick(np.arange(len(points)))
    )


def turn(*degrees: float) -> Motion:
    return Motion(Rotation.from_euler("xyz", degrees, degrees=True).as_matrix(), np.zeros(3))


TURNS = [(0, 0, 180), (0, 180, 0), (180, 0, 0), (0, 90, 0), (90, 0, 40), (130, -35, 75), (5, 4, -6)]


@pytest.mark.parametrize("degrees", TURNS)
def test_a_body_turned_any_way_is_laid_over_itself(degrees):
    first, second = scanned(1, 1, Motion.none()), scanned(1, 2, turn(*degrees))
    found = follow([first, second])
    assert not found.withheld
    assert [r.fate for r in found.rows] == ["stable"] * 3
    assert all(r.first == r.second for r in found.rows)


def test_what_was_there_is_gone_though_the_body_was_turned():
    left = {n: DEPOSITS[n] for n in (1, 3)}
    found = follow([scanned(1, 1, Motion.none()), scanned(1, 2, turn(0, 0, 180), left)])
    assert sorted((r.first, r.fate) for r in found.rows) == [
        ((1,), "stable"), ((2,), "gone"), ((3,), "stable"),
    ]  # fmt: skip


@pytest.mark.parametrize("degrees", [(0, 0, 0), (0, 0, 180), (90, 0, 0)])
def test_a_mirror_image_is_told(degrees):
    image = scanned(1, 2, turn(*degrees))
    flip = Motion(np.diag([-1.0, 1.0, 1.0]), np.array([200.0, 0.0, 0.0]))
    moved = {n: flip(shape) for n, shape in image.shapes.items()}
    clouds = [replace(c, points=flip(c.points)) for c in (image.cloud, image.bone)]
    image = replace(image, shapes=moved, cloud=clouds[0], bone=clouds[1])
    found = follow([scanned(1, 1, Motion.none()), image])
    assert [flag.code for flag in found.flags] == ["MIRRORED"]
    assert {r.fate for r in found.rows} == {"doubtful"}


@pytest.mark.parametrize("other", [2, 3])
def test_another_body_is_not_laid_over(other):
    found = follow([scanned(1, 1, Motion.none()), scanned(other, 2, turn(4, 3, -8))])
    (flag,) = found.flags
    assert flag.code in ("ALIGNMENT_FAILED", "FEW_FOUND_AGAIN")
    assert {r.fate for r in found.rows} == {"doubtful"}
    assert found.pairs[0].total.mass_mg.value is None
    assert not any(r.change.called or r.change.mass_pct.value for r in found.rows)


def test_a_sure_fit_asks_for_no_other_turn(monkeypatch):
    from calcimetry.followup import starts

    def never(*_):
        raise AssertionError

    monkeypatch.setattr(starts, "turned", never)
    assert register(scanned(1, 1, Motion.none()), scanned(1, 2, turn(5, 4, -6))).agreement.sure


def test_fields_that_share_nothing_are_told():
    first, second = scanned(1, 1, Motion.none()), scanned(1, 2, Motion.none())
    few = [
        replace(v, cloud=v.cloud.pick(np.arange(30)), bone=v.bone.pick(np.arange(30)))
        for v in (first, second)
    ]
    found = follow(few)
    assert [flag.code for flag in found.flags] == ["NOTHING_SHARED"]


def test_one_bone_in_two_persons_is_told_by_their_deposits():
    """Bones of one shape: three deposits of each, none where the other has one."""
    other = {1: ((-16.0, -9.0, -25.0), 60.0), 2: ((17.0, 12.0, 10.0), 30.0), 3: ((0, 20, 38), 90.0)}
    pair = scanned(1, 1, Motion.none()), scanned(1, 2, turn(3, 0, 5), other)
    assert [flag.code for flag in follow(pair).flags] == ["FEW_FOUND_AGAIN"]
    few = {n: other[n] for n in (1, 2)}
    found = follow([pair[0], scanned(1, 2, turn(3, 0, 5), few)])
    assert not found.withheld
    assert {r.fate for r in found.rows} == {"new", "gone"}
