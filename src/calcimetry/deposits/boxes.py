"""The boxes of objects: what they tell of all pairs at once, before any voxel is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Frame, Runs
from calcimetry.runs import box_of


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The boxes of some objects along the axes of their grid.

    low, high : float64 (n, 3), (z, y, x), mm from the corner of the first voxel
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, frame: Frame, pieces: Sequence[Runs]) -> Boxes:
        ends = [[(side.start, side.stop) for side in box_of(runs)] for runs in pieces]
        sides = np.array(ends, np.float64).reshape(-1, 3, 2)
        return cls(sides[..., 0] * frame.spacing, sides[..., 1] * frame.spacing)

    def gaps_within(self, most: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which pairs have gaps of at most `most` mm (3,) along every axis: bool (n, n)."""
        apart = self.low[:, None] - self.high
        near = np.asarray((apart <= most + 1e-6).all(axis=2))
        return near & near.T
