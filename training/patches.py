"""Training patches: where to look, what to paint there, and how the scanner shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from calcimetry.deposits.resample import GRID_MM
from training.natural import Ground
from training.paint import (
    IGNORE,
    PATCH,
    Paint,
    Patch,
    axis_matrix,
    deposit,
    rendered,
    tube,
)
from training.shapes import Shape

Label = NDArray[np.uint8]
_PLACE_SHARE = {"fat": 0.15, "muscle": 0.15, "bone": 0.5, "near": 0.13, "skin": 0.07}
_MODES = ["deposits", "null", "natural"]
_LIMB_MODES = (0.62, 0.06, 0.32)
_TRUNK_MODES = (0.38, 0.04, 0.58)
"""Trunks are few, and their spines and ribs are what is taken for deposits most often."""

_DENSITY = {
    "stone": (500.0, 1700.0),
    "fluid_level": (110.0, 600.0),
    # What lies in tumours and old haematomas is faint: rings, arcs and specks of 150-400 HU.
    "ring": (100.0, 900.0),
    "cluster": (120.0, 1000.0),
    "linear": (120.0, 900.0),
    "stippled": (150.0, 900.0),
}
_DENSITY_ELSE = (150.0, 1100.0)
SMALL_MM, FAINT_MG_CM3 = 12.0, 400.0
_AIR_HU = -350
_OUTSIDE_HU = -1024
TRUNK_MM = 280.0
"""A scan that is wider holds a trunk."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Everything that patches are made of; `share` is how often each ground is drawn."""

    grounds: Sequence[Ground]
    share: NDArray[np.float64]
    bank: Sequence[Shape]


def patch(world: World, seed: tuple[int, ...]) -> tuple[NDArray[np.int16], Label]:
    """One training patch, the same for a seed: HU, and 1 deposit, 0 not, 2 out of the loss."""
    rng = np.random.default_rng(seed)
    ground = world.grounds[rng.choice(len(world.grounds), p=world.share)]
    aim, mode = _aim(ground, rng)
    corner = np.round(aim).astype(np.int64) - PATCH // 2
    hu = cut(ground.hu, corner, -1000).astype(np.float32)
    closed = cut(ground.bone, corner, False) | (hu < _AIR_HU)
    paint = Paint.empty()
    mineral = 1.0
    if mode == "deposits":
        _deposits(paint, ground, world.bank, corner, closed, rng)
    elif mode == "null":
        mineral = rng.uniform(0, 0.06)
        _deposits(paint, ground, world.bank, corner, closed, rng)
    trunk = _is_trunk(ground)
    for _ in range(rng.poisson(0.7 if trunk else 0.12)):
        # In a trunk vessels are wide, and run through lungs, too.
        through = cut(ground.bone, corner, False) if trunk and rng.random() < 0.5 else closed
        _vessel(paint, through, 14.0 if trunk else 5.0, rng)
    spread = rng.uniform(0.8, 1.9)
    fwhm = (rng.uniform(0.4, 1.2) * max(ground.spacing[0], 1.0), spread, spread)
    z, y, x = (
        axis_matrix(int(c), s, f) for c, s, f in zip(corner, ground.spacing, fwhm, strict=True)
    )
    paint.mineral *= np.float32(mineral)
    base = rng.choice([40.0, 60.0, -20.0, -80.0], p=[0.6, 0.2, 0.1, 0.1])
    hu, label = rendered(hu, paint, (z, y, x), rng.uniform(1.15, 1.75), base)
    if mode == "null":
        label[:] = 0
    label[cut(ground.unsure, corner, False) & (label == 0)] = IGNORE
    if rng.random() < 0.03:
        _metal(hu, label, rng)
    seen = _scanned(hu, rng)
    if rng.random() < 0.12:
        _end_of_field(seen, rng)
    return seen, label


def _is_trunk(ground: Ground) -> bool:
    return ground.hu.shape[2] * GRID_MM > TRUNK_MM


def _end_of_field(hu: NDArray[np.int16], rng: np.random.Generator) -> None:
    """Nothing beyond a plane: bones and deposits that the field cuts are still what they are."""
    at = int(rng.integers(4, PATCH // 2))
    beyond = slice(0, at) if rng.random() < 0.5 else slice(PATCH - at, PATCH)
    np.moveaxis(hu, rng.choice(3, p=[0.6, 0.2, 0.2]), 0)[beyond] = _OUTSIDE_HU


def cut(volume: NDArray, corner: NDArray[np.int64], outside: float) -> NDArray:  # type: ignore[type-arg]
    """A PATCH-sided box of a volume, which it may leave."""
    box = np.full((PATCH,) * 3, outside, volume.dtype)
    low = np.maximum(corner, 0)
    high = np.minimum(corner + PATCH, volume.shape)
    if (high > low).all():
        there = tuple(slice(a, b) for a, b in zip(low - corner, high - corner, strict=True))
        box[there] = volume[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return box


def _aim(ground: Ground, rng: np.random.Generator) -> tuple[NDArray[np.float64], str]:
    mode = rng.choice(_MODES, p=_TRUNK_MODES if _is_trunk(ground) else _LIMB_MODES)
    if mode == "natural" and len(ground.dense):
        return ground.dense[rng.integers(len(ground.dense))] + rng.uniform(-12, 12, 3), mode
    place = _place(ground, rng)
    if place is None:
        return ground.dense[rng.integers(len(ground.dense))] + rng.uniform(-12, 12, 3), "natural"
    return place + rng.uniform(-14, 14, 3), str(mode)


def _place(ground: Ground, rng: np.random.Generator) -> NDArray[np.float64] | None:
    names = [name for name in _PLACE_SHARE if len(ground.places[name])]
    if not names:
        return None
    share = np.array([_PLACE_SHARE[name] for name in names])
    points = ground.places[names[rng.choice(len(names), p=share / share.sum())]]
    position: NDArray[np.float64] = points[rng.integers(len(points))] + rng.uniform(-0.5, 0.5, 3)
    return position


def _deposits(
    paint: Paint,
    ground: Ground,
    bank: Sequence[Shape],
    corner: NDArray[np.int64],
    closed: NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:
    middle = corner + PATCH / 2
    for _ in range(1 + rng.poisson(0.8)):
        centre = _near(ground, middle, rng)
        if centre is None:
            continue
        shape = _shape(bank, rng)
        density = _density(shape, rng)
        turn = np.eye(3) if shape.family == "fluid_level" else _turn(rng)
        deposit(paint, shape, (centre - corner) * GRID_MM, turn, density, closed)


def _shape(bank: Sequence[Shape], rng: np.random.Generator) -> Shape:
    """Any shape, but small ones more often: they are missed most."""
    shape = bank[rng.integers(len(bank))]
    while shape.diameter_mm > SMALL_MM and rng.random() < 0.5:
        shape = bank[rng.integers(len(bank))]
    return shape


def _density(shape: Shape, rng: np.random.Generator) -> float:
    """mg/cm3 of any deposit of a shape's sort, but faint ones more often."""
    low, high = _DENSITY.get(shape.family, _DENSITY_ELSE)
    if rng.random() < 0.3:
        high = max(min(high, FAINT_MG_CM3), low)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _near(
    ground: Ground, middle: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """A place of a random sort within the patch."""
    for _ in range(4):
        name = rng.choice(list(_PLACE_SHARE), p=list(_PLACE_SHARE.values()))
        points = ground.places[name]
        inside = (np.abs(points - middle) < PATCH / 2 - 3).all(axis=1)
        if inside.any():
            chosen = rng.choice(np.flatnonzero(inside))
            position: NDArray[np.float64] = points[chosen] + rng.uniform(-0.5, 0.5, 3)
            return position
    return None


def _turn(rng: np.random.Generator) -> NDArray[np.float64]:
    return np.eye(3)[rng.permutation(3)] * rng.choice([-1.0, 1.0], 3)


def _vessel(
    paint: Paint, closed: NDArray[np.bool_], widest_mm: float, rng: np.random.Generator
) -> None:
    length = int(rng.integers(30, 120))
    heading = rng.normal(size=3) * (2, 1, 1)
    bend = np.cumsum(rng.normal(size=(length, 3)) * 0.06, axis=0)
    path = np.cumsum(heading / np.linalg.norm(heading) + bend, axis=0)
    path = path / np.linalg.norm(np.diff(path, axis=0), axis=1).mean()
    path += rng.uniform(10, PATCH * GRID_MM - 10, 3) - path[length // 2]
    radius = np.exp(rng.uniform(0, np.log(widest_mm)))
    tube(paint, path, radius, rng.uniform(90, 480), closed)


def _metal(hu: Patch, label: Label, rng: np.random.Generator) -> None:
    """A clip, wire, screw or implant: at the ceiling, with streaks in its slices."""
    centre = rng.uniform(8, PATCH - 8, 3)
    axis = _unit(rng)
    offset = np.indices(hu.shape).reshape(3, -1).T - centre
    along = offset @ axis
    off = np.linalg.norm(offset - along[:, None] * axis, axis=1)
    length, radius = rng.uniform(1, 20), np.exp(rng.uniform(np.log(0.5), np.log(6)))
    inside = np.clip(radius + 0.5 - off, 0, 1) * (np.abs(along) < length)
    inside = inside.reshape(hu.shape).astype(np.float32)
    angle = np.arctan2(offset[:, 1], offset[:, 2]).reshape(hu.shape)
    far = np.hypot(offset[:, 1], offset[:, 2]).reshape(hu.shape)
    waves = sum(np.cos(int(k) * angle + rng.uniform(0, 6.3)) for k in rng.integers(2, 14, 4))
    present = inside.any(axis=(1, 2))[:, None, None]
    streak = waves * rng.uniform(20, 250) * np.exp(-far / rng.uniform(5, 25)) * present
    hu += np.where(hu > _AIR_HU, streak, 0).astype(np.float32)
    hu[:] = hu * (1 - inside) + inside * rng.uniform(2200, 5000)
    label[(inside > 0.1) | (np.abs(streak) > 60)] = IGNORE
    label[inside > 0.5] = 0


def _unit(rng: np.random.Generator) -> NDArray[np.float64]:
    vector = rng.normal(size=3)
    return np.asarray(vector / np.linalg.norm(vector))


def _scanned(hu: Patch, rng: np.random.Generator) -> NDArray[np.int16]:
    """The patch as another scanner might show it: slices, kernel, dose, kVp, HU scale."""
    if rng.random() < 0.2:
        hu = _thick(hu, rng)
    kernel = rng.random()
    if kernel < 0.25:
        hu = ndi.gaussian_filter(hu, rng.uniform(0.2, 0.55))
    elif kernel < 0.5:
        hu = hu + rng.uniform(0.3, 1.3) * (hu - ndi.gaussian_filter(hu, rng.uniform(0.5, 0.9)))
    gain = np.exp(rng.uniform(np.log(0.85), np.log(1.4)))
    hu = np.where(hu > 60, 60 + (hu - 60) * gain, hu) + rng.uniform(-12, 12)
    if rng.random() < 0.45:
        noise = rng.standard_normal(hu.shape, dtype=np.float32)
        if rng.random() < 0.6:
            noise = ndi.gaussian_filter(noise, rng.uniform(0.3, 0.8))
        hu = hu + noise * (np.exp(rng.uniform(np.log(3), np.log(40))) / noise.std())
    return np.clip(np.round(hu), _OUTSIDE_HU, 3071).astype(np.int16)


def _thick(hu: Patch, rng: np.random.Generator) -> Patch:
    """Thicker slices: means over slabs along z, linearly interpolated."""
    thick = rng.uniform(2.5, 5.0) / GRID_MM
    at = np.arange(PATCH)
    slices = np.arange(-rng.random() * thick, PATCH + thick, thick)
    mean = np.clip(thick / 2 + 0.5 - np.abs(slices[:, None] - at[None]), 0, 1)
    mean /= np.maximum(mean.sum(1, keepdims=True), 1e-6)
    back = np.maximum(0, 1 - np.abs(at[:, None] - slices[None]) / thick)
    matrix = (back @ mean).astype(np.float32)
    return np.tensordot(matrix, hu, axes=(1, 0)).astype(np.float32)
