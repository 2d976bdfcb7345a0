"""What lies around a place at 10 to 60 mm: bowel, lung, ribs, a pelvis, or a limb's fat and muscle.

Shares of tissue in Gaussian neighbourhoods of the scan at about 6 and 12 mm. They change little
when a scan is shifted, turned or cropped, and know no axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from calcimetry.anatomy import Body, Skeleton
from calcimetry.anatomy.coarse_grid import Mask

SCALES_MM = (10.0, 25.0, 60.0)
"""1 SD of the neighbourhoods: an object's own tissue, its compartment, its part of the body."""

CELLS_MM = (6.0, 6.0, 12.0)
"""Edge of the cells that each is summed over."""

TISSUES = ("gas", "fat", "soft", "bright", "bone", "outside")
"""Gas is lung, too; bright is as blood and bowel with contrast medium are; outside is no body."""

GAS_HU, FAT_HU, SOFT_HU, BRIGHT_HU = -400, -30, 90, 400
RAYS = np.array([way for way in np.ndindex(3, 3, 3) if way != (1, 1, 1)], float) - 1
RAYS /= np.linalg.norm(RAYS, axis=1)[:, None]
NEAR_MM, FAR_MM, STEP_MM = 12.0, 35.0, 2.0


def tissue_shares(body: Body, skeleton: Skeleton, zyx: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of TISSUES around voxel positions (n, 3) at each of SCALES_MM.

    float64 (n, scales x tissues), 0 to 1; what the field does not show counts for nothing.
    """
    masks = _masks(body, skeleton)
    at = (np.asarray(zyx, np.float64).reshape(-1, 3) + 0.5) / body.grid.cell
    found = []
    for scale, cell in zip(SCALES_MM, CELLS_MM, strict=True):
        factor = tuple(max(1, round(cell / edge)) for edge in body.grid.size_mm)
        size = [f * edge for f, edge in zip(factor, body.grid.size_mm, strict=True)]
        sigma = [scale / edge for edge in size]
        place = (at / factor - 0.5).T
        whole = ndi.gaussian_filter(
            np.ones(_blocks(masks[0], factor).shape, np.float32), sigma, mode="constant"
        )
        under = ndi.map_coordinates(whole, place, order=1, mode="nearest")
        for mask in masks:
            smooth = ndi.gaussian_filter(_blocks(mask, factor), sigma, mode="constant")
            found.append(ndi.map_coordinates(smooth, place, order=1, mode="nearest") / under)
    return np.stack(found, axis=1)


def bone_directions(
    body: Body, skeleton: Skeleton, zyx: NDArray[np.float64]
) -> NDArray[np.float64]:
    """In how many of 26 directions bone lies within NEAR_MM and FAR_MM: float64 (n, 2), 0 to 1."""
    points = np.asarray(zyx, np.float64).reshape(-1, 3)
    step = np.array(body.grid.size_mm) / body.grid.cell  # the scan's voxels
    held = skeleton.held | skeleton.marrow
    reach = np.arange(0.0, FAR_MM + STEP_MM, STEP_MM)
    away = RAYS[:, None] * reach[:, None] / step  # (26, steps, 3)
    along = points[:, None, None] + away
    end = np.array(held.shape) * body.grid.cell - 0.5  # voxels are as wide as their indices' steps
    seen = ((along >= -0.5) & (along < end)).all(-1)
    met = held[tuple(np.moveaxis(body.grid.of(along), -1, 0))] & seen
    near = met[..., reach <= NEAR_MM].any(-1).mean(-1)
    return np.stack([near, met.any(-1).mean(-1)], axis=1)


def _masks(body: Body, skeleton: Skeleton) -> list[Mask]:
    """Where each of TISSUES is, on the body's grid."""
    hu, inside = body.hu, body.inside
    bone = skeleton.held | skeleton.marrow
    soft = inside & ~bone
    return [
        inside & (hu < GAS_HU),
        soft & (hu >= GAS_HU) & (hu < FAT_HU),
        soft & (hu >= FAT_HU) & (hu < SOFT_HU),
        soft & (hu >= SOFT_HU) & (hu < BRIGHT_HU),
        bone,
        ~inside,
    ]


def _blocks(mask: Mask, factor: tuple[int, ...]) -> NDArray[np.float32]:
    """Means of a mask over blocks of cells; the last block of an axis may be smaller."""
    total = mask.astype(np.float32)
    for axis, f in enumerate(factor):
        first = np.arange(0, mask.shape[axis], f)
        total = np.add.reduceat(total, first, axis=axis)
        count = np.minimum(f, mask.shape[axis] - first).astype(np.float32)
        total /= count.reshape([-1 if a == axis else 1 for a in range(3)])
    return total
