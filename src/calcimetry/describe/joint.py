"""What a deposit lies beside or in, from joints and from a label map; refines its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy import Anatomy, LabelMap, Structure, structures_at
from calcimetry.anatomy.joint import find_joints, nearest_joints
from calcimetry.records import Place, Runs, Scan
from calcimetry.runs import sample_voxels

MOST_POINTS = 200
MOST_INSIDE = 0.5  # share of a deposit that must lie in a structure of the label map
NEAR_BONE_MM = 5.0  # a capsule and its bursae lie against bone; the thenar muscles do not
CAPSULE_MM = 12.0
"""A capsule and its bursae reach this far beyond the joint's own surface in large joints
(olecranon bursa, suprapatellar pouch), and by its radius and a half in small ones (fingers)."""


def beside(
    scan: Scan, deposits: Sequence[Runs], anatomy: Anatomy, places: Sequence[Place]
) -> list[Place]:
    """Places with joint, joint distance, and the tissue that joint or label map tell."""
    if not deposits:
        return []
    voxels, bounds = sample_voxels(deposits, scan.hu.shape, MOST_POINTS)
    points = scan.to_lps(voxels)
    joints = find_joints(scan, anatomy.skeleton.runs, deposits, anatomy.labels)
    made = []
    nearest = nearest_joints(joints, points, bounds)
    for place, found in zip(places, nearest, strict=True):
        if found is not None:
            joint, gap = found
            place = replace(  # noqa: PLW2901
                place,
                nearest_joint=joint.name,
                joint_distance_mm=gap,
                tissue=near_joint(place, gap, joint.radius_mm),
            )
        made.append(place)
    if anatomy.labels is None:
        return made
    groups = np.split(points, bounds[1:-1])
    return [_within(p, anatomy.labels, at) for p, at in zip(made, groups, strict=True)]


def near_joint(place: Place, gap_mm: float, radius_mm: float) -> str | None:
    """Periarticular beside bone, where a joint is within reach of its own capsule; else as it was.

    In fat under the skin only what touches bone counts: a finger's pad is near a joint, and
    lies in the pad.
    """
    reach = radius_mm + min(CAPSULE_MM, 1.5 * radius_mm)
    kept = place.tissue in (None, "skin", "lung")
    kept |= place.tissue == "subcutis" and not place.touches_bone
    kept |= place.bone_distance_mm is None or place.bone_distance_mm > NEAR_BONE_MM
    return place.tissue if kept or gap_mm > reach else "periarticular"


def tissue_in(structure: Structure) -> str | None:
    """The tissue that a label map's structure says; None where it says nothing of it."""
    words = {"vessel": "vessel wall", "muscle": "muscle", "airway": "airway"}
    if structure.kind == "organ":
        return "lung" if structure.name.startswith("lung") else "organ"
    return words.get(structure.kind)


def _within(place: Place, labels: LabelMap, points: NDArray[np.float64]) -> Place:
    found = Counter(structures_at(labels, points))
    structure, count = found.most_common(1)[0]
    if structure is None or count < MOST_INSIDE * len(points):
        return place
    return replace(place, tissue=tissue_in(structure) or place.tissue)
