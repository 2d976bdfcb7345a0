"""Bones laid over each other: a shaft that two fields cut elsewhere stays where it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calcimetry.followup.motion import BONE, Cloud
from calcimetry.followup.registration import register

from .conftest import visit_with

RADIUS, AXIS = 14.0, (100.0, 100.0)
BALLS = {1: ((125, 100, 70), 60.0), 2: ((100, 128, 95), 60.0), 3: ((76, 90, 120), 60.0)}


def shaft(low: float, high: float, number: int):
    """A field from `low` to `high` mm that shows a plain shaft and three deposits beside it."""
    rng = np.random.default_rng(number)
    turn, z = rng.uniform(0, 2 * np.pi, 3000), rng.uniform(low, high, 3000)
    points = np.stack([AXIS[0] + RADIUS * np.cos(turn), AXIS[1] + RADIUS * np.sin(turn), z], axis=1)
    affine = np.eye(4)
    affine[2, 3] = low
    facts = {"shape_zyx": [int(high - low), 200, 200], "affine_ijk_to_lps_mm": affine.tolist()}
    visit = visit_with(BALLS, number, scan=facts)
    own = np.concatenate([points, *visit.shapes.values()])
    cloud = Cloud(own, np.full(len(own), BONE), np.ones(len(own)))
    return replace(visit, cloud=cloud, bone=cloud.pick(np.arange(len(points))))


def test_a_shaft_does_not_slide_to_where_the_other_field_shows_more_of_it():
    first, second = shaft(0.0, 150.0, 1), shaft(30.0, 180.0, 2)
    for pair in ((first, second), (second, first)):
        found = register(*pair)
        for centre, _ in BALLS.values():
            assert np.linalg.norm(found.to_second(np.array(centre, float)) - centre) < 1.0


def test_neither_bone_nor_skin_is_no_alignment_and_no_crash():
    visit = shaft(0.0, 150.0, 1)
    bare = replace(visit, cloud=visit.cloud.pick(np.arange(5)), bone=visit.bone.pick(np.arange(5)))
    assert register(bare, bare).score == 0.0
