"""Deposits painted beside joints of real limbs, and what the finder makes of them.

Painting and finding take most of the time and do not depend on how mass is measured: with a
cache both are kept on disk, and a change of the measurement is judged within a minute.
"""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmarks.finder.study import _redrawn, judged
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.phantom.insertion import insert
from calcimetry.phantom.placement import Mix, Pool, candidate_sites, random_placements
from calcimetry.phantom.shapes_independent import insert_independent
from calcimetry.phantom.spec import Imaging
from calcimetry.phantom.truth import Truth
from calcimetry.records import Finding, Scan
from calcimetry.runs import find_runs, objects_of, paint, take
from calcimetry.scan import read

SLOPE = 0.638  # mg/cm3 per HU, painted and known
BONE_HU, BONE_MM3 = 200.0, 300.0
CANCELLOUS_HU, LEAST_CANCELLOUS, AROUND_MM = (110, 480), 0.5, 6.0
FEWEST_SITES = 200  # a field that shows a shaft alone has no bone's end
MIX = Mix(
    pools={"touching_bone": 0.66, "near_bone": 0.18, "fat": 0.08, "muscle": 0.08},
    diameter_mm=(3.5, 18.0),
    density_mg_cm3=(180.0, 900.0),
)


@dataclass(frozen=True, slots=True, eq=False)
class PaintedScan:
    """before : int16 HU without the deposits; bone : bool, the dense pieces of bone's size in it"""

    case: str
    generator: str
    scan: Scan
    before: NDArray[np.int16]
    bone: NDArray[np.bool_]
    truth: Truth
    findings: tuple[Finding, ...]


def painted_scan(
    path: Path, generator: str, seed: int, count: int, cache: Path | None = None
) -> PaintedScan:
    """Paint about `count` deposits into a limb by either generator, and let the finder look."""
    plain = read(path)
    name = f"{path.name[:7]}-{generator}-{seed}-{count}"
    hu, truth, findings = _kept(
        cache and cache / f"{name}.pickle.gz", lambda: _made(plain, generator, seed, count)
    )
    scan = replace(plain, hu=hu)
    return PaintedScan(path.name[:7], generator, scan, plain.hu, bone_of(plain), truth, findings)


Made = tuple[NDArray[np.int16], Truth, tuple[Finding, ...]]


def _kept(file: Path | None, make: Callable[[], Made]) -> Made:
    """What a file of our own making holds; made and put there where it is missing."""
    if file is None:
        return make()
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        made = make()
        with gzip.open(file, "wb", compresslevel=1) as out:
            pickle.dump(made, out)
        return made
    with gzip.open(file, "rb") as found:
        kept: Made = pickle.load(found)
    return kept


def _made(scan: Scan, generator: str, seed: int, count: int) -> Made:
    rng = np.random.default_rng([seed, 31])
    placed = random_placements(scan, count, rng, sites=sites_beside_joints(scan), mix=MIX)
    look = Imaging(
        fwhm_mm=(scan.spacing[0] * 0.6, float(rng.uniform(0.8, 1.6))), hu_per_mg_cm3=1 / SLOPE
    )
    if generator == "trained":
        painted, truth = insert(scan, placed, rng, look)
    else:
        again = [_redrawn(place, rng) for place in placed]
        painted, truth = insert_independent(scan, again, rng, look)
    return painted.hu, truth, judged(painted)


def sites_beside_joints(scan: Scan) -> dict[str, Pool]:
    """As `candidate_sites`; at bone, only beside its ends, where cancellous bone fills it."""
    sites, share = candidate_sites(scan), _cancellous(scan)
    return sites | {name: _where(sites[name], share) for name in ("touching_bone", "near_bone")}


def _where(pool: Pool, share: NDArray[np.float32]) -> Pool:
    at = np.clip(np.rint(pool.zyx).astype(int), 0, np.array(share.shape) - 1)
    keep = share[tuple(at.T)] >= LEAST_CANCELLOUS
    return Pool(*(column[keep] for column in pool)) if keep.sum() >= FEWEST_SITES else pool


def _cancellous(scan: Scan) -> NDArray[np.float32]:
    """Of the inside of the bone around each voxel, the share that is cancellous: a shaft's is
    marrow and cortex."""
    inside = np.stack([ndimage.binary_fill_holes(plane) for plane in bone_of(scan)])
    inside = ndimage.binary_erosion(inside, np.ones((1, 3, 3)))
    smooth = ndimage.median_filter(scan.hu, (1, 3, 3))
    spongy = inside & (smooth > CANCELLOUS_HU[0]) & (smooth < CANCELLOUS_HU[1])
    sigma = [AROUND_MM / edge for edge in scan.spacing]
    near, whole = (
        ndimage.gaussian_filter(mask.astype(np.float32), sigma) for mask in (spongy, inside)
    )
    return np.asarray(near / np.maximum(whole, 1e-3), np.float32)


def bone_of(scan: Scan) -> NDArray[np.bool_]:
    """Dense pieces of bone's size."""
    found = objects_of(scan.hu, find_runs(scan.hu, BONE_HU))
    whole = (slice(0, scan.hu.shape[0]), slice(0, scan.hu.shape[1]), slice(0, scan.hu.shape[2]))
    big = found.voxels * scan.voxel_mm3 >= BONE_MM3
    return paint(
        whole, take(found.runs, big[found.label - 1]), True, out=np.zeros(scan.hu.shape, np.bool_)
    )
