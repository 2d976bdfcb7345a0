"""Mimics: what looks like calcinosis on CT and is none, drawn into patches as negatives.

Each kind is drawn where it occurs, as it is told from a deposit: sesamoids by a cortex around
trabecular bone and by the bone end beside them, tips of bones by the bone that they continue,
cartilage by its own 90-140 HU, bowel by its gas. Homogeneous foci and mineral shells in soft
tissue are what deposits look like; none is drawn here. Nor is calcium of arterial walls.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calcimetry.deposits.resample import GRID_MM
from calcimetry.phantom.canvas import Cone, Ellipsoid, Point
from training.paint import Patch
from training.places import (
    Scene,
    along_skin,
    any_of,
    bone_surface,
    depth_at_skin,
    depth_of,
    edge,
    frame,
    is_compact_near,
    long_axis,
    near_end,
    normed,
    skin_point,
    skin_within,
    thickness,
    unit,
    voxel_of,
)
from training.sketch import Mask, Sketch, Vector, streaks

_FAT_HU = -200.0
_CORTEX_HU = (900.0, 1600.0)
"""Of compact bone itself; a shell of 0.5-1 mm shows 400-1100 of it once blurred."""
_CANCELLOUS_HU = (200.0, 450.0)
_GRAIN_HU = 180.0  # of cells of 0.75 mm: some 40 HU once blurred
_CARTILAGE_HU = (90.0, 140.0)
_STEEL_HU = (4000.0, 12000.0)  # titanium and steel; files end at 3071
_FABELLA_BONE_MM = 22.0
"""A bone as thick as this has sesamoids like the fabella's, one below it like the hand's."""
_RIBS_NEAR = 0.005  # of a patch: cartilage lies by ribs or sternum
_TRIES = 12
_SHORTEST = 9  # points of a path along the skin, 1.5 mm apart


Drawn = Sketch | None
Kind = Callable[[Scene, np.random.Generator], Drawn]


def mimic(
    hu: Patch, bone: Mask, rng: np.random.Generator, *, trunk: bool = True
) -> NDArray[np.bool_] | None:
    """Draw one mimic that has a place in this patch, blurred as a scanner would show it.

    hu : HU (PATCH,)*3 on the network's grid, (z, y, x), changed in place
    bone : filled bones there; trunk : also what only trunks have
    Returns the voxels that are now mostly the mimic's, None if nothing was drawn.
    """
    scene = Scene.of(hu, bone)
    kinds = {name: share for name, share in SHARE.items() if trunk or name not in OF_TRUNKS}
    share = np.array(list(kinds.values()))
    order = rng.choice(list(kinds), len(kinds), replace=False, p=share / share.sum())
    for name in order[:_KINDS_TRIED]:
        mask = draw(str(name), scene, rng)
        if mask is not None:
            return mask
    return None


def draw(kind: str, scene: Scene, rng: np.random.Generator) -> NDArray[np.bool_] | None:
    """Draw one of a kind in place, and return its voxels; None where it has no place."""
    sketch = KINDS[kind](scene, rng)
    if sketch is None:
        return None
    spread = rng.uniform(0.8, 1.9)
    mask = sketch.paint(scene.hu, (max(spread, rng.uniform(0.8, 3.0)), spread, spread))
    if mask is not None and sketch.streaks_hu:
        streaks(scene.hu, mask, sketch.streaks_hu, rng)
    return mask


def sesamoid(scene: Scene, rng: np.random.Generator) -> Drawn:
    """A corticated ovoid beside a bone end: of hand or foot, or the fabella of a knee."""
    for _ in range(_TRIES):
        found = bone_surface(scene, rng)
        if found is None:
            return None
        point, normal = found
        axis, thick = long_axis(scene.bone, point), thickness(scene.bone, point, normal)
        large = thick >= _FABELLA_BONE_MM
        under_skin = skin_within(scene, point, normal, 45.0 if large else 24.0)
        if not (under_skin and near_end(scene, point - 4 * normal, axis)):
            continue
        if large:
            length, cortex, gap = rng.uniform(8, 15), rng.uniform(0.7, 1.2), rng.uniform(1.5, 5)
        else:
            length = np.clip(thick * rng.uniform(0.45, 0.85), 4, 12)
            cortex, gap = rng.uniform(0.5, 0.9), rng.uniform(1, 4)
        semi = length / 2 * np.array([rng.uniform(0.5, 0.8), 1.0, rng.uniform(0.65, 0.95)])
        centre = point + normal * (gap + semi[0])
        turn = frame(normal, axis + 0.4 * unit(rng))
        sketch = Sketch(centre - length / 2, centre + length / 2, scene.soft, 0.95)
        _bone(sketch, Ellipsoid(_point(centre), _point(semi), turn), cortex, rng)
        return sketch
    return None


def tip(scene: Scene, rng: np.random.Generator) -> Drawn:
    """A blunt process: grown from a bone, cut from it by a thin gap, or by the patch's edge."""
    cut_off = rng.random() < 0.25
    found = edge(scene.soft, rng) if cut_off else bone_surface(scene, rng)
    if found is None:
        return None
    point, normal = found
    start = point + normal * (rng.uniform(1.5, 3.5) if rng.random() < 0.35 else -2.5)
    base, blunt = rng.uniform(2, 5), rng.uniform(0.5, 0.95)
    way = normed(normal + 0.35 * unit(rng))
    stop = start + way * rng.uniform(1.5, 4.5) * base
    if not scene.soft[voxel_of(stop)]:
        return None
    flat = (_point(np.cross(way, unit(rng))), rng.uniform(0.6, 1.0))
    cone = Cone(_point(start), _point(stop), base, base * blunt, _squeezed(flat))
    open_ = (scene.hu > _FAT_HU) & ~scene.bone
    sketch = Sketch(np.minimum(start, stop) - base, np.maximum(start, stop) + base, open_, 0.6)
    _bone(sketch, cone, rng.uniform(0.8, 1.8), rng)
    return sketch


def enthesophyte(scene: Scene, rng: np.random.Generator) -> Drawn:
    """A dense spur that tapers from a bone along the tendon that pulls there."""
    found = bone_surface(scene, rng)
    if found is None:
        return None
    point, normal = found
    along = long_axis(scene.bone, point) * rng.choice([-1, 1])
    base = rng.uniform(0.9, 2.4)
    length = rng.uniform(max(3.0, 2.5 * base), 15)
    count = int(length / 0.7) + 2
    lean = np.linspace(0, 1, count)[:, None] * rng.uniform(0.3, 1.2) + rng.uniform(0, 0.8)
    steps = normal + lean * along
    steps *= 0.7 / np.linalg.norm(steps, axis=1)[:, None]
    path = point - normal + np.cumsum(steps, axis=0)
    if not scene.soft[voxel_of(path[-1])]:
        return None
    radius = np.linspace(base, 0.45, count)
    open_ = (scene.hu > _FAT_HU) & ~scene.bone
    sketch = Sketch(path.min(axis=0) - base, path.max(axis=0) + base, open_, 0.5)
    sketch.fill(sketch.strand(path, radius), rng.uniform(500, 1300), 100, rng)
    return sketch


def bone_island(scene: Scene, rng: np.random.Generator) -> Drawn:
    """Compact bone within cancellous bone, with spicules that radiate into it."""
    voxel = any_of(scene.bone & (scene.hu < _CANCELLOUS_HU[1]), rng)
    if voxel is None or not is_compact_near(scene, voxel * GRID_MM):
        return None
    size = rng.uniform(1.8, 4.0)
    long = long_axis(scene.bone, voxel * GRID_MM)
    centre = voxel * GRID_MM + rng.uniform(-0.7, 0.7, 3)
    sketch = Sketch(centre - 2 * size, centre + 2 * size, scene.bone, 0.95)
    offset = [a - np.float32(c) for a, c in zip(sketch.at, centre, strict=True)]
    along = _along(offset, long)
    stretch = 1 - 1 / rng.uniform(1.0, 1.5) ** 2
    square = sum(o * o for o in offset) + np.float32(1e-6)
    spicules = sum(
        np.maximum(_along(offset, unit(rng)) / np.sqrt(square), 0) ** 16 for _ in range(8)
    )
    far = np.sqrt(square - along**2 * np.float32(stretch))
    rim = np.float32(size) * (np.float32(0.85) + np.float32(0.5) * np.minimum(spicules, 1))
    sketch.fill(far - rim, rng.uniform(600, 1300), 60, rng)
    return sketch


def costal_cartilage(scene: Scene, rng: np.random.Generator) -> Drawn:
    """A curved bar of cartilage along the chest wall, its rim or inside partly calcified."""
    if scene.bone.mean() < _RIBS_NEAR:
        return None
    size, depth = rng.uniform(4, 7), depth_of(scene.body)
    level = rng.uniform(size + 3, 25)
    voxel = any_of(scene.soft & (np.abs(depth - level) < 2), rng)
    if voxel is None:
        return None
    path = along_skin(depth, voxel * GRID_MM, level, rng.uniform(30, 60), 80.0, rng)
    if len(path) < _SHORTEST:
        return None
    wall = (scene.hu > _FAT_HU) & ~scene.bone
    sketch = Sketch(path.min(axis=0) - size, path.max(axis=0) + size, wall, 0.75)
    bar = sketch.strand(path, np.full(len(path), size))
    sketch.fill(bar, rng.uniform(*_CARTILAGE_HU), 40, rng)
    if rng.random() < 0.75:
        # Calcium comes in plaques under the perichondrium.
        spots = path[rng.integers(len(path), size=int(rng.integers(3, 14)))]
        spots = spots + size * np.array([unit(rng) for _ in spots])
        plaque = sketch.strand(spots, rng.uniform(2, 6, len(spots)))
        rim = np.abs(bar + np.float32(0.8)) - np.float32(rng.uniform(0.35, 0.8))
        sketch.fill(np.maximum(rim, plaque), rng.uniform(350, 1100), 120, rng)
    if rng.random() < 0.6:
        grains = path[rng.integers(len(path), size=int(rng.integers(3, 18)))]
        grains = grains + 0.6 * size * np.array([unit(rng) for _ in grains])
        spread = rng.uniform(0.5, 1.8, len(grains))
        sketch.fill(sketch.strand(grains, spread), rng.uniform(250, 900))
    return sketch


def bowel(scene: Scene, rng: np.random.Generator) -> Drawn:
    """A loop with oral contrast under gas, a level between them; or gas over a residue."""
    voxel = any_of(scene.soft, rng)
    if voxel is None:
        return None
    centre, semi = voxel * GRID_MM, rng.uniform(7.5, 17.5) * rng.uniform(0.75, 1.25, 3)
    within = [centre + s * (semi + 6) * e for e in np.eye(3) for s in (-1, 1)]
    if not all(scene.body[voxel_of(p)] and not scene.bone[voxel_of(p)] for p in within):
        return None
    sketch = Sketch(centre - semi.max(), centre + semi.max(), scene.body & ~scene.bone, 0.9)
    turn = frame(unit(rng), unit(rng))
    loop = Ellipsoid(_point(centre), _point(semi), turn, 2.0).distance(sketch.at)
    down = np.array([0.0, 1.0, 0.0])  # supine
    if rng.random() < 0.25:  # prone, or on a side
        down = np.eye(3)[rng.choice([1, 2])] * rng.choice([-1, 1])
    height = _along([a - np.float32(c) for a, c in zip(sketch.at, centre, strict=True)], -down)
    pool, wall = rng.uniform(150, 450), np.float32(rng.uniform(1.2, 3))
    residue = rng.random() < 0.35
    level = (semi.min() - wall) * (rng.uniform(-0.8, -0.5) if residue else rng.uniform(-0.4, 0.7))
    loop += np.float32(rng.uniform(0, 1.5)) * _folds(sketch, rng)
    sketch.fill(loop, rng.uniform(25, 60))
    if rng.random() < 0.4:
        sketch.fill(loop + wall - 0.3, pool * rng.uniform(0.4, 1.0))  # a coat of contrast
        wall += np.float32(rng.uniform(0.3, 1.0))
    sketch.fill(loop + wall, pool, pool / 5, rng)
    sketch.fill(np.maximum(loop + wall, np.float32(level) - height), rng.uniform(-980, -820))
    return sketch


def port(scene: Scene, rng: np.random.Generator) -> Drawn:
    """A port's chamber under the skin, its septum to the skin, and the catheter it feeds."""
    found = skin_point(scene, rng)
    if found is None:
        return None
    skin, normal = found
    radius, half, hu = rng.uniform(7.5, 12.5), rng.uniform(4, 6.5), _log(rng, 1200, 8000)
    centre = skin - normal * (rng.uniform(3, 9) + half)
    away = normed(np.cross(normal, unit(rng)))
    tube = centre + np.outer(np.arange(0, rng.uniform(15, 40), 1.0), away - 0.15 * normal)
    ends = np.array([centre - radius, centre + radius, tube.min(axis=0), tube.max(axis=0)])
    sketch = Sketch(ends.min(axis=0), ends.max(axis=0), scene.body & ~scene.bone, 0.85)
    offset = [a - np.float32(c) for a, c in zip(sketch.at, centre, strict=True)]
    up = _along(offset, normal)
    side = np.sqrt(np.maximum(sum(o * o for o in offset) - up**2, 0))
    round_ = 2.0  # mm, of its edges
    corner = np.maximum(side - radius + round_, 0), np.maximum(np.abs(up) - half + round_, 0)
    outside = np.hypot(*corner) - np.float32(round_)
    wall = rng.uniform(1.0, 3.0)
    sketch.fill(sketch.strand(tube, np.full(len(tube), 1.2)), rng.uniform(250, 900))
    sketch.fill(outside, hu)
    lumen = np.maximum(side - 0.7 * radius, np.abs(up) - half)
    sketch.fill(np.maximum(lumen, wall - half - up), rng.uniform(20, 80))
    sketch.fill(np.maximum(lumen, half - 3 - up), rng.uniform(150, 400))
    sketch.streaks_hu = rng.uniform(0.02, 0.06) * hu
    return sketch


def clip(scene: Scene, rng: np.random.Generator) -> Drawn:
    """A surgical clip: two thin metal legs that meet, with streaks."""
    voxel = any_of(scene.soft, rng)
    if voxel is None:
        return None
    start, way, length = voxel * GRID_MM, unit(rng), rng.uniform(3, 8)
    steps = np.arange(0, length, 0.5)[:, None]
    other = normed(way + rng.uniform(0.05, 0.4) * unit(rng))
    path = np.concatenate([start + steps * way, start + steps * other])
    sketch = Sketch(path.min(axis=0) - 1, path.max(axis=0) + 1, scene.soft, 0.9)
    sketch.fill(
        sketch.strand(path, np.full(len(path), rng.uniform(0.4, 0.7))), _log(rng, *_STEEL_HU)
    )
    sketch.streaks_hu = rng.uniform(20, 150)
    return sketch


def marker(scene: Scene, rng: np.random.Generator) -> Drawn:
    """A ball, disc or ring stuck on the skin, in the air."""
    found = skin_point(scene, rng)
    if found is None:
        return None
    skin, normal = found
    ball, hu = rng.random() < 0.5, _log(rng, 400, 8000)
    radius = rng.uniform(1.0, 4.0)
    half = radius if ball else rng.uniform(0.7, 1.6)
    centre = skin + normal * (half + rng.uniform(-0.4, 0.5))
    sketch = Sketch(centre - radius, centre + radius, ~scene.bone, 1.0)
    offset = [a - np.float32(c) for a, c in zip(sketch.at, centre, strict=True)]
    up, square = _along(offset, normal), sum(o * o for o in offset)
    side = np.sqrt(np.maximum(square - up**2, 0))
    if ball:
        sketch.fill(np.sqrt(square) - radius, hu)
    else:
        hole = radius * rng.choice([-1.0, 0.4])  # a disc, or a ring
        sketch.fill(np.maximum(np.maximum(side - radius, hole - side), np.abs(up) - half), hu)
    sketch.streaks_hu = rng.uniform(10, 100) if hu > 2000 else 0.0
    return sketch


def bra_wire(scene: Scene, rng: np.random.Generator) -> Drawn:
    """A thin curved wire along the skin, in the air or the cloth on it."""
    found = skin_point(scene, rng)
    if found is None:
        return None
    level = -rng.uniform(1.0, 2.5)
    depth = depth_at_skin(scene.body)
    path = along_skin(depth, found[0], level, rng.uniform(25, 80), 60.0, rng)
    if len(path) < _SHORTEST:
        return None
    halfway = (path[1:] + path[:-1]) / 2
    path = np.concatenate([path, halfway])
    radius = rng.uniform(0.5, 1.0)
    sketch = Sketch(path.min(axis=0) - radius, path.max(axis=0) + radius, ~scene.bone, 1.0)
    sketch.fill(sketch.strand(path, np.full(len(path), radius)), _log(rng, 3000, 9000))
    sketch.streaks_hu = rng.uniform(10, 100)
    return sketch


KINDS: dict[str, Kind] = {
    "sesamoid": sesamoid,
    "tip": tip,
    "enthesophyte": enthesophyte,
    "bone_island": bone_island,
    "costal_cartilage": costal_cartilage,
    "bowel": bowel,
    "port": port,
    "clip": clip,
    "marker": marker,
    "bra_wire": bra_wire,
}
SHARE = {
    "sesamoid": 0.22, "tip": 0.17, "enthesophyte": 0.1, "bone_island": 0.08,
    "costal_cartilage": 0.12, "bowel": 0.12, "port": 0.03, "clip": 0.05,
    "marker": 0.06, "bra_wire": 0.05,
}  # fmt: skip
"""How often each kind is tried first: roughly as often as it was taken for a deposit."""
OF_TRUNKS = ("costal_cartilage", "bowel", "port", "bra_wire")
_KINDS_TRIED = 4


def _bone(
    sketch: Sketch, solid: Ellipsoid | Cone, cortex_mm: float, rng: np.random.Generator
) -> None:
    """Cortex around cancellous bone."""
    distance = solid.distance(sketch.at)
    sketch.fill(distance, rng.uniform(*_CORTEX_HU))
    sketch.fill(distance + np.float32(cortex_mm), rng.uniform(*_CANCELLOUS_HU), _GRAIN_HU, rng)


def _folds(sketch: Sketch, rng: np.random.Generator) -> Patch:
    """Smooth waves of some 20 mm between -1 and 1: haustra, folds, an uneven wall."""
    out = np.ones((1, 1, 1), np.float32)
    for axis in sketch.at:
        out = out * np.cos(
            axis * np.float32(rng.uniform(0.2, 0.45)) + np.float32(rng.uniform(0, 6.3))
        )
    return out


def _along(offset: list[Patch], way: Vector) -> Patch:
    return np.asarray(sum(o * np.float32(w) for o, w in zip(offset, way, strict=True)))


def _squeezed(flat: tuple[Point, float]) -> tuple[Point, float]:
    return _point(normed(np.array(flat[0]))), flat[1]


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _point(vector: Vector) -> Point:
    z, y, x = vector.tolist()
    return z, y, x
