"""Examinations, or the folders that hold them, as visits to follow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calcimetry import followup
from calcimetry.arguments import check
from calcimetry.exchange import document, load
from calcimetry.followup.events import Events
from calcimetry.followup.follow import FollowUp
from calcimetry.followup.visit import Visit
from calcimetry.records import Examination


def follow(
    examinations: Sequence[Examination | str | Path],
    *,
    repeat: str | Path | None = None,
    events: Events | None = None,
) -> FollowUp:
    """Follow deposits through two or more visits of one person.

    Parameters
    ----------
    examinations : from `calcimetry.measure`, or folders that it wrote, in any order where
        their dates differ
    repeat : a repeatability profile ("people", "phantom") or a TOML file of the study's own
    events : what was operated on or extruded, and readers' scores

    Totals that cannot be given are withheld, with a flag of that severity that says why: the
    visits could not be laid over each other, are one scan, or leave nothing but doubt.

    Raises UsageError (TOO_FEW_VISITS, BAD_REPEATABILITY, BAD_EVENTS, BAD_ARGUMENT), InputError for
    folders that are no examinations or hold no landmarks, WithheldError for visits that cannot be
    compared (OTHER_PERSON, OTHER_SIDE, OTHER_IMAGES, OTHER_THRESHOLD).
    """
    check(examinations, (list, tuple), "a list of examinations or their folders", "examinations")
    visits = [visit_of(source, number) for number, source in enumerate(examinations, 1)]
    return followup.follow(visits, repeat=repeat, events=events)


def visit_of(source: Examination | str | Path, number: int) -> Visit:
    """A visit from an examination or from the folder that `calcimetry measure` wrote.

    Raises InputError: NOT_AN_EXAMINATION, SCHEMA_MISMATCH, EXAM_DAMAGED, NO_LABELS,
    NO_LANDMARKS.
    """
    if isinstance(source, Examination):
        return followup.visit_of(source, document(source), number)
    exam = load(source)
    return followup.visit_of(exam, document(exam), number, where=str(source))
