"""The rules of the finder: what geometry surely knows of a dense object.

The first that speaks decides (`RULES`); what none speaks of is a candidate, which the object stage
judges. Rules label, they never delete: what they set aside is listed with their reason.
"""

from __future__ import annotations

from collections.abc import Callable

from calcimetry.anatomy import Structure
from calcimetry.deposits.reasons import Verdict
from calcimetry.describe.evidence import Evidence
from calcimetry.records import Kind, Rule

METAL_PEAK_HU = 2500
"""Mineral stays below: enamel reaches some 2,900 HU at 120 kVp, but lies in the skull. Of 146
natural objects four passed it: clips, hooks and a port, whose means were below 800."""

MOSTLY_INSIDE = 0.5  # of an object, in the body
SURE = 0.95  # the network's probability above which an object is no part of the skeleton
SOFT_HU = 50.0
NOISE_SDS = 5.0  # on limb CTs with noise of 30-43 HU, 97-99 % of specks lie below; docs/finder.md
SPECK_VOXELS = 100

EDGE_MM = 1.0  # from the scan's edge, which may cut what lies there; docs/finder.md
SMALL_MM3, DEEP_MM = 270.0, 50.0  # a ball of 8 mm; deeper than most of a limb
TRUNK_WALL_MM = 40.0
RINGED, HALF_RINGED = 0.75, 0.5  # within ribs or pelvis; and where it is deep, too
ENCLOSED = 0.6  # of the directions in its slice: bone before skin; docs/finder.md
ENCLOSED_AT_BONE, AT_BONE_MM = 0.85, 20.0  # beside a femur or in a knee it alone makes 0.7
OFF_BONE_MM = 2.0

NAMED = {"bone": Kind.BONE, "cartilage": Kind.CARTILAGE, "vessel": Kind.VESSEL}
STONE_ORGANS = ("kidney", "gallbladder", "bladder", "ureter", "prostate")

RuleFunction = Callable[[Evidence], Verdict | None]


def decided(evidence: Evidence) -> Verdict | None:
    """The verdict of the first of RULES that speaks; None for candidates."""
    for rule in RULES:
        verdict = rule(evidence)
        if verdict is not None:
            return verdict
    return None


def within_noise(evidence: Evidence) -> Verdict | None:
    """Peaks of noise above the threshold: many in a noisy scan, none far above it.

    Asks for the surroundings.
    """
    around, trusted = evidence.surroundings, evidence.split_off or _sure(evidence)
    if around is None or evidence.voxels >= SPECK_VOXELS or trusted:
        return None
    sd, median = around.noise_hu, around.median_hu
    if sd is None or median is None:
        return None
    if evidence.peak_hu >= max(median, SOFT_HU) + NOISE_SDS * sd:
        return None
    values = {"peak_hu": evidence.peak_hu, "sds": NOISE_SDS, "noise_hu": sd}
    return Verdict(Kind.NOISE, Rule.NOISE, 0.8, values)


def held_back(evidence: Evidence) -> Rule | None:
    """Why an object is no more than uncertain, however probable a deposit it is; None: it is not.

    What the scan's edge cuts cannot be seen whole. Within a trunk, and small and deep in a pelvis,
    organs, vessels and bowel hold calcium that looks no different.
    """
    if evidence.edge_mm <= EDGE_MM:
        return Rule.FIELD_EDGE
    if evidence.in_trunk and _within_trunk(evidence):
        return Rule.WITHIN_TRUNK
    small = evidence.volume_mm3 <= SMALL_MM3 and _depth(evidence) > DEEP_MM
    off_bone = evidence.bone_distance_mm is None or evidence.bone_distance_mm > OFF_BONE_MM
    if small and off_bone and _in_cavity(evidence):
        return Rule.SMALL_DEEP
    return None


def _within_trunk(evidence: Evidence) -> bool:
    """Not in its wall: ribs or pelvis all around, or far from the skin with bone on many sides."""
    deep = _depth(evidence) > TRUNK_WALL_MM
    if evidence.enclosure is None:
        return deep
    return evidence.enclosure >= RINGED or (deep and evidence.enclosure >= HALF_RINGED)


def _in_cavity(evidence: Evidence) -> bool:
    """Within pelvis or trunk; so is what nobody can tell of."""
    if evidence.in_trunk or evidence.enclosure is None:
        return True
    near = evidence.bone_distance_mm is not None and evidence.bone_distance_mm <= AT_BONE_MM
    return evidence.enclosure >= (ENCLOSED_AT_BONE if near else ENCLOSED)


def _depth(evidence: Evidence) -> float:
    return evidence.skin_depth_mm or 0.0


def _external(evidence: Evidence) -> Verdict | None:
    if evidence.fraction_in_body >= MOSTLY_INSIDE:
        return None
    return Verdict(Kind.EXTERNAL, Rule.EXTERNAL, 0.5 + 0.5 * (1 - evidence.fraction_in_body))


def _metal(evidence: Evidence) -> Verdict | None:
    if evidence.peak_hu < METAL_PEAK_HU or evidence.skeletal:
        return None
    return Verdict(Kind.METAL, Rule.METAL, 0.9, {"peak_hu": evidence.peak_hu})


def _named(evidence: Evidence) -> Verdict | None:
    """What the user's label map says; it outranks all that was guessed from the images."""
    structure = evidence.structure
    if structure is None or (structure.kind == "bone" and evidence.network_positive):
        return None  # label maps of bone swallow what grows on bone: the network cuts that
    kind = NAMED.get(structure.kind)
    return None if kind is None else _lies_in(structure, kind, 0.9)


def _in_organ(evidence: Evidence) -> Verdict | None:
    """Calcium in a named organ: a stone where stones form, else not for us to say."""
    structure = evidence.structure
    if structure is None or structure.kind != "organ":
        return None
    stone = any(organ in structure.name for organ in STONE_ORGANS)
    return _lies_in(structure, Kind.STONE if stone else Kind.UNCERTAIN, 0.7)


def _lies_in(structure: Structure, kind: Kind, confidence: float) -> Verdict:
    values = {"structure": structure.name.replace("_", " ")}
    return Verdict(kind, Rule.LABEL_MAP, confidence, values)


def _sure(evidence: Evidence) -> bool:
    return evidence.network_positive and (evidence.deposit_probability or 0.0) >= SURE


def _bone(evidence: Evidence) -> Verdict | None:
    if not evidence.skeletal:
        return None
    return Verdict(Kind.BONE, Rule.SKELETON, 0.9)


RULES: tuple[RuleFunction, ...] = (_external, _metal, _named, _bone, _in_organ)
