"""What a deposit gained or lost, measured on the difference of two visits' images.

Each visit cuts a deposit from bone anew, and two cuts differ by more than deposits grow. Laid
over each other to a few hundredths of a millimetre, bone cancels, and so does whatever else both
visits show: what is left is the change, over one region for both, whoever's the voxels are.

``d = sum(w (I2 - I1 - L)) v``, with w the region (both visits' masks and a rim for the blur, its
edge soft), L the mean difference of the tissue around and v the volume of a cell. Its error is
that of the noise, of L, and of the laying over: a shift by e changes d by ``e . sum(w grad I) v``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.followup.motion import Motion, Points
from calcimetry.followup.visit import Visit
from calcimetry.records import Scan
from calcimetry.statistics import SD_PER_MAD

LAID_SD_MM = 0.06  # 1 SD along each axis of how visits lie over each other (docs/followup.md)
STEP_MM = 1.0  # of the common grid
MOST_CELLS = 150_000  # of it: with more it is made coarser
COARSEST_MM = 1.4  # coarser, and the blurred rim of what is thin is taken for bone beside it
_RIM_MM, _SHELL_MM, _GAP_MM = 3.0, 4.0, 1.0  # of the region; of what is around, beyond a gap
_INTO_BONE_MM = 1.5  # how much of the bone at a deposit belongs to the region
_SOFT_MM = 1.0  # SD of its edge
_DENSE_HU, _AIR_HU = 130.0, -250.0
_CLEAR_MM = 2.0  # what lies this near to something dense is blurred by it
_SMOOTH_MM = 0.8  # both visits, where they are laid over each other
_MOST_POINTS = 6000
_ROBUST_HU = 40.0
_ROUNDS, _STILL_MM = 15, 0.004
_FAR_MM = 4.0  # further than this, what was laid over is something else
_FEWEST, _UNKNOWN_HU = 60, 5.0  # cells of tissue around; with fewer, 1 SD of its difference
_BESIDE_MM = 1.5, 5.0  # from the masks: what lies there is the same on both visits
_TORN, _TORN_HU = 0.05, 250.0  # share of it that may differ by so much
_UNSEEN = 0.01  # share of the region that may lie outside the images
_NONE, _LEAST_HU = -30000.0, -1100.0  # HU of what no image shows; the least that one shows
_EDGE_CELLS = 3  # of the grid, by which what is laid over keeps off what no image shows


@dataclass(frozen=True, slots=True)
class Difference:
    """Second less first visit, HU mm3.

    value : over the region
    level_sd : 1 SD from the tissue around
    slope : HU mm2, how much a shift by 1 mm along one axis changes it (root mean square of three)
    """

    value: float
    level_sd: float
    slope: float

    @property
    def sd(self) -> float:
        """1 SD, without the noise of the images."""
        return float(np.hypot(self.level_sd, LAID_SD_MM * self.slope))


@dataclass(frozen=True, eq=False)
class _Part:
    """A box of a scan: hu float32 (z, y, x), from voxel `start` on; own : its deposits."""

    scan: Scan
    start: NDArray[np.int64]
    hu: NDArray[np.float32]
    own: NDArray[np.uint8]

    def at(self, points: Points, order: int = 1) -> NDArray[np.float32]:
        return _sampled(self.hu, self._index(points), order, _NONE).reshape(points.shape[:-1])

    def owned(self, points: Points) -> NDArray[np.bool_]:
        found = _sampled(self.own, self._index(points), 0, 0)
        return np.asarray(found.reshape(points.shape[:-1]) > 0)

    def _index(self, points: Points) -> NDArray[np.float64]:
        return (self.scan.to_zyx(points.reshape(-1, 3)) - self.start).T

    def smooth(self) -> _Part:
        sigma = _SMOOTH_MM / np.array(self.scan.spacing)
        # What no image shows must not leak into what lies beside it.
        hu = ndimage.gaussian_filter(np.maximum(self.hu, _AIR_HU), sigma)
        return _Part(self.scan, self.start, hu, self.own)


def _sampled(
    values: NDArray[np.generic], index: NDArray[np.float64], order: int, beyond: float
) -> NDArray[np.float32]:
    return np.asarray(
        ndimage.map_coordinates(values, index, np.float32, order, mode="constant", cval=beyond)
    )


def difference(
    visits: tuple[Visit, Visit], numbers: tuple[Sequence[int], Sequence[int]], motion: Motion
) -> Difference | None:
    """Of deposits that are one lineage; None where the images do not show it whole.

    motion : from the first to the second visit, good to a few mm
    """
    scans = visits[0].scan, visits[1].scan
    if scans[0] is None or scans[1] is None:
        return None
    own = [np.concatenate([v.whole[n] for n in ns]) for v, ns in zip(visits, numbers, strict=True)]
    both = np.concatenate([own[0], motion.inverse()(own[1])])
    grid, step = _grid(both)
    if step > COARSEST_MM:
        return None
    there = motion(grid)
    first, second = _part(scans[0], grid, own[0]), _part(scans[1], there, own[1])
    if not first.hu.size or not second.hu.size:
        return None
    mended = _laid(first, second, grid, step, motion)
    moved = float(np.linalg.norm(mended(both.mean(axis=0)) - motion(both.mean(axis=0))))
    if moved > _FAR_MM:
        return None
    there = mended(grid.reshape(-1, 3)).reshape(grid.shape)
    values = first.at(grid), second.at(there)
    inside = first.owned(grid) | second.owned(there)
    return _summed(values, inside, step)


def _grid(points: Points) -> tuple[Points, float]:
    """Cells (x, y, z, 3) about points, LPS mm, and their edge."""
    margin = _RIM_MM + _GAP_MM + _SHELL_MM
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    step = max(STEP_MM, float(np.cbrt(np.prod(high - low) / MOST_CELLS)))
    axes = [np.arange(a, b + step, step) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1), step


def _part(scan: Scan, grid: Points, own: Points) -> _Part:
    index = scan.to_zyx(grid.reshape(-1, 3))
    margin = 3.0 / np.array(scan.spacing) + 1
    start = np.maximum(np.floor(index.min(axis=0) - margin), 0).astype(np.int64)
    stop = np.minimum(np.ceil(index.max(axis=0) + margin) + 1, scan.hu.shape).astype(np.int64)
    hu = scan.hu[tuple(slice(a, b) for a, b in zip(start, np.maximum(stop, start), strict=True))]
    mask = np.zeros(hu.shape, np.uint8)
    voxels = np.rint(scan.to_zyx(own)).astype(np.int64) - start
    held = ((voxels >= 0) & (voxels < hu.shape)).all(axis=1)
    mask[tuple(voxels[held].T)] = 1
    return _Part(scan, start, hu.astype(np.float32), mask)


def _laid(first: _Part, second: _Part, grid: Points, step: float, motion: Motion) -> Motion:
    """The motion mended by what both visits show there; what changed has little say."""
    shown = first.at(grid)
    unseen = ndimage.binary_dilation(shown < _LEAST_HU, iterations=_EDGE_CELLS).ravel()
    before = first.smooth().at(grid)
    slope = np.moveaxis(np.asarray(np.gradient(before, step)), 0, -1).reshape(-1, 3)
    points, before = grid.reshape(-1, 3), before.ravel()
    unseen |= second.at(motion(points)) < _LEAST_HU
    kept = np.flatnonzero(~unseen)
    if len(kept) < _FEWEST:
        return motion
    steepness = (slope[kept] ** 2).sum(axis=1)
    kept = kept[np.argsort(-steepness)[:_MOST_POINTS]]
    points, before, slope = points[kept], before[kept], slope[kept].astype(np.float64)
    middle = points.mean(axis=0)
    rows = np.concatenate([np.cross(points - middle, slope), slope], axis=1)
    after = second.smooth()
    for _ in range(_ROUNDS):
        off = (after.at(motion(points)) - before).astype(np.float64)
        scale = max(_ROBUST_HU, 3.0 * float(np.median(np.abs(off))))
        weight = 1 / (1 + (off / scale) ** 2) ** 2
        matrix = (rows * weight[:, None]).T @ rows
        matrix += 1e-6 * np.trace(matrix) * np.eye(6) + 1e-9 * np.eye(6)
        turn, shift = np.split(np.linalg.solve(matrix, (rows * weight[:, None]).T @ off), 2)
        motion = motion.after(Motion.moved(-shift).after(Motion.about(middle, -turn)))
        if np.linalg.norm(shift) + 10 * np.linalg.norm(turn) < _STILL_MM:
            break
    return motion


def _summed(
    values: tuple[NDArray[np.float32], NDArray[np.float32]],
    inside: NDArray[np.bool_],
    step: float,
) -> Difference | None:
    change, most = values[1] - values[0], np.maximum(*values)
    seen = np.minimum(*values) > _LEAST_HU
    far = ndimage.distance_transform_edt(~inside, sampling=step)
    beside = seen & (far > _BESIDE_MM[0]) & (far <= _BESIDE_MM[1])
    if float((np.abs(change[beside]) > _TORN_HU).sum()) > _TORN * float(beside.sum()):
        return None  # bones that one motion does not lay over each other
    dense = (most >= _DENSE_HU) & ~inside
    region = (far <= _RIM_MM) & ~(dense & (far > _INTO_BONE_MM))
    weight = ndimage.gaussian_filter(region.astype(np.float32), _SOFT_MM / step)
    if float(weight[~seen].sum()) > _UNSEEN * float(weight.sum()):
        return None
    clear = ndimage.distance_transform_edt(most < _DENSE_HU, sampling=step) > _CLEAR_MM
    around = clear & seen & (np.minimum(*values) > _AIR_HU) & (far > _RIM_MM + _GAP_MM)
    level, level_sd = _level(change, around)
    volume = float(weight.sum()) * step**3
    slopes = [float((weight * part).sum()) * step**3 for part in np.gradient(values[0], step)]
    total = float((weight * (change - level))[seen].sum()) * step**3
    slope = float(np.sqrt(np.mean(np.square(slopes))))
    return Difference(total, level_sd * volume, slope)


def _level(change: NDArray[np.float32], around: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean difference of the tissue around, and its SD from how its eight octants differ."""
    where = np.argwhere(around)
    if len(where) < _FEWEST:
        return 0.0, _UNKNOWN_HU
    values = change[around]
    middle = float(np.median(values))
    spread = max(SD_PER_MAD * float(np.median(np.abs(values - middle))), 1.0)
    kept = np.abs(values - middle) < 3 * spread
    octant = (where > where.mean(axis=0)) @ np.array([4, 2, 1])
    parts = [values[kept & (octant == k)] for k in range(8)]
    means = [float(part.mean()) for part in parts if len(part) >= 5]
    level = float(values[kept].mean())
    return level, float(np.std(means, ddof=1) / np.sqrt(len(means))) if len(means) > 2 else spread
