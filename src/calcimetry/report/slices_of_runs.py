"""Where deposits lie on a plane of the scan, from their runs, without a label volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Deposit, Runs


@dataclass(frozen=True, slots=True)
class Marks:
    """The runs of all deposits, each with its deposit's number.

    runs : int64 (n, 5), z, y, first x, one past the last x, number
    shape : of the volume, (z, y, x)
    """

    runs: NDArray[np.int64]
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, deposits: Sequence[Deposit]) -> Marks:
        """All runs of some deposits of one scan."""
        parts = [np.empty((0, 5), dtype=np.int64)]
        for deposit in deposits:
            runs = deposit.runs
            z, y = np.divmod(runs.row.astype(np.int64), runs.shape[1])
            number = np.full(len(runs), deposit.number)
            parts.append(np.column_stack([z, y, runs.start, runs.stop, number]))
        shape = deposits[0].runs.shape if deposits else (0, 0, 0)
        return cls(np.concatenate(parts), shape)

    def on_plane(self, axis: int, index: int) -> NDArray[np.int32]:
        """Deposit numbers on one slice, 0 elsewhere; the two other axes in array order."""
        keep = [k for k in range(3) if k != axis]
        plane = np.zeros([self.shape[k] for k in keep] if self.shape[0] else (1, 1), np.int32)
        z, y, start, stop, number = self.runs.T
        if axis == 2:
            here = (start <= index) & (index < stop)
            plane[z[here], y[here]] = number[here]
            return plane
        own, rows = (z, y) if axis == 0 else (y, z)
        here = own == index
        for row, first, last, value in zip(
            rows[here], start[here], stop[here], number[here], strict=True
        ):
            plane[row, first:last] = value
        return plane


def bounds(runs: Runs) -> NDArray[np.int64]:
    """Box of runs: (2, 3), first voxel and one past the last, (z, y, x)."""
    z, y = np.divmod(runs.row.astype(np.int64), runs.shape[1])
    low = (z.min(), y.min(), runs.start.min())
    high = (z.max() + 1, y.max() + 1, runs.stop.max())
    return np.array([low, high], dtype=np.int64)


def fullest(runs: Runs, axis: int) -> int:
    """The slice across `axis` that cuts most voxels; of equals, the middle one."""
    if axis == 2:
        steps = np.zeros(runs.shape[2] + 1, dtype=np.int64)
        np.add.at(steps, runs.start, 1)
        np.add.at(steps, runs.stop, -1)
        area = steps.cumsum()
    else:
        z_y = np.divmod(runs.row.astype(np.int64), runs.shape[1])
        area = np.bincount(z_y[axis], weights=runs.stop - runs.start)
    best = np.flatnonzero(area == area.max())
    return int(best[len(best) // 2])
