"""When no total change can be given, and why."""

from __future__ import annotations

from collections.abc import Sequence

from calcimetry.followup.lineage import LineageChange
from calcimetry.followup.visit_pair import VisitPair
from calcimetry.records import Flag, Severity

_UNSURE = ("doubtful", "not_covered")
_TEXTS = {
    "MIRRORED": "one visit fits the other's mirror image far better than itself: another side of "
    "the body, or a file that a program mirrored.",
    "NOTHING_SHARED": "the two scans show hardly any of the same bone (or skin): another part of "
    "the body, or too little of it.",
    "ALIGNMENT_FAILED": "the two scans could not be laid over each other: another person, another "
    "part of the body, or one that is bent or turned further than can be followed.",
    "FEW_FOUND_AGAIN": "bones lie over each other roughly, but too few of the deposits of one "
    "visit are where the other has some: another person, or another part of the body.",
    "ALL_DOUBTFUL": "no deposit could be followed for sure from one visit to the other.",
    "MASS_WITHHELD": "the mass of a deposit was withheld on one of the visits.",
}


def reasons(
    pair: VisitPair, counted: Sequence[LineageChange], rows: Sequence[LineageChange]
) -> tuple[Flag, ...]:
    """Why the total change of two visits is withheld; none where it is not.

    counted : the lineages that it would be made of; rows : all
    """
    codes = [_failure(pair)] if pair.alignment.failed else []
    if not codes and rows and all(row.fate in _UNSURE for row in rows):
        codes.append("ALL_DOUBTFUL")
    if not codes and any(a.mass_mg is None for row in counted for a in row.amounts):
        codes.append("MASS_WITHHELD")
    a, b = (visit.number for visit in pair.visits)
    return tuple(
        Flag(code, f"Visits {a} and {b}: {_TEXTS[code]}", Severity.WITHHELD) for code in codes
    )


def _failure(pair: VisitPair) -> str:
    agreement = pair.alignment.agreement
    if pair.alignment.mirrored:
        return "MIRRORED"
    if agreement is not None and not agreement.enough:
        return "NOTHING_SHARED"
    fits = agreement is None or agreement.fits
    return "FEW_FOUND_AGAIN" if fits and pair.alignment.doubted else "ALIGNMENT_FAILED"
