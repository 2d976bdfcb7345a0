"""A trunk at chest height: ribs and their cartilage, spine, scapulae, lungs, heart, aorta.

Frame as in `limbs`; z = 0 is the middle of the eighth thoracic vertebra. Calcium of the
aortic wall and of costal cartilage, which is not calcinosis, goes to the `mimics`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from calcimetry.phantom.canvas import Cone, Ellipsoid, Point, Solid
from calcimetry.phantom.tissue import (
    CARTILAGE_HU,
    FLUID_HU,
    Body,
    Bone,
    Layer,
    Site,
    Soft,
    Solids,
    plate_axes,
    tube,
)

_HALF_WIDTH, _HALF_DEPTH = 128.0, 82.0  # of the rib cage


def trunk(seed: int, *, mirror: bool = False) -> Body:  # noqa: ARG001 - one trunk, two sides
    """A chest, arms raised out of the field."""
    rng = np.random.default_rng([seed, 61])
    fat = rng.uniform(10, 20)
    hull: list[Solid] = [
        Ellipsoid((0, 0, -20), (158 + fat / 2, 104 + fat / 2, 420), power=2.5),
        Cone((-120, 30, 60), (-140, 20, 200), 48, 52),
        Cone((120, 30, 60), (140, 20, 200), 48, 52),
    ]
    wall: list[Solid] = [
        Ellipsoid((0, 4, -20), (143, 91, 380), power=2.5),
        Cone((-112, 30, 50), (-135, 20, 200), 42, 48),
        Cone((112, 30, 50), (135, 20, 200), 42, 48),
        Ellipsoid((-34, 72, 0), (40, 26, 300)),
        Ellipsoid((34, 72, 0), (40, 26, 300)),
    ]
    soft = Soft(hull, seed, 30, 1.8, 5.0, muscle=wall)
    layers: list[Layer] = [soft, *_organs(seed), *_spine(seed), *_cage(seed), *_scapulae(seed)]
    return Body(
        layers=tuple(layers),
        sites=_sites(),
        centre=(0, 6, 0),
        extent_mm=(180.0, 250.0, 350.0),
        floor_mm=108.0 + fat / 2,
        path_cm=30.0,
        mimics=_mimics(),
    )


def _mimics() -> dict[str, Site]:
    """Calcium of the aortic wall and of costal cartilage."""
    return {
        "aortic arch wall": Site((39.0, 26.0, 52.0), (1, 0, 0), "vessel_wall", 11, curve_mm=13),
        "aortic wall": Site((19.5, 20.0, -45.0), (-0.7, -0.7, 0), "vessel_wall", 12, curve_mm=12),
        "costal cartilage": Site((60.0, -66.0, -22.0), (0, -1, 0), "cartilage", 9),
    }


def _organs(seed: int) -> list[Layer]:
    lung = {"hu": -860.0, "grain_hu": 30.0, "seed": seed + 2}
    right = Ellipsoid((-66, -2, 10), (50, 70, 130), power=2.6)
    left = Ellipsoid((68, 2, 10), (48, 70, 130), power=2.6)
    branches = [
        tube([(x * 0.25, 6, 20), (x * 0.6, y * 0.4, 20 + z * 0.5), (x, y, 20 + z)], 4.5, 1.0)
        for x in (-80.0, 80.0)
        for y, z in ((-40.0, 60.0), (10.0, 70.0), (45.0, 20.0), (-35.0, -20.0), (30.0, -60.0))
    ]
    fat = Solids([Ellipsoid((4, -6, 0), (40, 52, 120))], -95.0)
    heart = Solids([Ellipsoid((16, -22, -42), (50, 42, 52))], 44.0, grain_hu=3, seed=seed + 3)
    arch = tube([(2, -20, 0), (0, -24, 42), (12, 2, 70), (27, 28, 56), (28, 29, -160)], 13.5, 11.5)
    return [
        Solids([right, left], **lung),  # type: ignore[arg-type]
        *(Solids(cones, 40.0) for cones in branches),
        fat,
        heart,
        Solids(tube([(0, 4, 160), (0, 8, 50)], 9.0), 40.0),
        Solids(tube([(0, 4, 160), (0, 8, 50)], 7.5), -1000.0),
        Solids(tube([(4, 26, 160), (2, 30, -120)], 7.0), 38.0),
        Solids(arch, 42.0, blend_mm=5.0),
        Solids([Ellipsoid((-58, -4, -120), (62, 70, 56))], 58.0, grain_hu=4, seed=seed + 4),
        Solids([Ellipsoid((74, 28, -120), (32, 36, 44))], 50.0, grain_hu=4, seed=seed + 5),
    ]


def _spine(seed: int) -> list[Layer]:
    out: list[Layer] = [Solids([Cone((0, 54, 200), (0, 54, -200), 17, 18)], 70.0)]
    for k in range(-7, 8):
        z = 27.0 * k
        body = Bone(
            [Ellipsoid((0, 54, z), (18, 15, 12), power=4.0)], 0.9, (((0.0, 54.0, z), 80.0),),
            end_cortex_mm=0.9, cancellous_mg=170, seed=seed + 20 + k,
        )  # fmt: skip
        arch = Bone(
            [
                *tube([(-14, 64, z), (-13, 78, z - 2), (0, 86, z - 5)], 4.5),
                *tube([(14, 64, z), (13, 78, z - 2), (0, 86, z - 5)], 4.5),
                *tube([(0, 86, z - 5), (0, 104, z - 20)], 3.8),
                Cone((-13, 78, z), (-34, 86, z + 3), 5, 4.5),
                Cone((13, 78, z), (34, 86, z + 3), 5, 4.5),
            ],
            1.1, marrow_hu=110, seed=seed + 40 + k,
        )  # fmt: skip
        out += [body, arch]
    return [*out, Solids([Cone((0, 73.5, 200), (0, 73.5, -200), 7.5, 7.5)], FLUID_HU)]


def _around(angle: float, z: float, side: float) -> Point:
    """On the rib cage: angle 0 at the spine, pi at the sternum; ribs fall towards the front."""
    x = side * _HALF_WIDTH * float(np.sin(angle)) ** 0.8
    y = 6 + _HALF_DEPTH * float(np.cos(angle))
    return x, y, z - 55 * (1 - float(np.cos(angle))) / 2


def _cage(seed: int) -> list[Layer]:
    out: list[Layer] = []
    for side in (-1.0, 1.0):
        for k in range(-5, 8):
            z = 27.0 * k + 6
            bony = [_around(a, z, side) for a in np.linspace(0.32, 2.25, 12)]
            front = [_around(a, z, side) for a in np.linspace(2.25, 2.95, 6)]
            out.append(Solids(tube(front, 6.0), CARTILAGE_HU, grain_hu=15, seed=seed + 120 + k))
            cones = [Cone(p, q, 6.2, 6.2, (_outward(p), 0.62)) for p, q in pairwise(bony)]
            out.append(Bone(cones, 1.1, marrow_hu=70, seed=seed + 80 + k))
    sternum = Ellipsoid((0, -79, -20), (18, 6.5, 90), power=3.0)
    ends = (((0.0, -79.0, -20.0), 200.0),)
    out.append(Bone([sternum], 1.0, ends, cancellous_mg=110, end_cortex_mm=0.8, seed=seed + 99))
    return out


def _outward(point: Point) -> Point:
    x, y = point[0] / _HALF_WIDTH, (point[1] - 6) / _HALF_DEPTH
    size = float(np.hypot(x / _HALF_WIDTH, y / _HALF_DEPTH))
    return x / _HALF_WIDTH / size, y / _HALF_DEPTH / size, 0.0


def _scapulae(seed: int) -> list[Layer]:
    out: list[Layer] = []
    for s in (-1.0, 1.0):
        blade: list[Solid] = [
            Cone((78 * s, 88, 20), (82 * s, 86, 130), 3.0, 3.5),
            Cone((78 * s, 88, 20), (132 * s, 52, 110), 4.0, 7.0),
            Ellipsoid((102 * s, 73, 82), (31, 3.5, 58), plate_axes(0.83 * s, -0.55)),
            Cone((82 * s, 87, 110), (132 * s, 60, 125), 3.5, 6.5),
        ]
        out.append(Bone(blade, 1.2, marrow_hu=60, seed=seed + 110, blend_mm=4))
    return out


def _sites() -> dict[str, Site]:
    return {
        "back subcutis": Site((60, 106, -30), (0, 1, 0), "subcutis", 14),
        "paraspinal": Site((-20, 91, -20), (0, 1, 0), "muscle", 12),
        "lateral fascia": Site((-138, 20, -30), (-1, 0, 0), "fascia", 45, curve_mm=110),
        "flank subcutis": Site((149, 10, -50), (1, 0, 0), "subcutis", 12),
        "rib": Site((-129.5, 6, -20), (-1, 0, 0), "muscle", 10, on_bone=True),
        "pectoral": Site((52, -80, 45), (0, -1, 0), "muscle", 12),
        "scapula": Site((-100, 88, 30), (0, 1, 0), "muscle", 26),
    }
