"""Soft tissue around deposits, coarse and in few grey values, kept for follow-up.

Where no bone is near, fat, fascia, muscle and skin say how a deposit moved. Only what lies
around deposits is kept: enough to lay one visit over another, too little to know a face by.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from calcimetry.records import Runs, Scan, SoftTissue
from calcimetry.runs import box_of, crop
from calcimetry.runs._jit import kernel

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
    _encode(scan.hu, block, wanted, code, scale)
    affine = scan.affine.copy()
    affine[:3, :3] *= block[::-1]
    affine[:3, 3] = scan.to_lps((block - 1) / 2)
    return SoftTissue(code, affine)


@kernel
def _encode(hu: Any, block: Any, wanted: Any, code: Any, scale: Any) -> None:
    low, high, step = scale
    count = block[0] * block[1] * block[2]
    for k in range(code.shape[0]):
        for j in range(code.shape[1]):
            for i in range(code.shape[2]):
                if not wanted[k, j, i]:
                    continue
                total, top = 0.0, np.int64(-32768)
                for z in range(k * block[0], (k + 1) * block[0]):
                    for y in range(j * block[1], (j + 1) * block[1]):
                        for x in range(i * block[2], (i + 1) * block[2]):
                            value = np.int64(hu[z, y, x])
                            top = max(top, value)
                            total += min(max(value, low), high)
                mean = (total / count - low) / step
                code[k, j, i] = 255 if top >= DENSE_HU else np.uint8(1.5 + mean)
