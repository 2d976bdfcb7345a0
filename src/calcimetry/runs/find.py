"""From volumes to runs: by threshold, by mask, and again by threshold inside runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.errors import UsageError
from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.types import ZERO, Integer, Plane, RunColumns, Scalar, Vector
from calcimetry.records import Runs
from calcimetry.threads import Jobs, over_slabs

RunSums = tuple[Vector[np.int64], Vector[np.int16], Vector[np.int16]]
"""Sum, largest and smallest HU of each run."""

_BLOCK = 64  # voxels looked at together: the bits of a word, two AVX-512 registers of int16
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_DE_BRUIJN_INDEX = np.empty(64, np.int32)
for _bit in range(64):
    _DE_BRUIJN_INDEX[(int(_DE_BRUIJN) << _bit & 2**64 - 1) >> 58] = _bit


def find_runs(hu: NDArray[np.int16], threshold: float, *, jobs: Jobs = 1) -> Runs:
    """Voxels of `hu` at or above `threshold`, in one streaming pass.

    Parameters
    ----------
    hu : int16 (z, y, x); C-contiguous, else it is copied
    threshold : HU
    jobs : threads

    Raises UsageError unless `hu` is an int16 volume.
    """
    return _runs_at_least(hu_volume(hu), integer_threshold(threshold), jobs)


def from_mask(mask: NDArray[np.bool_], *, jobs: Jobs = 1) -> Runs:
    """The True voxels of a bool volume (z, y, x). Raises UsageError for other dtypes."""
    if mask.dtype != np.bool_ or mask.ndim != 3:
        raise _bad_volume(mask, "a bool volume (z, y, x)")
    return _runs_at_least(mask, 1, jobs)


def threshold_within(hu: NDArray[np.int16], runs: Runs, threshold: float) -> Runs:
    """The voxels of `runs` that are at or above `threshold` HU; reads no other voxel."""
    if hu.dtype != np.int16 or hu.shape != runs.shape:
        raise _bad_volume(hu, f"an int16 volume of shape {runs.shape}")
    lines = read_only(hu, np.int16).reshape(-1, hu.shape[2])
    least = integer_threshold(threshold)
    found = _within(lines, *columns(runs), np.int32(least))
    return Runs(runs.shape, *found)


def columns(runs: Runs) -> RunColumns:
    """Row, start and stop, as kernels want them."""
    return (
        read_only(runs.row, np.int32),
        read_only(runs.start, np.int32),
        read_only(runs.stop, np.int32),
    )


def hu_volume(hu: NDArray[np.int16]) -> NDArray[np.int16]:
    """`hu` for kernels. Raises UsageError unless it is an int16 volume."""
    if hu.dtype != np.int16 or hu.ndim != 3:
        raise _bad_volume(hu, "an int16 volume (z, y, x)")
    return read_only(hu, np.int16)


def integer_threshold(threshold: float) -> int:
    """The whole number that `>= threshold` comes to, in -32768 to 32768 (above all HU)."""
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


def _runs_at_least(values: NDArray[Any], least: int, jobs: Jobs) -> Runs:
    """Of HU or of a mask: the kernel is compiled once, so a slab of a mask becomes int16."""
    depth, height, width = values.shape
    if least > np.iinfo(np.int16).max or values.size == 0:
        none = np.empty(0, np.int32)
        return Runs(values.shape, none, none, none)
    bound = np.int16(least)

    def slab(first: int, end: int) -> RunColumns:
        lines = read_only(values[first:end], np.int16).reshape(-1, width)
        # Their sums cost little beside a kernel of its own, to be compiled and loaded.
        return find_and_sum(lines, bound, np.int32(first * height), height)[0]

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


@inner
def _grown(array: Vector[Scalar]) -> Vector[Scalar]:
    wider = np.empty(2 * array.size, array.dtype)
    for n in range(array.size):
        wider[n] = array[n]
    return wider


@inner
def _extremes(block: Vector[np.int16]) -> tuple[int, int]:
    """Smallest and largest of a block. Taking both keeps LLVM from unrolling the loop
    wholly, and so leaves it SIMD (measured: the largest alone is 9 times slower)."""
    low = block[0]
    high = block[0]
    for x in range(_BLOCK):
        value = block[x]
        high = value if value > high else high
        low = value if value < low else low
    return low, high


@inner
def _dense_bits(block: Vector[np.int16], least: Integer) -> np.uint64:
    """Bit x is set where voxel x of the block is dense."""
    bits = np.uint64(0)
    for x in range(_BLOCK):
        bits |= np.uint64(block[x] >= least) << np.uint64(x)
    return bits


@inner
def lowest_bit(bits: np.uint64) -> np.int32:
    """Index of the lowest set bit, by a de Bruijn product (Leiserson, Prokop, Randall 1998)."""
    lowest = bits & (~bits + np.uint64(1))
    index: np.int32 = _DE_BRUIJN_INDEX[(lowest * _DE_BRUIJN) >> np.uint64(58)]
    return index


@inner
def _line_edges(line: Vector[np.int16], least: Integer, out: Vector[np.int32], edges: int) -> int:
    """Append to `out` where runs of a line start and stop, in turns; how many there are now."""
    width = line.size
    inside = np.uint64(0)
    for x in range(0, width - _BLOCK + 1, _BLOCK):
        block = line[x : x + _BLOCK]
        if inside == 0 and _extremes(block)[1] < least:
            continue
        bits = _dense_bits(block, least)
        changes = bits ^ ((bits << np.uint64(1)) | inside)
        while changes:
            out[edges] = x + lowest_bit(changes)
            edges += 1
            changes &= changes - np.uint64(1)
        inside = bits >> np.uint64(_BLOCK - 1)
    for x in range(width - width % _BLOCK, width):
        dense = np.uint64(line[x] >= least)
        if dense != inside:
            out[edges] = x
            edges += 1
        inside = dense
    if inside:
        out[edges] = width
        edges += 1
    return edges


@inner
def _fill(
    lines: Plane[np.int16] | Plane[np.int8],
    least: Integer,
    r: int,
    end: int,
    out: Vector[np.int32],
    edges: int,
    last: Vector[np.int64],
) -> tuple[int, int]:
    """Lines r to end, until `out` might not hold another; `last` gets each line's end."""
    width = lines.shape[1]
    while r < end and edges + width + 1 < out.size:
        edges = _line_edges(lines[r], least, out, edges)
        last[r] = edges
        r += 1
    return r, edges


@inner
def _from_edges(
    out: Vector[np.int32], edges: int, last: Vector[np.int64], first_row: Integer
) -> RunColumns:
    count = edges // 2
    row, start, stop = (
        np.empty(count, np.int32),
        np.empty(count, np.int32),
        np.empty(count, np.int32),
    )
    run = 0
    for r in range(last.size):
        while run < last[r] // 2:
            row[run] = first_row + r
            run += 1
    for run in range(count):
        start[run], stop[run] = out[2 * run], out[2 * run + 1]
    return row, start, stop


@inner
def _sum_edges(
    lines: Plane[np.int16],
    r: int,
    end: int,
    out: Vector[np.int32],
    last: Vector[np.int64],
    sums: RunSums,
) -> None:
    """Sum, peak and floor of the runs of lines r to end."""
    total, peak, floor = sums
    run = last[r - 1] // 2 if r > 0 else 0
    for i in range(r, end):
        line = lines[i]
        while run < last[i] // 2:
            total[run], peak[run], floor[run] = sum_run(line, out[2 * run], out[2 * run + 1])
            run += 1


@inner
def sum_run(line: Vector[np.int16], start: int, stop: int) -> tuple[Integer, Integer, Integer]:
    """Sum, peak and floor of one run."""
    low = high = line[start]
    total = np.int64(0)
    for x in range(start, stop):
        value = line[x]
        total += value
        high = value if value > high else high
        low = value if value < low else low
    return total, high, low


@kernel
def find_and_sum(
    lines: Plane[np.int16], least: Integer, first_row: Integer, chunk: int
) -> tuple[RunColumns, RunSums]:
    """Runs of lines at or above `least`, and the sums of each, taken while its lines are still in
    the cache; `first_row` : number of the first line; chunk : lines that are looked at together."""
    rows, width = lines.shape
    out = np.empty(2 * width + 65536, np.int32)
    half = out.size // 2
    total, peak, floor = (
        np.empty(half, np.int64),
        np.empty(half, np.int16),
        np.empty(half, np.int16),
    )
    last = np.empty(rows, np.int64)
    r, edges = ZERO, ZERO
    while r < rows:
        before = r
        r, edges = _fill(lines, least, r, min(r + chunk, rows), out, edges, last)
        _sum_edges(lines, before, r, out, last, (total, peak, floor))
        if r < rows and edges + width + 1 >= out.size:
            out, total, peak, floor = _grown(out), _grown(total), _grown(peak), _grown(floor)
    n = edges // 2
    found = _from_edges(out, edges, last, first_row)
    return found, (total[:n].copy(), peak[:n].copy(), floor[:n].copy())


@kernel
def _within(
    lines: Plane[np.int16],
    rows: Vector[np.int32],
    starts: Vector[np.int32],
    stops: Vector[np.int32],
    least: np.int32,
) -> RunColumns:
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
