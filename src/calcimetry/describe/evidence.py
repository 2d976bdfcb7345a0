"""What can be seen of a dense object: itself, what surrounds it, where it stands in the body."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy import LabelMap, Structure, structures_at
from calcimetry.describe.surroundings import Surroundings
from calcimetry.kernels.compiled import inner, kernel
from calcimetry.kernels.types import Plane, RunColumns, Vector, Volume
from calcimetry.records import Objects, Runs, Scan
from calcimetry.runs import concatenated, sample_voxels
from calcimetry.runs.grid import bounding
from calcimetry.threads import Jobs, over_chunks

SAMPLED = 400
"""Voxels of an object that distances are taken from: its surface is known well enough."""

BESIDE_MM = 2.5
_SIX_WAYS = np.concatenate([np.eye(3), -np.eye(3)])
MOST_VOXELS = 200_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """One dense object as the rules see it.

    axes_mm : full lengths of the ellipsoid of equal moments, longest first
    surroundings : of the shell around it; None where it was not looked at, or no voxel of the
        scan lies in it
    thickness_mm : diameter of the largest ball that fits inside, right to a voxel; this and
        the distances only where a rule asks for them
    fraction_in_body : fraction of it that lies in the body
    edge_mm : from the scan's nearest edge; 0 where that may cut it
    skeletal : the skeleton's finder took it for bone
    in_trunk : it lies in slices as thick as a trunk
    structure : of the user's label map, that most of it lies in
    enclosure : share of directions in its slice in which bone lies before the skin; with
        the distances
    contrast_hu : of the brightest blood and organs with contrast medium in the scan; None
        where there is none, or is not asked for
    deposit_probability : the network's, of the core of what it takes for one, else its mean over
        it; None without a network
    network_positive : the network takes it for a deposit
    split_off : it was cut from something bigger, such as a bone
    """

    voxels: int
    volume_mm3: float
    mean_hu: float
    peak_hu: int
    axes_mm: tuple[float, float, float]
    fraction_in_body: float
    edge_mm: float
    skeletal: bool
    contrast_given: bool | None
    surroundings: Surroundings | None = None
    in_trunk: bool = False
    structure: Structure | None = None
    deposit_probability: float | None = None
    network_positive: bool = False
    split_off: bool = False
    thickness_mm: float | None = None
    bone_distance_mm: float | None = None
    skin_depth_mm: float | None = None
    enclosure: float | None = None
    contrast_hu: float | None = None

    def with_more(self, **more: Any) -> Evidence:
        """The same with other values of some fields; `dataclasses.replace` takes twice as long."""
        return Evidence(**(dict(zip(_FIELDS, _values(self), strict=True)) | more))


_FIELDS = tuple(field.name for field in fields(Evidence))
_values = attrgetter(*_FIELDS)


@dataclass(frozen=True, slots=True, eq=False)
class SampledObjects:
    """Objects with some of their voxels, evenly taken.

    points : int32 (n, 3), (z, y, x); object k has ``points[bounds[k]:bounds[k + 1]]``
    centroids : float64 (objects, 3), the mean of each object's points
    """

    runs: Sequence[Runs]
    points: NDArray[np.int32]
    bounds: NDArray[np.int64]
    centroids: NDArray[np.float64]

    def subset(self, chosen: Sequence[int]) -> SampledObjects:
        """Some of the objects, by index."""
        pick = np.asarray(chosen, np.int64)
        count = np.diff(self.bounds)[pick]
        bounds = np.append(0, np.cumsum(count))
        at = np.repeat(self.bounds[pick] - bounds[:-1], count) + np.arange(bounds[-1])
        runs = [self.runs[k] for k in chosen]
        return SampledObjects(runs, self.points[at], bounds, self.centroids[pick])

    def fraction_where(self, of: NDArray[Any]) -> NDArray[np.float64]:
        """The share of each object's points for which `of` (n,) is True."""
        count = np.diff(self.bounds)
        owner = np.repeat(np.arange(len(count)), count)
        return np.bincount(owner, of, len(count)) / np.maximum(count, 1)


def sample_objects(pieces: Sequence[Runs], shape: tuple[int, int, int]) -> SampledObjects:
    """Objects of a volume of `shape` with at most SAMPLED voxels of each."""
    points, bounds = samples(pieces, shape)
    return SampledObjects(pieces, points, bounds, group_means(points, bounds))


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


def thicknesses(scan: Scan, pieces: Sequence[Runs], *, jobs: Jobs = 1) -> NDArray[np.float64]:
    """Diameter of the largest ball that fits into each object, mm; coarser for big objects."""
    all_runs = concatenated(pieces, scan.hu.shape)
    found = np.zeros(len(pieces))
    lattice = scan.hu.shape[1], np.array(scan.spacing)

    def chunk(first: int, end: int) -> None:
        _measure(all_runs.columns, all_runs.bounds, lattice, found, first, end)

    over_chunks(chunk, len(pieces), jobs)
    return found


@kernel
def _measure(
    columns: RunColumns,
    bounds: Vector[np.int64],
    lattice: tuple[int, Vector[np.float64]],
    found: Vector[np.float64],
    begin: int,
    end: int,
) -> None:
    height, step = lattice
    box, size = np.empty((3, 2), np.int64), np.empty(3, np.int64)
    for piece in range(begin, end):
        first, after = bounds[piece], bounds[piece + 1]
        if first < after:
            bounding(columns, first, after, height, box)
            for k in range(3):
                size[k] = box[k, 1] - box[k, 0] + 2  # with a border that is not set
            stride = max(1, int(np.rint((size[0] * size[1] * size[2] / MOST_VOXELS) ** (1 / 3))))
            own = np.zeros(
                (
                    (size[0] - 1) // stride + 1,
                    (size[1] - 1) // stride + 1,
                    (size[2] - 1) // stride + 1,
                ),
                np.bool_,
            )
            _draw(columns, (first, after), height, box, stride, own)
            found[piece] = 2.0 * _deepest(
                own, (step[0] * stride, step[1] * stride, step[2] * stride)
            )


@inner
def _draw(
    columns: RunColumns,
    span: tuple[int, int],
    height: int,
    box: Plane[np.int64],
    stride: int,
    own: Volume[np.bool_],
) -> None:
    """Every `stride`-th voxel of some runs, in their box with a border of one voxel."""
    row, start, stop = columns
    for run in range(span[0], span[1]):
        z, y = row[run] // height - box[0, 0] + 1, row[run] % height - box[1, 0] + 1
        if z % stride == 0 and y % stride == 0:
            x = start[run] - box[2, 0] + 1
            for at in range(-(-x // stride), (stop[run] - box[2, 0]) // stride + 1):
                own[z // stride, y // stride, at] = True


@inner
def _deepest(own: Volume[np.bool_], step: tuple[float, float, float]) -> float:
    """The largest distance from a voxel of a mask to the nearest that is not of it.

    Squares of distances, along one axis after the other: a voxel looks only as far as the best
    that it has. The mask's border is not set.
    """
    depth, height, width = own.shape
    flat, square = own.reshape(-1), np.empty(own.size)
    for v in range(own.size):
        square[v] = np.inf if flat[v] else 0.0
    before = np.empty(max(depth, height, width))
    for line in range(depth * height):
        _nearer(square, line * width, 1, before[:width], step[2])
    for z in range(depth):
        for x in range(width):
            _nearer(square, z * height * width + x, width, before[:height], step[1])
    for at in range(height * width):
        _nearer(square, at, height * width, before[:depth], step[0])
    most = 0.0
    for v in range(own.size):
        most = max(most, square[v])
    deepest: float = np.sqrt(most)
    return deepest


@inner
def _nearer(
    square: Vector[np.float64], first: int, by: int, before: Vector[np.float64], step: float
) -> None:
    """Each square of a line the least of all in it, with their own distance squared added.

    The line begins at `first` and takes every `by`-th; `before` is as long, to work in.
    """
    length = len(before)
    for at in range(length):
        before[at] = square[first + at * by]
    for at in range(length):
        best = before[at]
        for far in range(1, length):
            apart = (far * step) ** 2
            if apart >= best:
                break
            if at - far >= 0:
                best = min(best, before[at - far] + apart)
            if at + far < length:
                best = min(best, before[at + far] + apart)
        square[first + at * by] = best


def edge_distances(objects: Objects, spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """How far each object lies from the border of the volume, mm: 0 where it reaches it, so that
    part of it may be missing."""
    low, high = objects.box[:, ::2], np.array(objects.runs.shape) - objects.box[:, 1::2]
    gap: NDArray[np.float64] = np.minimum(low, high) * np.array(spacing)
    nearest: NDArray[np.float64] = gap.min(axis=1)
    return nearest


def structures_of(
    scan: Scan, labels: LabelMap | None, objects: SampledObjects
) -> list[Structure | None]:
    """The structure that each object lies in, or beside which it lies; None without a map."""
    if labels is None:
        return [None] * len(objects.runs)
    groups = pairwise(objects.bounds.tolist())
    return [structure_of(scan, labels, objects.points[a:b]) for a, b in groups]


def structure_of(scan: Scan, labels: LabelMap, points: NDArray[Any]) -> Structure | None:
    """The structure that most of the points (z, y, x) lie in; else a vessel beside them.

    Calcium in a vessel's wall often lies just outside of what was labelled as the vessel.
    """
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
    return sample_voxels(pieces, shape, SAMPLED)


def group_means(points: NDArray[Any], bounds: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of each group of points (n, 3); groups begin where `bounds` says."""
    total: NDArray[np.float64] = np.add.reduceat(points.astype(np.float64), bounds[:-1], axis=0)
    return total / np.diff(bounds)[:, None]


def none_for_nan(distances: NDArray[np.float64]) -> list[float | None]:
    """Distances with None for those unknown (not a number)."""
    return [float(d) if np.isfinite(d) else None for d in distances]
