"""Where a deposit lies: tissue, side, site, depth under the skin, distance to bone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy import Anatomy, LabelMap, Structure, structures_at
from calcimetry.describe.evidence import samples
from calcimetry.describe.joint import beside
from calcimetry.describe.surroundings import Surroundings
from calcimetry.records import Flag, Place, Runs, Scan
from calcimetry.sites import agree, laterality, region_of, understand

SKIN_MM = 2.0  # skin of limbs is 0.6 to 1.0 mm (EVIDENCE: ultrasound), and voxels blur it
TOUCH_MM = 1.0  # plus a voxel: a gap below that cannot be seen
DEEPER_MM = 10.0  # less deep, air around a deposit is the room's
SKIN_REACH_MM = 6.0  # skin this near is part of what surrounds a deposit
SUBCUTIS, SUBCUTIS_BY_SKIN, FASCIA = 0.6, 0.45, 0.35  # share of fat in soft tissue around

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


class HasPlace(Protocol):
    """What a place is told from: `Located`, or the finder's `Evidence`."""

    @property
    def surroundings(self) -> Surroundings | None: ...
    @property
    def skin_depth_mm(self) -> float | None: ...
    @property
    def bone_distance_mm(self) -> float | None: ...


def places(
    scan: Scan,
    deposits: Sequence[Runs],
    evidence: Sequence[HasPlace],
    anatomy: Anatomy,
    site: str | None,
) -> list[Place]:
    """The place of each deposit.

    evidence : what was seen of each
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
    centroids = [points[a:b].mean(axis=0) for a, b in pairwise(bounds)]
    return [_named(p, scan, m, labels) for p, m in zip(made, centroids, strict=True)]


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
    """Side and site from the user's words, or from Laterality and Body Part Examined.

    Only words that `calcimetry.sites` knows. A side of which the file's tags disagree is none.
    """
    user, tag = understand(site), understand(scan.acquisition.body_part)
    sides = _sides_told(scan)
    side = user.side or (sides[0] if len(sides) == 1 else None)
    return side, user.site or tag.site


def _sides_told(scan: Scan) -> list[str]:
    """The sides that the scan's tags name: one, none, or two that disagree."""
    named = understand(scan.acquisition.body_part).side
    tag = {"L": "left", "R": "right"}.get(laterality(scan.acquisition.laterality or "") or "")
    return sorted({side for side in (tag, named) if side is not None})


def site_flags(site: str | None, scan: Scan) -> tuple[Flag, ...]:
    """SITE_CONTRADICTS, where the user's words and the scan's tags cannot both be right."""
    user, tag = understand(site), understand(scan.acquisition.body_part)
    sides, odd = _sides_told(scan), []
    if user.sites and tag.sites and not agree(user.sites, tag.sites):
        odd.append(f"{user.site} was given, the file says {tag.site}")
    if user.side and sides and sides != [user.side]:
        odd.append(f"{user.side} was given, the file says {' and '.join(sides)}")
    if not user.side and len(sides) > 1:
        odd.append("the file says left and right")
    if not odd:
        return ()
    text = f"site or side may be wrong, is this the right scan? {'; '.join(odd)}"
    return (Flag("SITE_CONTRADICTS", text),)


def tissue(around: Surroundings | None, depth: float | None) -> str | None:
    """The tissue that surrounds a deposit, in a word; None where nothing tells.

    Skin, lung, subcutis, fascia (fat and muscle both) or muscle; `beside` adds what joints and
    label maps tell. Reasons: docs/anatomy.md.
    """
    if around is None or around.median_hu is None:
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
