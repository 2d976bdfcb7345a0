"""What can be seen of a dense object: itself, what surrounds it, where it stands in the body."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.anatomy import LabelMap, Structure, structures_at
from calcimetry.records import Objects, Runs, Scan
from calcimetry.runs import box_of, crop, paint, voxels_of

SHELL_FROM_MM, SHELL_TO_MM = 2.0, 6.0
"""Surroundings lie this far off: beyond the object's own blur, within its own tissue."""

SAMPLED = 400
"""Voxels of an object that distances are taken from: its surface is known well enough."""

LEAST_PAIRS = 20
BESIDE_MM = 2.5
_SIX_WAYS = np.concatenate([np.eye(3), -np.eye(3)])
MOST_VOXELS = 200_000
FAT_HU = (-200.0, -30.0)
AIR_HU = -300.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Fractions of the shell around an object; of what is not dense in it, median and noise.

    noise_hu : 1 SD of the noise there, from neighbouring voxels
    """

    fat: float
    soft: float
    air: float
    dense: float
    median_hu: float | None
    noise_hu: float | None


NOTHING = Surroundings(0.0, 0.0, 0.0, 0.0, None, None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One dense object as the rules see it.

    axes_mm : full lengths of the ellipsoid of equal moments, longest first
    thickness_mm : diameter of the largest ball that fits inside, right to a voxel; this and
        the distances only where a rule asks for them
    inside : fraction of it that lies in the body
    skeletal : the skeleton's finder took it for bone
    in_trunk : it lies in slices as thick as a trunk
    structure : of the user's label map, that most of it lies in
    enclosure : share of directions in its slice in which bone lies before the skin; with
        the distances
    deposit_probability : the network's mean over it; None without a network
    marked : the network takes it for a deposit
    freed : it was cut from something bigger, such as a bone
    """

    voxels: int
    volume_mm3: float
    mean_hu: float
    peak_hu: int
    axes_mm: tuple[float, float, float]
    inside: float
    at_edge: bool
    skeletal: bool
    surroundings: Surroundings
    contrast_given: bool | None
    in_trunk: bool = False
    structure: Structure | None = None
    deposit_probability: float | None = None
    marked: bool = False
    freed: bool = False
    thickness_mm: float = 0.0
    bone_distance_mm: float | None = None
    skin_depth_mm: float | None = None
    enclosure: float | None = None


def axes(moment: NDArray[np.float64], spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """Full axis lengths (3,), longest first, mm, of the ellipsoid with the same moments.

    A solid ellipsoid of semi-axis a has variance a^2/5 along it; a voxel adds its own
    width, ``s^2/12``, without which a single voxel would have no size.
    """
    step = np.array(spacing)
    covariance = moment * np.outer(step, step) + np.diag(step**2) / 12.0
    spread = np.clip(np.linalg.eigvalsh(covariance)[::-1], 0.0, None)
    lengths: NDArray[np.float64] = 2.0 * np.sqrt(5.0 * spread)
    return lengths


def thickness(scan: Scan, runs: Runs) -> float:
    """Diameter of the largest ball that fits into an object, mm; coarser for big objects."""
    box = box_of(runs)
    own = np.pad(paint(box, runs), 1)
    stride = max(1, round((own.size / MOST_VOXELS) ** (1 / 3)))
    coarse = own[::stride, ::stride, ::stride]
    depth = ndimage.distance_transform_edt(coarse, sampling=np.array(scan.spacing) * stride)
    return 2.0 * float(depth.max())


def surroundings(scan: Scan, runs: Runs, threshold: float) -> Surroundings:
    """What lies in a shell around an object, seen in a crop of the scan."""
    reach = max(SHELL_TO_MM, 1.5 * max(scan.spacing))
    box = crop(box_of(runs), scan.hu.shape, reach, scan.spacing)
    own = paint(box, runs)
    distance = ndimage.distance_transform_edt(~own, sampling=scan.spacing)
    hu = scan.hu[box]
    shell = hu[(distance >= SHELL_FROM_MM) & (distance <= reach)]
    if not shell.size:
        return NOTHING
    dense = shell >= threshold
    quiet = shell[~dense]
    return Surroundings(
        fat=float(np.mean((shell > FAT_HU[0]) & (shell < FAT_HU[1]))),
        soft=float(np.mean((shell >= FAT_HU[1]) & ~dense)),
        air=float(np.mean(shell < AIR_HU)),
        dense=float(dense.mean()),
        median_hu=float(np.median(quiet)) if quiet.size else None,
        noise_hu=noise(hu, threshold),
    )


def noise(hu: NDArray[np.int16], threshold: float) -> float | None:
    """1 SD of the noise in a crop, from differences of neighbours in tissue.

    The median of absolute differences does not see the few that lie across borders of
    tissues; the axis with the most is taken, since noise is least correlated along it.
    """
    spreads = []
    for axis in range(3):
        one, other = np.delete(hu, -1, axis), np.delete(hu, 0, axis)
        low, high = np.minimum(one, other), np.maximum(one, other)
        tissue = (low > FAT_HU[0]) & (high < threshold)
        if tissue.sum() >= LEAST_PAIRS:
            apart = high[tissue].astype(np.float64) - low[tissue]
            spreads.append(1.4826 * float(np.median(apart)) / np.sqrt(2.0))
    return max(spreads, default=None)


def at_edge(objects: Objects, number: int) -> bool:
    """Whether an object reaches the border of the volume, so that part of it may be missing."""
    box = objects.box[number - 1]
    return bool((box[::2] == 0).any() or (box[1::2] == np.array(objects.runs.shape)).any())


def structure_of(scan: Scan, labels: LabelMap | None, points: NDArray[Any]) -> Structure | None:
    """The structure that most of the points (z, y, x) lie in; else a vessel beside them.

    Calcium in a vessel's wall often lies just outside of what was labelled as the vessel.
    """
    if labels is None:
        return None
    own = structures_at(labels, scan.to_lps(points))
    name, count = Counter(own).most_common(1)[0]
    if name is not None and count >= 0.5 * len(own):
        return name
    beside = (scan.to_lps(points)[:, None] + BESIDE_MM * _SIX_WAYS).reshape(-1, 3)
    vessels = Counter(s for s in structures_at(labels, beside) if s and s.kind == "vessel")
    return next((s for s, n in vessels.most_common(1) if n >= len(beside) / 6), None)


def sample(runs: Runs) -> NDArray[np.int32]:
    """At most SAMPLED voxels of an object (z, y, x), evenly taken in raster order."""
    voxels = voxels_of(runs)
    return voxels[:: max(1, -(-len(voxels) // SAMPLED))]


def least(distances: NDArray[np.float64]) -> float | None:
    """The smallest distance; None where all are unknown (not a number)."""
    known = distances[np.isfinite(distances)]
    return float(known.min()) if known.size else None
