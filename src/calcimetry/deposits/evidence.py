"""What can be seen of a dense object: itself, what surrounds it, where it stands in the body."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy import LabelMap, Structure, structures_at
from calcimetry.deposits.around import Surroundings
from calcimetry.records import Objects, Runs, Scan
from calcimetry.runs import box_of, paint, sampled
from calcimetry.runs._jit import frozen, kernel

SAMPLED = 400
"""Voxels of an object that distances are taken from: its surface is known well enough."""

BESIDE_MM = 2.5
_SIX_WAYS = np.concatenate([np.eye(3), -np.eye(3)])
MOST_VOXELS = 200_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """One dense object as the rules see it.

    axes_mm : full lengths of the ellipsoid of equal moments, longest first
    thickness_mm : diameter of the largest ball that fits inside, right to a voxel; this and
        the distances only where a rule asks for them
    inside : fraction of it that lies in the body
    skeletal : the skeleton's finder took it for bone
    in_trunk : it lies in slices as thick as a trunk
    structure : of the user's label map, that most of it lies in
    enclosure : share of directions in its slice in which bone lies before the skin; with
        the distances
    front : 0 at the body's back, 1 at its front, in its slice; with the distances
    contrast_hu : of the brightest blood and organs with contrast medium in the scan; None
        where there is none, or is not asked for
    deposit_probability : the network's mean over it; None without a network
    marked : the network takes it for a deposit
    freed : it was cut from something bigger, such as a bone
    """

    voxels: int
    volume_mm3: float
    mean_hu: float
    peak_hu: int
    axes_mm: tuple[float, float, float]
    inside: float
    at_edge: bool
    skeletal: bool
    surroundings: Surroundings
    contrast_given: bool | None
    in_trunk: bool = False
    structure: Structure | None = None
    deposit_probability: float | None = None
    marked: bool = False
    freed: bool = False
    thickness_mm: float = 0.0
    bone_distance_mm: float | None = None
    skin_depth_mm: float | None = None
    enclosure: float | None = None
    front: float | None = None
    contrast_hu: float | None = None


def axes(moment: NDArray[np.float64], spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Full axis lengths (..., 3), longest first, mm, of ellipsoids with moments (..., 3, 3).

    A solid ellipsoid of semi-axis a has variance a^2/5 along it; a voxel adds its own
    width, ``s^2/12``, without which a single voxel would have no size.
    """
    step = np.array(spacing)
    covariance = moment * np.outer(step, step) + np.diag(step**2) / 12.0
    spread = np.clip(np.linalg.eigvalsh(covariance)[..., ::-1], 0.0, None)
    lengths: NDArray[np.float64] = 2.0 * np.sqrt(5.0 * spread)
    return lengths


def thickness(scan: Scan, runs: Runs) -> float:
    """Diameter of the largest ball that fits into an object, mm; coarser for big objects."""
    box = box_of(runs)
    own = np.zeros([side.stop - side.start + 2 for side in box], np.bool_)
    own[1:-1, 1:-1, 1:-1] = paint(box, runs)
    stride = max(1, round((own.size / MOST_VOXELS) ** (1 / 3)))
    coarse = frozen(own[::stride, ::stride, ::stride], np.bool_)
    return 2.0 * float(_deepest(coarse, np.array(scan.spacing) * stride))


@kernel
def _deepest(own: Any, step: Any) -> Any:
    """The largest distance from a voxel of a mask to the nearest that is not of it.

    Squares of distances, along one axis after the other: a voxel looks only as far as the best
    that it has. The mask's border is not set.
    """
    depth, height, width = own.shape
    square = np.where(own, np.inf, 0.0)
    for z in range(depth):
        for y in range(height):
            _nearer(square[z, y], step[2])
    for z in range(depth):
        for x in range(width):
            _nearer(square[z, :, x], step[1])
    for y in range(height):
        for x in range(width):
            _nearer(square[:, y, x], step[0])
    return np.sqrt(square.max())


@kernel
def _nearer(line: Any, step: Any) -> None:
    """Each square the least of all in the line, with their own distance squared added."""
    before = line.copy()
    for at in range(len(line)):
        for by in range(1, len(line)):
            apart = (by * step) ** 2
            if apart >= line[at]:
                break
            if at - by >= 0:
                line[at] = min(line[at], before[at - by] + apart)
            if at + by < len(line):
                line[at] = min(line[at], before[at + by] + apart)


def at_edge(objects: Objects) -> NDArray[np.bool_]:
    """Which objects reach the border of the volume, so that part of them may be missing."""
    low, high = objects.box[:, ::2], objects.box[:, 1::2]
    edge: NDArray[np.bool_] = (low == 0).any(axis=1) | (high == objects.runs.shape).any(axis=1)
    return edge


def structure_of(scan: Scan, labels: LabelMap | None, points: NDArray[Any]) -> Structure | None:
    """The structure that most of the points (z, y, x) lie in; else a vessel beside them.

    Calcium in a vessel's wall often lies just outside of what was labelled as the vessel.
    """
    if labels is None:
        return None
    own = structures_at(labels, scan.to_lps(points))
    name, count = Counter(own).most_common(1)[0]
    if name is not None and count >= 0.5 * len(own):
        return name
    beside = (scan.to_lps(points)[:, None] + BESIDE_MM * _SIX_WAYS).reshape(-1, 3)
    vessels = Counter(s for s in structures_at(labels, beside) if s and s.kind == "vessel")
    return next((s for s, n in vessels.most_common(1) if n >= len(beside) / 6), None)


def samples(
    pieces: Sequence[Runs], shape: tuple[int, int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """At most SAMPLED voxels (z, y, x) of each object, and where each object's begin."""
    return sampled(pieces, shape, SAMPLED)


def means(points: NDArray[Any], bounds: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of each group of points (n, 3); groups begin where `bounds` says."""
    total: NDArray[np.float64] = np.add.reduceat(points.astype(np.float64), bounds[:-1], axis=0)
    return total / np.diff(bounds)[:, None]


def known(distances: NDArray[np.float64]) -> list[float | None]:
    """Distances with None for those unknown (not a number)."""
    return [float(d) if np.isfinite(d) else None for d in distances]
