"""From the evidence of every object to its verdict: rules in their order, evidence as it is needed.

Evidence that is dear is computed for few: each step waits until the rules that do without it have
spoken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from calcimetry.deposits.reasons import Verdict
from calcimetry.deposits.rules import EARLY_SECOND_PASS, FIRST_PASS, SECOND_PASS, RuleFunction
from calcimetry.describe.evidence import Evidence
from calcimetry.records import LISTED, Kind, Rule

EvidenceStep = Callable[[Sequence[int], Sequence[Evidence]], list[Evidence]]
"""An evidence step: computes further fields of `Evidence` for some objects.

It is given the indices of the objects and the evidence of each, and gives that back with what it
adds.
"""


@dataclass(frozen=True, slots=True)
class EvidenceSteps:
    """The steps beyond what is seen of every object, in the order in which they are taken."""

    surroundings: EvidenceStep
    thickness_and_bone: EvidenceStep
    depth_and_enclosure: EvidenceStep


def classify(
    evidence: Sequence[Evidence], steps: EvidenceSteps
) -> tuple[list[Verdict], list[Evidence]]:
    """The verdict on each object, and the evidence that it rests on.

    Steps are lazy: one runs only for objects that earlier rules left open, and for every object
    that is listed by then, since its place is reported. Verdicts, and the evidence of listed
    objects, are those that all steps for all objects would give; no object takes a step twice.
    """
    verdicts = [first_pass(seen) for seen in evidence]
    known = _updated(evidence, _undecided(verdicts, LISTED), steps.surroundings)
    verdicts = [v or first_pass(seen) for v, seen in zip(verdicts, known, strict=True)]
    known = _updated(known, _undecided(verdicts, LISTED), steps.thickness_and_bone)
    verdicts = [v or early_second_pass(seen) for v, seen in zip(verdicts, known, strict=True)]
    known = _updated(known, _undecided(verdicts, LISTED), steps.depth_and_enclosure)
    final = [v or second_pass(seen) for v, seen in zip(verdicts, known, strict=True)]
    return final, known


def first_pass(evidence: Evidence) -> Verdict | None:
    """The first verdict of FIRST_PASS; None where its place in the body must be known."""
    return _first(FIRST_PASS, evidence)


def early_second_pass(evidence: Evidence) -> Verdict | None:
    """Same verdict as `second_pass`, without needing the depth under the skin; None where that
    is needed.

    The rules skipped here apply to network-positive and split-off objects only, or come later
    (tested).
    """
    if evidence.network_positive or evidence.split_off:
        return None
    return _first(EARLY_SECOND_PASS, evidence)


def second_pass(evidence: Evidence) -> Verdict:
    """The first verdict of SECOND_PASS; without any, uncertain."""
    return _first(SECOND_PASS, evidence) or Verdict(Kind.UNCERTAIN, Rule.UNDECIDED, 0.3)


def _first(rules: tuple[RuleFunction, ...], evidence: Evidence) -> Verdict | None:
    for rule in rules:
        verdict = rule(evidence)
        if verdict is not None:
            return verdict
    return None


def _undecided(verdicts: Sequence[Verdict | None], kinds: Sequence[Kind]) -> list[int]:
    """The indices of objects without a verdict, or with one of these kinds."""
    return [k for k, v in enumerate(verdicts) if v is None or v.kind in kinds]


def _updated(
    evidence: Sequence[Evidence], which: Sequence[int], step: EvidenceStep
) -> list[Evidence]:
    """The evidence, with what a step adds to that of some objects."""
    updated = list(evidence)
    for k, more in zip(which, step(which, [evidence[k] for k in which]), strict=True):
        updated[k] = more
    return updated
