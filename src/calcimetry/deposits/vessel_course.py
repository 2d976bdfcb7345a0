"""Small deposits strung along a line: calcium in the wall of an artery, told by its course."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LEAST = 5
"""Objects on a line. Of 24 deposits strewn at random over a limb, five lie so by chance about
once in a hundred limbs; of four, in every other."""

LEAST_MM = 50.0
ASIDE_MM = 8.0
"""How far off the straight line they may lie: arteries bend, and have width."""

GAP_MM = 40.0
"""The longest stretch of wall between two of them that holds no calcium."""

MOST = 300
"""More small objects than this in one scan are noise or contrast, and no course is sought."""


def along_course(centres_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the points (n, 3) lie with four others or more along a line: bool (n,)."""
    found = np.zeros(len(np.asarray(centres_mm).reshape(-1, 3)), np.bool_)
    for line in courses(centres_mm):
        found |= line
    return found


def courses(centres_mm: NDArray[np.float64]) -> Iterator[NDArray[np.bool_]]:
    """The points (n, 3) along each line that holds LEAST or more of them: bool (n,) each.

    Every pair of points LEAST_MM apart or more is tried as the ends of a line.
    """
    points = np.asarray(centres_mm, np.float64).reshape(-1, 3)
    if not LEAST <= len(points) <= MOST:
        return
    for first in range(len(points)):
        ways = points[first + 1 :] - points[first]
        far = ways[np.linalg.norm(ways, axis=1) >= LEAST_MM]
        yield from _on_lines(points - points[first], far)


def _on_lines(
    offset: NDArray[np.float64], ways: NDArray[np.float64]
) -> Iterator[NDArray[np.bool_]]:
    """The points (n, 3) beside each line from the origin along one of `ways` (m, 3), where they are
    enough and close-set."""
    length = np.linalg.norm(ways, axis=1)
    along = ways @ offset.T / length[:, None]
    aside = np.sqrt(np.maximum((offset**2).sum(axis=1) - along**2, 0.0))
    near = (aside <= ASIDE_MM) & (along >= -1e-6) & (along <= length[:, None] + 1e-6)
    enough = near.sum(axis=1) >= LEAST
    near, along = near[enough], along[enough]
    last = np.where(near, along, 0.0).max(axis=1, keepdims=True)
    gaps = np.diff(np.sort(np.where(near, along, last), axis=1), axis=1)
    yield from near[(gaps <= GAP_MM).all(axis=1)]
