"""From volumes to runs: by threshold, by mask, and again by threshold inside runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.errors import UsageError
from calcimetry.records import Runs
from calcimetry.runs._jit import frozen, kernel
from calcimetry.runs._slabs import over_slabs

_BLOCK = 64  # voxels looked at together: two AVX-512 or eight SSE registers of int16


def find_runs(hu: NDArray[np.int16], threshold: float, *, jobs: int = 1) -> Runs:
    """Voxels of `hu` at or above `threshold`, in one streaming pass.

    Parameters
    ----------
    hu : int16 (z, y, x); C-contiguous, else it is copied
    threshold : HU
    jobs : threads

    Raises UsageError unless `hu` is an int16 volume.
    """
    if hu.dtype != np.int16 or hu.ndim != 3:
        raise _bad_volume(hu, "an int16 volume (z, y, x)")
    return _runs_at_least(frozen(hu, np.int16), _integer_threshold(threshold), jobs)


def from_mask(mask: NDArray[np.bool_], *, jobs: int = 1) -> Runs:
    """The True voxels of a bool volume (z, y, x). Raises UsageError for other dtypes."""
    if mask.dtype != np.bool_ or mask.ndim != 3:
        raise _bad_volume(mask, "a bool volume (z, y, x)")
    return _runs_at_least(frozen(mask, np.bool_).view(np.int8), 1, jobs)


def threshold_within(hu: NDArray[np.int16], runs: Runs, threshold: float) -> Runs:
    """The voxels of `runs` that are at or above `threshold` HU; reads no other voxel."""
    if hu.dtype != np.int16 or hu.shape != runs.shape:
        raise _bad_volume(hu, f"an int16 volume of shape {runs.shape}")
    lines = frozen(hu, np.int16).reshape(-1, hu.shape[2])
    least = _integer_threshold(threshold)
    found = _within(lines, *columns(runs), np.int32(least))
    return Runs(runs.shape, *found)


def columns(runs: Runs) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Row, start and stop, as kernels want them."""
    return frozen(runs.row, np.int32), frozen(runs.start, np.int32), frozen(runs.stop, np.int32)


def _integer_threshold(threshold: float) -> int:
    if math.isnan(threshold):
        raise UsageError(
            "BAD_THRESHOLD",
            found="not a number",
            expected="a threshold in HU",
            where="threshold",
            remedy="give a number",
        )
    # HU are whole, so `>= 130.2` is `>= 131`; beyond int16, nothing or everything.
    return math.ceil(min(max(threshold, -32768), 32768))


def _runs_at_least(values: NDArray[Any], least: int, jobs: int) -> Runs:
    depth, height, width = values.shape
    if least > np.iinfo(values.dtype).max or values.size == 0:
        none = np.empty(0, np.int32)
        return Runs(values.shape, none, none, none)
    bound = values.dtype.type(least)

    def slab(first: int, end: int) -> tuple[NDArray[np.int32], ...]:
        lines = values[first:end].reshape(-1, width)
        found: tuple[NDArray[np.int32], ...] = _find(lines, bound, np.int32(first * height))
        return found

    parts = over_slabs(slab, depth, jobs)
    if len(parts) == 1:
        return Runs(values.shape, *parts[0])
    row, start, stop = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Runs(values.shape, row, start, stop)


def _bad_volume(volume: NDArray[Any], expected: str) -> UsageError:
    return UsageError(
        "BAD_VOLUME",
        found=f"{volume.dtype} of shape {volume.shape}",
        expected=expected,
        where="the array handed in",
        remedy="convert it first; HU are whole numbers, round them",
    )


@kernel
def _grown(array: Any) -> Any:
    wider = np.empty(2 * array.size, np.int32)
    wider[: array.size] = array
    return wider


@kernel
def _block_extremes(block: Any) -> Any:
    """Smallest and largest of a block; a loop of fixed length, so that it becomes SIMD."""
    low = block[0]
    high = block[0]
    for x in range(_BLOCK):
        value = block[x]
        high = value if value > high else high
        low = value if value < low else low
    return low, high


@kernel
def _uniform(line: Any, x: Any, least: Any, inside: Any) -> Any:
    """Whether the block at x is all dense (when inside a run) or all not (outside)."""
    low, high = _block_extremes(line[x : x + _BLOCK])
    return low >= least if inside else high < least


@kernel
def _find(lines: Any, least: Any, first_row: Any) -> Any:
    rows, width = lines.shape
    row = np.empty(4096, np.int32)
    start = np.empty(4096, np.int32)
    stop = np.empty(4096, np.int32)
    count = 0
    for r in range(rows):
        line = lines[r]
        while count + width // 2 + 1 > row.size:
            row, start, stop = _grown(row), _grown(start), _grown(stop)
        inside = False
        for x in range(0, width, _BLOCK):
            if x + _BLOCK <= width and _uniform(line, x, least, inside):
                continue
            for i in range(x, min(x + _BLOCK, width)):
                dense = line[i] >= least
                if dense and not inside:
                    row[count], start[count] = first_row + r, i
                elif inside and not dense:
                    stop[count] = i
                    count += 1
                inside = dense
        if inside:
            stop[count] = width
            count += 1
    return row[:count].copy(), start[:count].copy(), stop[:count].copy()


@kernel
def _within(lines: Any, rows: Any, starts: Any, stops: Any, least: Any) -> Any:
    row = np.empty(rows.size + 16, np.int32)
    start = np.empty(rows.size + 16, np.int32)
    stop = np.empty(rows.size + 16, np.int32)
    count = 0
    for run in range(rows.size):
        while count + stops[run] - starts[run] > row.size:
            row, start, stop = _grown(row), _grown(start), _grown(stop)
        inside = False
        for x in range(starts[run], stops[run]):
            dense = lines[rows[run], x] >= least
            if dense and not inside:
                row[count] = rows[run]
                start[count] = x
            elif inside and not dense:
                stop[count] = x
                count += 1
            inside = dense
        if inside:
            stop[count] = stops[run]
            count += 1
    return row[:count].copy(), start[:count].copy(), stop[:count].copy()
