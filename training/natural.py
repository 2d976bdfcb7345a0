"""What a natural CT offers to training: the network's grid, bones, and places for deposits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from calcimetry.deposits.resample import GRID_MM, axis_weights, resample
from training.judged import Judged, answers
from training.paint import IGNORE

Mask = NDArray[np.bool_]
_TOUCH = np.ones((3, 3, 3), bool)
MARROW_MM2 = 1500.0
"""Largest section of a bone's marrow: a thick femur's shaft holds 500, its condyles are solid."""

SPONGE_HU = (100, 500)
"""Mean HU within bone near a joint: epiphyses, carpals and tarsals are spongy, shafts are not."""

PLACES = ("fat", "muscle", "joint", "bone", "near", "skin")


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A natural CT as it is shown, ready to be painted on.

    hu : int16 (z, y, x), the scan's own voxels, at least -1024
    spacing : as it is shown, mm
    trunk : shows a trunk, neck or head
    bone : bool on the network's grid: filled bones, marrow included; nothing is painted there
    answer : uint8 on that grid, what is told of natural voxels (see `training.judged.answers`)
    places : per name of PLACES, int16 (n, 3) grid positions
    dense : int16 (n, 3), some of the dense natural voxels
    objects : float32 (n, 3), grid positions of judged objects and of what was mined
    """

    name: str
    hu: NDArray[np.int16]
    spacing: tuple[float, float, float]
    trunk: bool
    bone: Mask
    answer: NDArray[np.uint8]
    places: dict[str, NDArray[np.int16]]
    dense: NDArray[np.int16]
    objects: NDArray[np.float32]


def to_grid(hu: NDArray[np.int16], spacing: tuple[float, float, float]) -> NDArray[np.float32]:
    """A volume on the network's isotropic grid, antialiased; same numbers as at inference."""
    sides = (axis_weights(n, s) for n, s in zip(hu.shape, spacing, strict=True))
    return resample(hu, *sides)


def ground(
    name: str,
    hu: NDArray[np.int16],
    spacing: tuple[float, float, float],
    *,
    trunk: bool = False,
    objects: tuple[Judged, ...] = (),
    mined_mm: NDArray[np.float64] | None = None,
    scale: float = 1.0,
    seed: int = 0,
) -> Ground:
    """Work out bones, body, answers and places once for a scan.

    hu, spacing : of the scan
    objects : judged ones
    mined_mm : (n, 3), places of mined ones
    scale : of the scan as it is shown: a limb at half its size is a child's
    """
    shown = spacing[0] * scale, spacing[1] * scale, spacing[2] * scale
    grid = np.round(to_grid(hu, shown)).astype(np.int16)
    body = _body(grid)
    bone = _bones(grid, body)
    rng = np.random.default_rng(seed)
    middles = [one.place_mm for one in objects if one.answer != IGNORE]
    middles += [] if mined_mm is None else mined_mm.tolist()
    return Ground(
        name,
        hu,
        shown,
        trunk,
        bone,
        answers(grid, objects, scale),
        _places(grid, body, bone, rng),
        _some(grid >= 120, rng, 20_000),
        np.array(middles, np.float32).reshape(-1, 3) * np.float32(scale / GRID_MM),
    )


def _body(grid: NDArray[np.int16]) -> Mask:
    solid = ndi.binary_opening(np.pad(grid > -300, 1, mode="edge"), iterations=2)[1:-1, 1:-1, 1:-1]
    label, count = ndi.label(solid)
    size = np.bincount(label.ravel(), minlength=count + 1)
    size[0] = 0
    body: Mask = (size > 0.1 * size.max())[label]
    return body | _holes(body, 0, np.inf)


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
        filled |= _holes(closed, axis, MARROW_MM2)
    return shell | (filled & (grid > -200))


def _holes(mask: Mask, axis: int, most_mm2: float) -> Mask:
    """What a mask encloses within each plane across an axis, where that is small enough."""
    within = np.moveaxis(np.zeros((3, 3, 3), bool), 0, axis)
    np.moveaxis(within, axis, 0)[1] = ndi.generate_binary_structure(2, 1)
    label, count = ndi.label(~mask, within)
    area = np.bincount(label.ravel(), minlength=count + 1) * GRID_MM**2
    closed = area < most_mm2
    for other in {0, 1, 2} - {axis}:
        for end in (0, -1):
            closed[label.take(end, other)] = False
    closed[0] = False
    return np.asarray(closed[label])


def _within(mask: Mask, mm: float) -> Mask:
    """What lies within a cube's half side of a mask: cheaper than a distance, and near enough."""
    return np.asarray(ndi.maximum_filter(mask, 2 * round(mm / GRID_MM) + 1))


def _places(
    grid: NDArray[np.int16], body: Mask, bone: Mask, rng: np.random.Generator
) -> dict[str, NDArray[np.int16]]:
    smooth = ndi.uniform_filter(grid.astype(np.float32), 3)
    quiet = body & (ndi.maximum_filter(grid, 3) < 140)
    outside = ~body
    deep, shallow = ~_within(outside, 3), body & _within(outside, 7.5)
    soft = deep & (smooth > -140) & (smooth < 160) & ~bone
    touching = _within(bone, 3)
    around, far = _within(bone, 9), quiet & deep & ~_within(bone, 4.5)
    contact = soft & touching
    chosen = {
        "fat": far & (smooth < -50) & (smooth > -150),
        "muscle": far & (smooth > 0) & (smooth < 120),
        "joint": contact & _beside_sponge(grid, bone),
        "bone": contact,
        "near": soft & around & ~touching,
        "skin": quiet & shallow & (smooth > -150) & (smooth < 120),
    }
    return {name: _some(mask, rng, 30_000) for name, mask in chosen.items()}


def _beside_sponge(grid: NDArray[np.int16], bone: Mask) -> Mask:
    """Within 12 mm of bone whose inside is spongy; a shaft's holds fat."""
    inner = ndi.binary_erosion(bone, _TOUCH)
    share = ndi.uniform_filter(inner.astype(np.float32), 17)
    mean = ndi.uniform_filter(np.where(inner, grid, 0).astype(np.float32), 17)
    low, high = SPONGE_HU
    return (share > 0.02) & (mean > low * share) & (mean < high * share)


def _some(mask: Mask, rng: np.random.Generator, most: int) -> NDArray[np.int16]:
    points = np.argwhere(mask)
    if len(points) > most:
        points = points[rng.choice(len(points), most, replace=False)]
    return points.astype(np.int16)
