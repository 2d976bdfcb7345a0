"""Where a deposit lies: tissue, side, site, depth under the skin, distance to bone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy import Anatomy, LabelMap, Structure, structures_at
from calcimetry.deposits.around import Surroundings
from calcimetry.deposits.beside import beside
from calcimetry.deposits.evidence import Evidence, samples
from calcimetry.records import Place, Runs, Scan

SKIN_MM = 2.0  # skin of limbs is 0.6 to 1.0 mm (EVIDENCE: ultrasound), and voxels blur it
TOUCH_MM = 1.0  # plus a voxel: a gap below that cannot be seen
DEEPER_MM = 10.0  # less deep, air around a deposit is the room's
SKIN_REACH_MM = 6.0  # skin this near is part of what surrounds a deposit
SUBCUTIS, SUBCUTIS_BY_SKIN, FASCIA = 0.6, 0.45, 0.35  # share of fat in soft tissue around

REGIONS = {
    "upper limb": "finger thumb hand wrist forearm elbow arm upper shoulder axilla",
    "lower limb": "toe foot ankle calf leg knee thigh hip buttock",
    "trunk": "chest thorax abdomen pelvis back spine trunk rib heart",
    "head and neck": "head neck skull face jaw ear",
}


SITES = {
    "finger": "finger",
    "metacarp": "hand",
    "carpal": "wrist",
    "radius": "forearm",
    "ulna": "forearm",
    "humerus": "upper arm",
    "scapula": "shoulder",
    "clavic": "shoulder",
    "toe": "toe",
    "metatars": "foot",
    "tarsal": "ankle",
    "tibia": "lower leg",
    "fibula": "lower leg",
    "patella": "knee",
    "femur": "thigh",
    "hip": "hip",
    "sacrum": "pelvis",
    "rib": "chest",
    "sternum": "chest",
    "vertebra": "back",
    "skull": "head",
}
"""Site by the bone that is nearest, as label maps name bones; first match counts."""

REACH_MM, STEP_MM = 45.0, 3.0  # how far, and how finely, a label map is searched for bone


def places(
    scan: Scan,
    deposits: Sequence[Runs],
    evidence: Sequence[Evidence],
    anatomy: Anatomy,
    site: str | None,
) -> list[Place]:
    """The place of each deposit.

    evidence : what the finder saw of each, looked at closely
    site : the user's words, such as "left hand"; else the scan's own tags
    """
    side, word = side_and_site(site, scan)
    near = TOUCH_MM + max(scan.spacing[1:])
    made = [
        Place(
            tissue=tissue(seen.surroundings, seen.skin_depth_mm),
            side=side,
            site=word,
            region=region_of(word),
            skin_depth_mm=seen.skin_depth_mm,
            bone_distance_mm=seen.bone_distance_mm,
            touches_bone=None if seen.bone_distance_mm is None else seen.bone_distance_mm <= near,
        )
        for seen in evidence
    ]
    made = beside(scan, deposits, anatomy, made)
    labels = anatomy.labels
    if labels is None:
        return made
    points, bounds = samples(deposits, scan.hu.shape)
    middles = [points[a:b].mean(axis=0) for a, b in pairwise(bounds)]
    return [_named(p, scan, m, labels) for p, m in zip(made, middles, strict=True)]


def _named(place: Place, scan: Scan, middle: NDArray[np.float64], labels: LabelMap) -> Place:
    """The place with bone, side and site by the label map, where the user named none."""
    bone = nearest_bone(labels, scan.to_lps(middle))
    if bone is None:
        return place
    site = place.site or next((site for key, site in SITES.items() if key in bone.name), None)
    return replace(
        place,
        nearest_bone=bone.name,
        side=place.side or bone.side,
        site=site,
        region=place.region or region_of(site),
    )


def nearest_bone(labels: LabelMap, lps: NDArray[np.float64]) -> Structure | None:
    """The bone of a label map that is nearest to a point (x, y, z), within REACH_MM."""
    steps = np.arange(-REACH_MM, REACH_MM + STEP_MM, STEP_MM)
    around = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    around = around[np.argsort((around**2).sum(axis=1), kind="stable")]
    found = structures_at(labels, lps + around)
    return next((s for s in found if s is not None and s.kind == "bone"), None)


def side_and_site(site: str | None, scan: Scan) -> tuple[str | None, str | None]:
    """Side and site from the user's words, or from Laterality and Body Part Examined."""
    words = (site or "").lower().split()
    side = next((word for word in words if word in ("left", "right")), None)
    rest = " ".join(word for word in words if word not in ("left", "right")) or None
    tag = {"L": "left", "R": "right"}.get((scan.acquisition.laterality or "").upper())
    body_part = (scan.acquisition.body_part or "").lower() or None
    return side or tag, rest or body_part


def region_of(site: str | None) -> str | None:
    """Upper limb, lower limb, trunk, head and neck; None for a word that is in none."""
    words = set(re.findall(r"[a-z]+", (site or "").lower()))
    for region, members in REGIONS.items():
        if words & set(members.split()):
            return region
    return None


def tissue(around: Surroundings, depth: float | None) -> str | None:
    """The tissue that surrounds a deposit, in a word; None where nothing tells.

    Skin, lung, subcutis, fascia (fat and muscle both) or muscle; `beside` adds what joints and
    label maps tell. Reasons: docs/anatomy.md.
    """
    if around.median_hu is None:
        return None
    if depth is not None and depth <= SKIN_MM:
        return "skin"
    if around.air > 0.5 and (depth is None or depth > DEEPER_MM):
        return "lung"
    fat = around.fat / max(around.fat + around.soft, 1e-9)
    by_skin = depth is not None and depth <= SKIN_REACH_MM
    if fat >= (SUBCUTIS_BY_SKIN if by_skin else SUBCUTIS):
        return "subcutis"
    return "fascia" if fat > FASCIA else "muscle"
