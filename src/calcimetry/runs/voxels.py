"""From single voxels to runs, and from pieces to one table of runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Runs
from calcimetry.runs.grid import voxels_of


def kept(runs: Runs, keep: NDArray[np.bool_]) -> Runs:
    """The voxels of `runs` for which `keep`, bool (voxels,) in run order, is True."""
    z, y, x = voxels_of(runs)[keep].T
    if not x.size:
        none = np.empty(0, np.int32)
        return Runs(runs.shape, none, none, none)
    row = z * runs.shape[1] + y
    begins = np.flatnonzero(np.diff(row, prepend=-1) | (np.diff(x, prepend=-2) != 1))
    ends = np.append(begins[1:], x.size) - 1
    return Runs(runs.shape, row[begins], x[begins], x[ends] + 1)


def stacked(pieces: Sequence[Runs], shape: tuple[int, int, int]) -> tuple[Runs, NDArray[np.int32]]:
    """Pieces that share no voxel, as runs in raster order and the piece (from 1) of each.

    The one place where two runs of a row may touch: they are of different pieces.
    """
    if not pieces:
        none = np.empty(0, np.int32)
        return Runs(shape, none, none, none), none
    row, start, stop = (
        np.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("row", "start", "stop")
    )
    label = np.repeat(np.arange(1, len(pieces) + 1, dtype=np.int32), [len(p) for p in pieces])
    order = np.lexsort((start, row))
    return Runs(shape, row[order], start[order], stop[order]), label[order]
