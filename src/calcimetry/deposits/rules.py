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
