"""Deposits whose bones do not say how they moved, placed by their surroundings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from calcimetry.followup.alignment import Alignment
from calcimetry.followup.motion import LocalMotion, Motion, Points
from calcimetry.followup.tissue_registration import sought, tissue_of
from calcimetry.followup.visit import Visit

_DOUBT_MM = 0.5  # of where bones lay it, from which on tissue is asked
_HOLDS_MM = 7.0  # from bone, within which capsule and ligaments hold tissue to it
_BONES = 3  # nearest motions that are tried
_SAME_MM = 6.0  # deposits of two visits this near are one place


def placed(alignment: Alignment, first: Visit, second: Visit) -> Alignment:
    """An alignment with the places of deposits that lie between bones that moved otherwise.

    Nothing is changed where one motion explains all bones, where there is too little bone, or
    where a visit was written without its soft tissue.
    """
    if alignment.by_skin or alignment.failed or first.soft is None or second.soft is None:
        return alignment
    asked = [c for c in _centres(first) if _in_doubt(alignment, c)]
    back = [c for c in _centres(second) if _in_doubt(alignment, alignment.to_first(c))]
    if not asked and not back:
        return alignment
    tissues = tissue_of(first.soft), tissue_of(second.soft)
    found: list[LocalMotion] = []
    for centre in asked:
        motions = _motions(alignment, centre, first=True)
        place = sought(*tissues, centre, motions)
        found += [place] if place is not None else []
    for centre in back:
        if any(np.linalg.norm(place.there - centre) < _SAME_MM for place in found):
            continue
        motions = [motion.inverse() for motion in _motions(alignment, centre, first=False)]
        place = sought(*tissues[::-1], centre, motions)
        found += [place.backward] if place is not None else []
    return replace(alignment, places=tuple(found))


def _centres(visit: Visit) -> Iterator[Points]:
    return (shape.mean(axis=0) for shape in visit.shapes.values())


def _in_doubt(alignment: Alignment, point: Points) -> bool:
    return alignment.between(point) > _DOUBT_MM and alignment.gaps(point).min() > _HOLDS_MM


def _motions(alignment: Alignment, point: Points, *, first: bool) -> list[Motion]:
    """What bones make of a point: together, then each of the nearest alone."""
    nearest = np.argsort(alignment.gaps(point, first=first))[:_BONES]
    return [alignment.carrying(point, first=first), *(alignment.motions[k] for k in nearest)]
