"""Small boxes of a scan around one object, with what else is dense there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import kernel, read_only
from calcimetry.kernels.types import Volume
from calcimetry.records import Box, Finding, Runs, Scan
from calcimetry.runs import box_of, crop, merge_labelled, paint


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One object and its surroundings.

    hu : float32 (z, y, x)
    own : bool, the object's voxels
    other : bool, voxels of every other dense object
    spacing : (z, y, x) mm
    voxel_mm3 : volume of a voxel (for sheared grids not the product of the spacings)
    box : where the crop lies in the scan
    own_box : the smallest box that holds the object, in the crop
    """

    hu: NDArray[np.float32]
    own: NDArray[np.bool_]
    other: NDArray[np.bool_]
    spacing: tuple[float, float, float]
    voxel_mm3: float
    box: Box
    own_box: Box

    @property
    def extent(self) -> Box:
        """The smallest box that holds the object, in the scan."""
        return moved(self.own_box, [side.start for side in self.box])


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRuns:
    """All runs of all findings in raster order, with the number (1..) of their finding."""

    runs: Runs
    owner: NDArray[np.int32]


def label_runs(findings: Sequence[Finding], shape: tuple[int, int, int]) -> LabelledRuns:
    """Put the runs of all findings in one list. `shape` is the scan's."""
    return LabelledRuns(*merge_labelled([finding.runs for finding in findings], shape))


def crop_around(
    scan: Scan, runs: Runs, number: int, labelled_runs: LabelledRuns, margin_mm: float
) -> Crop:
    """Finding `number` (1..) with a margin (at least 2 voxels) inside the volume."""
    around, spacing = box_of(runs), scan.spacing
    box = crop(around, runs.shape, max(margin_mm, 2.0 * max(spacing)), spacing)
    owner = paint(box, labelled_runs.runs, labelled_runs.owner)
    own = owner == number
    other = (owner > 0) & ~own
    hu = scan.hu[box].astype(np.float32)
    own_box = moved(around, [-side.start for side in box])
    return Crop(hu, own, other, spacing, scan.voxel_mm3, box, own_box)


def narrowed(wide: Crop, part: Box) -> Crop:
    """A part of a crop, which holds all of the object."""
    hu, own = np.ascontiguousarray(wide.hu[part]), np.ascontiguousarray(wide.own[part])
    other = np.ascontiguousarray(wide.other[part])
    box = moved(part, [side.start for side in wide.box])
    own_box = moved(wide.own_box, [-side.start for side in part])
    return Crop(hu, own, other, wide.spacing, wide.voxel_mm3, box, own_box)


def moved(box: Box, by: Sequence[int]) -> Box:
    """A box, so many voxels (z, y, x) further."""
    z, y, x = (
        slice(side.start + step, side.stop + step) for side, step in zip(box, by, strict=True)
    )
    return z, y, x


def flooded(seeds: NDArray[np.bool_], room: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of `room`, connected by faces, edges or corners, that hold a seed."""
    found = seeds.astype(np.uint8)
    _flood(found, read_only(room, np.bool_))
    return found.view(np.bool_)


@kernel
def _flood(found: Volume[np.uint8], room: Volume[np.bool_]) -> None:
    depth, height, width = room.shape
    waiting = np.empty(room.size, np.int64)
    held, done = 0, 0
    flat = found.reshape(-1)
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
