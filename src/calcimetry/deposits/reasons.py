"""Verdicts of the finder, and its rules in words: what a reader is told of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from calcimetry.records import Kind, Rule

Values = Mapping[str, str | float]
"""What a rule saw, by the names in its template."""

REASONS: Mapping[Rule, str] = {
    Rule.EXTERNAL: "lies outside the body",
    Rule.METAL: "brighter than mineral (peak {peak_hu} HU)",
    Rule.LABEL_MAP: "lies in the label map's {structure}",
    Rule.FIELD_EDGE: "the scan's edge cuts it: it may be part of a bone",
    Rule.LARGE_SPLIT_DOUBTED: "a big part of a bone, of which the network is not sure",
    Rule.SPLIT_DOUBTED: "beside bone, and more likely bone than deposit by the network",
    Rule.SKELETON: "large, with the make of bone, or part of the skeleton",
    Rule.NOISE: "its peak of {peak_hu} HU is within {sds:.0f} SD of noise ({noise_hu:.0f} HU)",
    Rule.SPLIT_AMID_BONES: "cut from bone amid bones, and the network is not sure",
    Rule.SPLIT_FROM_BONE: "the network tells it from the bone it touches",
    Rule.CONTRAST_POOL: "evenly and moderately bright, without a dense core",
    Rule.AIR_AROUND: "on the skin or in a tube: mostly air around it",
    Rule.WITHIN_TRUNK: "within the trunk, where vessels, organs and bowel hold calcium too",
    Rule.AT_RIBS: (
        "in the front of the chest's wall at the depth of the ribs: cartilage calcifies there"
    ),
    Rule.TRUNK_WALL: (
        "in the trunk's wall, where ribs and cartilage look like deposits to the network"
    ),
    Rule.BESIDE_BONE: "beside bone, and the network takes it for bone",
    Rule.CONTRAST_LEVEL: (
        "no brighter than blood and organs with contrast medium here ({contrast_hu:.0f} HU)"
    ),
    Rule.LINEAR: "long and thin, as calcium in a vessel's wall is",
    Rule.SMALL_DEEP: "small, and in a cavity of the body, as phleboliths and arterial calcium are",
    Rule.NETWORK_POSITIVE: "the network takes it for a deposit",
    Rule.ISOLATED: "stands alone in soft tissue",
    Rule.ISOLATED_LOW_PROBABILITY: (
        "stands alone in soft tissue, though the network does not take it for a deposit"
    ),
    Rule.UNDECIDED: "dense, and nothing tells what it is",
    Rule.ROD: "an even rod of constant section, as calibration rods are",
    Rule.VESSEL_COURSE: (
        "one of several small ones along a line, as calcium in an artery's wall is"
    ),
    Rule.REMAINDER: "stands alone in soft tissue, and the rest of it is a deposit by the network",
    Rule.SATELLITE: "doubtful by itself, but beside a bigger deposit",
    Rule.UNLIKELY: "more likely {kind} than deposit ({percent:.0f} %)",
}
"""The sentence of each rule, a template (`str.format`) of the rule's values. docs/finder.md holds
the same table."""


def reason_of(rule: Rule, values: Values) -> str:
    """The rule's sentence with its values. Raises KeyError where one is missing."""
    return REASONS[rule].format_map(values)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an object is, by which rule; `values` are those that the rule's sentence names."""

    kind: Kind
    rule: Rule
    confidence: float
    values: Values = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """The rule in words, for readers; programs compare `rule`."""
        return reason_of(self.rule, self.values)
