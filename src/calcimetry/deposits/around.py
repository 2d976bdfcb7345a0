"""What lies around dense objects, for all of them in one pass.

The shell around an object is made from its runs: every run, widened by what a ball leaves at
each step in z and y, is a stretch of bits. Joining stretches gives exactly the voxels within
a distance, without a distance map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Runs, Scan
from calcimetry.runs import piled
from calcimetry.runs._jit import frozen, kernel
from calcimetry.runs._order import middle
from calcimetry.runs._slabs import over_chunks

SHELL_FROM_MM, SHELL_TO_MM = 2.0, 6.0
"""Surroundings lie this far off: beyond the object's own blur, within its own tissue."""

LEAST_PAIRS = 20
FAT_HU = (-200, -30)
AIR_HU = -300
_FLOOR = -32768
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


NOTHING = Surroundings(0.0, 0.0, 0.0, 0.0, None, None)


def surroundings(
    scan: Scan, pieces: Sequence[Runs], threshold: float, *, jobs: int = 1
) -> list[Surroundings]:
    """What lies in a shell around each object.

    threshold : HU at and above which a voxel is dense

    The noise is 1 SD from differences of neighbours in tissue, in the box around the shell.
    The median of absolute differences does not see the few that lie across borders of
    tissues; the axis with the most is taken, since noise is least correlated along it.
    """
    pile = piled(pieces, scan.hu.shape)
    reach = max(SHELL_TO_MM, 1.5 * max(scan.spacing))
    margin = np.ceil(reach / np.array(scan.spacing)).astype(np.int64)
    inner = _widths(scan.spacing, margin, lambda far: far < SHELL_FROM_MM)
    outer = _widths(scan.spacing, margin, lambda far: far <= reach)
    table = np.full((len(pieces), _COUNT), np.nan)
    hu, least = frozen(scan.hu, np.int16), int(np.ceil(threshold))

    def chunk(first: int, end: int) -> None:
        _look(hu, pile.columns, pile.bounds, (inner, outer, margin), least, table, first, end)

    over_chunks(chunk, len(pieces), jobs)
    return [_told(row) for row in table.tolist()]


def _told(row: list[float]) -> Surroundings:
    fat, soft, air, dense, median, noise = row
    if np.isnan(fat):
        return NOTHING
    known = [None if np.isnan(value) else value for value in (median, noise)]
    return Surroundings(fat, soft, air, dense, *known)


def _widths(
    spacing: tuple[float, float, float], margin: NDArray[np.int64], within: Any
) -> NDArray[np.int64]:
    """How many voxels along x are `within`, at each step (dz, dy); -1 where none is."""
    z, y, x = (np.arange(n + 1) * step for n, step in zip(margin, spacing, strict=True))
    far = np.sqrt((z**2)[:, None, None] + (y**2)[None, :, None] + (x**2)[None, None, :])
    return np.ascontiguousarray(within(far).sum(axis=2) - 1)


@kernel
def _look(
    hu: Any, columns: Any, bounds: Any, widths: Any, least: Any, table: Any, begin: Any, end: Any
) -> None:
    inner, outer, margin = widths
    counts = np.zeros(1 - 2 * _FLOOR, np.int32)
    apart = np.zeros(max(least - FAT_HU[0], 1) + 1, np.int32)
    box = np.empty((3, 2), np.int64)
    for piece in range(begin, end):
        a, b = bounds[piece], bounds[piece + 1]
        if a == b:
            continue
        _box(columns, a, b, margin, hu.shape, box)
        words = (box[2, 1] - box[2, 0] + 63) // 64
        size = (box[0, 1] - box[0, 0], box[1, 1] - box[1, 0], words)
        near = np.zeros(size, np.uint64)
        far = np.zeros(size, np.uint64)
        for run in range(a, b):
            _widen(columns, run, hu.shape[1], inner, box, near)
            _widen(columns, run, hu.shape[1], outer, box, far)
        if _shell(hu, near, far, box, least, counts, table[piece]):
            table[piece, _NOISE] = _noise(hu, box, least, apart)


@kernel
def _box(columns: Any, a: Any, b: Any, margin: Any, shape: Any, box: Any) -> None:
    """The box of runs a to b with a margin around it, inside the volume."""
    row, start, stop = columns
    height = shape[1]
    y0, y1, x0, x1 = shape[1], 0, shape[2], 0
    for run in range(a, b):
        y = row[run] % height
        y0, y1 = min(y0, y), max(y1, y + 1)
        x0, x1 = min(x0, start[run]), max(x1, stop[run])
    z0, z1 = row[a] // height, row[b - 1] // height + 1
    box[0, 0], box[0, 1] = max(0, z0 - margin[0]), min(shape[0], z1 + margin[0])
    box[1, 0], box[1, 1] = max(0, y0 - margin[1]), min(shape[1], y1 + margin[1])
    box[2, 0], box[2, 1] = max(0, x0 - margin[2]), min(shape[2], x1 + margin[2])


@kernel
def _widen(columns: Any, run: Any, height: Any, width: Any, box: Any, bits: Any) -> None:
    """Set the bits of all voxels within reach of one run."""
    row, start, stop = columns
    z, y = row[run] // height, row[run] % height
    for at_z in range(max(box[0, 0], z - len(width) + 1), min(box[0, 1], z + len(width))):
        for at_y in range(
            max(box[1, 0], y - width.shape[1] + 1), min(box[1, 1], y + width.shape[1])
        ):
            wide = width[abs(at_z - z), abs(at_y - y)]
            if wide >= 0:
                low = max(start[run] - wide, box[2, 0]) - box[2, 0]
                high = min(stop[run] + wide, box[2, 1]) - box[2, 0]
                _set(bits[at_z - box[0, 0], at_y - box[1, 0]], low, high)


@kernel
def _set(line: Any, low: Any, high: Any) -> None:
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


@kernel
def _shell(hu: Any, near: Any, far: Any, box: Any, least: Any, counts: Any, out: Any) -> Any:
    """Fractions and median over the voxels that are in `far` and not in `near`."""
    span = np.array([-_FLOOR, _FLOOR])
    for z in range(far.shape[0]):
        for y in range(far.shape[1]):
            line = hu[z + box[0, 0], y + box[1, 0]]
            for word in range(far.shape[2]):
                bits = far[z, y, word] & ~near[z, y, word]
                x = box[2, 0] + 64 * word
                while bits != np.uint64(0):
                    if bits & np.uint64(1):
                        value = np.int64(line[x])
                        counts[value - _FLOOR] += 1
                        span[0], span[1] = min(span[0], value), max(span[1], value)
                    bits >>= np.uint64(1)
                    x += 1
    if span[0] > span[1]:
        return False
    seen = counts[span[0] - _FLOOR : span[1] - _FLOOR + 1]
    _tell(seen, span[0], least, out)
    seen[:] = 0
    return True


@kernel
def _tell(counts: Any, first: Any, least: Any, out: Any) -> None:
    """Shares of kinds of tissue, and the median of what is not dense, from counts of HU."""
    tally = np.zeros(5, np.int64)
    for at in range(len(counts)):
        value, number = first + at, counts[at]
        tally[4] += number
        tally[_FAT] += number * (FAT_HU[0] < value < FAT_HU[1])
        tally[_SOFT] += number * (FAT_HU[1] <= value < least)
        tally[_AIR] += number * (value < AIR_HU)
        tally[_DENSE] += number * (value >= least)
    for share in (_FAT, _SOFT, _AIR, _DENSE):
        out[share] = tally[share] / tally[4]
    quiet = tally[4] - tally[_DENSE]
    if quiet > 0:
        out[_MEDIAN] = first + middle(counts, quiet)


@kernel
def _noise(hu: Any, box: Any, least: Any, apart: Any) -> Any:
    worst = np.nan
    for axis in range(3):
        dz, dy, dx = int(axis == 0), int(axis == 1), int(axis == 2)
        apart[:] = 0
        pairs = 0
        for z in range(box[0, 0], box[0, 1] - dz):
            for y in range(box[1, 0], box[1, 1] - dy):
                one, other = hu[z, y], hu[z + dz, y + dy]
                for x in range(box[2, 0], box[2, 1] - dx):
                    v, w = np.int64(one[x]), np.int64(other[x + dx])
                    low, high = min(v, w), max(v, w)
                    if low > FAT_HU[0] and high < least:
                        apart[high - low] += 1
                        pairs += 1
        if pairs >= LEAST_PAIRS:
            spread = 1.4826 * middle(apart, pairs) / np.sqrt(2.0)
            if np.isnan(worst) or spread > worst:
                worst = spread
    return worst
