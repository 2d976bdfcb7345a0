"""The great cavities: whether a place lies within the ring of the pelvis or of the chest.

No organ is found. What lies in a cavity has bone on most sides of it in its own slices,
between itself and the skin; what lies in a limb or in the trunk's wall has not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.body import Body
from calcimetry.anatomy.bone import Skeleton
from calcimetry.records import Scan

RAYS = 32
REACH_MM = 250.0
"""Half the width of a big trunk."""
RING_MM = 20.0
"""Ribs and hip bones pass through slices at a slant: bone so far above or below counts too."""


def enclosure(skeleton: Skeleton, body: Body, zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Share of directions in the slice in which bone lies before the skin: float64 (n,).

    zyx : voxel positions (n, 3)

    Directions in which the field ends first are left out; NaN where all are.
    """
    points = np.asarray(zyx, np.float64).reshape(-1, 3)
    ring = _ring(skeleton)
    start = body.grid.of(points)
    step = min(body.grid.size_mm[1:])
    angle = np.arange(RAYS) * 2 * np.pi / RAYS
    way = np.stack([np.sin(angle), np.cos(angle)], 1) * step / np.array(body.grid.size_mm[1:])
    met = np.zeros((len(points), RAYS), np.bool_)
    going = np.ones_like(met)
    lost = np.zeros_like(met)
    for k in range(1, round(REACH_MM / step)):
        y, x = np.moveaxis(np.rint(start[:, None, 1:] + k * way).astype(np.int64), 2, 0)
        beyond = (y < 0) | (x < 0) | (y >= ring.shape[1]) | (x >= ring.shape[2])
        lost |= going & beyond
        going &= ~beyond
        at = start[:, :1], np.where(beyond, 0, y), np.where(beyond, 0, x)
        met |= going & ring[at]
        going &= body.inside[at] & ~met
    seen = (~lost).sum(axis=1)
    return np.where(seen > 0, met.sum(axis=1) / np.maximum(seen, 1), np.nan)


def frontness(scan: Scan, body: Body, zyx: NDArray[Any]) -> NDArray[np.float64]:
    """How far to the front of the body in their slice positions (n, 3) lie: float64 (n,).

    0 at its back, 1 at its front, by the patient's own axes; NaN in slices without body.
    """
    points = np.asarray(zyx, np.float64).reshape(-1, 3)
    slices = body.grid.of(points)[:, 0]
    found = np.full(len(points), np.nan)
    for z in np.unique(slices):
        y, x = np.nonzero(body.inside[z])
        if not len(y):
            continue
        cells = np.stack([np.full(len(y), z), y, x], axis=1)
        back_to_front = -scan.to_lps(body.grid.centres(cells))[:, 1]
        low, high = back_to_front.min(), back_to_front.max()
        here = slices == z
        found[here] = (-scan.to_lps(points[here])[:, 1] - low) / max(high - low, 1e-6)
    return found


def _ring(skeleton: Skeleton) -> NDArray[np.bool_]:
    """Cells with bone in their own slice, or RING_MM above or below."""
    reach = round(RING_MM / skeleton.grid.size_mm[0])
    count = np.cumsum(
        np.pad(skeleton.held, ((reach + 1, reach), (0, 0), (0, 0))), axis=0, dtype=np.int32
    )
    ring: NDArray[np.bool_] = count[2 * reach + 1 :] > count[: -2 * reach - 1]
    return ring
