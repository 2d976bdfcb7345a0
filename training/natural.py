"""What a natural CT offers to training: the network's grid, bones, and places for deposits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from calcimetry.deposits.resample import GRID_MM, axis_weights

Mask = NDArray[np.bool_]
_TOUCH = np.ones((3, 3, 3), bool)
MARROW_MM2 = 1500.0
"""Largest section of a bone's marrow: a thick femur's shaft holds 500, its condyles are solid."""

PLACES = ("fat", "muscle", "bone", "near", "skin")


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A natural CT on the network's grid, ready to be painted on.

    hu : int16 (z, y, x)
    bone : filled bones, marrow included; nothing is painted there
    unsure : natural foci that may or may not be deposits; kept out of the loss
    spacing : of the scan that it was made from, mm
    places : per name of PLACES, int16 (n, 3) grid positions
    dense : int16 (n, 3), some of the dense natural voxels
    """

    name: str
    hu: NDArray[np.int16]
    bone: Mask
    unsure: Mask
    spacing: tuple[float, float, float]
    places: dict[str, NDArray[np.int16]]
    dense: NDArray[np.int16]


def to_grid(hu: NDArray[np.int16], spacing: tuple[float, float, float]) -> NDArray[np.float32]:
    """A volume on the network's isotropic grid, antialiased; same numbers as at inference."""
    volume = hu.astype(np.float32)
    for axis in range(3):
        matrix = dense_matrix(hu.shape[axis], spacing[axis])
        volume = np.moveaxis(np.tensordot(matrix, volume, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(volume)


def dense_matrix(count: int, spacing: float) -> NDArray[np.float32]:
    """The resampling of one axis as a matrix (grid, native)."""
    index, weight = axis_weights(count, spacing)
    matrix = np.zeros((len(index), count), np.float32)
    np.add.at(matrix, (np.arange(len(index))[:, None], index), weight)
    return matrix


def ground(
    name: str,
    hu: NDArray[np.int16],
    spacing: tuple[float, float, float],
    *,
    unsure: bool,
    seed: int = 0,
) -> Ground:
    """Work out bones, body, unsure foci and places once for a scan."""
    grid = np.round(to_grid(hu, spacing)).astype(np.int16)
    body, depth = _body(grid)
    bone = _bones(grid, body)
    rng = np.random.default_rng(seed)
    return Ground(
        name,
        grid,
        bone,
        _unsure(grid, body) if unsure else np.zeros(grid.shape, bool),
        spacing,
        _places(grid, body, depth, bone, rng),
        _some(grid >= 120, rng, 20_000),
    )


def _body(grid: NDArray[np.int16]) -> tuple[Mask, NDArray[np.float32]]:
    solid = ndi.binary_opening(np.pad(grid > -300, 1, mode="edge"), iterations=2)[1:-1, 1:-1, 1:-1]
    label, count = ndi.label(solid)
    size = np.bincount(label.ravel(), minlength=count + 1)
    size[0] = 0
    body = (size > 0.1 * size.max())[label]
    for k in range(len(body)):
        body[k] = ndi.binary_fill_holes(body[k])
    inside = np.pad(body, ((0, 0), (1, 1), (1, 1)))
    depth = ndi.distance_transform_edt(inside, sampling=GRID_MM)[:, 1:-1, 1:-1]
    return body, depth.astype(np.float32)


def _bones(grid: NDArray[np.int16], body: Mask) -> Mask:
    label, count = ndi.label((grid >= 180) & body)
    size = np.bincount(label.ravel(), minlength=count + 1) * GRID_MM**3
    size[0] = 0
    shell = (size > 300)[label]
    closed = ndi.binary_closing(np.pad(shell, 4), iterations=3)[4:-4, 4:-4, 4:-4]
    # A shaft's marrow is closed in one plane only; what a whole limb or chest encloses is not
    # marrow, nor is anything with air in it.
    filled = closed & (grid > 60)
    for axis in range(3):
        planes, found = np.moveaxis(closed, axis, 0), np.moveaxis(filled, axis, 0)
        for k, plane in enumerate(planes):
            hole = ndi.binary_fill_holes(plane) & ~plane
            parts, count = ndi.label(hole)
            area = np.bincount(parts.ravel(), minlength=count + 1) * GRID_MM**2
            found[k] |= hole & (area < MARROW_MM2)[parts]
    return shell | (filled & (grid > -200))


def _unsure(grid: NDArray[np.int16], body: Mask) -> Mask:
    label, count = ndi.label(grid >= 120, _TOUCH)
    number = np.arange(count + 1)
    size = np.bincount(label.ravel(), minlength=count + 1) * GRID_MM**3
    peak = ndi.maximum(grid, label, number)
    inside = ndi.mean(body, label, number)
    chosen = (size < 1200) & (peak >= 190) & (inside > 0.8)
    chosen[0] = False
    return ndi.binary_dilation(chosen[label], _TOUCH)


def _places(
    grid: NDArray[np.int16],
    body: Mask,
    depth: NDArray[np.float32],
    bone: Mask,
    rng: np.random.Generator,
) -> dict[str, NDArray[np.int16]]:
    far = ndi.distance_transform_edt(~bone, sampling=GRID_MM)
    smooth = ndi.uniform_filter(grid.astype(np.float32), 3)
    quiet = body & (ndi.maximum_filter(grid, 3) < 140)
    soft = body & (smooth > -140) & (smooth < 160) & (depth > 2)
    chosen = {
        "fat": quiet & (smooth < -50) & (smooth > -150) & (depth > 2) & (far > 5),
        "muscle": quiet & (smooth > 0) & (smooth < 120) & (depth > 3) & (far > 4),
        "bone": soft & (far > 0.5) & (far < 4),
        "near": soft & (far >= 4) & (far < 9),
        "skin": quiet & (smooth > -150) & (smooth < 120) & (depth > 0.5) & (depth < 8),
    }
    return {name: _some(mask, rng, 30_000) for name, mask in chosen.items()}


def _some(mask: Mask, rng: np.random.Generator, most: int) -> NDArray[np.int16]:
    points = np.argwhere(mask)
    if len(points) > most:
        points = points[rng.choice(len(points), most, replace=False)]
    return points.astype(np.int16)
