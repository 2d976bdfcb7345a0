"""Places in a patch: skin, surfaces of bone and what lies along them, by points in mm.

Points are (z, y, x) in mm from the middle of the patch's first voxel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from calcimetry.deposits.resample import GRID_MM
from training.paint import PATCH, Patch
from training.sketch import Mask, Vector

_BODY_HU, _AIR_HU, _FAT_HU, _DENSE_HU = -300.0, -900.0, -200.0, 150.0
_END_MM = 22.0
_CUT_FACE = 0.995  # an outside as straight as this along an axis is the end of the scan
_COMPACT_HU = 450.0
_NEAR = 4  # voxels
_TRIES = 4
_WALK = np.arange(1.5, _END_MM, 1.5)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A patch to draw into: HU, bone, body, soft tissue without anything dense, outer air."""

    hu: Patch
    bone: Mask
    body: Mask
    soft: Mask
    bone_rim: NDArray[np.int64]

    @classmethod
    def of(cls, hu: Patch, bone: Mask) -> Scene:
        soft = (hu > _FAT_HU) & (hu < _DENSE_HU) & ~bone
        return cls(hu, bone, hu > _BODY_HU, soft, _rim(bone, soft))


def any_of(mask: Mask, rng: np.random.Generator) -> Vector | None:
    held = np.flatnonzero(mask)
    if not held.size:
        return None
    return np.array(np.unravel_index(held[rng.integers(held.size)], mask.shape), float)


def surface(
    inside: Mask, rim: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Vector, Vector] | None:
    """A point (mm) of a mask's surface, and the unit normal out of it.

    rim : flat indices of the voxels to choose from
    """
    if not rim.size:
        return None
    voxel = np.array(np.unravel_index(rim[rng.integers(rim.size)], inside.shape), float)
    low = np.maximum(voxel - _NEAR, 0).astype(int)
    high = np.minimum(voxel + _NEAR + 1, PATCH).astype(int)
    offset = np.argwhere(inside[tuple(map(slice, low, high))]) + low - voxel
    # Where the patch cuts the box, its missing part must not tilt the normal.
    mean = offset.mean(axis=0) - ((low + high - 1) / 2 - voxel)
    if np.linalg.norm(mean) < 0.15:
        return None
    normal = -normed(mean)
    return voxel * GRID_MM + normal * (GRID_MM / 2), normal


def bone_surface(scene: Scene, rng: np.random.Generator) -> tuple[Vector, Vector] | None:
    """A surface point and normal of bone, not of a bright organ or vessel taken for it."""
    for _ in range(_TRIES):
        found = surface(scene.bone, scene.bone_rim, rng)
        if found is None:
            return None
        if is_compact_near(scene, found[0]):
            return found
    return None


def is_compact_near(scene: Scene, point: Vector) -> bool:
    """Whether compact bone lies within some 6 mm: it does in bone, not in what has contrast."""
    box = tuple(slice(max(v - _NEAR, 0), v + _NEAR + 1) for v in voxel_of(point))
    return bool(((scene.hu[box] > _COMPACT_HU) & scene.bone[box]).any())


def skin_within(scene: Scene, point: Vector, normal: Vector, mm: float) -> bool:
    """Whether the body ends within a distance of a point, along a direction."""
    steps = np.round((point + np.outer(np.arange(0, mm, 1.5), normal)) / GRID_MM).astype(int)
    return not scene.body[tuple(np.clip(steps, 0, PATCH - 1).T)].all()


def _rim(inside: Mask, outside: Mask) -> NDArray[np.int64]:
    """Flat indices of the voxels of a mask beside another."""
    return np.flatnonzero(inside & _beside(outside))


def _beside(mask: Mask) -> Mask:
    """Voxels with a neighbour in a mask, by a face."""
    out = np.zeros_like(mask)
    for axis in range(3):
        here, there = np.moveaxis(out, axis, 0), np.moveaxis(mask, axis, 0)
        here[1:] |= there[:-1]
        here[:-1] |= there[1:]
    return out


def skin_point(scene: Scene, rng: np.random.Generator) -> tuple[Vector, Vector] | None:
    """A point of the skin (mm) with open air before it, not a bubble nor a lung."""
    air = scene.hu < _AIR_HU
    rim = _rim(scene.body, ~scene.body)
    for _ in range(_TRIES):
        found = surface(scene.body, rim, rng)
        if found is None:
            return None
        point, normal = found
        if np.abs(normal).max() > _CUT_FACE:
            continue
        before = [voxel_of(point + normal * mm) for mm in (4.5, 7.5, 12.0, 18.0)]
        behind = [voxel_of(point - normal * mm) for mm in (3.0, 6.0)]
        if all(air[v] for v in before) and all(scene.body[v] for v in behind):
            return found
    return None


def edge(soft: Mask, rng: np.random.Generator) -> tuple[Vector, Vector] | None:
    """A point in soft tissue on a face of the patch, and the way in."""
    axis, last = int(rng.integers(3)), bool(rng.random() < 0.5)
    face = np.zeros_like(soft)
    np.moveaxis(face, axis, 0)[-1 if last else 0] = True
    voxel = any_of(face & soft, rng)
    if voxel is None:
        return None
    return voxel * GRID_MM, np.eye(3)[axis] * (-1.0 if last else 1.0)


def depth_of(body: Mask) -> NDArray[np.float32]:
    """mm under the skin, to some 2 mm; negative outside."""
    every_other = body[::2, ::2, ::2]
    inside = ndi.distance_transform_edt(every_other, 2 * GRID_MM)
    outside = ndi.distance_transform_edt(~every_other, 2 * GRID_MM)
    depth = (inside - outside).astype(np.float32)
    return depth.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)


def depth_at_skin(body: Mask) -> NDArray[np.float32]:
    """mm under the skin within 4 mm of it, where it is about flat; negative outside."""
    width = 5
    share = ndi.uniform_filter(body.astype(np.float32), width)
    return np.asarray((share - np.float32(0.5)) * np.float32(width * GRID_MM))


def along_skin(
    depth: NDArray[np.float32], start: Vector, level: float, length: float, bend_mm: float,
    rng: np.random.Generator,
) -> Vector:  # fmt: skip
    """A curved path (n, 3) mm that keeps a depth, in steps of 1.5 mm, up to the patch's edge."""
    point, way = start.copy(), unit(rng)
    turn = rng.choice([-1.0, 1.0]) / rng.uniform(bend_mm / 2, 2 * bend_mm)
    path = []
    for _ in range(int(length / GRID_MM)):
        if (point < GRID_MM).any() or (point > (PATCH - 2) * GRID_MM).any():
            break
        path.append(point)
        z, y, x = voxel_of(point)
        rise = np.array(
            (
                depth[z + 1, y, x] - depth[z - 1, y, x],
                depth[z, y + 1, x] - depth[z, y - 1, x],
                depth[z, y, x + 1] - depth[z, y, x - 1],
            ),
            float,
        )
        if not rise.any():
            break
        rise = normed(rise)
        point = point + rise * np.clip(level - float(depth[z, y, x]), -0.6, 0.6)
        way = normed(way - rise * (way @ rise) + turn * GRID_MM * np.cross(rise, way))
        point = point + way * GRID_MM
    return np.array(path).reshape(-1, 3)


def long_axis(bone: Mask, point: Vector) -> Vector:
    """The direction in which the bone within 13 mm is longest."""
    v = np.array(voxel_of(point))
    held = np.argwhere(bone[tuple(slice(max(a - 9, 0), a + 10) for a in v.tolist())][::2, ::2, ::2])
    if len(held) < 4:
        return np.array([1.0, 0.0, 0.0])
    return np.asarray(np.linalg.eigh(np.cov(held.T.astype(float)))[1][:, -1])


def near_end(scene: Scene, point: Vector, axis: Vector) -> bool:
    """Whether a bone ends in the body within _END_MM of a point in it, along its axis."""
    for sign in (-1.0, 1.0):
        steps = np.round((point + np.outer(_WALK, sign * axis)) / GRID_MM).astype(int)
        steps = steps[((steps >= 0) & (steps < PATCH)).all(axis=1)]
        held = scene.bone[tuple(steps.T)]
        # Where the scan ends, the bone goes on.
        if len(steps) and not held.all() and scene.body[tuple(steps[np.argmin(held)])]:
            return True
    return False


def thickness(bone: Mask, point: Vector, normal: Vector) -> float:
    """mm of bone behind a point of its surface."""
    steps = np.round((point - np.outer(np.arange(1.5, 60, 1.5), normal)) / GRID_MM).astype(int)
    held = bone[tuple(np.clip(steps, 0, PATCH - 1).T)]
    return 1.5 * float(len(held) if held.all() else np.argmin(held))


def voxel_of(point: Vector) -> tuple[int, int, int]:
    z, y, x = np.clip(np.round(point / GRID_MM), 0, PATCH - 1).astype(int).tolist()
    return z, y, x


def normed(vector: Vector) -> Vector:
    return np.asarray(vector / np.linalg.norm(vector))


def unit(rng: np.random.Generator) -> Vector:
    return normed(rng.normal(size=3))


def frame(first: Vector, near: Vector) -> Vector:
    """Rows: a unit vector, the one nearest to `near` at right angles to it, and theirs."""
    second = normed(near - first * (near @ first))
    return np.array([first, second, np.cross(first, second)])
