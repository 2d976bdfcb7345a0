"""Small boxes of a scan around one object, with what else is dense there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Box, Finding, Runs, Scan
from calcimetry.runs import box_of, crop, paint, stacked
from calcimetry.runs._jit import frozen, kernel


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One object and its surroundings.

    hu : float32 (z, y, x)
    own : bool, the object's voxels
    other : bool, voxels of every other dense object
    spacing : (z, y, x) mm
    voxel_mm3 : volume of a voxel (for sheared grids not the product of the spacings)
    box : where the crop lies in the scan
    """

    hu: NDArray[np.float32]
    own: NDArray[np.bool_]
    other: NDArray[np.bool_]
    spacing: tuple[float, float, float]
    voxel_mm3: float
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """All runs of all findings in raster order, with the number (1..) of their finding."""

    runs: Runs
    owner: NDArray[np.int32]


def index(findings: Sequence[Finding], shape: tuple[int, int, int]) -> Index:
    """Put the runs of all findings in one list. `shape` is the scan's."""
    return Index(*stacked([finding.runs for finding in findings], shape))


def box_around(runs: Runs, spacing: tuple[float, float, float], margin_mm: float) -> Box:
    """The box of the runs with a margin (at least 2 voxels), kept inside the volume."""
    return crop(box_of(runs), runs.shape, max(margin_mm, 2.0 * max(spacing)), spacing)


def cut(scan: Scan, runs: Runs, number: int, everything: Index, margin_mm: float) -> Crop:
    """The crop of finding `number` (1..) of an index."""
    box = box_around(runs, scan.spacing, margin_mm)
    owner = paint(box, everything.runs, everything.owner)
    own = owner == number
    other = (owner > 0) & ~own
    hu = scan.hu[box].astype(np.float32)
    return Crop(hu, own, other, scan.spacing, scan.voxel_mm3, box)


def flooded(seeds: NDArray[np.bool_], room: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of `room`, connected by faces, edges or corners, that hold a seed."""
    found = seeds.astype(np.uint8)
    _flood(found, frozen(room, np.bool_))
    return found.view(np.bool_)


@kernel
def _flood(found: Any, room: Any) -> None:
    depth, height, width = room.shape
    waiting = np.empty(room.size, np.int64)
    held, done = 0, 0
    flat = found.ravel()
    for v in range(room.size):
        if flat[v]:
            waiting[held] = v
            held += 1
    while done < held:
        z, rest = divmod(waiting[done], height * width)
        y, x = divmod(rest, width)
        done += 1
        for k in range(max(z - 1, 0), min(z + 2, depth)):
            for j in range(max(y - 1, 0), min(y + 2, height)):
                for i in range(max(x - 1, 0), min(x + 2, width)):
                    if room[k, j, i] and not found[k, j, i]:
                        found[k, j, i] = 1
                        waiting[held] = (k * height + j) * width + i
                        held += 1
