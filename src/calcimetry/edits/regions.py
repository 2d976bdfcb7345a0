"""Voxels that edits speak of, as runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from calcimetry.edits.records import Ball, Point, Strokes
from calcimetry.records import Box, Frame, Runs, Scan
from calcimetry.runs import (
    box_of,
    from_mask,
    label_components,
    split_by_label,
    take,
    union_all,
    voxels_of,
)

_STEEP = 20.0  # of a watershed: how much more a step costs through the least dense voxel


def runs_in(frame: Frame, region: Ball | Strokes) -> Runs:
    """The voxels of the volume that lie in a region."""
    if isinstance(region, Strokes):
        return _stretches(frame, region)
    box = ball_box(frame, region.centre_mm, region.radius_mm)
    return _placed(in_ball(frame, box, region.centre_mm, region.radius_mm), box, frame.shape)


def ball_box(frame: Frame, centre: Point, radius: float) -> Box:
    """A box of the volume that holds all of a ball that lies in it."""
    at = frame.to_zyx(np.array(centre))
    # Along each axis of a sheared grid a ball reaches further than its radius over the spacing.
    reach = radius * np.linalg.norm(np.linalg.inv(frame.affine[:3, :3]), axis=1)[::-1]
    low = np.clip(np.floor(at - reach), 0, frame.shape).astype(int)
    high = np.clip(np.ceil(at + reach) + 1, low, frame.shape).astype(int)
    z, y, x = (slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    return z, y, x


def in_ball(frame: Frame, box: Box, centre: Point, radius: float) -> NDArray[np.bool_]:
    """Which voxels of a box have their middles in a ball: bool, of the box's shape."""
    index = np.stack(
        np.meshgrid(*(np.arange(side.start, side.stop) for side in box), indexing="ij"), axis=-1
    )
    return np.asarray(np.linalg.norm(frame.to_lps(index) - np.array(centre), axis=-1) <= radius)


def beyond_plane(frame: Frame, runs: Runs, point: Point, normal: Point) -> Runs:
    """The voxels whose middles lie on the side of a plane that its normal points to."""
    voxels = voxels_of(runs)
    side = (frame.to_lps(voxels) - np.array(point)) @ np.array(normal, np.float64)
    return _of_voxels(voxels[side > 0], runs.shape)


def watershed(scan: Scan, runs: Runs, seeds: Sequence[Point]) -> list[Runs]:
    """An object's voxels by the seed that each is reached from most cheaply.

    A step costs its length, and up to `_STEEP` times more where HU are low: a watershed by
    topographic distance (Meyer 1994, doi 10.1016/0165-1684(94)90060-4), so that parts meet at
    waists and in troughs, and halfway where it is all the same. A seed beside the object begins
    at the object's voxel that is nearest to it; what no seed reaches goes with the first.
    """
    voxels = voxels_of(runs)
    at = scan.to_lps(voxels)
    begin = [int(np.linalg.norm(at - np.array(seed), axis=1).argmin()) for seed in seeds]
    if len(set(begin)) < len(begin):  # two seeds in one voxel: one of them has no part
        return [runs, *(take(runs, slice(0)) for _ in begin[1:])]
    graph = _steps(scan, runs, voxels)
    _, _, source = csgraph.dijkstra(
        graph, directed=False, indices=begin, min_only=True, return_predecessors=True
    )
    owner = np.where(np.isin(source, begin), source, begin[0])
    return [_of_voxels(voxels[owner == node], runs.shape) for node in begin]


def _steps(scan: Scan, runs: Runs, voxels: NDArray[np.int32]) -> sparse.coo_matrix:
    """What a step between voxels that touch costs: sparse (voxels, voxels), each pair once."""
    box = box_of(runs)
    first = np.array([side.start for side in box])
    node = np.full([side.stop - side.start + 1 for side in box], -1)  # one more: no wrapping round
    node[tuple((voxels - first).T)] = np.arange(len(voxels))
    hu = scan.hu[tuple(voxels.T)].astype(np.float64)
    dark = (hu.max() - hu) / max(float(np.ptp(hu)), 1.0)
    rows, columns, costs = [], [], []
    for step in product((-1, 0, 1), repeat=3):
        if step <= (0, 0, 0):
            continue
        beside = node[tuple((voxels - first + step).T)]
        here = np.flatnonzero(beside >= 0)
        there = beside[here]
        length = np.linalg.norm(scan.affine[:3, :3] @ np.array(step[::-1]))
        rows.append(here)
        columns.append(there)
        costs.append(length * (1 + _STEEP * np.maximum(dark[here], dark[there])))
    pairs = np.concatenate(rows), np.concatenate(columns)
    return sparse.coo_matrix((np.concatenate(costs), pairs), (len(voxels), len(voxels)))


def dense_in_ball(scan: Scan, centre: Point, radius: float, threshold: float) -> Runs:
    """Voxels in a ball at and above a threshold."""
    box = ball_box(scan.frame, centre, radius)
    dense = in_ball(scan.frame, box, centre, radius) & (scan.hu[box] >= threshold)
    return _placed(dense, box, scan.frame.shape)


def nearest_part(scan: Scan, runs: Runs, point: Point) -> Runs:
    """The connected part that comes nearest to a point."""
    if not len(runs):
        return runs
    parts = split_by_label(runs, label_components(runs))
    gaps = [
        np.linalg.norm(scan.to_lps(voxels_of(part)) - np.array(point), axis=1).min()
        for part in parts
    ]
    return parts[int(np.argmin(gaps))]


def may_touch(one: Runs, other: Runs) -> bool:
    """Whether the slices of two objects overlap: without it they share no voxel."""
    if not len(one) or not len(other):
        return False
    return bool(one.row[0] <= other.row[-1] and other.row[0] <= one.row[-1])


def _stretches(frame: Frame, region: Strokes) -> Runs:
    """Stretches, cut to the volume; they may overlap."""
    depth, height, width = frame.shape
    parts = []
    for z, y, start, stop in region.stretches:
        first, last = max(0, start), min(width, stop)
        if 0 <= z < depth and 0 <= y < height and first < last:
            columns = ([z * height + y], [first], [last])
            parts.append(Runs(frame.shape, *(np.array(c, np.int32) for c in columns)))
    return union_all(parts, frame.shape)


def _placed(mask: NDArray[np.bool_], box: Box, shape: tuple[int, int, int]) -> Runs:
    """The runs of a mask in a box of the volume."""
    part = from_mask(np.ascontiguousarray(mask))
    z, y = np.divmod(part.row, np.int32(max(1, mask.shape[1])))
    row = (z + box[0].start) * np.int32(shape[1]) + y + box[1].start
    start, stop = part.start + box[2].start, part.stop + box[2].start
    row, start, stop = (column.astype(np.int32) for column in (row, start, stop))
    return Runs(shape, row, start, stop)


def _of_voxels(voxels: NDArray[np.int32], shape: tuple[int, int, int]) -> Runs:
    """Runs of voxels (n, 3) that are in raster order."""
    if not len(voxels):
        none = np.zeros(0, np.int32)
        return Runs(shape, none, none, none)
    row = voxels[:, 0] * np.int32(shape[1]) + voxels[:, 1]
    x = voxels[:, 2]
    joins = (np.diff(row) == 0) & (np.diff(x) == 1)
    first = np.concatenate([[True], ~joins])
    last = np.concatenate([~joins, [True]])
    return Runs(shape, row[first], x[first], x[last] + np.int32(1))
