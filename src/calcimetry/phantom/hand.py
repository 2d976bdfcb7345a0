"""A hand: wrist, metacarpals, five fingers with their joints, pads and tendons.

The hand lies palm down, fingers along +z; +y is palmar. Made as a right hand; `mirror` makes
the left. Bone lengths are of an adult hand, varied by seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.phantom.canvas import Cone, Ellipsoid, Point, Solid
from calcimetry.phantom.tissue import (
    Body,
    Bone,
    Layer,
    Site,
    Soft,
    Solids,
    as_point,
    long_bone,
    tube,
)

Vector = NDArray[np.float64]

_FINGERS = ("thumb", "index", "middle", "ring", "little")
# base of the ray at the wrist, and the knuckle, x y z in mm
_BASE = [
    (-21.0, 7.0, 22.0),
    (-13.0, -1.0, 30.0),
    (-3.0, -2.0, 31.0),
    (6.0, -1.0, 30.0),
    (14.0, 1.0, 28.0),
]
_KNUCKLE = [
    (-45.0, 13.0, 60.0),
    (-25.0, 0.0, 94.0),
    (-5.0, -2.0, 96.0),
    (13.0, -1.0, 90.0),
    (29.0, 2.0, 82.0),
]
_LENGTHS = [
    (32.0, 22.0),
    (40.0, 24.0, 17.0),
    (45.0, 28.0, 18.0),
    (41.0, 26.0, 18.0),
    (33.0, 19.0, 16.0),
]
_SPREAD_DEG = [-24.0, -7.0, -1.0, 5.0, 13.0]
_GIRTH = [1.15, 1.0, 1.03, 0.97, 0.87]


@dataclass(frozen=True, slots=True, eq=False)
class _Ray:
    """One finger: its joints from wrist to tip, and how thick it is."""

    name: str
    joints: list[Vector]
    girth: float


def hand(seed: int, *, mirror: bool = False) -> Body:
    """A hand's anatomy; `mirror` for the left one."""
    rng = np.random.default_rng([seed, 11])
    size = rng.uniform(0.94, 1.06)
    side = -1.0 if mirror else 1.0
    rays = [_ray(k, size, side, rng) for k in range(5)]
    flesh = _flesh(rays, side)
    muscle: list[Solid] = [
        Ellipsoid((-24 * side, 13, 42), (13, 9, 24)),
        Ellipsoid((19 * side, 10, 45), (9, 8, 25)),
        *(Cone(as_point(r.joints[0]), as_point(r.joints[1]), 8, 7) for r in rays[1:]),
        Cone((0, 4, -20), (0, 4, 14), 19, 12, ((0, 1, 0), 0.5)),
    ]
    soft = Soft(flesh, seed=seed, blend_mm=7.0, skin_mm=1.3, fat_mm=2.6, muscle=muscle)
    layers: list[Layer] = [soft, *_tendons(rays, side), *_joints(rays)]
    for number, ray in enumerate(rays):
        layers += _bones(ray, number, seed)
    layers += _wrist(seed, side)
    low = min(float(ray.joints[-1][1]) for ray in rays)
    return Body(
        layers=tuple(layers),
        sites=_sites(rays, side),
        centre=(-11.0 * side, 2.0, 103.0 * size),
        extent_mm=(218.0, 62.0, 132.0),
        floor_mm=max(26.0, low + 12),
        path_cm=6.0,
    )


def _ray(k: int, size: float, side: float, rng: np.random.Generator) -> _Ray:
    turn = np.array([side, 1, 1]) * size
    joints = [np.array(_BASE[k]) * turn, np.array(_KNUCKLE[k]) * turn]
    spread = np.deg2rad(_SPREAD_DEG[k] + rng.uniform(-2, 2))
    bend = np.deg2rad(rng.uniform(3, 9))
    for number, length in enumerate(_LENGTHS[k]):
        droop = bend * number
        way = np.array(
            [side * np.sin(spread) * np.cos(droop), np.sin(droop), np.cos(spread) * np.cos(droop)]
        )
        joints.append(joints[-1] + way * length * size)
    return _Ray(_FINGERS[k], joints, _GIRTH[k] * size)


def _flesh(rays: list[_Ray], side: float) -> list[Solid]:
    out: list[Solid] = [
        Ellipsoid((-24 * side, 12, 42), (18, 15, 32)),  # thenar
        Ellipsoid((19 * side, 8, 45), (16, 14, 32)),  # hypothenar
        Cone((0, 3, -30), (0, 3, 25), 30, 31, ((0, 1, 0), 0.66)),
    ]
    for ray in rays:
        g, j = ray.girth, ray.joints
        thick = [13.0, 12.5, *np.linspace(10.2, 7.6, len(j) - 2).tolist()]
        for k in range(len(j) - 1):
            out.append(Cone(as_point(j[k]), as_point(j[k + 1]), thick[k] * g, thick[k + 1] * g))
        tip = j[-1] + _way(ray) * 1.0
        out.append(Ellipsoid(as_point(tip + np.array([0, 1.2, -3.0])), (7.8 * g, 7.2 * g, 8.5 * g)))
    return out


def _way(ray: _Ray) -> Vector:
    last = ray.joints[-1] - ray.joints[-2]
    return np.asarray(last / np.linalg.norm(last))


def _bones(ray: _Ray, number: int, seed: int) -> list[Layer]:
    """Metacarpal and phalanges, with a gap for the cartilage of each joint."""
    g, out = ray.girth, list[Layer]()
    radii = [(6.2, 3.9, 6.3), (6.0, 3.6, 4.6), (4.9, 3.0, 3.9), (4.3, 2.2, 2.9)]
    if number == 0:
        radii = [radii[0], radii[1], radii[3]]
    for k in range(len(ray.joints) - 1):
        p, q = ray.joints[k], ray.joints[k + 1]
        way = (q - p) / np.linalg.norm(q - p)
        base, shaft, head = (r * g for r in radii[k])
        start = p + way * (base * 0.75 + 0.8)
        stop = q - way * (head * 0.75 + (0.6 if k + 2 < len(ray.joints) else 1.5))
        cortex = (1.7, 1.4, 1.1, 0.8)[min(k, 3)]
        size = (base, shaft, head)
        out.append(long_bone(as_point(start), as_point(stop), size, cortex, seed + 10 * number + k))
    return out


def _joints(rays: list[_Ray]) -> list[Layer]:
    """Capsule and cartilage round every joint: fluid-like tissue between the bones."""
    balls = [
        Ellipsoid(as_point(joint), (6.6 * r.girth, 6.2 * r.girth, 5.5 * r.girth))
        for r in rays
        for joint in r.joints[1:-1]
    ]
    return [Solids([ball], 62.0) for ball in balls]


def _tendons(rays: list[_Ray], side: float) -> list[Layer]:
    out: list[Layer] = []
    for ray in rays:
        down, up = np.array([0, 6.6, 0]) * ray.girth, np.array([0, -5.6, 0]) * ray.girth
        palmar = [as_point(j + down) for j in ray.joints[:-1]]
        dorsal = [as_point(j + up) for j in ray.joints[:-1]]
        wrist: Point = (4 * side, 10, 4)
        out.append(Solids(tube([wrist, *palmar], 2.2 * ray.girth), 85.0))
        out.append(Solids(tube(dorsal, 1.0 * ray.girth), 85.0))
        for way in (-1, 1):  # the digital arteries
            beside = [
                as_point(j + np.array([way * 6.2 * ray.girth, 3.5, 0])) for j in ray.joints[1:-1]
            ]
            out.append(Solids(tube(beside, 0.6), 42.0))
    return out


def _wrist(seed: int, side: float) -> list[Layer]:
    # scaphoid, lunate, triquetrum, pisiform, trapezium, trapezoid, capitate, hamate
    carpals = [
        ((-13, 1, 12), (6, 5, 8)), ((-2, 0, 9), (5.5, 6, 6)), ((8, 0, 11), (5, 5, 6)),
        ((13, 7, 13), (4, 4, 4.5)), ((-18, 4, 21), (5.5, 5.5, 5.5)), ((-11, -1, 23), (4.5, 5, 5)),
        ((-2, 0, 21), (5.5, 6, 8)), ((8, 1, 21), (5.5, 6, 6.5)),
    ]  # fmt: skip
    out: list[Layer] = [Solids([Ellipsoid((-2 * side, 1, 15), (22, 9, 14))], 60.0)]
    for k, ((x, y, z), semi) in enumerate(carpals):
        ball = Ellipsoid((x * side, float(y), float(z)), semi)
        reach = (((x * side, float(y), float(z)), 60.0),)
        out.append(Bone([ball], 1.1, reach, end_cortex_mm=0.9, seed=seed + 70 + k))
    radius = long_bone((-9 * side, 2, -70), (-8 * side, 1, -7), (6.5, 6.5, 11.0), 2.3, seed + 90)
    ulna = long_bone((13 * side, 0, -70), (13 * side, -1, -4), (6.0, 5.5, 7.0), 2.2, seed + 91)
    return [*out, radius, ulna]


def _sites(rays: list[_Ray], side: float) -> dict[str, Site]:
    """Pads and knuckles of every finger, palm, thenar and wrist."""
    down, up = (0.0, 1.0, 0.0), (0.0, -1.0, 0.0)
    sites = {
        "thenar": Site((-21 * side, 19, 43), down, "muscle", 11),
        "hypothenar": Site((19 * side, 14.5, 45), down, "muscle", 9),
        "palm": Site((2 * side, 15.5, 62), down, "subcutis", 8),
        "wrist": Site((-10 * side, 18.5, 8), down, "subcutis", 9),
    }
    for ray in rays:
        pad = ray.joints[-1] - _way(ray) * 4 + np.array([0, 5.9 * ray.girth, 0])
        sites[f"{ray.name} tip"] = Site(as_point(pad), down, "subcutis", 6)
        middle = (ray.joints[1] + ray.joints[2]) / 2
        pulp = middle + np.array([0, 8.6 * ray.girth, 0])
        sites[f"{ray.name} pulp"] = Site(as_point(pulp), down, "subcutis", 5)
        on = ray.joints[2] - _way(ray) * 5 + np.array([0, -4.1 * ray.girth, 0])
        sites[f"{ray.name} knuckle"] = Site(as_point(on), up, "periarticular", 6, on_bone=True)
    return sites
