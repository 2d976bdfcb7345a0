"""Shapes that calcinosis takes, drawn as relative mineral density on a fine cubic grid.

Families follow what is described: stone, net and plate on radiographs of systemic sclerosis,
soft "mousse", tumoral masses with lucent septa ("chicken-wire") and fluid-calcium levels
(Bartoli; Steinbach 1995), agglomerates on micro-CT (doi 10.1186/ar2841). Sizes of parts for
which no number was found (sheet thickness 0.5-3 mm) are this project's choice. An unrelated
second generator, for evaluation, is in `shapes_independent`.

Arrays are (z, y, x); gravity runs along +y, which is the back of a patient lying face up.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Grid = NDArray[np.float32]


class Family(StrEnum):
    """What a deposit looks like."""

    NODULE = "nodule"
    ELLIPSOID = "ellipsoid"
    LOBULATED = "lobulated"
    RING = "ring"
    CLUSTER = "cluster"
    SHEET = "sheet"
    STIPPLED = "stippled"
    CHICKEN_WIRE = "chicken_wire"
    FLUID_LEVEL = "fluid_level"
    STONE = "stone"
    LINEAR = "linear"


def step_for(diameter_mm: float) -> float:
    """A grid step that resolves a deposit of this size: 26 cells across, 0.1 to 1 mm."""
    return float(np.clip(diameter_mm / 26.0, 0.1, 1.0))


def draw(
    family: Family | str,
    diameter_mm: float,
    rng: np.random.Generator,
    step_mm: float | None = None,
    *,
    turn: NDArray[Any] | None = None,
    bend_per_mm: tuple[float, float] | None = None,
) -> Grid:
    """One deposit of a family, at a random turn and with random details.

    Parameters
    ----------
    family : of `Family`
    diameter_mm : size across; flat and long families extend this far in their long direction
    rng : all randomness comes from here, so a seed repeats the shape bit for bit
    step_mm : edge of the grid's cubic cells; by default `step_for` the diameter
    turn : (3, 3), instead of a random one: its rows are the shape's own axes in (z, y, x); a
        sheet lies across the first, a linear deposit runs along it
    bend_per_mm : of a sheet, along its second and third axes, instead of random: 1 / (2 r)
        for a sheet that lies on a cylinder of radius r

    Returns
    -------
    float32 (z, y, x), relative mineral density, 0 outside the deposit and up to 1.5 inside,
    cropped tight; never empty.
    """
    step = step_for(diameter_mm) if step_mm is None else step_mm
    shape = _PAINTERS[Family(family)](_Canvas(diameter_mm, step, rng, turn, bend_per_mm))
    return crop(shape.astype(np.float32))


def crop(shape: Grid) -> Grid:
    """The smallest box of an array that holds all it has above 0; one cell if it has none."""
    box = ndimage.find_objects((shape > 0).astype(np.uint8))
    if not box:
        return np.ones((1, 1, 1), np.float32)
    return np.ascontiguousarray(shape[box[0]])


class _Canvas:
    """Coordinates in mm about the centre, before (`still`) and after a random turn (`x`)."""

    def __init__(
        self,
        diameter: float,
        step: float,
        rng: np.random.Generator,
        turn: NDArray[Any] | None,
        bend: tuple[float, float] | None,
    ) -> None:
        self.d, self.step, self.rng, self.bend = diameter, step, rng, bend
        half = int(np.ceil(0.85 * diameter / step)) + 2
        axis = np.arange(-half, half + 1, dtype=np.float32) * np.float32(step)
        self.still = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
        random = random_rotation(rng)
        self.x = self.turned(random if turn is None else turn)
        self.shape = self.still.shape[1:]

    def turned(self, rotation: NDArray[Any]) -> Grid:
        return np.tensordot(rotation.astype(np.float32), self.still, 1).astype(np.float32)

    def noise(self, length_mm: float) -> Grid:
        """Smooth noise of unit SD with this correlation length."""
        sigma = max(length_mm / self.step, 0.35)
        field = self.rng.standard_normal(self.shape, dtype=np.float32)
        field = ndimage.gaussian_filter(field, sigma, truncate=2.5)
        return np.asarray(field / field.std(), dtype=np.float32)

    def radius(self, axes: NDArray[Any], x: Grid | None = None) -> Grid:
        """Distance from the centre in units of the semi-axes."""
        x = self.x if x is None else x
        scaled = [(part / np.float32(axis)) ** 2 for part, axis in zip(x, axes, strict=True)]
        return np.asarray(np.sqrt(scaled[0] + scaled[1] + scaled[2]), dtype=np.float32)

    def axes(self, spread: float) -> NDArray[Any]:
        """Random semi-axes of the diameter's volume."""
        ratio = np.exp(self.rng.uniform(-spread, spread, 3))
        return np.asarray(self.d / 2 * ratio / np.prod(ratio) ** (1 / 3))


def random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """A proper rotation, uniform over all (QR of a normal matrix, signs mended)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def _nodule(c: _Canvas) -> Grid:
    edge = c.radius(c.axes(0.2)) + c.rng.uniform(0.05, 0.15) * c.noise(c.d / 5)
    return np.asarray((edge < 1) * np.clip(1 + 0.08 * c.noise(c.d / 8), 0.7, 1.3), dtype=np.float32)


def _ellipsoid(c: _Canvas) -> Grid:
    return (c.radius(c.axes(0.5)) < 1).astype(np.float32)


def _stone(c: _Canvas) -> Grid:
    power = c.rng.uniform(2.0, 3.5)
    parts = [np.abs(p / np.float32(a)) ** power for p, a in zip(c.x, c.axes(0.25), strict=True)]
    return np.asarray(((parts[0] + parts[1] + parts[2]) < 1).astype(np.float32), dtype=np.float32)


def _cells(c: _Canvas, count: int, spread: float) -> tuple[Grid, Grid, NDArray[np.intp]]:
    """Distances to the nearest and next of random centres, and which is the nearest."""
    centres = c.rng.normal(size=(count, 3)) * c.d * spread
    distance = np.stack([_distance(c.x, k) for k in centres])
    nearest = distance.argmin(0)
    first, second = np.partition(distance, 1, axis=0)[:2]
    return first, second, nearest


def _distance(x: Grid, centre: NDArray[Any]) -> Grid:
    squares = [(part - np.float32(at)) ** 2 for part, at in zip(x, centre, strict=True)]
    return np.asarray(np.sqrt(squares[0] + squares[1] + squares[2]), dtype=np.float32)


def _lobulated(c: _Canvas) -> Grid:
    count = int(c.rng.integers(4, 9))
    first, second, nearest = _cells(c, count, 0.18)
    radii = c.d * c.rng.uniform(0.22, 0.34, count).astype(np.float32)
    mass = first + 0.04 * c.d * c.noise(c.d / 8) < radii[nearest]
    if c.rng.random() < 0.5:
        mass &= second - first > c.rng.uniform(0.03, 0.08) * c.d
    return mass * c.rng.uniform(0.75, 1.25, count).astype(np.float32)[nearest]


def _chicken_wire(c: _Canvas) -> Grid:
    count = int(c.rng.integers(10, 22))
    first, second, nearest = _cells(c, count, 0.26)
    septum = max(c.rng.uniform(0.05, 0.10) * c.d, 1.5 * c.step)
    outline = c.radius(c.axes(0.25)) + 0.1 * c.noise(c.d / 6) < 1
    mass = outline & (second - first > septum) & (first < 0.5 * c.d)
    return mass * c.rng.uniform(0.7, 1.3, count).astype(np.float32)[nearest]


def _ring(c: _Canvas) -> Grid:
    radius = c.radius(c.axes(0.2)) + 0.08 * c.noise(c.d / 5)
    wall = max(c.rng.uniform(0.12, 0.45), 3 * c.step / c.d)
    core = c.rng.choice([0.0, c.rng.uniform(0.15, 0.5)], p=[0.6, 0.4])
    shell = np.where(radius < 1 - wall, np.float32(core), np.float32(1)) * (radius < 1)
    gap = c.rng.random()
    if gap < 0.3:  # an open ring: a cone is missing
        direction = c.x[0] / np.maximum(np.sqrt((c.x**2).sum(0)), c.step)
        shell *= (direction < c.rng.uniform(0.2, 0.8)) | (radius < 1 - wall)
    elif gap < 0.55:  # a broken one: arcs
        shell *= (c.noise(c.d / 6) > c.rng.uniform(-1.2, -0.4)) | (radius < 1 - wall)
    return shell.astype(np.float32)


def _cluster(c: _Canvas) -> Grid:
    out = np.zeros(c.shape, np.float32)
    for _ in range(int(c.rng.integers(3, 11))):
        centre = np.clip(c.rng.normal(size=3) * 0.25, -0.5, 0.5) * c.d
        radius = max(c.d * c.rng.uniform(0.08, 0.22), 1.2 * c.step)
        away = np.stack([p - np.float32(m) for p, m in zip(c.x, centre, strict=True)])
        squeeze = np.exp(c.rng.uniform(-0.25, 0.25, 3)) * radius
        out[c.radius(squeeze, away) < 1] = c.rng.uniform(0.7, 1.2)
    return out


def _sheet(c: _Canvas) -> Grid:
    thickness = max(min(c.rng.uniform(0.5, 3.0), 0.35 * c.d), 1.6 * c.step)
    bend = c.rng.uniform(-0.9, 0.9, 2) / c.d
    bend = bend if c.bend is None else np.array(c.bend)
    height = c.x[0] + bend[0] * c.x[1] ** 2 + bend[1] * c.x[2] ** 2
    height = height + 0.2 * thickness * c.noise(c.d / 4)
    wide = np.array([1.0, 1.0, c.rng.uniform(0.45, 1.0)]) * c.d * 0.52
    flat = np.sqrt((c.x[1] / wide[1]) ** 2 + (c.x[2] / wide[2]) ** 2) + 0.12 * c.noise(c.d / 6)
    sheet = (np.abs(height) < thickness / 2) & (flat < 1)
    if c.rng.random() < 0.4:  # holes, as a net has
        sheet &= c.noise(max(c.d / 10, 1.2 * c.step)) > -0.9
    return np.asarray(sheet.astype(np.float32), dtype=np.float32)


def _stippled(c: _Canvas) -> Grid:
    outline = c.radius(c.axes(0.3)) + 0.1 * c.noise(c.d / 5) < 1
    grain = c.noise(max(c.rng.uniform(0.05, 0.12) * c.d, c.step))
    floor = c.rng.choice([0.0, 0.12])
    return np.asarray(outline * np.clip(0.45 + 0.5 * grain, floor, 1.5), dtype=np.float32)


def _fluid_level(c: _Canvas) -> Grid:
    turn = c.rng.uniform(0, 2 * np.pi)  # about the vertical only: the level stays level
    rotation = np.array(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    )
    radius = c.radius(c.axes(0.25), c.turned(rotation))
    level = c.rng.uniform(-0.2, 0.25) * c.d
    upper = np.float32(c.rng.choice([0.0, 0.15, 0.3]))
    inside = np.where(c.still[1] > level, np.float32(1), upper)
    return np.where(radius < 1, inside, np.float32(0))


def _linear(c: _Canvas) -> Grid:
    radius = max(c.rng.uniform(0.05, 0.12) * c.d, 1.2 * c.step)
    bow = c.rng.uniform(-0.25, 0.25, 2) * c.d
    along = np.clip(c.x[0] / (0.5 * c.d), -1, 1)
    off = (c.x[1] - bow[0] * along**2) ** 2 + (c.x[2] - bow[1] * along**3) ** 2
    beyond = np.maximum(np.abs(c.x[0]) - 0.5 * c.d + radius, 0) ** 2
    thick = radius * (1 + 0.2 * c.noise(c.d / 5))
    return np.asarray((off + beyond < thick**2).astype(np.float32), dtype=np.float32)


_PAINTERS: dict[Family, Callable[[_Canvas], Any]] = {
    Family.NODULE: _nodule,
    Family.ELLIPSOID: _ellipsoid,
    Family.LOBULATED: _lobulated,
    Family.RING: _ring,
    Family.CLUSTER: _cluster,
    Family.SHEET: _sheet,
    Family.STIPPLED: _stippled,
    Family.CHICKEN_WIRE: _chicken_wire,
    Family.FLUID_LEVEL: _fluid_level,
    Family.STONE: _stone,
    Family.LINEAR: _linear,
}


def vessel(
    length_mm: float, radius_mm: float, rng: np.random.Generator, step_mm: float = 0.6
) -> Grid:
    """A winding tube, mostly along z, as a contrast-filled vessel runs: a negative.

    Returns float32 (z, y, x), 1 inside, cropped tight.
    """
    count = max(int(length_mm / step_mm), 2)
    turn = rng.normal(size=3) * 0.02 * step_mm
    steps = rng.normal(size=3) * [2, 1, 1] / 2 + np.cumsum(
        turn + rng.normal(size=(count, 3)) * 0.02, axis=0
    )
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    path = np.cumsum(steps, axis=0)
    margin = int(np.ceil(radius_mm / step_mm)) + 1
    cells = np.rint(path - path.min(0)).astype(int) + margin
    away = np.ones(cells.max(0) + margin + 1, bool)
    away[tuple(cells.T)] = False
    near = ndimage.distance_transform_edt(away) * step_mm < radius_mm
    return crop(near.astype(np.float32))
