"""Training patches: where to look, what to paint there, and how the scanner shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.deposits.resample import GRID_MM, FilterTaps, resample
from training.mimics import mimic
from training.natural import Ground
from training.paint import PATCH, Label, Paint, Patch, axis_matrix, deposit, rendered, tube
from training.scanner import AIR_HU, OUTSIDE_HU, end_of_field, metal, scanned, tilted
from training.shapes import Shape

_PLACE_SHARE = {
    "fat": 0.15,
    "muscle": 0.15,
    "joint": 0.28,
    "bone": 0.24,
    "near": 0.11,
    "skin": 0.07,
}
_OBJECT_SHARE = 0.15
"""Of all patches: in the middle of them what was judged or mined, and nothing is painted."""

_MODES = ["deposits", "null", "natural"]
_LIMB_MODES = (0.8, 0.06, 0.14)
_TRUNK_MODES = (0.6, 0.04, 0.36)
"""Of the other patches. Trunks are few, and their spines and ribs are often taken for deposits."""

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
_JOINT_SMALL, _JOINT_MM = 0.6, 8.0
"""Share of the deposits at joints that are small and faint, and what is small there: those are
what is missed most."""

_TILTED = 0.15
_MIMICS = 0.12
"""Shares of patches that lie obliquely, and in which a look-alike is drawn if it has a place."""
_MOST_OBJECTS = 60
"""A scan with more than these is not drawn more often for it."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Everything that patches are made of; `share` is how often each ground is drawn."""

    grounds: Sequence[Ground]
    share: NDArray[np.float64]
    bank: Sequence[Shape]

    def hunted(self) -> NDArray[np.float64]:
        """How often each ground is drawn for its objects: each object alike."""
        number = np.array([len(g.objects) for g in self.grounds])
        share = self.share / self.share.max() * np.minimum(number, _MOST_OBJECTS)
        return np.asarray(share / share.sum()) if share.any() else self.share


def patch(world: World, seed: tuple[int, ...]) -> tuple[NDArray[np.int16], Label]:
    """One training patch, the same for a seed: HU, and 1 deposit, 0 not, 2 out of the loss."""
    rng = np.random.default_rng(seed)
    hunting = rng.random() < _OBJECT_SHARE
    share = world.hunted() if hunting else world.share
    ground = world.grounds[rng.choice(len(world.grounds), p=share)]
    aim, mode = _object(ground, rng) if hunting and len(ground.objects) else _aim(ground, rng)
    corner = aim - PATCH / 2  # between grid positions: the grid's phase is the scan's, not ours
    near = np.round(corner).astype(np.int64)
    hu = shown(ground, corner)
    bone = cut(ground.bone, near, False)
    closed = bone | (hu < AIR_HU)
    paint = Paint.empty()
    mineral = 1.0
    if mode == "deposits":
        _deposits(paint, ground, world.bank, corner, closed, rng)
    elif mode == "null":
        mineral = rng.uniform(0, 0.06)
        _deposits(paint, ground, world.bank, corner, closed, rng)
    for _ in range(rng.poisson(0.7 if ground.trunk else 0.12)):
        # In a trunk vessels are wide, and run through lungs, too.
        through = bone if ground.trunk and rng.random() < 0.5 else closed
        _vessel(paint, through, 14.0 if ground.trunk else 5.0, rng)
    spread = rng.uniform(0.8, 1.9)
    fwhm = (rng.uniform(0.4, 1.2) * max(ground.spacing[0], 1.0), spread, spread)
    z, y, x = (axis_matrix(c, s, f) for c, s, f in zip(corner, ground.spacing, fwhm, strict=True))
    paint.mineral *= np.float32(mineral)
    base = rng.choice([40.0, 60.0, -20.0, -80.0], p=[0.6, 0.2, 0.1, 0.1])
    hu, label = rendered(hu, paint, (z, y, x), rng.uniform(1.15, 1.75), base)
    if mode == "null":
        label[:] = 0
    told = cut(ground.answer, near, 0)
    label[label == 0] = told[label == 0]
    mask = mimic(hu, bone, rng, trunk=ground.trunk) if rng.random() < _MIMICS else None
    if mask is not None:
        label[mask] = 0
    if rng.random() < 0.03:
        metal(hu, label, rng)
    if rng.random() < _TILTED:
        hu, label = tilted(hu, label, rng)
    seen = scanned(hu, rng)
    if rng.random() < 0.12:
        end_of_field(seen, rng)
    return seen, label


def shown(ground: Ground, corner: NDArray[np.float64]) -> Patch:
    """HU of the PATCH-sided box that begins at a grid position, whole or not; outside is air."""
    sides = [
        _taps(float(c), n, s)
        for c, n, s in zip(corner, ground.hu.shape, ground.spacing, strict=True)
    ]
    hu = resample(ground.hu, *(taps for taps, _ in sides))
    z, y, x = (there for _, there in sides)
    hu[~(z[:, None, None] & y[:, None] & x)] = OUTSIDE_HU
    return hu


def _taps(corner: float, count: int, spacing: float) -> tuple[FilterTaps, NDArray[np.bool_]]:
    """`calcimetry.deposits.resample.axis_weights` for PATCH places from any position on, and which
    of them lie within the scan."""
    reach = max(1.0, GRID_MM / spacing)
    centre = (corner + np.arange(PATCH)) * GRID_MM / spacing
    first = np.floor(centre - reach).astype(np.int64) + 1
    index = first[:, None] + np.arange(int(np.ceil(2 * reach)) + 1)
    weight = np.maximum(0.0, 1.0 - np.abs(index - centre[:, None]) / reach)
    weight /= weight.sum(axis=1, keepdims=True)
    taps = np.clip(index, 0, count - 1).astype(np.int32), weight.astype(np.float32)
    return taps, (centre > -0.5) & (centre < count - 0.5)


def cut(volume: NDArray, corner: NDArray[np.int64], outside: float) -> NDArray:  # type: ignore[type-arg]
    """A PATCH-sided box of a volume, which it may leave."""
    box = np.full((PATCH,) * 3, outside, volume.dtype)
    low = np.maximum(corner, 0)
    high = np.minimum(corner + PATCH, volume.shape)
    if (high > low).all():
        there = tuple(slice(a, b) for a, b in zip(low - corner, high - corner, strict=True))
        box[there] = volume[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return box


def _object(ground: Ground, rng: np.random.Generator) -> tuple[NDArray[np.float64], str]:
    place = ground.objects[rng.integers(len(ground.objects))]
    return place + rng.uniform(-12, 12, 3), "natural"


def _aim(ground: Ground, rng: np.random.Generator) -> tuple[NDArray[np.float64], str]:
    mode = str(rng.choice(_MODES, p=_TRUNK_MODES if ground.trunk else _LIMB_MODES))
    place = None if mode == "natural" else _place(ground, rng)
    if place is None:
        return ground.dense[rng.integers(len(ground.dense))] + rng.uniform(-12, 12, 3), "natural"
    return place + rng.uniform(-14, 14, 3), mode


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
    corner: NDArray[np.float64],
    closed: NDArray[np.bool_],
    rng: np.random.Generator,
) -> None:
    middle = corner + PATCH / 2
    for _ in range(1 + rng.poisson(0.8)):
        found = _near(ground, middle, rng)
        if found is None:
            continue
        name, centre = found
        small = name == "joint" and rng.random() < _JOINT_SMALL
        shape = _small(bank, rng) if small else _shape(bank, rng)
        density = _density(shape, rng, 1.0 if small else 0.3)
        turn = np.eye(3) if shape.family == "fluid_level" else _turn(rng)
        deposit(paint, shape, (centre - corner) * GRID_MM, turn, density, closed)


def _shape(bank: Sequence[Shape], rng: np.random.Generator) -> Shape:
    """Any shape, but small ones more often: they are missed most."""
    shape = bank[rng.integers(len(bank))]
    while shape.diameter_mm > SMALL_MM and rng.random() < 0.5:
        shape = bank[rng.integers(len(bank))]
    return shape


def _small(bank: Sequence[Shape], rng: np.random.Generator) -> Shape:
    shape = bank[rng.integers(len(bank))]
    while shape.diameter_mm > _JOINT_MM:
        shape = bank[rng.integers(len(bank))]
    return shape


def _density(shape: Shape, rng: np.random.Generator, faint: float) -> float:
    """mg/cm3 of any deposit of a shape's sort, but faint ones more often, by a share."""
    low, high = _DENSITY.get(shape.family, _DENSITY_ELSE)
    if rng.random() < faint:
        high = max(min(high, FAINT_MG_CM3), low)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _near(
    ground: Ground, middle: NDArray[np.float64], rng: np.random.Generator
) -> tuple[str, NDArray[np.float64]] | None:
    """A place of a random sort within the patch, and the name of that sort."""
    for _ in range(4):
        name = str(rng.choice(list(_PLACE_SHARE), p=list(_PLACE_SHARE.values())))
        points = ground.places[name]
        inside = (np.abs(points - middle) < PATCH / 2 - 3).all(axis=1)
        if inside.any():
            chosen = rng.choice(np.flatnonzero(inside))
            position: NDArray[np.float64] = points[chosen] + rng.uniform(-0.5, 0.5, 3)
            return name, position
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
