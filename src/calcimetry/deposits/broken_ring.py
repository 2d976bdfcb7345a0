"""Two arcs of one ring, or patches of one shell: what calcifies around a cyst or a necrosis breaks
up into pieces that face each other across it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcimetry.deposits.boxes import Boxes
from calcimetry.records import Frame, Runs
from calcimetry.runs import voxels_of

REACH_MM = 20.0
"""The widest gap between two arcs of a ring."""

MOST_RADIUS_MM = 40.0
"""Arcs of wider rings are too nearly straight to tell."""

ASIDE = 0.12
"""How far voxels may lie off the sphere, root of the mean square, of its radius. A wall as thick as
a quarter of the radius has 0.07; voxels and an outline that is not quite round add to it."""

FEWEST_VOXELS = 8
SECTORS = 24  # of 15 degrees
LEAST_ARC = 4  # sectors of each piece: less bends too little to tell a circle from a line
LEAST_OF_CIRCLE = 12  # sectors of both together: half of the circle
ACROSS = 2.6  # a ring's width, at most, over the length of its least arc of 45 degrees
FLAT = 0.3  # of the largest spread: along less the middle of a sphere is not sought


def may_be_arcs(boxes: Boxes) -> NDArray[np.bool_]:
    """Which pairs of objects can be arcs of one ring by their boxes alone: bool (n, n)."""
    size = np.linalg.norm(boxes.high - boxes.low, axis=1)
    middle = (boxes.high + boxes.low) / 2.0
    apart = np.linalg.norm(middle[:, None] - middle, axis=2)
    facing = apart <= ACROSS * np.minimum(size[:, None], size)
    return np.asarray(facing & boxes.gaps_within(np.full(3, REACH_MM)))


def are_arcs_of_one_ring(frame: Frame, one: Runs, other: Runs) -> bool:
    """Whether two objects lie on one circle or sphere, each along an arc of it and both together
    along half of it or more."""
    if min(one.voxels, other.voxels) < FEWEST_VOXELS:
        return False
    parts = [frame.to_lps(voxels_of(runs)) for runs in (one, other)]
    points = np.concatenate(parts)
    middle, ways = _sphere(points)
    distance = np.linalg.norm(points - middle, axis=1)
    radius = float(distance.mean())
    aside = float(np.sqrt(np.mean((distance - radius) ** 2)))
    if radius > MOST_RADIUS_MM or aside > ASIDE * radius:
        return False
    arcs = [_sectors((part - middle) @ ways[:2].T) for part in parts]
    shortest = min(int(arc.sum()) for arc in arcs)
    return shortest >= LEAST_ARC and int((arcs[0] | arcs[1]).sum()) >= LEAST_OF_CIRCLE


def _sphere(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The middle of the sphere nearest to points (n, 3), by least squares of its equation, and the
    points' main ways (3, 3), widest first. Of points that lie in a plane it is their circle's."""
    mean = points.mean(axis=0)
    around = points - mean
    spread, ways = main_ways(around)
    square = (around**2).sum(axis=1)
    # |p - c|^2 is the same for all p: 2 p.c = |p|^2 - mean |p|^2, along each of the main ways.
    along = around @ ways.T
    wide = spread > FLAT * spread[0]
    middle = np.zeros(3)
    middle[wide] = 0.5 * (along.T @ (square - square.mean()))[wide] / spread[wide] ** 2
    return mean + middle @ ways, ways


def main_ways(
    around: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points about their mean, (n, 3): how far they spread along their main ways, root of the sum
    of squares (3,), widest first, and these ways, unit vectors (3, 3)."""
    square, ways = np.linalg.eigh(around.T @ around)
    return np.sqrt(np.clip(square[::-1], 0.0, None)), ways.T[::-1]


def _sectors(flat: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the SECTORS around the origin hold any of the points (n, 2)."""
    turn = np.arctan2(flat[:, 1], flat[:, 0]) / (2 * np.pi) % 1.0
    found = np.zeros(SECTORS, np.bool_)
    found[np.minimum((turn * SECTORS).astype(int), SECTORS - 1)] = True
    return found
