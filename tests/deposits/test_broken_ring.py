"""Arcs of one ring are told from arcs that bend apart, from lines and from lumps."""

from __future__ import annotations

import numpy as np
import pytest

from calcimetry.deposits.broken_ring import FEWEST_VOXELS, are_arcs_of_one_ring
from calcimetry.records import Frame, Runs
from calcimetry.runs import from_mask

SIZE = 64
TURNS = [
    np.eye(3),
    *(np.linalg.qr(np.random.default_rng(n).normal(size=(3, 3)))[0] for n in (1, 2)),
]
STEP = (1.0, 1.0, 1.0), (3.0, 1.0, 1.0)


def grid(spacing, turn) -> np.ndarray:
    """Positions of all voxels about the middle, mm, turned: (z, y, x, 3)."""
    shape = [int(SIZE / step) for step in spacing]
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) * spacing
    return (points - 0.5 * SIZE) @ turn


def told(masks, spacing) -> bool:
    z, y, x = spacing
    frame = Frame.of(masks[0].shape, np.diag([x, y, z, 1.0]))
    one, other = (from_mask(np.ascontiguousarray(mask)) for mask in masks)
    assert min(one.voxels, other.voxels) >= FEWEST_VOXELS
    found = are_arcs_of_one_ring(frame, one, other)
    assert are_arcs_of_one_ring(frame, other, one) == found
    return found


@pytest.mark.parametrize("spacing", STEP)
@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("radius", [9.0, 14.0, 24.0])
def test_two_arcs_of_a_ring(spacing, turn, radius):
    p = grid(spacing, turn)
    ring = (np.abs(np.hypot(p[..., 0], p[..., 1]) - radius) < 1.5) & (np.abs(p[..., 2]) < 2.0)
    turned = np.degrees(np.arctan2(p[..., 1], p[..., 0]))
    assert told([ring & (np.abs(turned) < 55), ring & (np.abs(turned) > 125)], spacing)
    assert not told([ring & (np.abs(turned) < 25), ring & (np.abs(turned) > 155)], spacing)


@pytest.mark.parametrize("turn", TURNS)
def test_two_patches_of_a_shell(turn):
    p = grid((1.0, 1.0, 1.0), turn)
    shell = np.abs(np.linalg.norm(p, axis=-1) - 12.0) < 1.5
    assert told([shell & (p[..., 0] > 5.0), shell & (p[..., 0] < -5.0)], (1.0, 1.0, 1.0))


@pytest.mark.parametrize("turn", TURNS)
def test_arcs_that_bend_away_from_each_other_are_no_ring(turn):
    p = grid((1.0, 1.0, 1.0), turn)
    masks = []
    for sign in (-1, 1):
        along, across = p[..., 0], sign * p[..., 1] - 16.0
        ring = (np.abs(np.hypot(along, across) - 12.0) < 2.0) & (np.abs(p[..., 2]) < 3.0)
        masks.append(ring & (across < -6.0))
    assert not told(masks, (1.0, 1.0, 1.0))


@pytest.mark.parametrize("turn", TURNS)
def test_balls_and_lines_are_no_ring(turn):
    p = grid((1.0, 1.0, 1.0), turn)
    balls = [np.linalg.norm(p - [0, 9.0 * sign, 0], axis=-1) < 5.0 for sign in (-1, 1)]
    assert not told(balls, (1.0, 1.0, 1.0))
    thin = (np.abs(p[..., 2]) < 1.5) & (np.abs(p[..., 0]) < 20.0)
    lines = [thin & (np.abs(p[..., 1] - 8.0 * sign) < 1.5) for sign in (-1, 1)]
    assert not told(lines, (1.0, 1.0, 1.0))


def test_specks_are_no_arcs():
    mask = np.zeros((20, 20, 20), bool)
    mask[5, 5, 5:9] = True
    runs: Runs = from_mask(mask)
    other = from_mask(np.roll(mask, 8, axis=1))
    assert not are_arcs_of_one_ring(Frame.of(mask.shape, np.eye(4)), runs, other)
