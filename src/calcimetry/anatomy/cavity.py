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
from calcimetry.kernels.compiled import kernel, read_only
from calcimetry.kernels.types import Plane, Vector, Volume
from calcimetry.records import Scan

RAYS = 32
REACH_MM = 250.0
"""Half the width of a big trunk."""
MOST_SLANT = 0.7
"""How much of a step from slice to slice may lead from back to front."""
RING_MM = 20.0
"""Ribs and hip bones pass through slices at a slant: bone so far above or below counts too."""


def bone_enclosure(skeleton: Skeleton, body: Body, zyx: NDArray[Any]) -> NDArray[np.float64]:
    """Share of directions in the slice in which bone lies before the skin: float64 (n,).

    zyx : voxel positions (n, 3)

    Directions in which the field ends first are left out; NaN where all are.
    """
    points = np.asarray(zyx, np.float64).reshape(-1, 3)
    step = min(body.grid.size_mm[1:])
    angle = np.arange(RAYS) * 2 * np.pi / RAYS
    way = np.stack([np.sin(angle), np.cos(angle)], 1) * step / np.array(body.grid.size_mm[1:])
    share = np.empty(len(points))
    masks = read_only(_ring(skeleton), np.bool_), read_only(body.inside, np.bool_)
    _cast(masks, read_only(body.grid.of(points), np.int64), way, round(REACH_MM / step), share)
    return share


def anterior_fraction(scan: Scan, body: Body, zyx: NDArray[Any]) -> NDArray[np.float64]:
    """How far to the front of the body in their slice positions (n, 3) lie: float64 (n,).

    0 at its back, 1 at its front, by the patient's own axes; NaN in slices without body, and
    where the slices are no sections from back to front: such a body lies as none does.
    """
    points = np.asarray(zyx, np.float64).reshape(-1, 3)
    slices = body.grid.of(points)[:, 0]
    found = np.full(len(points), np.nan)
    if abs(scan.affine[1, 2]) > MOST_SLANT * scan.spacing[0]:
        return found
    for z in np.unique(slices):
        y = np.flatnonzero(body.inside[z].any(axis=1))
        if not len(y):
            continue
        # What lies furthest to any side is the first or the last of its row.
        rows = body.inside[z, y]
        x = np.concatenate([rows.argmax(axis=1), rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)])
        cells = np.stack([np.full(len(x), z), np.tile(y, 2), x], axis=1)
        back_to_front = -scan.to_lps(body.grid.centres(cells))[:, 1]
        low, high = back_to_front.min(), back_to_front.max()
        here = slices == z
        found[here] = (-scan.to_lps(points[here])[:, 1] - low) / max(high - low, 1e-6)
    return found


def _ring(skeleton: Skeleton) -> NDArray[np.bool_]:
    """Cells with bone in their own slice, or RING_MM above or below."""
    ring = skeleton.held.copy()
    for step in range(1, 1 + min(round(RING_MM / skeleton.grid.size_mm[0]), len(ring) - 1)):
        ring[step:] |= skeleton.held[:-step]
        ring[:-step] |= skeleton.held[step:]
    return ring


@kernel
def _cast(
    masks: tuple[Volume[np.bool_], Volume[np.bool_]],
    start: Plane[np.int64],
    way: Plane[np.float64],
    steps: int,
    share: Vector[np.float64],
) -> None:
    """Follow rays from cells until they meet the ring, or leave the body or the field."""
    ring, inside = masks
    for point in range(len(start)):
        z, met, seen = start[point, 0], 0, 0
        for ray in range(len(way)):
            lost = False  # beyond the field
            for k in range(1, steps):
                y = np.int64(np.rint(start[point, 1] + k * way[ray, 0]))
                x = np.int64(np.rint(start[point, 2] + k * way[ray, 1]))
                lost = bool(y < 0 or x < 0 or y >= ring.shape[1] or x >= ring.shape[2])
                if lost:
                    break
                if ring[z, y, x]:
                    met += 1
                    break
                if not inside[z, y, x]:
                    break
            seen += not lost
        share[point] = met / seen if seen > 0 else np.nan
