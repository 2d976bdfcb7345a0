"""Where deposits can go in a real CT, and random deposits to put there.

Sites are found on a coarse grid of about 2 mm with plain morphology; nothing here needs the
anatomy room, so that the finder is not taught by the rules that it is to better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.phantom.shapes import Family, draw, step_for, vessel
from calcimetry.phantom.spec import Placement
from calcimetry.records import Scan

COARSE_MM = 2.0
BONE_HU, BONE_MM3 = 220.0, 300.0
POOLS = ("fat", "subcutis", "muscle", "touching_bone", "near_bone", "anywhere")


class Pool(NamedTuple):
    """Places in a scan: voxel positions (n, 3) in (z, y, x), and how deep they lie, mm."""

    zyx: NDArray[np.float32]
    bone_mm: NDArray[np.float32]
    skin_mm: NDArray[np.float32]


def candidate_sites(scan: Scan) -> dict[str, Pool]:
    """Pools of places by name: fat, subcutis, muscle, touching_bone, near_bone, anywhere.

    A pool may be empty. `touching_bone` lies 0-6 mm from bone, `near_bone` 4-9 mm; fat and
    muscle are at least 4 mm from it; `subcutis` is fat at most 12 mm under the skin. Where the
    field cuts the body there is no skin.
    """
    factor = tuple(max(round(COARSE_MM / edge), 1) for edge in scan.spacing)
    mean, peak = _coarse(scan.hu, factor)
    edge = tuple(f * s for f, s in zip(factor, scan.spacing, strict=True))
    body = _body(mean)
    bone = _bone(peak, float(np.prod(edge)))
    to_bone = _distance_to(bone, edge)
    depth = ndimage.distance_transform_edt(np.pad(body, 1, mode="edge"), edge)[1:-1, 1:-1, 1:-1]
    at = {"mean": mean, "bone": to_bone, "skin": depth}
    quiet = body & (peak < 130) & (depth > 1.5)
    return {
        name: _pool(where & quiet, at, factor)
        for name, where in _regions(mean, to_bone, depth).items()
    }


def _regions(
    mean: NDArray[np.float32], to_bone: NDArray[np.float32], depth: NDArray[np.float32]
) -> dict[str, NDArray[np.bool_]]:
    fat, lean = (mean > -150) & (mean < -60), (mean > 0) & (mean < 110)
    soft = (mean > -150) & (mean < 160)
    return {
        "fat": fat & (to_bone > 4),
        "subcutis": fat & (to_bone > 3) & (depth < 12),
        "muscle": lean & (to_bone > 4) & (depth > 3),
        "touching_bone": soft & (to_bone > 0) & (to_bone <= 6),
        "near_bone": soft & (to_bone > 4) & (to_bone < 9),
        "anywhere": soft,
    }


def _coarse(
    hu: NDArray[np.int16], factor: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Mean and largest HU of blocks; voxels past the last whole block are left out."""
    kept = [n // f for n, f in zip(hu.shape, factor, strict=True)]
    whole = hu[tuple(slice(0, k * f) for k, f in zip(kept, factor, strict=True))]
    blocks = whole.reshape([n for pair in zip(kept, factor, strict=True) for n in pair])
    return blocks.mean(axis=(1, 3, 5), dtype=np.float32), blocks.max(axis=(1, 3, 5))


def _body(mean: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tissue above -300 HU in pieces of 3 % of the largest or more, holes filled by slice."""
    tissue = ndimage.binary_opening(np.pad(mean > -300, 1, mode="edge"))[1:-1, 1:-1, 1:-1]
    parts, count = ndimage.label(tissue)
    if not count:
        return np.asarray(tissue)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    body = (sizes >= 0.03 * sizes.max())[parts]
    return np.stack([ndimage.binary_fill_holes(plane) for plane in body])


def _bone(peak: NDArray[np.int16], voxel_mm3: float) -> NDArray[np.bool_]:
    """Dense pieces of bone's size, marrow filled by slice in each plane."""
    parts, _ = ndimage.label(peak >= BONE_HU)
    sizes = np.bincount(parts.ravel()) * voxel_mm3
    sizes[0] = 0
    bone = ndimage.binary_closing(np.pad((sizes >= BONE_MM3)[parts], 1))[1:-1, 1:-1, 1:-1]
    filled = bone.copy()
    for axis in range(3):
        turned, into = np.moveaxis(bone, axis, 0), np.moveaxis(filled, axis, 0)
        for k, plane in enumerate(turned):
            into[k] |= ndimage.binary_fill_holes(plane)
    return np.asarray(filled, dtype=np.bool_)


def _distance_to(mask: NDArray[np.bool_], edge: tuple[float, ...]) -> NDArray[np.float32]:
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    # From a voxel's middle to the face of the nearest marked one, not to its middle.
    return np.asarray(ndimage.distance_transform_edt(~mask, edge) - min(edge) / 2, np.float32)


def _pool(
    where: NDArray[np.bool_], at: Mapping[str, NDArray[np.float32]], factor: tuple[int, ...]
) -> Pool:
    index = np.argwhere(where)
    zyx = (index + 0.5) * np.array(factor) - 0.5
    here = tuple(index.T)
    return Pool(zyx.astype(np.float32), at["bone"][here], at["skin"][here].astype(np.float32))


@dataclass(frozen=True, slots=True)
class Mix:
    """What random deposits are like; densities as EVIDENCE 9.1: milk to stone.

    families, pools : relative weights
    diameter_mm, density_mg_cm3 : log-uniform between
    separation_mm : least distance between the surfaces of two deposits' spheres
    null_share : how many null insertions (0-40 mg/cm3) per deposit
    """

    families: Mapping[str, float] = field(
        default_factory=lambda: {
            Family.NODULE: 0.22,
            Family.ELLIPSOID: 0.08,
            Family.LOBULATED: 0.14,
            Family.RING: 0.11,
            Family.CLUSTER: 0.11,
            Family.SHEET: 0.09,
            Family.STIPPLED: 0.08,
            Family.CHICKEN_WIRE: 0.05,
            Family.FLUID_LEVEL: 0.03,
            Family.STONE: 0.06,
            Family.LINEAR: 0.03,
        }
    )
    pools: Mapping[str, float] = field(
        default_factory=lambda: {
            "fat": 0.14,
            "subcutis": 0.10,
            "muscle": 0.22,
            "touching_bone": 0.42,
            "near_bone": 0.12,
        }
    )
    diameter_mm: tuple[float, float] = (2.5, 18.0)
    density_mg_cm3: tuple[float, float] = (150.0, 1400.0)
    separation_mm: float = 6.0
    null_share: float = 0.0


def random_placements(
    scan: Scan,
    n: int,
    rng: np.random.Generator,
    *,
    sites: Mapping[str, Pool] | None = None,
    mix: Mix | None = None,
) -> list[Placement]:
    """Up to `n` deposits at random places that do not crowd each other, and null insertions.

    Fewer where the scan has no room. `site` of a placement is its pool, `tissue` fat or
    muscle. `sites` saves finding them again for the same scan.
    """
    kind = mix or Mix()
    places = candidate_sites(scan) if sites is None else sites
    count = n + round(kind.null_share * n)
    taken: list[tuple[NDArray[np.float64], float]] = []
    out: list[Placement] = []
    for number in range(count):
        place = _one(scan, (places, kind, taken), rng, negative=number >= n)
        if place is not None:
            out.append(place)
    return out


_Room = tuple[Mapping[str, Pool], Mix, list[tuple[NDArray[np.float64], float]]]


def _one(scan: Scan, room: _Room, rng: np.random.Generator, *, negative: bool) -> Placement | None:
    places, mix, taken = room
    diameter = _log_uniform(rng, mix.diameter_mm)
    name = _choice(rng, {k: w for k, w in mix.pools.items() if len(places[k].zyx)})
    centre = (
        _free(scan, places[name], (name, diameter), (taken, mix.separation_mm), rng)
        if name
        else None
    )
    family = _choice(rng, mix.families)
    if centre is None or family is None:
        return None
    taken.append((centre, diameter))
    density = rng.uniform(0, 40) if negative else _log_uniform(rng, mix.density_mg_cm3)
    return Placement(
        shape=draw(family, diameter, rng),
        step_mm=step_for(diameter),
        centre_mm=(float(centre[0]), float(centre[1]), float(centre[2])),
        density_mg_cm3=density,
        family=f"null_{family}" if negative else str(family),
        site=name,
        tissue=_tissue(scan, centre),
        confine=True,
        negative=negative,
    )


def _tissue(scan: Scan, centre: NDArray[np.float64]) -> str:
    """ "fat" or "muscle", by the mean of the voxels around."""
    corner = np.maximum(np.rint(scan.to_zyx(centre)).astype(int) - 1, 0)
    near = scan.hu[tuple(slice(c, c + 3) for c in corner)]
    return "fat" if near.size and near.mean() < -25 else "muscle"


def _free(
    scan: Scan,
    pool: Pool,
    what: tuple[str, float],
    crowd: tuple[list[tuple[NDArray[np.float64], float]], float],
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    """LPS mm of a place in the pool with room around it; None after 30 tries."""
    (name, diameter), (taken, separation) = what, crowd
    index = np.arange(len(pool.zyx))
    if name == "touching_bone":  # near enough that the deposit meets the bone
        index = np.flatnonzero(pool.bone_mm <= max(0.25 * diameter, 1.0))
    if not len(index):
        return None
    for _ in range(30):
        zyx = pool.zyx[rng.choice(index)] + rng.uniform(-0.7, 0.7, 3) / np.array(scan.spacing)
        centre = scan.to_lps(zyx)
        room = (np.linalg.norm(centre - c) - (d + diameter) / 2 for c, d in taken)
        if all(gap >= separation for gap in room):
            return centre
    return None


def random_vessel(
    scan: Scan,
    rng: np.random.Generator,
    *,
    sites: Mapping[str, Pool],
    hu_per_mg_cm3: float = 1 / 0.638,
) -> Placement | None:
    """A tube of 90-300 HU, 40-90 mm long, anywhere: what contrast in a vessel looks like."""
    pool = sites["anywhere"].zyx
    if not len(pool):
        return None
    x, y, z = scan.to_lps(pool[rng.integers(len(pool))])
    return Placement(
        shape=vessel(rng.uniform(40, 90), rng.uniform(1.2, 3.5), rng),
        step_mm=0.6,
        centre_mm=(float(x), float(y), float(z)),
        density_mg_cm3=rng.uniform(90, 300) / hu_per_mg_cm3,
        family="vessel",
        confine=True,
        negative=True,
    )


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def _choice(rng: np.random.Generator, weights: Mapping[str, float]) -> str | None:
    if not weights:
        return None
    share = np.array(list(weights.values()), dtype=float)
    return str(list(weights)[int(rng.choice(len(share), p=share / share.sum()))])
