"""Voxels as runs, the connected objects that they make, and what the finder says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from calcimetry.records.basics import Flag, Kind, Likeness, Rule
from calcimetry.records.squeezed import Squeezed, squeezed, unsqueezed
from calcimetry.records.words import by

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Stretches of voxels along rows, in raster order; never two that touch in one row.

    shape : of the volume, (z, y, x)
    row : int32 (n,), ``z * shape[1] + y``
    start, stop : int32 (n,), first x, and one past the last
    """

    shape: tuple[int, int, int]
    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def voxels(self) -> int:
        return int((self.stop - self.start).sum(dtype=np.int64))

    def __repr__(self) -> str:
        return f"Runs({len(self)} runs, {self.voxels} voxels in {by(self.shape)})"

    def mask(self) -> NDArray[np.bool_]:
        """Which voxels they hold, bool (z, y, x)."""
        length = (self.stop - self.start).astype(np.int64)
        first = self.row.astype(np.int64) * self.shape[2] + self.start
        found = np.zeros(self.shape, np.bool_)
        begins = np.repeat(first - (length.cumsum() - length), length)
        found.reshape(-1)[begins + np.arange(len(begins))] = True
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        """Small, for other processes: an examination carries some hundred thousand runs."""
        columns = np.stack([self.row, self.start, self.stop - self.start])
        return _runs, (self.shape, squeezed(columns))


def _runs(shape: tuple[int, int, int], columns: Squeezed) -> Runs:
    row, start, length = unsqueezed(columns)
    return Runs(shape, row, start, start + length)


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """Connected objects: runs, the object of each, and what was summed in one pass.

    label : int32 (n,) per run, 1..count, numbered by first voxel in raster order
    voxels : int64 (count,)
    total : float64 (count,), sum of HU
    peak, floor : int16 (count,), largest and smallest HU
    centroid : float64 (count, 3), mean (z, y, x) in voxels
    moment : float64 (count, 3, 3), covariance of voxel positions (z, y, x), voxels squared
    box : int32 (count, 6), z0, z1, y0, y1, x0, x1; the odd ones are one past the last
    sums : of each run its sum of HU (int64), largest and smallest HU (int16); None where they
        were not kept
    """

    runs: Runs
    label: NDArray[np.int32]
    voxels: NDArray[np.int64]
    total: NDArray[np.float64]
    peak: NDArray[np.int16]
    floor: NDArray[np.int16]
    centroid: NDArray[np.float64]
    moment: NDArray[np.float64]
    box: NDArray[np.int32]
    sums: tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.int16]] | None = None

    def __len__(self) -> int:
        return len(self.voxels)

    def __repr__(self) -> str:
        return f"Objects({len(self)} objects, {self.runs!r})"


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A dense object, or a part cut from one, with what the finder judged it to be.

    runs : its voxels
    kind : what it is
    reason : why, in words a reader understands
    confidence : 0 to 1, that the kind is right
    flags : coded remarks on it
    rule : code of the rule that decided; None where the finder did not judge
    likeness : what, other than a deposit, it looks most like; None where nothing tells
    """

    runs: Runs
    kind: Kind
    reason: str
    confidence: float
    flags: tuple[Flag, ...] = ()
    rule: Rule | None = None
    likeness: Likeness | None = None

    def __repr__(self) -> str:
        return f"Finding({self.kind}, confidence {self.confidence:.2f}, {self.runs!r})"
