"""A grid to draw anatomy on, and the solids that anatomy is made of.

A solid says how far a point lies from its surface (mm, negative inside). A cell's share
inside is taken from that distance, which resolves a flat border finer than any fixed
supersampling; thick slices are subdivided before drawing and averaged after. Coordinates
are in the body's own frame (x, y, z in mm, axes as LPS), so one body can be scanned at any
pose and spacing. Only the cells in a solid's box are visited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from calcimetry.phantom.joint import Axes, Joint, Values
from calcimetry.records import Box

Point = tuple[float, float, float]


class Solid(Interface):
    """Anything with a box and a distance from its surface."""

    @property
    def low(self) -> NDArray[np.float64]: ...
    @property
    def high(self) -> NDArray[np.float64]: ...
    def distance(self, at: Axes) -> Values: ...


@dataclass(frozen=True, slots=True)
class Pose:
    """How a body lies in the scanner: turned about its origin (degrees), then shifted (mm).

    bend_deg : of its joint before that, where it has one (knee, elbow)
    """

    turn_deg: Point = (0.0, 0.0, 0.0)
    shift_mm: Point = (0.0, 0.0, 0.0)
    bend_deg: float = 0.0

    def rotation(self) -> NDArray[np.float64]:
        """(3, 3) on (x, y, z): about x, then y, then z."""
        out = np.eye(3)
        for axis, angle in enumerate(np.deg2rad(self.turn_deg)):
            a, b = [k for k in range(3) if k != axis]
            turn = np.eye(3)
            turn[[a, b], [a, b]] = np.cos(angle)
            turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
            out = turn @ out
        return out

    def to_scanner(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Body frame (..., 3) x, y, z to the scanner's LPS mm."""
        return np.asarray(points @ self.rotation().T + np.array(self.shift_mm))

    def to_body(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((points - np.array(self.shift_mm)) @ self.rotation())


@dataclass(eq=False)
class Canvas:
    """HU on a grid of cells at scanner positions z, y, x (mm, evenly spaced, rising)."""

    z: NDArray[np.float64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    pose: Pose = field(default_factory=Pose)
    plain: bool = False  # without texture: what the truth is cut with
    joint: Joint | None = None  # bent; None for a straight body
    share: float | None = None  # of its angle, of the bone being drawn; None for soft tissue
    hu: Values = field(init=False)

    def __post_init__(self) -> None:
        self.hu = np.full((self.z.size, self.y.size, self.x.size), -1000, np.float32)

    @property
    def edge(self) -> float:
        """Cell edge, mm: the mean of the three."""
        steps = [a[1] - a[0] for a in (self.z, self.y, self.x) if a.size > 1]
        return float(np.mean(steps)) if steps else 1.0

    def box(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Box | None:
        """The cells that a box of the body's frame reaches; None if it misses the grid."""
        ends = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
        corners = self.pose.to_scanner(self._bent(ends))
        first, last = corners.min(0)[::-1] - self.edge, corners.max(0)[::-1] + self.edge
        parts = [
            slice(int(np.searchsorted(axis, a)), int(np.searchsorted(axis, b, side="right")))
            for axis, a, b in zip((self.z, self.y, self.x), first, last, strict=True)
        ]
        if any(part.start >= part.stop for part in parts):
            return None
        return parts[0], parts[1], parts[2]

    def at(self, box: Box) -> Axes:
        """Body-frame x, y, z of the cells of a box."""
        z = self.z[box[0]].astype(np.float32)[:, None, None]
        y = self.y[box[1]].astype(np.float32)[None, :, None]
        x = self.x[box[2]].astype(np.float32)[None, None, :]
        turn = self.pose.rotation().astype(np.float32)
        dx, dy, dz = np.asarray(self.pose.shift_mm, np.float32)
        rows = [x - dx, y - dy, z - dz]
        if self.pose.turn_deg != (0.0, 0.0, 0.0):
            rows = [
                turn[0, k] * rows[0] + turn[1, k] * rows[1] + turn[2, k] * rows[2] for k in range(3)
            ]
        here = rows[0], rows[1], rows[2]
        return here if self.joint is None else self.joint.straight(here, self.share)

    def _bent(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Corners of a box where bending takes them: soft tissue, anywhere on its way."""
        if self.joint is None:
            return points
        shares = (0.0, 0.5, 1.0) if self.share is None else (self.share,)
        return np.concatenate([self.joint.bent(points, share) for share in shares])

    def field(
        self, solids: Sequence[Solid], blend_mm: float = 0.0, margin_mm: float = 4.0
    ) -> tuple[Box, Values] | None:
        """Distance from a union of solids, its seams rounded; right up to `margin_mm` outside."""
        reach = margin_mm + blend_mm
        low = np.min([s.low for s in solids], axis=0) - reach
        high = np.max([s.high for s in solids], axis=0) + reach
        whole = self.box(low, high)
        if whole is None:
            return None
        shape = tuple(part.stop - part.start for part in whole)
        out = np.full(shape, reach + 50.0, np.float32)
        for solid in solids:
            part = self.box(solid.low - reach, solid.high + reach)
            if part is not None:
                here = tuple(
                    slice(p.start - w.start, p.stop - w.start)
                    for p, w in zip(part, whole, strict=True)
                )
                _blend(out[here], solid.distance(self.at(part)), blend_mm)
        return whole, out

    def fill(self, box: Box, distance: Values, hu: float | Values) -> None:
        """Paint where the distance is negative; a cell on the border takes its share."""
        cover = np.clip(0.5 - distance / np.float32(self.edge), 0, 1)
        part = self.hu[box]
        part += cover * (hu - part)

    def solid(self, solid: Solid, hu: float | Values) -> None:
        """Paint one solid."""
        found = self.field([solid], margin_mm=2 * self.edge)
        if found is not None:
            self.fill(*found, hu)


class Line(Canvas):
    """A canvas of single points in the body's frame (n, 3), plain: a probe of the anatomy."""

    def __init__(self, points: NDArray[np.float64]) -> None:
        self.points = points.astype(np.float32)
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        super().__init__(np.cumsum([0.0, *steps]), np.zeros(1), np.zeros(1), plain=True)

    def box(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Box | None:
        inside = ((self.points >= low - self.edge) & (self.points <= high + self.edge)).all(axis=1)
        held = np.flatnonzero(inside)
        if not held.size:
            return None
        return slice(int(held[0]), int(held[-1]) + 1), slice(0, 1), slice(0, 1)

    def at(self, box: Box) -> Axes:
        x, y, z = (column[box[0]][:, None, None] for column in self.points.T)
        return x, y, z


def _blend(into: Values, other: Values, width: float) -> None:
    """The smaller of two distances, in place, rounded where they are within `width`."""
    if width <= 0:
        np.minimum(into, other, out=into)
        return
    gap = np.clip(width - np.abs(into - other), 0, None) / width
    np.minimum(into, other, out=into)
    into -= gap * gap * (width / 4)


@dataclass(frozen=True, slots=True, eq=False)
class Cone:
    """A segment from p to q with a radius at each end; `flat` squeezes it along a direction.

    flat : (direction, ratio): the cross-section is `ratio` times as thick that way
    """

    p: Point
    q: Point
    radius_p: float
    radius_q: float
    flat: tuple[Point, float] | None = None

    @property
    def low(self) -> NDArray[np.float64]:
        return np.minimum(self.p, self.q) - max(self.radius_p, self.radius_q)

    @property
    def high(self) -> NDArray[np.float64]:
        return np.maximum(self.p, self.q) + max(self.radius_p, self.radius_q)

    def distance(self, at: Axes) -> Values:
        along = np.asarray(np.subtract(self.q, self.p), np.float32)
        rel = [a - np.float32(p) for a, p in zip(at, self.p, strict=True)]
        length2 = float(along @ along)
        t = (rel[0] * along[0] + rel[1] * along[1] + rel[2] * along[2]) / np.float32(length2)
        t = np.clip(t, 0, 1)
        off = [r - t * a for r, a in zip(rel, along, strict=True)]
        square = off[0] ** 2 + off[1] ** 2 + off[2] ** 2
        ratio = 1.0
        if self.flat is not None:
            direction, ratio = self.flat
            n = np.asarray(direction, np.float32)
            depth = off[0] * n[0] + off[1] * n[1] + off[2] * n[2]
            square = square + depth**2 * np.float32(1 / ratio**2 - 1)
        away = np.sqrt(square) - (self.radius_p + t * np.float32(self.radius_q - self.radius_p))
        return np.asarray(away * np.float32((1 + ratio) / 2), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Ellipsoid:
    """Semi-axes along x, y, z, turned by `turn` (rows are its own axes)."""

    centre: Point
    semi: Point
    turn: NDArray[np.float64] | None = None
    power: float = 2.0  # 2 an ellipsoid; 4 a box with round edges

    @property
    def low(self) -> NDArray[np.float64]:
        return np.array(self.centre) - self._reach()

    @property
    def high(self) -> NDArray[np.float64]:
        return np.array(self.centre) + self._reach()

    def _reach(self) -> NDArray[np.float64]:
        if self.turn is None:
            return np.array(self.semi)
        return np.full(3, float(np.linalg.norm(self.semi)))

    def distance(self, at: Axes) -> Values:
        rel = [a - np.float32(c) for a, c in zip(at, self.centre, strict=True)]
        if self.turn is not None:
            rel = [
                r[0] * rel[0] + r[1] * rel[1] + r[2] * rel[2] for r in self.turn.astype(np.float32)
            ]
        u = [r / np.float32(s) for r, s in zip(rel, self.semi, strict=True)]
        if self.power != 2.0:
            size = sum(np.abs(v) ** np.float32(self.power) for v in u) ** np.float32(1 / self.power)
            return np.asarray((size - 1) * np.float32(min(self.semi)), np.float32)
        size = np.sqrt(u[0] ** 2 + u[1] ** 2 + u[2] ** 2)
        slope = [v / np.float32(s) for v, s in zip(u, self.semi, strict=True)]
        steep = np.sqrt(slope[0] ** 2 + slope[1] ** 2 + slope[2] ** 2) + np.float32(1e-6)
        return np.asarray(size * (size - 1) / steep, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Waves:
    """A smooth random field of unit SD, the same at the same place on every grid.

    wave_mm : about the wavelength
    """

    wave_mm: float
    seed: int
    terms: int = 6

    def __call__(self, at: Axes) -> Values:
        x, y, z = at
        rng = np.random.default_rng(self.seed)
        total: Values = np.zeros((1, 1, 1), np.float32)
        for _ in range(self.terms):
            way = rng.normal(size=3)
            length = self.wave_mm * np.exp(rng.uniform(-0.5, 0.7))
            way *= 2 * np.pi / length / np.linalg.norm(way)
            kx, ky, kz = way.astype(np.float32)
            turn = np.float32(rng.uniform(0, 2 * np.pi))
            # sin(a + b) by parts: on an upright grid a is a plane and b a line of values
            a, b = kx * x + ky * y + turn, kz * z
            total = total + np.sin(a) * np.cos(b) + np.cos(a) * np.sin(b)
        return np.asarray(total * np.float32(np.sqrt(2 / self.terms)), np.float32)
