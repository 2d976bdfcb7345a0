"""Which of the images found is the scan: grouping into stacks, and the rules of choice.

Rules, in this order (the first that tells two stacks apart decides):

1. fit to be measured: a CT, not a localizer, capture, projection or material map
2. axial before other planes
3. original before derived, then what is not named as a projection
4. covers at least half of what the longest does (bolus tracking and test slices do not)
5. thinner, by the spacing of positions
6. soft kernel before sharp
7. without contrast before unknown before with
8. more slices
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcimetry.errors import CalcimetryError, GeometryError, InputError
from calcimetry.scan.dicom import geometry
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.acquisition import contrast_of, is_derived, is_sharp, kernel_of, kvp_of
from calcimetry.scan.dicom.fitness import refusal
from calcimetry.scan.dicom.image_type import named_projection
from calcimetry.scan.dicom.slices import integer, text, texts
from calcimetry.scan.dicom.stacks import Stack, describe, series_key
from calcimetry.scan.flags import ERRORS, listed
from calcimetry.terms import code

HALF_COVER = 0.5
SPACING_STEP_MM = 0.05
"""Spacings nearer than this are equally thin."""


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """A candidate, for listing.

    key : what `series=` accepts to name it: the series number, or number/part, or the UID
    refusal : why it cannot be measured; None when it can
    reason : why it was passed over for the chosen one; empty for the chosen one
    """

    key: str
    description: str
    series_uid: str | None
    series_number: int | None
    modality: str
    slices: int
    rows: int
    columns: int
    spacing_mm: float | None
    kernel: str | None
    kvp: float | None
    plane: str
    image_type: tuple[str, ...]
    chosen: bool
    refusal: str | None
    reason: str


def plane_of(candidate: Stack) -> str:
    """axial, coronal or sagittal: the body axis nearest to the slices' normal."""
    orientation = candidate.slices[0].orientation
    if orientation is None:
        return ""
    return ("sagittal", "coronal", "axial")[int(np.abs(geometry.normal(orientation)).argmax())]


def cover_mm(candidate: Stack) -> float:
    """From the first slice to the last."""
    return float(np.ptp(geometry.distances(candidate.slices)))


_CONTRAST_RANK = {False: 0, None: 1, True: 2}


def _ranks(candidate: Stack, longest: float) -> tuple[tuple[Any, str], ...]:
    """What the rules compare, each with what it says of a stack that loses by it."""
    first = candidate.slices[0].elements
    thin = geometry.spacing_of(candidate.slices)
    kernel, contrast = kernel_of(first), contrast_of(first)
    plane, cover = plane_of(candidate), cover_mm(candidate)
    return (
        (plane != "axial", f"{plane}, not axial"),
        (is_derived(first), "derived, not original"),
        (named_projection(first) is not None, "named as a projection"),
        (cover < HALF_COVER * longest, f"covers {cover:.0f} mm; the longest covers {longest:.0f}"),
        (round(thin / SPACING_STEP_MM), f"thicker, {thin:.2f} mm spacing"),
        (is_sharp(kernel), f"sharp kernel {code(kernel) or ''}".rstrip()),
        (_CONTRAST_RANK[contrast], "contrast given" if contrast else "contrast not stated"),
        (-len(candidate.slices), f"fewer slices, {len(candidate.slices)}"),
    )


def choose(stacks: Sequence[Stack]) -> tuple[Stack, dict[int, str]]:
    """The stack to measure, and for every other (by id) why it was passed over.

    Raises the refusal nearest to a fit scan when none is fit.
    """
    refused = {id(s): error for s in stacks if (error := refusal(s)) is not None}
    fit = [s for s in stacks if id(s) not in refused]
    if not fit:
        raise _nearest(list(refused.values()))
    longest = max(cover_mm(s) for s in fit)
    ranks = {id(s): _ranks(s, longest) for s in fit}
    best = min(fit, key=lambda s: tuple(rank for rank, _ in ranks[id(s)]))
    reasons = {key: _unnamed(error) for key, error in refused.items()}
    for other in fit:
        if other is not best:
            reasons[id(other)] = _why(ranks[id(best)], ranks[id(other)])
    return best, reasons


def _unnamed(error: CalcimetryError) -> str:
    """A refusal for a document: what its code means, as what was found can name files."""
    return f"{error.code}: {ERRORS[error.code][1]}"


def _why(best: tuple[tuple[Any, str], ...], other: tuple[tuple[Any, str], ...]) -> str:
    for (winner, _), (loser, words) in zip(best, other, strict=True):
        if winner != loser:
            return words
    return "equal in every rule, and found later"


_NEARNESS = [
    "SLICES_CLASH",
    "BAD_SPACING",
    "BAD_ORIENTATION",
    "NO_POSITION",
    "NO_ORIENTATION",
    "NO_PIXEL_SPACING",
    "TOO_FEW_SLICES",
    "TOO_FEW_PIXELS",
    "NO_PIXELS",
    "PIXEL_FORMAT",
    "NOT_HU",
    "ONLY_LOCALIZER",
    "SECONDARY_CAPTURE",
    "NOT_CT",
]


def _nearest(errors: Sequence[CalcimetryError]) -> CalcimetryError:
    """The refusal that came nearest to a scan; several modalities are named together."""
    best = min(errors, key=lambda error: _NEARNESS.index(error.code))
    if best.code != "NOT_CT":
        return best
    kinds = sorted({error.found for error in errors if error.code == "NOT_CT"})
    best.found = listed(kinds)
    return InputError(
        best.code, found=best.found, expected=best.expected, where=best.where, remedy=best.remedy
    )


def pick(stacks: Sequence[Stack], wanted: str) -> list[Stack]:
    """The stacks that `wanted` names: key, UID, number, or the start of UID or description.

    Raises InputError SERIES_NOT_FOUND or SERIES_AMBIGUOUS, which list the choices.
    """
    short = keys(stacks)
    for matches in (_exact, _starts, _contains):
        found = [s for s in stacks if matches(s, wanted.strip(), short[id(s)])]
        names = {series_key(s.slices[0]) for s in found}
        if len(names) == 1:
            return found
        if names:
            raise _choices("SERIES_AMBIGUOUS", f"{len(names)} series that match", found, wanted)
    raise _choices("SERIES_NOT_FOUND", "no series that matches", stacks, wanted)


def _titles(candidate: Stack) -> tuple[str, str, str]:
    first = candidate.slices[0].elements
    description = text(first, t.SERIES_DESCRIPTION).lower()
    return text(first, t.SERIES_NUMBER), candidate.series_uid, description


def _exact(candidate: Stack, wanted: str, key: str) -> bool:
    return bool(wanted) and (wanted.lower() in _titles(candidate) or wanted == key)


def _starts(candidate: Stack, wanted: str, _key: str) -> bool:
    _, uid, description = _titles(candidate)
    return bool(wanted) and (uid.startswith(wanted) or description.startswith(wanted.lower()))


def _contains(candidate: Stack, wanted: str, _key: str) -> bool:
    return bool(wanted) and wanted.lower() in _titles(candidate)[2]


def _choices(code: str, found: str, stacks: Sequence[Stack], wanted: str) -> InputError:
    names = keys(stacks)
    return InputError(
        code,
        found=f"{found} '{wanted}'",
        expected="a series number, UID, or the start of either UID or description",
        where="; ".join(f"{names[id(s)]}: {describe(s)}" for s in stacks[:20])
        + (f"; and {len(stacks) - 20} more" if len(stacks) > 20 else ""),
        remedy="name one of these with --series",
    )


def keys(stacks: Sequence[Stack]) -> dict[int, str]:
    """A short name for each stack: its series number, its UID where that is not unique,
    with /part where the series has several stacks."""
    uids: dict[str, set[Hashable]] = {}
    parts: dict[Hashable, int] = {}
    for s in stacks:
        mark = series_key(s.slices[0])
        uids.setdefault(text(s.slices[0].elements, t.SERIES_NUMBER), set()).add(mark)
        parts[mark] = parts.get(mark, 0) + 1
    result = {}
    for s in stacks:
        label = text(s.slices[0].elements, t.SERIES_NUMBER)
        base = label if label and len(uids[label]) == 1 else s.series_uid or label or "1"
        result[id(s)] = f"{base}/{s.part}" if parts[series_key(s.slices[0])] > 1 else base
    return result


def facts_of(
    stacks: Sequence[Stack], chosen: Stack | None, reasons: dict[int, str]
) -> tuple[SeriesFacts, ...]:
    """All candidates as plain facts, the chosen one first."""
    names = keys(stacks)
    ordered = sorted(stacks, key=lambda s: s is not chosen)
    return tuple(_facts(s, names[id(s)], s is chosen, reasons.get(id(s), "")) for s in ordered)


def _facts(candidate: Stack, key: str, chosen: bool, reason: str) -> SeriesFacts:
    first = candidate.slices[0].elements
    error = refusal(candidate) or _misplaced(candidate)
    sized = all(s.position is not None and s.orientation is not None for s in candidate.slices)
    return SeriesFacts(
        key=key,
        description=text(first, t.SERIES_DESCRIPTION),
        series_uid=candidate.series_uid or None,
        series_number=integer(first, t.SERIES_NUMBER),
        modality=text(first, t.MODALITY),
        slices=len(candidate.slices),
        rows=candidate.slices[0].rows,
        columns=candidate.slices[0].columns,
        spacing_mm=(geometry.spacing_of(candidate.slices) or None) if sized else None,
        kernel=kernel_of(first),
        kvp=kvp_of(first),
        plane=plane_of(candidate),
        image_type=texts(first, t.IMAGE_TYPE),
        chosen=chosen,
        refusal=f"{error.code}: {error.found}" if error else None,
        reason=reason,
    )


def _misplaced(candidate: Stack) -> CalcimetryError | None:
    """Why a stack that is a CT is no volume, such as missing slices."""
    try:
        geometry.place(candidate.slices)
    except GeometryError as error:
        return error
    return None
