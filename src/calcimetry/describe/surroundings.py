"""What lies around dense objects, for all of them in one pass.

The shell around an object is made from its runs: every run, widened by what a ball leaves at
each step in z and y, is a stretch of bits. Joining stretches gives exactly the voxels within
a distance, without a distance map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.dilate import ball_widths
from calcimetry.kernels.order import median_of_counts
from calcimetry.kernels.types import ZERO, Integer, Plane, RunColumns, Vector, Volume
from calcimetry.records import Runs, Scan
from calcimetry.runs import concatenated
from calcimetry.runs.find import integer_threshold, lowest_bit
from calcimetry.runs.grid import bounding
from calcimetry.threads import Jobs, over_chunks

SHELL_FROM_MM, SHELL_TO_MM = 2.0, 6.0
"""Surroundings lie this far off: beyond the object's own blur, within its own tissue."""

LEAST_PAIRS = 20
FAT_HU = (-200, -30)
AIR_HU = -300
_FLOOR = -32768
_STRETCH = 4096
_FAT, _SOFT, _AIR, _DENSE, _MEDIAN, _NOISE, _COUNT = range(7)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Fractions of the shell around an object; of what is not dense in it, median and noise.

    noise_hu : 1 SD of the noise there, from neighbouring voxels
    """

    fat: float
    soft: float
    air: float
    dense: float
    median_hu: float | None
    noise_hu: float | None


def surroundings(
    scan: Scan, pieces: Sequence[Runs], threshold: float, *, jobs: Jobs = 1
) -> list[Surroundings | None]:
    """What lies in a shell around each object; None where no voxel of the scan does.

    threshold : HU at and above which a voxel is dense

    The noise is 1 SD from differences of neighbours in tissue, in the box around the shell.
    The median of absolute differences does not see the few that lie across borders of
    tissues; the axis with the most is taken, since noise is least correlated along it.
    """
    all_runs = concatenated(pieces, scan.hu.shape)
    reach = max(SHELL_TO_MM, 1.5 * max(scan.spacing))
    margin = np.ceil(reach / np.array(scan.spacing)).astype(np.int64)
    near = np.nextafter(SHELL_FROM_MM, 0.0)  # what lies just so far off is of the shell
    inner, outer = (ball_widths(scan.spacing, tuple(margin), far) for far in (near, reach))
    table = np.full((len(pieces), _COUNT), np.nan)
    hu, least = read_only(scan.hu, np.int16), integer_threshold(threshold)

    def chunk(first: int, end: int) -> None:
        _look(
            hu, all_runs.columns, all_runs.bounds, (inner, outer, margin), least, table, first, end
        )

    over_chunks(chunk, len(pieces), jobs)
    return [_of_row(row) for row in table.tolist()]


def _of_row(row: list[float]) -> Surroundings | None:
    fat, soft, air, dense, median, noise = row
    if np.isnan(fat):
        return None
    known = [None if np.isnan(value) else value for value in (median, noise)]
    return Surroundings(fat, soft, air, dense, *known)


@kernel
def _look(
    hu: Volume[np.int16],
    columns: RunColumns,
    bounds: Vector[np.int64],
    widths: tuple[Plane[np.int64], Plane[np.int64], Vector[np.int64]],
    least: int,
    table: Plane[np.float64],
    begin: int,
    end: int,
) -> None:
    inner, outer, margin = widths
    counts = np.zeros(1 - 2 * _FLOOR, np.int32)
    apart = np.zeros((4, max(least - FAT_HU[0], 1) + 1), np.int32)
    box, widest = np.empty((3, 2), np.int64), _most(outer)
    for piece in range(begin, end):
        a, b = bounds[piece], bounds[piece + 1]
        if a == b:
            continue
        _box(columns, a, b, margin, hu.shape, box)
        words = (box[2, 1] - box[2, 0] + 63) // 64
        size = (box[0, 1] - box[0, 0], box[1, 1] - box[1, 0], words)
        near = np.zeros(size, np.uint64)
        far = np.zeros(size, np.uint64)
        lines = np.empty((widest + 1, words), np.uint64)
        while a < b:
            row, a = columns[0][a], _widen(columns, a, b, box[2, 0], lines)
            at = (row // hu.shape[1] - box[0, 0], row % hu.shape[1] - box[1, 0])
            _join(lines, inner, at, near)
            _join(lines, outer, at, far)
        if _shell(hu, near, far, box, least, counts, table[piece]):
            table[piece, _NOISE] = _noise(hu, box, least, apart)


@inner
def _most(widths: Plane[np.int64]) -> int:
    most = 0
    for z in range(widths.shape[0]):
        for y in range(widths.shape[1]):
            most = max(most, widths[z, y])
    return most


@inner
def _box(
    columns: RunColumns,
    a: int,
    b: int,
    margin: Vector[np.int64],
    shape: tuple[int, int, int],
    box: Plane[np.int64],
) -> None:
    """The box of runs a to b with a margin around it, inside the volume."""
    bounding(columns, a, b, shape[1], box)
    for axis in range(3):
        box[axis, 0] = max(0, box[axis, 0] - margin[axis])
        box[axis, 1] = min(shape[axis], box[axis, 1] + margin[axis])


@inner
def _widen(columns: RunColumns, run: int, end: int, x0: int, lines: Plane[np.uint64]) -> int:
    """The bits of the runs of one row, made wider by 0, 1, ... voxels; the first run after them.

    Bits past the box's end are set, too.
    """
    row, start, stop = columns
    first = run
    for word in range(lines.shape[1]):
        lines[0, word] = np.uint64(0)
    while run < end and row[run] == row[first]:
        _set(lines[0], start[run] - x0, stop[run] - x0)
        run += 1
    one, top = np.uint64(1), np.uint64(63)
    for wide in range(1, len(lines)):
        below, line = np.uint64(0), lines[wide - 1]
        for word in range(len(line)):
            above = line[word + 1] if word + 1 < len(line) else np.uint64(0)
            bits = line[word] | (line[word] << one) | (line[word] >> one)
            lines[wide, word] = bits | (below >> top) | (above << top)
            below = line[word]
    return run


@inner
def _join(
    lines: Plane[np.uint64], width: Plane[np.int64], at: tuple[int, int], bits: Volume[np.uint64]
) -> None:
    """Set the bits of all voxels within reach of one row's."""
    z, y = at
    deep, high = width.shape
    for to_z in range(max(0, z - deep + 1), min(bits.shape[0], z + deep)):
        widths, rows = width[abs(to_z - z)], bits[to_z]
        for to_y in range(max(0, y - high + 1), min(bits.shape[1], y + high)):
            wide = widths[abs(to_y - y)]
            if wide >= 0:
                for word in range(len(lines[0])):
                    rows[to_y, word] |= lines[wide, word]


@inner
def _set(line: Vector[np.uint64], low: int, high: int) -> None:
    """Set bits low to high - 1 of a line of words."""
    full = np.uint64(0xFFFFFFFFFFFFFFFF)
    first, last = low // 64, (high - 1) // 64
    for word in range(first, last + 1):
        mask = full
        if word == first:
            mask &= full << np.uint64(low - 64 * word)
        if word == last:
            mask &= full >> np.uint64(64 * (word + 1) - high)
        line[word] |= mask


@inner
def _shell(
    hu: Volume[np.int16],
    near: Volume[np.uint64],
    far: Volume[np.uint64],
    box: Plane[np.int64],
    least: int,
    counts: Vector[np.int32],
    out: Vector[np.float64],
) -> bool:
    """Fractions and median over the voxels that are in `far` and not in `near`."""
    low, high = np.int64(-_FLOOR), np.int64(_FLOOR)
    for z in range(far.shape[0]):
        for y in range(far.shape[1]):
            line = hu[z + box[0, 0], y + box[1, 0], box[2, 0] : box[2, 1]]
            for word in range(far.shape[2]):
                bits = far[z, y, word] & ~near[z, y, word]
                while bits != np.uint64(0):
                    first = lowest_bit(bits)
                    gap = ~(bits >> np.uint64(first))
                    x = 64 * word + first
                    end = x + lowest_bit(gap) if gap else x + 64
                    part = line[x:end]
                    for k in range(len(part)):
                        value = np.int64(part[k])
                        counts[value - _FLOOR] += 1
                        low, high = min(low, value), max(high, value)
                    bits &= bits + (np.uint64(1) << np.uint64(first))
    if low > high:
        return False
    seen = counts[low - _FLOOR : high - _FLOOR + 1]
    _tell(seen, low, least, out)
    for n in range(len(seen)):
        seen[n] = 0
    return True


@inner
def _tell(counts: Vector[np.int32], first: Integer, least: int, out: Vector[np.float64]) -> None:
    """Shares of kinds of tissue, and the median of what is not dense, from counts of HU."""
    total = _among(counts, ZERO, len(counts))
    fat, soft, dense = FAT_HU[0] + 1 - first, FAT_HU[1] - first, least - first
    out[_FAT] = _among(counts, fat, soft) / total
    out[_SOFT] = _among(counts, soft, dense) / total
    out[_AIR] = _among(counts, ZERO, AIR_HU - first) / total
    out[_DENSE] = _among(counts, dense, len(counts)) / total
    quiet = _among(counts, ZERO, dense)
    if quiet > 0:
        out[_MEDIAN] = first + median_of_counts(counts, quiet)


@inner
def _among(counts: Vector[np.int32], begin: int, end: int) -> int:
    """How many have one of the values from `begin` on and below `end`."""
    number = 0
    for n in range(max(begin, 0), min(max(begin, end, 0), len(counts))):
        number += counts[n]
    return number


@inner
def _noise(hu: Volume[np.int16], box: Plane[np.int64], least: int, apart: Plane[np.int32]) -> float:
    """1 SD by the middle difference of neighbours, along the axis that has the most."""
    flat, steps = _flattened(hu, box)
    worst = np.nan
    for step in steps:
        for way in range(4):
            for n in range(apart.shape[1]):
                apart[way, n] = 0
        for begin in range(0, len(flat) - step, _STRETCH):
            end = min(begin + _STRETCH, len(flat) - step)
            _differ(flat[begin:end], flat[begin + step : end + step], least, apart)
        pairs = 0
        for n in range(apart.shape[1] - 1):
            for way in range(1, 4):
                apart[0, n] += apart[way, n]
            pairs += apart[0, n]
        if pairs >= LEAST_PAIRS:
            spread = 1.4826 * median_of_counts(apart[0, : apart.shape[1] - 1], pairs) / np.sqrt(2.0)
            if np.isnan(worst) or spread > worst:
                worst = spread
    return worst


@inner
def _flattened(
    hu: Volume[np.int16], box: Plane[np.int64]
) -> tuple[Vector[np.int16], tuple[int, int, int]]:
    """HU of the box in one line, and how far apart neighbours along x, y and z are in it.

    Rows and slices end with a border that is no tissue, so that the ends need no care.
    """
    z0, z1, y0, y1, x0, x1 = box[0, 0], box[0, 1], box[1, 0], box[1, 1], box[2, 0], box[2, 1]
    padded = np.empty((z1 - z0, y1 - y0 + 1, x1 - x0 + 1), np.int16)
    for z in range(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                padded[z - z0, y - y0, x - x0] = hu[z, y, x]
            padded[z - z0, y - y0, x1 - x0] = _FLOOR
        for x in range(x0, x1 + 1):
            padded[z - z0, y1 - y0, x - x0] = _FLOOR
    return padded.reshape(-1), (1, padded.shape[2], padded.shape[1] * padded.shape[2])


@inner
def _differ(
    one: Vector[np.int16], other: Vector[np.int16], least: int, apart: Plane[np.int32]
) -> None:
    """Count the differences of neighbours; those that are not both tissue in the last place.

    The first loop is SIMD. In the second, four counts side by side keep one from waiting for
    another, since neighbours in a row are often equal.
    """
    floor, top = np.int16(FAT_HU[0]), np.int16(max(least - 1, _FLOOR))
    none = np.uint16(apart.shape[1] - 1)
    gap = np.empty(len(one), np.uint16)
    for x in range(len(one)):
        v, w = one[x], other[x]
        low, high = min(v, w), max(v, w)
        gap[x] = np.uint16(high - low) if (low > floor) & (high <= top) else none
    part = len(gap) // 4
    for x in range(part):
        for way in range(4):
            apart[way, gap[way * part + x]] += 1
    for x in range(4 * part, len(gap)):
        apart[0, gap[x]] += 1
