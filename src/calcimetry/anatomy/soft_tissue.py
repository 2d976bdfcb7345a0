"""Soft tissue around deposits, coarse and in few grey values, kept for follow-up.

Where no bone is near, fat, fascia, muscle and skin say how a deposit moved. Only what lies
around deposits is kept: enough to lay one visit over another, too little to know a face by.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.types import Integer, Vector, Volume
from calcimetry.records import Runs, Scan, SoftTissue
from calcimetry.runs import box_of, crop

EDGE_MM = 2.0  # of a cell, or one voxel where that is longer
AROUND_MM = 36.0  # kept about each deposit: what it is told by, and how far it may have moved
DENSE_HU = 180  # a voxel of this says nothing of soft tissue, nor does its cell


def soft_tissue(scan: Scan, deposits: Iterable[Runs]) -> SoftTissue:
    """The soft tissue within a box about each deposit of a scan."""
    block = np.array([max(1, round(EDGE_MM / step)) for step in scan.spacing])
    shape = np.array(scan.hu.shape) // block
    wanted = np.zeros(shape, np.bool_)
    for runs in deposits:
        box = crop(box_of(runs), runs.shape, AROUND_MM, scan.spacing)
        sides = zip(box, block.tolist(), strict=True)
        wanted[tuple(slice(s.start // b, -(-s.stop // b)) for s, b in sides)] = True
    code = np.zeros(shape, np.uint8)
    scale = SoftTissue.LOW_HU, SoftTissue.HIGH_HU, SoftTissue.STEP_HU
    _encode(read_only(scan.hu, np.int16), tuple(block.tolist()), wanted, code, scale)
    affine = scan.affine.copy()
    affine[:3, :3] *= block[::-1]
    affine[:3, 3] = scan.to_lps((block - 1) / 2)
    return SoftTissue(code, affine)


@kernel
def _encode(
    hu: Volume[np.int16],
    block: tuple[int, int, int],
    wanted: Volume[np.bool_],
    code: Volume[np.uint8],
    scale: tuple[float, float, float],
) -> None:
    (low, high, step), (deep, tall, wide) = scale, block
    floor, top = np.int16(low), np.int16(high)
    count = deep * tall * wide
    total, most = np.empty(hu.shape[2], np.int32), np.empty(hu.shape[2], np.int16)
    for k in range(code.shape[0]):
        for j in range(code.shape[1]):
            first, last = _ends(wanted[k, j])
            if first > last:
                continue
            x0, x1 = first * wide, (last + 1) * wide
            for x in range(x1 - x0):
                total[x], most[x] = 0, -32768
            for z in range(k * deep, (k + 1) * deep):
                for y in range(j * tall, (j + 1) * tall):
                    _add(hu[z, y, x0:x1], floor, top, total, most)
            for i in range(first, last + 1):
                if wanted[k, j, i]:
                    x = i * wide - x0
                    add, peak = _of_cell(total[x : x + wide], most[x : x + wide])
                    mean = (add / count - low) / step
                    code[k, j, i] = 255 if peak >= DENSE_HU else np.uint8(1.5 + mean)


@inner
def _of_cell(total: Vector[np.int32], most: Vector[np.int16]) -> tuple[int, int]:
    """The sum of sums and the most of all."""
    add, peak = 0, -32768
    for x in range(len(total)):
        add, peak = add + total[x], max(peak, most[x])
    return add, peak


@inner
def _ends(wanted: Vector[np.bool_]) -> tuple[int, int]:
    """The first and the last cell of a row that is wanted; the first after it where none is."""
    first, last = len(wanted), -1
    for i in range(len(wanted)):
        if wanted[i]:
            first, last = min(first, i), i
    return first, last


@inner
def _add(
    line: Vector[np.int16],
    low: Integer,
    high: Integer,
    total: Vector[np.int32],
    most: Vector[np.int16],
) -> None:
    """Add a row's HU, cut off at `low` and `high`, and keep the most of each place."""
    for x in range(len(line)):
        total[x] += min(max(line[x], low), high)
        most[x] = max(most[x], line[x])
