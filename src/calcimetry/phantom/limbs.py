"""Elbow with forearm, knee, thigh and shoulder.

Frames: z runs to the head, +y to the back, +x to the left of the patient; made as a right
limb, with the body's middle at +x, and mirrored for a left one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcimetry.phantom.canvas import Cone, Ellipsoid, Solid
from calcimetry.phantom.joint import Joint
from calcimetry.phantom.tissue import (
    Body,
    Bone,
    Layer,
    Site,
    Soft,
    Solids,
    long_bone,
    plate_axes,
    tube,
)


def _bellies(count: int, radius: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Muscle bellies spread over a cross-section, each drifting along the limb."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.uniform(-0.25, 0.25, count)
    out = radius * rng.uniform(0.45, 0.8, count)
    drift = rng.uniform(-0.06, 0.06, (count, 2))
    return np.column_stack([out * np.cos(angle), out * np.sin(angle), drift])


def elbow(seed: int, *, mirror: bool = False) -> Body:
    """An extended arm, 10 cm of humerus and 12 cm of forearm about the joint (z = 0)."""
    rng = np.random.default_rng([seed, 21])
    s, g = (-1.0 if mirror else 1.0), rng.uniform(0.92, 1.08)
    hull: list[Solid] = [
        Cone((0, 0, 130), (0, 0, 20), 46 * g, 41 * g),
        Cone((0, 0, 25), (0, -1, -45), 41 * g, 43 * g, ((0, 1, 0), 0.88)),
        Cone((0, -1, -45), (0, 0, -160), 43 * g, 32 * g, ((0, 1, 0), 0.85)),
    ]
    soft = Soft(hull, seed, 12, 1.2, rng.uniform(4, 8), bellies=_bellies(6, 32, rng))
    layers: tuple[Layer, ...] = (
        soft,
        Solids([Ellipsoid((0, 4, 2), (26, 15, 18))], 45.0),
        Solids(tube([(4 * s, -24, 120), (2 * s, -22, 20), (2 * s, -20, -40)], 2.4), 42.0),
        Solids(tube([(-8 * s, -30, 120), (-6 * s, -33, -80)], 1.8), 40.0),
        *_elbow_bones(s, g, seed),
    )
    sites = {
        "olecranon bursa": Site((8 * s, 36, 6), (0, 1, 0), "periarticular", 22),
        "olecranon": Site((8 * s, 31, 14), (0, 1, 0), "periarticular", 16, on_bone=True),
        "extensor forearm": Site((-4 * s, 31 * g, -70), (0, 1, 0), "fascia", 34, curve_mm=32),
        "forearm subcutis": Site((24 * s, -25 * g, -90), (0.7 * s, -0.7, 0), "subcutis", 8),
        "forearm muscle": Site((-2 * s, -18, -60), (0, -1, 0), "muscle", 14),
        "brachialis": Site((0, -22, 60), (0, -1, 0), "muscle", 16),
        "lateral epicondyle": Site((-32 * s, 2, 13), (-s, 0, 0), "periarticular", 9, on_bone=True),
    }
    hinge = Joint(-3.0, 5.0, -1)
    return Body(layers, sites, (0, 0, -12), (170.0, 108.0, 108.0), 46.0, 9.0, joint=hinge)


def _elbow_bones(s: float, g: float, seed: int) -> tuple[Layer, ...]:
    ends = (((0.0, 2.0, 8.0), 26.0),)
    humerus = Bone(
        [
            Cone((0, 2, 140), (0, 2, 40), 11 * g, 10 * g),
            Cone((0, 2, 40), (0, 1, 14), 10 * g, 16 * g, ((0, 1, 0), 0.6)),
            Cone((-24 * s, 2, 13), (26 * s, 3, 13), 9, 8),
            Cone((-17 * s, -3, 5), (18 * s, -3, 5), 8.5, 9),
        ],
        3.4, ends, seed=seed + 1,
    )  # fmt: skip
    ulna = Bone(
        [
            Cone((8 * s, 21, 16), (9 * s, 14, -18), 10, 10.5),
            Cone((9 * s, 14, -18), (12 * s, 5, -60), 9.5, 7),
            Cone((12 * s, 5, -60), (16 * s, 3, -170), 7, 6),
        ],
        2.8, (((8.0 * s, 14.0, 6.0), 26.0),), seed=seed + 2, share=1.0,
    )  # fmt: skip
    radius = Bone(
        [
            Cone((-15 * s, 0, -9), (-14 * s, 0, -15), 9.5, 9),
            Cone((-14 * s, 0, -15), (-11 * s, 0, -35), 7, 7),
            Cone((-11 * s, 0, -35), (-15 * s, 0, -170), 7.5, 7.5),
        ],
        2.5, (((-15.0 * s, 0.0, -10.0), 16.0),), seed=seed + 3, share=1.0,
    )  # fmt: skip
    return humerus, ulna, radius


def thigh(seed: int, *, mirror: bool = False) -> Body:
    """The middle of a thigh: femur, eleven bellies, neurovascular bundle."""
    rng = np.random.default_rng([seed, 31])
    s, g = (-1.0 if mirror else 1.0), rng.uniform(0.9, 1.1)
    hull: list[Solid] = [
        Cone((6 * s, 0, 180), (0, 0, -20), 88 * g, 78 * g),
        Cone((0, 0, -20), (-2 * s, 0, -180), 78 * g, 62 * g),
    ]
    soft = Soft(hull, seed, 16, 1.5, rng.uniform(9, 18), bellies=_bellies(11, 62 * g, rng))
    femur = long_bone((8 * s, -8, 260), (-4 * s, -2, -260), (16, 14.5, 16), 5.6, seed + 1)
    layers: tuple[Layer, ...] = (
        soft,
        Solids([Ellipsoid((28 * s, -2, 0), (9, 11, 220))], -85.0),
        Solids(tube([(30 * s, -8, 180), (26 * s, 2, -180)], 4.2), 45.0),
        Solids(tube([(25 * s, 2, 180), (24 * s, 9, -180)], 5.2), 45.0),
        Solids(tube([(4 * s, 26, 180), (0, 24, -180)], 5.0), 30.0),
        femur,
    )
    sites = {
        "fascia lata": Site((-52 * s * g, -10, 0), (-s, 0, 0), "fascia", 50, curve_mm=68),
        "anterior thigh": Site((4 * s, -36 * g, 10), (0, -1, 0), "muscle", 20),
        "posterior thigh": Site((0, 42 * g, -30), (0, 1, 0), "muscle", 26),
        "lateral subcutis": Site((-66 * s * g, -4, 30), (-s, 0, 0), "subcutis", 14),
        "medial subcutis": Site((64 * s * g, 10, -35), (s, 0, 0), "subcutis", 10),
        "femur": Site((4 * s, -18.5, -12), (0, -1, 0), "muscle", 14, on_bone=True),
    }
    return Body(layers, sites, (0, 0, 0), (150.0, 190.0, 190.0), 96.0, 16.0)


def knee(seed: int, *, mirror: bool = False) -> Body:
    """A straight knee: femur, tibia, fibula, patella, menisci, popliteal vessels."""
    rng = np.random.default_rng([seed, 41])
    s, g = (-1.0 if mirror else 1.0), rng.uniform(0.93, 1.07)
    hull: list[Solid] = [
        Cone((2 * s, 0, 150), (0, 0, 40), 70 * g, 60 * g),
        Cone((0, 0, 50), (0, 0, -40), 60 * g, 56 * g),
        Cone((0, 3, -40), (0, 6, -160), 56 * g, 52 * g),
        Ellipsoid((0, -46, 12), (28, 16, 30)),
    ]
    soft = Soft(hull, seed, 16, 1.4, rng.uniform(5, 10), bellies=_bellies(7, 46, rng))
    layers: tuple[Layer, ...] = (
        soft,
        Solids([Ellipsoid((0, 34, 0), (20, 14, 60))], -90.0),
        Solids([Ellipsoid((0, -32, -12), (20, 12, 16))], -95.0),
        Solids([Ellipsoid((0, 0, 2), (39, 28, 13), power=3.0)], 40.0),
        Solids([Cone((0, -48, 40), (0, -38, -45), 8, 7, ((0, 1, 0), 0.4))], 90.0),
        Solids(tube([(2 * s, 28, 150), (0, 34, 0), (0, 32, -150)], 3.6), 44.0),
        Solids(tube([(8 * s, 32, 150), (5 * s, 39, 0), (5 * s, 36, -150)], 4.4), 42.0),
        *_knee_bones(s, seed),
    )
    sites = {
        "prepatellar": Site((0, -60, 14), (0, -1, 0), "subcutis", 18),
        "patella": Site((0, -51.5, 10), (0, -1, 0), "periarticular", 10, on_bone=True),
        "medial condyle": Site((41 * s, 4, 22), (s, 0, 0), "periarticular", 15, on_bone=True),
        "lateral fascia": Site((-47 * s * g, 0, 55), (-s, 0, 0), "fascia", 40, curve_mm=50),
        "vastus": Site((16 * s, -34, 75), (0, -1, 0), "muscle", 16),
        "gastrocnemius": Site((20 * s, 36, -65), (0, 1, 0), "muscle", 18),
        "medial subcutis": Site((52 * s * g, 6, -40), (s, 0, 0), "subcutis", 9),
    }
    hinge = Joint(4.0, 22.0, 1)
    return Body(layers, sites, (0, 0, 0), (160.0, 150.0, 140.0), 72.0, 12.0, joint=hinge)


def _knee_bones(s: float, seed: int) -> tuple[Layer, ...]:
    femur = Bone(
        [
            Cone((0, -4, 160), (0, -4, 70), 14.5, 15),
            Cone((0, -4, 70), (0, -2, 32), 15, 24),
            Ellipsoid((-21 * s, 4, 22), (19, 29, 20)),
            Ellipsoid((21 * s, 4, 22), (19, 30, 21)),
        ],
        4.5, (((0.0, 0.0, 20.0), 58.0),), end_cortex_mm=1.0, seed=seed + 1, blend_mm=8,
    )  # fmt: skip
    tibia = Bone(
        [
            Ellipsoid((0, 2, -14), (38, 25, 12), power=3.0),
            Cone((0, 0, -20), (0, -6, -55), 28, 15),
            Cone((0, -6, -55), (0, -6, -165), 15, 13),
        ],
        4.2, (((0.0, 0.0, -18.0), 46.0),), end_cortex_mm=1.0, seed=seed + 2, blend_mm=8,
        share=1.0,
    )  # fmt: skip
    fibula = long_bone(
        (-33 * s, 16, -28), (-30 * s, 16, -330), (9.5, 6.5, 6.5), 2.4, seed + 3, share=1.0
    )
    patella = Bone(
        [Ellipsoid((0, -40.5, 12), (21, 11, 21))], 1.6, (((0.0, -40.0, 12.0), 60.0),),
        end_cortex_mm=1.4, seed=seed + 4, share=0.6,
    )  # fmt: skip
    return femur, tibia, fibula, patella


def shoulder(seed: int, *, mirror: bool = False) -> Body:
    """A shoulder: humerus, scapula, clavicle, deltoid, upper ribs and the top of a lung."""
    rng = np.random.default_rng([seed, 51])
    s = -1.0 if mirror else 1.0
    hull: list[Solid] = [
        Ellipsoid((66 * s, 6, -20), (72, 74, 120), power=2.6),
        Ellipsoid((0, 2, 4), (54, 56, 62)),
        Cone((-6 * s, 4, 0), (-16 * s, 4, -170), 50, 44),
        Cone((80 * s, 0, 60), (90 * s, -4, 130), 48, 46),
    ]
    soft = Soft(hull, seed, 26, 1.5, rng.uniform(7, 13), bellies=_bellies(8, 55, rng))
    lung = Solids([Ellipsoid((98 * s, 0, -90), (46, 50, 110))], -850.0, grain_hu=40, seed=seed + 2)
    layers: tuple[Layer, ...] = (
        soft,
        Solids([Ellipsoid((32 * s, 6, -28), (14, 16, 30))], -95.0),
        lung,
        *_shoulder_bones(s, seed),
    )
    sites = {
        "subacromial bursa": Site(
            (-7 * s, 2, 22.6), (-0.3 * s, 0, 0.95), "periarticular", 16, True
        ),
        "deltoid": Site((-36 * s, 4, -28), (-s, 0, 0), "muscle", 18),
        "deltoid fascia": Site((-42 * s, -4, -8), (-s, 0, 0), "fascia", 44, curve_mm=48),
        "upper arm subcutis": Site((-54 * s, 2, -75), (-s, 0, 0), "subcutis", 10),
        "axilla": Site((30 * s, 2, -45), (0, 0, -1), "subcutis", 20),
        "scapula": Site((44 * s, 52, -42), (0, 1, 0), "muscle", 14, True),
        "periarticular mass": Site((-14 * s, -34, -6), (-0.4 * s, -0.9, 0), "periarticular", 45),
    }
    return Body(layers, sites, (22 * s, 4, -20), (150.0, 160.0, 180.0), 84.0, 20.0)


def _shoulder_bones(s: float, seed: int) -> list[Layer]:
    humerus = Bone(
        [
            Ellipsoid((0, 2, 0), (24, 24, 24)),
            Ellipsoid((-12 * s, -6, -2), (13, 13, 16)),
            Cone((-6 * s, 2, -18), (-12 * s, 2, -60), 19, 13),
            Cone((-12 * s, 2, -60), (-16 * s, 2, -190), 13, 12),
        ],
        4.0, (((0.0, 2.0, 0.0), 48.0),), end_cortex_mm=1.0, seed=seed + 3, blend_mm=6,
    )  # fmt: skip
    scapula = Bone(
        [
            Ellipsoid((30 * s, 10, -4), (7, 13, 18)),
            Cone((34 * s, 16, -4), (44 * s, 46, -40), 8, 4),
            Cone((44 * s, 46, 20), (46 * s, 48, -110), 4, 6),
            Ellipsoid((64 * s, 54, -36), (30, 3.5, 62), plate_axes(0.93 * s, 0.37)),
            Cone((40 * s, 44, 18), (-8 * s, 18, 40), 7, 8, ((0, 0, 1), 0.6)),
            Cone((30 * s, 2, 18), (16 * s, -24, 20), 6, 6),
        ],
        1.3, (((30.0 * s, 10.0, -4.0), 30.0),), marrow_hu=30, seed=seed + 4, blend_mm=5,
    )  # fmt: skip
    clavicle = Bone(
        tube([(-10 * s, 4, 44), (30 * s, 8, 42), (80 * s, -24, 38), (120 * s, -32, 30)], 7.0),
        2.2, seed=seed + 5,
    )  # fmt: skip
    ribs: list[Layer] = [
        Bone(
            _rib_arc((98 * s, 0, 6 - 24 * k), (50 + 2 * k, 54 + 2 * k)),
            1.1,
            marrow_hu=60,
            seed=seed + 10 + k,
        )
        for k in range(6)
    ]
    return [*ribs, humerus, scapula, clavicle]


def _rib_arc(centre: tuple[float, float, float], semi: tuple[float, float]) -> list[Cone]:
    x, y, z = centre
    angles = np.linspace(-np.pi, np.pi, 19)
    return tube(
        [
            (
                x + semi[0] * float(np.cos(a)),
                y + semi[1] * float(np.sin(a)),
                z + 12 * float(np.sin(a)),
            )
            for a in angles
        ],
        4.6,
    )
