"""Tissues and the layers that every region is made of: skin, fat, muscle, bone, vessels.

HU of soft tissue at usual voltages (fat about -100, muscle about 55, EVIDENCE2 9 as asked);
bone is given in mg/cm3, so its HU follow voltage and body size as those of deposits do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calcimetry.phantom.canvas import Canvas, Cone, Point, Solid, Waves
from calcimetry.phantom.joint import Axes, Joint, Values

FAT_HU, MUSCLE_HU, SKIN_HU, FLUID_HU, CARTILAGE_HU = -102.0, 56.0, 45.0, 20.0, 95.0
CORTEX_MG, CANCELLOUS_MG = 1150.0, 210.0
BONE_HOLDS_MM = 6.0  # what lies this near a bone moves with it when a joint is bent


@dataclass(frozen=True, slots=True)
class Site:
    """A place of the body where a deposit can be.

    centre : body frame, mm; normal : unit, towards the skin or away from bone
    room_mm : the largest deposit that suits it
    on_bone : `centre` lies on the surface of bone
    curve_mm : radius of the limb there, which a sheet follows; 0 is flat
    """

    centre: Point
    normal: Point
    tissue: str
    room_mm: float
    on_bone: bool = False
    curve_mm: float = 0.0


Layer = Callable[[Canvas, float], None]
"""Paints on a canvas; the float is HU per mg/cm3."""


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A region's anatomy, ready to be drawn on any grid.

    layers : painted in this order, later over earlier
    sites : by name; mimics : where calcium that is no calcinosis lies
    centre, extent_mm : the usual field of view in the body's frame; extent in (z, y, x)
    floor_mm : the lowest y of the body, where a table may begin
    joint : where it bends, straight
    path_cm : usual water path, for HU per mg/cm3
    """

    layers: tuple[Layer, ...]
    sites: dict[str, Site]
    centre: Point
    extent_mm: tuple[float, float, float]
    floor_mm: float
    path_cm: float
    mimics: dict[str, Site] = field(default_factory=dict)
    joint: Joint | None = None

    def draw(self, canvas: Canvas, scale: float) -> None:
        for layer in self.layers:
            canvas.share = layer.share if isinstance(layer, Bone) else None
            layer(canvas, scale)

    def share(self, point: NDArray[np.float64]) -> float | None:
        """Of the joint's angle, by which what lies at a point (x, y, z) turns.

        That of the bone within BONE_HOLDS_MM; None where soft tissue alone says.
        """
        at = tuple(np.full((1, 1, 1), value, np.float32) for value in point)
        gaps = [
            (min(float(solid.distance((at[0], at[1], at[2])).item()) for solid in bone.solids), k)
            for k, bone in enumerate(self.bones)
        ]
        gap, nearest = min(gaps, default=(np.inf, 0))
        return self.bones[nearest].share if gap < BONE_HOLDS_MM else None

    @property
    def bones(self) -> list[Bone]:
        return [layer for layer in self.layers if isinstance(layer, Bone)]


@dataclass(frozen=True, slots=True, eq=False)
class Soft:
    """Skin, fat under it, and muscle in compartments within.

    hull : solids whose blended union is the skin's surface
    muscle : solids of muscle; None: all that lies `fat_mm` under the skin
    bellies : (n, 4) x, y at z = 0 and their drift per mm of z, of muscle bellies
    """

    hull: Sequence[Solid]
    seed: int
    blend_mm: float = 8.0
    skin_mm: float = 1.4
    fat_mm: float = 5.0
    muscle: Sequence[Solid] | None = None
    bellies: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))

    def __call__(self, canvas: Canvas, scale: float) -> None:  # noqa: ARG002
        found = canvas.field(self.hull, self.blend_mm, 3.0)
        if found is None:
            return
        box, depth = found
        at = canvas.at(box)
        canvas.fill(box, depth, SKIN_HU)
        canvas.fill(box, depth + np.float32(self.skin_mm), self._fat(canvas, at))
        inner = self._inner(canvas, box, depth, at)
        if inner is not None:
            canvas.fill(box, inner, self._lean(canvas, at))

    def _fat(self, canvas: Canvas, at: Axes) -> float | Values:
        if canvas.plain:
            return FAT_HU
        strands = np.exp(-((Waves(14.0, self.seed + 1)(at) / 0.08) ** 2))
        strands += np.exp(-((Waves(21.0, self.seed + 2)(at) / 0.06) ** 2))
        return np.asarray(FAT_HU + 5 * Waves(30.0, self.seed + 3)(at) + 45 * strands, np.float32)

    def _inner(
        self, canvas: Canvas, box: tuple[slice, slice, slice], depth: Values, at: Axes
    ) -> Values | None:
        thick = np.float32(self.skin_mm) + self.fat_mm * (1 + 0.25 * Waves(70.0, self.seed + 4)(at))
        under = depth + np.float32(thick)
        if self.muscle is None:
            return np.asarray(under, np.float32)
        found = canvas.field(self.muscle, 3.0, 2.0)
        if found is None:
            return None
        out = np.full(depth.shape, 9.0, np.float32)
        here = tuple(
            slice(p.start - w.start, p.stop - w.start) for p, w in zip(found[0], box, strict=True)
        )
        out[here] = found[1]
        return np.asarray(np.maximum(out, under), np.float32)

    def _lean(self, canvas: Canvas, at: Axes) -> float | Values:
        if canvas.plain:
            return MUSCLE_HU
        lean = MUSCLE_HU + 5 * Waves(18.0, self.seed + 5)(at) + 3 * Waves(7.0, self.seed + 6)(at)
        if len(self.bellies) < 2:
            return np.asarray(lean, np.float32)
        x, y, z = at
        bent = (x + 4 * Waves(38.0, self.seed + 7)(at), y + 4 * Waves(38.0, self.seed + 8)(at), z)
        planes = np.clip(1 - belly_gap(self.bellies, bent) / np.float32(0.9), 0, 1)
        return np.asarray(lean + planes * (FAT_HU + 25 - lean), np.float32)


def belly_gap(bellies: NDArray[np.float64], at: Axes) -> Values:
    """Distance from the plane between a point's muscle belly and the next, mm."""
    x, y, z = at
    first = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), np.inf, np.float32)
    second = first.copy()
    for bx, by, dx, dy in bellies.astype(np.float32):
        away = (x - bx - dx * z) ** 2 + (y - by - dy * z) ** 2
        np.minimum(second, np.maximum(first, away), out=second)
        np.minimum(first, away, out=first)
    return np.asarray((np.sqrt(second) - np.sqrt(first)) / 2, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Bone:
    """Cortex around marrow. Near its `ends` the cortex thins and the marrow is cancellous.

    ends : (point, reach mm): cancellous within the reach, shaft beyond
    share : of the angle by which the body's joint is bent, by which this bone turns
    """

    solids: Sequence[Solid]
    cortex_mm: float
    ends: Sequence[tuple[Point, float]] = ()
    end_cortex_mm: float = 0.7
    marrow_hu: float = -65.0
    cancellous_mg: float = CANCELLOUS_MG
    seed: int = 0
    blend_mm: float = 2.0
    share: float = 0.0

    def __call__(self, canvas: Canvas, scale: float) -> None:
        found = canvas.field(self.solids, self.blend_mm, 2 * canvas.edge)
        if found is None:
            return
        box, depth = found
        at = canvas.at(box)
        spongy = self._spongy(at)
        wall = self.cortex_mm + spongy * np.float32(min(self.end_cortex_mm - self.cortex_mm, 0))
        canvas.fill(box, depth, CORTEX_MG * scale)
        mesh = 1.0 if canvas.plain else np.clip(1 + 0.22 * Waves(5.0, self.seed, 14)(at), 0.2, 2)
        inner = self.marrow_hu + spongy * np.float32(self.cancellous_mg * scale + 20) * mesh
        canvas.fill(box, depth + np.float32(wall), np.asarray(inner, np.float32))

    def _spongy(self, at: Axes) -> Values:
        out: Values = np.zeros((1, 1, 1), np.float32)
        for point, reach in self.ends:
            rel = [a - np.float32(p) for a, p in zip(at, point, strict=True)]
            away = np.sqrt(rel[0] ** 2 + rel[1] ** 2 + rel[2] ** 2)
            out = np.maximum(out, np.clip(1.4 - away / np.float32(reach), 0, 1))
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Solids:
    """Plain tissue: cartilage, vessels, tendons, organs, air. `grain_hu` is texture."""

    solids: Sequence[Solid]
    hu: float
    blend_mm: float = 0.0
    grain_hu: float = 0.0
    seed: int = 0
    mg_cm3: float = 0.0

    def __call__(self, canvas: Canvas, scale: float) -> None:
        found = canvas.field(self.solids, self.blend_mm, 2 * canvas.edge)
        if found is None:
            return
        hu: float | Values = self.hu + self.mg_cm3 * scale
        if self.grain_hu and not canvas.plain:
            hu = hu + np.float32(self.grain_hu) * Waves(11.0, self.seed)(canvas.at(found[0]))
        canvas.fill(*found, hu)


def tube(points: Sequence[Point], radius: float, last: float | None = None) -> list[Cone]:
    """A chain of cones through points; the radius runs to `last` along it."""
    end = radius if last is None else last
    radii = np.linspace(radius, end, len(points))
    return [
        Cone(points[k], points[k + 1], float(radii[k]), float(radii[k + 1]))
        for k in range(len(points) - 1)
    ]


def long_bone(
    p: Point,
    q: Point,
    radii: tuple[float, float, float],
    cortex_mm: float,
    seed: int,
    share: float = 0.0,
) -> Bone:
    """A tubular bone: radii at its base, its shaft and its head."""
    a, b = np.array(p), np.array(q)
    base, shaft, head = radii
    knots = [a, a + 0.28 * (b - a), a + 0.72 * (b - a), b]
    sizes = [base, shaft, shaft, head]
    cones = [
        Cone(as_point(knots[k]), as_point(knots[k + 1]), sizes[k], sizes[k + 1]) for k in range(3)
    ]
    length = float(np.linalg.norm(b - a))
    ends = ((p, 0.22 * length), (q, 0.22 * length))
    return Bone(cones, cortex_mm, ends, seed=seed, share=share)


def as_point(values: NDArray[np.float64]) -> Point:
    return float(values[0]), float(values[1]), float(values[2])


def plate_axes(x: float, y: float) -> NDArray[np.float64]:
    """The axes of a plate that runs along (x, y) and along z."""
    size = float(np.hypot(x, y))
    x, y = x / size, y / size
    return np.array([[x, y, 0.0], [-y, x, 0.0], [0.0, 0.0, 1.0]])
