"""From runs back to voxels: small arrays of a box, and whole volumes for files only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from calcimetry.errors import UsageError
from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.order import first_at_least
from calcimetry.kernels.types import Plane, RunColumns, Vector, Volume
from calcimetry.records import Box, Runs
from calcimetry.runs.find import columns


def crop(
    box: Box | NDArray[np.int32],
    shape: tuple[int, int, int],
    margin_mm: float = 0.0,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Box:
    """A box grown by `margin_mm` on every side (whole voxels, rounded up), cut to the volume.

    box : slices (z, y, x), or a row of `Objects.box`
    shape, spacing : of the volume, (z, y, x); spacing in mm
    """
    if isinstance(box, tuple):
        bounds = [(int(side.start), int(side.stop)) for side in box]
    else:
        bounds = [(int(box[2 * axis]), int(box[2 * axis + 1])) for axis in range(3)]
    z, y, x = (
        slice(max(0, low - grow), min(length, high + grow))
        for (low, high), length, grow in zip(
            bounds, shape, (math.ceil(margin_mm / step) for step in spacing), strict=True
        )
    )
    return z, y, x


def box_of(runs: Runs) -> Box:
    """The smallest box that holds all voxels; empty at the origin when there are none."""
    if not len(runs):
        return slice(0, 0), slice(0, 0), slice(0, 0)
    height = runs.shape[1]
    y = runs.row % height
    return (
        slice(int(runs.row[0]) // height, int(runs.row[-1]) // height + 1),
        slice(int(y.min()), int(y.max()) + 1),
        slice(int(runs.start.min()), int(runs.stop.max())),
    )


@inner
def bounding(columns: RunColumns, first: int, end: int, height: int, box: Plane[np.int64]) -> None:
    """`box_of` for runs first to end - 1 of columns, in kernels, into `box`: int64 (3, 2), first
    (z, y, x), and one past the last."""
    row, start, stop = columns
    for k in range(3):
        box[k, 0], box[k, 1] = 2**31, 0
    for run in range(first, end):
        z, y = row[run] // height, row[run] % height
        box[0, 0], box[0, 1] = min(box[0, 0], z), max(box[0, 1], z + 1)
        box[1, 0], box[1, 1] = min(box[1, 0], y), max(box[1, 1], y + 1)
        box[2, 0], box[2, 1] = min(box[2, 0], start[run]), max(box[2, 1], stop[run])


def paint(
    box: Box,
    runs: Runs,
    values: NDArray[np.int32] | int | bool = True,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """The voxels of `runs` in `box`, as a small array of the box's size.

    Parameters
    ----------
    values : what to write: True (a bool array comes back), a number, or int32 (n,), a
        number for each run (an int32 array comes back)
    out : painted over and returned, of the box's size: bool, uint8, uint16 or int32,
        C-contiguous; by default a new array, 0 outside the runs

    Only runs of the box's rows are read.
    """
    size = tuple(side.stop - side.start for side in box)
    if out is None:
        out = np.zeros(size, np.bool_ if values is True else np.int32)
    if out.shape != size or not out.flags.c_contiguous:
        raise UsageError(
            "BAD_OUTPUT_ARRAY",
            found=f"shape {out.shape}",
            expected=f"a C-contiguous array of shape {size}",
            where="out",
            remedy="hand in an array of the box's size, or none",
        )
    canvas = out.view(np.uint8) if out.dtype == np.bool_ else out
    corner = np.array([(side.start, side.stop) for side in box], np.int64)
    numbers = np.atleast_1d(np.asarray(values, np.int32))
    _paint(canvas, corner, *columns(runs), runs.shape[1], read_only(numbers, np.int32))
    return out


def to_mask(runs: Runs) -> NDArray[np.bool_]:
    """A bool volume (z, y, x) of the runs: as big as the scan, so only for files and tests."""
    mask: NDArray[np.bool_] = paint(_everything(runs.shape), runs)
    return mask


def to_labels(
    shape: tuple[int, int, int], parts: Sequence[Runs], dtype: DTypeLike | None = None
) -> NDArray[Any]:
    """A label volume (z, y, x): 1 in the first part, 2 in the second, ...; for files only.

    dtype : uint8, uint16 or int32; by default the smallest of them that holds all numbers.
    Later parts win where parts overlap. Raises UsageError when the numbers do not fit.
    """
    kinds = [kind for kind in (np.uint8, np.uint16, np.int32) if len(parts) <= np.iinfo(kind).max]
    kind = np.dtype(dtype) if dtype is not None else np.dtype(kinds[0])
    if kind not in [np.dtype(fit) for fit in kinds]:
        raise UsageError(
            "LABELS_DO_NOT_FIT",
            found=f"{len(parts)} labels in {kind}",
            expected=f"one of {', '.join(np.dtype(fit).name for fit in kinds)}",
            where="dtype",
            remedy="choose a wider type",
        )
    volume = np.zeros(shape, kind)
    for number, piece in enumerate(parts, start=1):
        paint(_everything(shape), piece, number, out=volume)
    return volume


def voxels_of(runs: Runs) -> NDArray[np.int32]:
    """The (z, y, x) index of every voxel, in raster order: int32 (voxels, 3)."""
    length = runs.stop - runs.start
    z, y = np.divmod(runs.row, np.int32(runs.shape[1]))
    found = np.empty((runs.voxels, 3), np.int32)
    found[:, 0], found[:, 1] = np.repeat(z, length), np.repeat(y, length)
    # From the first voxel of each run on, x rises by one with each voxel.
    before = np.cumsum(length, dtype=np.int64) - length
    found[:, 2] = np.arange(runs.voxels) + np.repeat(runs.start - before, length)
    return found


def _everything(shape: tuple[int, int, int]) -> Box:
    return slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])


@kernel
def _paint(
    canvas: Volume[np.uint8] | Volume[np.int32] | Volume[np.uint16],
    corner: Plane[np.int64],
    row: Vector[np.int32],
    start: Vector[np.int32],
    stop: Vector[np.int32],
    height: int,
    numbers: Vector[np.int32],
) -> None:
    z0, z1 = corner[0]
    y0, y1 = corner[1]
    x0, x1 = corner[2]
    run = 0
    if z1 - z0 == 0 or y1 - y0 == 0:
        return
    for z in range(z0, z1):
        # Rows rise: skip by bisection to the first row of the box in this slice.
        run = first_at_least(row, z * height + y0, run)
        while run < row.size and row[run] < z * height + y1:
            low, high = max(start[run], x0), min(stop[run], x1)
            number = numbers[run] if numbers.size > 1 else numbers[0]
            for x in range(low, high):
                canvas[z - z0, row[run] - z * height - y0, x - x0] = number
            run += 1
        if run == row.size:
            break
