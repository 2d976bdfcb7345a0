"""What objects of one scan say of one another: courses of vessels, lists too long to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from calcimetry.deposits.listed import stay_listed
from calcimetry.deposits.object_stage import KINDS
from calcimetry.deposits.reasons import Verdict
from calcimetry.deposits.rules import EDGE_MM, SMALL_MM3
from calcimetry.deposits.vessel_course import along_course
from calcimetry.describe.evidence import Evidence, SampledObjects
from calcimetry.records import LISTED, Kind, Likeness, Rule, Scan

COURSE_DEPTH_MM = 15.0  # deposits under the skin lie along lines, too: tendons, crests of bone


def mark_vessels(
    scan: Scan,
    objects: SampledObjects,
    verdicts: Sequence[Verdict],
    evidence: Sequence[Evidence],
) -> list[Verdict]:
    """The verdicts, but small deep objects along a line are a vessel's."""
    final = list(verdicts)
    pairs = zip(verdicts, evidence, strict=True)
    small = [k for k, pair in enumerate(pairs) if may_be_vessel(*pair)]
    along = along_course(scan.to_lps(objects.subset(small).centroids))
    for k, found in zip(small, along.tolist(), strict=True):
        if found:
            final[k] = Verdict(Kind.VESSEL, Rule.VESSEL_COURSE, 0.6, {}, Likeness.VESSEL)
    return final


def may_be_vessel(verdict: Verdict, evidence: Evidence) -> bool:
    """Whether an object may be one of those along an artery's wall."""
    return (
        verdict.kind in LISTED
        and not evidence.in_trunk
        and evidence.edge_mm > EDGE_MM
        and evidence.volume_mm3 <= SMALL_MM3
        and evidence.skin_depth_mm is not None
        and evidence.skin_depth_mm >= COURSE_DEPTH_MM
    )


def end_list(verdicts: Sequence[Verdict], evidence: Sequence[Evidence]) -> list[Verdict]:
    """The verdicts, but what is uncertain beyond what a reader looks at is not listed."""
    final = list(verdicts)
    doubtful = [k for k, v in enumerate(verdicts) if v.kind is Kind.UNCERTAIN and v.likeness]
    stays = stay_listed(
        [verdicts[k].confidence for k in doubtful], [evidence[k].volume_mm3 for k in doubtful]
    )
    for k, stay in zip(doubtful, stays.tolist(), strict=True):
        like = verdicts[k].likeness
        if not stay and like is not None:
            own = verdicts[k]
            final[k] = replace(
                own, kind=KINDS[like], rule=Rule.UNLIKELY, confidence=1 - own.confidence
            )
    return final
