"""Verdicts of the finder, and its rules in words: what a reader is told of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from calcimetry.describe.evidence import Evidence
from calcimetry.records import Kind, Likeness, Rule

Values = Mapping[str, str | float]
"""What a rule saw, by the names in its template."""

REASONS: Mapping[Rule, str] = {
    Rule.EXTERNAL: "lies outside the body",
    Rule.METAL: "brighter than mineral (peak {peak_hu} HU)",
    Rule.LABEL_MAP: "lies in the label map's {structure}",
    Rule.SKELETON: "large, with the make of bone, or part of the skeleton",
    Rule.NOISE: "its peak of {peak_hu} HU is within {sds:.0f} SD of noise ({noise_hu:.0f} HU)",
    Rule.ROD: "an even rod of constant section, as calibration rods are",
    Rule.OBJECT_STAGE: "{percent:.0f} % deposit, else {like}-like: {evidence}",
    Rule.UNLIKELY: "{like}-like, {percent:.1f} % deposit: {evidence}",
    Rule.FIELD_EDGE: (
        "{edge_mm:.0f} mm from the scan's edge, where it may be part of a bone: {evidence}"
    ),
    Rule.WITHIN_TRUNK: (
        "within the trunk, where vessels, organs and bowel hold calcium too: {evidence}"
    ),
    Rule.SMALL_DEEP: (
        "small, and in a cavity of the body, as phleboliths and arterial calcium are: {evidence}"
    ),
    Rule.VESSEL_COURSE: (
        "one of several small ones along a line, as calcium in an artery's wall is"
    ),
}
"""The sentence of each rule, a template (`str.format`) of the rule's values. docs/finder.md holds
the same table."""


def reason_of(rule: Rule, values: Values) -> str:
    """The rule's sentence with its values. Raises KeyError where one is missing."""
    return REASONS[rule].format_map(values)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an object is, by which rule; `values` are those that the rule's sentence names.

    likeness : what it is most like, of what is no deposit, by the object stage
    """

    kind: Kind
    rule: Rule
    confidence: float
    values: Values = field(default_factory=dict)
    likeness: Likeness | None = None

    @property
    def reason(self) -> str:
        """The rule in words, for readers; programs compare `rule`."""
        return reason_of(self.rule, self.values)


TOUCH_MM, NEAR_BONE_MM = 1.5, 15.0
FAT_SHARE, AIR_SHARE, GAS_SHARE, BONY_SHARE = 0.6, 0.3, 0.03, 0.8
ALIGNED = 0.95


def evidence_in_words(seen: Evidence, own: Mapping[str, float]) -> str:
    """What an object's probability rests on, for readers: "alone in fat, 12 mm under the skin".

    own : its features, by name
    """
    words = [_surrounded(seen, own), *_company(own)]
    if seen.skin_depth_mm is not None:
        words.append(f"{seen.skin_depth_mm:.0f} mm under the skin")
    if seen.edge_mm == 0:
        words.append("cut by the scan's edge")
    if "core_logit" in own:
        words.append(f"network {1 / (1 + math.exp(-own['core_logit'])):.2f}")
    return ", ".join(words)


def _surrounded(seen: Evidence, own: Mapping[str, float]) -> str:
    gap = seen.bone_distance_mm
    if seen.split_off or (gap is not None and gap < TOUCH_MM):
        amid = own["bone_far_directions"] >= BONY_SHARE
        return "touching bone, bone on most sides" if amid else "touching bone"
    if own["shell_air"] >= AIR_SHARE:
        return "beside air"
    if own["gas_10_mm"] >= GAS_SHARE:
        return "beside gas"
    tissue = "in fat" if own["shell_fat"] >= FAT_SHARE else "in soft tissue"
    return f"{tissue}, {gap:.0f} mm from bone" if gap and gap <= NEAR_BONE_MM else tissue


def _company(own: Mapping[str, float]) -> list[str]:
    others = round(math.expm1(own["neighbours_15_mm"]))
    if not others:
        return ["alone"]
    aligned = own["in_line"] >= ALIGNED and own["neighbours_40_mm"] > own["neighbours_15_mm"]
    return [f"{others} more within 15 mm", *(["in a row with others"] if aligned else [])]
