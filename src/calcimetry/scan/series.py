"""Which of the images found is the scan: grouping into stacks, and the rules of choice.

Rules, in this order (the first that tells two stacks apart decides):

1. fit to be measured: a CT, not a localizer, capture, projection or material map
2. axial before other planes
3. original before derived
4. covers at least half of what the longest does (bolus tracking and test slices do not)
5. thinner, by the spacing of positions
6. soft kernel before sharp
7. without contrast before unknown before with
8. more slices
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcimetry.errors import CalcimetryError, GeometryError, InputError
from calcimetry.scan import facts, stack
from calcimetry.scan import tags as t
from calcimetry.scan.flags import listed
from calcimetry.scan.slices import Slice, integer, number, text, texts, u16

HALF_COVER = 0.5
SPACING_STEP_MM = 0.05
"""Spacings nearer than this are equally thin."""
SAME_DIRECTION = 1e-3
"""Largest difference between the direction cosines of slices of one stack."""
HU_TYPES = frozenset({"", "HU", "HU_MOD", "US", "UNSPECIFIED"})
CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")
LEGACY_CT_CLASS = "1.2.840.10008.5.1.4.1.1.2.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Slices that belong together: one plane, size, kernel, energy and pass.

    dropped : names of slices that were exact copies of others
    clash : names of slices that share a place and differ; then this is no volume
    part : 1.. among the stacks of one series
    """

    slices: tuple[Slice, ...]
    dropped: tuple[str, ...] = ()
    clash: tuple[str, ...] = ()
    part: int = 1

    @property
    def series_uid(self) -> str:
        return text(self.slices[0].elements, t.SERIES_UID)


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


def group(slices: Iterable[Slice]) -> tuple[Stack, ...]:
    """All stacks among slices, in the order of their first files."""
    result: list[Stack] = []
    for series in _by(slices, _series_key):
        stacks = [s for alike in _alike(series) for s in _settle(alike)]
        result += [
            Stack(s.slices, s.dropped, s.clash, part) for part, s in enumerate(stacks, start=1)
        ]
    return tuple(result)


def _by(slices: Iterable[Slice], key: Callable[[Slice], Hashable]) -> list[list[Slice]]:
    groups: dict[Hashable, list[Slice]] = {}
    for piece in slices:
        groups.setdefault(key(piece), []).append(piece)
    return list(groups.values())


def _series_key(piece: Slice) -> Hashable:
    """The series UID; de-identified files may lack it, then what else names a series."""
    elements = piece.elements
    if uid := text(elements, t.SERIES_UID):
        return uid
    tags = (t.STUDY_UID, t.SERIES_NUMBER, t.SERIES_DESCRIPTION, t.FRAME_OF_REFERENCE)
    return tuple(text(elements, tag) for tag in (*tags, t.STUDY_DATE, t.MODALITY))


def _alike(series: list[Slice]) -> list[list[Slice]]:
    """Parts of a series with one size, spacing, kernel and energy, then one direction."""
    return [part for same in _by(series, _likeness) for part in _by_direction(same)]


def _likeness(piece: Slice) -> Hashable:
    elements = piece.elements
    spacing = piece.spacing and tuple(round(v, 4) for v in piece.spacing)
    tags = (t.MODALITY, t.SOP_CLASS, t.KERNEL, t.RESCALE_TYPE)
    return (
        piece.rows,
        piece.columns,
        spacing,
        piece.position is None,
        tuple(text(elements, tag) for tag in tags),
        facts.kvp_of(elements),
        facts.kev_of(elements),
        tuple(v.upper() for v in texts(elements, t.IMAGE_TYPE)[:3]),
    )


def _by_direction(slices: list[Slice]) -> list[list[Slice]]:
    groups: list[list[Slice]] = []
    for piece in slices:
        for members in groups:
            if _same_direction(members[0], piece):
                members.append(piece)
                break
        else:
            groups.append([piece])
    return groups


def _same_direction(one: Slice, two: Slice) -> bool:
    if one.orientation is None or two.orientation is None:
        return one.orientation is None and two.orientation is None
    return bool(np.abs(one.orientation - two.orientation).max() < SAME_DIRECTION)


# ------------------------------------------------------------------- slices at one place


def _settle(slices: list[Slice]) -> list[Stack]:
    """Copies dropped, passes at the same places told apart, separate blocks separated."""
    if any(s.position is None or s.orientation is None for s in slices):
        return [Stack(tuple(slices))]
    kept, dropped = _without_copies(slices)
    if not _clashes(kept):
        blocks = _blocks(kept)
        return [Stack(tuple(b), dropped if i == 0 else ()) for i, b in enumerate(blocks)]
    for key in _PASS_KEYS:
        parts = _by(kept, key)
        if len(parts) > 1 and not any(_clashes(p) for p in parts):
            return [Stack(tuple(p), dropped if i == 0 else ()) for i, p in enumerate(parts)]
    passes = _passes(kept)
    if passes:
        return [Stack(tuple(p), dropped if i == 0 else ()) for i, p in enumerate(passes)]
    return [Stack(tuple(kept), dropped, _clashes(kept))]


_PASS_KEYS: tuple[Callable[[Slice], Hashable], ...] = (
    lambda s: text(s.elements, t.ACQUISITION_NUMBER),
    lambda s: text(s.elements, t.TEMPORAL_POSITION),
    lambda s: texts(s.elements, t.IMAGE_TYPE),
)


def _places(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Slices that lie at the same place, in order."""
    along = stack.distances(slices)
    order = np.argsort(along, kind="stable")
    groups: list[list[Slice]] = []
    last = -np.inf
    for i in order:
        if along[i] - last > stack.SAME_PLACE_MM:
            groups.append([])
            last = along[i]
        groups[-1].append(slices[i])
    return groups


def _clashes(slices: Sequence[Slice]) -> tuple[str, ...]:
    return tuple(s.name for place in _places(slices) if len(place) > 1 for s in place)


def _without_copies(slices: list[Slice]) -> tuple[list[Slice], tuple[str, ...]]:
    kept: set[int] = set()
    dropped: list[str] = []
    for place in _places(slices):
        seen: set[Hashable] = set()
        for piece in place:
            mark = _content(piece) if len(place) > 1 else None
            if mark is not None and mark in seen:
                dropped.append(piece.name)
                continue
            seen.add(mark)
            kept.add(id(piece))
    return [s for s in slices if id(s) in kept], tuple(dropped)


def _content(piece: Slice) -> Hashable:
    """What tells a copy from another image at the same place: stored pixels and rescale."""
    header = piece.header
    try:
        raw = header.path.read_bytes()
    except OSError:
        return str(header.path)
    start = max(header.pixel_start or 0, 0)
    rescale = facts.rescale_of(piece.elements)
    return hashlib.sha256(raw[start:]).digest(), piece.frame, rescale


def _passes(slices: list[Slice]) -> list[list[Slice]]:
    """Whole passes one after the other in InstanceNumber, each through all places."""
    places = _places(slices)
    count = len(places[0])
    if count < 2 or any(len(p) != count for p in places):
        return []
    numbered = sorted(slices, key=lambda s: number(s.elements, t.INSTANCE_NUMBER, np.nan))
    size = len(places)
    parts = [numbered[i * size : (i + 1) * size] for i in range(count)]
    return [] if any(_clashes(p) for p in parts) else parts


def _blocks(slices: list[Slice]) -> list[list[Slice]]:
    """Acquisitions with a gap between them, when each is whole by itself."""
    parts = _by(slices, _PASS_KEYS[0])
    if len(parts) < 2 or not _fits_not(slices):
        return [slices]
    if all(len(p) >= stack.MIN_SLICES and not _fits_not(p) for p in parts):
        return parts
    return [slices]


def _fits_not(slices: Sequence[Slice]) -> bool:
    try:
        stack.place(slices)
    except GeometryError:
        return True
    return False


# ------------------------------------------------------------------------------- refusal


def refusal(candidate: Stack) -> CalcimetryError | None:
    """Why a stack cannot be measured, before its geometry is looked at; None if it can."""
    for check in (_not_ct, _localizer, _not_hu, _no_geometry, _clash, _few):
        if (error := check(candidate)) is not None:
            return error
    return None


def _error(
    kind: type[CalcimetryError], code: str, candidate: Stack, **words: str
) -> CalcimetryError:
    return kind(code, where=describe(candidate), **words)


def _not_ct(candidate: Stack) -> CalcimetryError | None:
    first = candidate.slices[0].elements
    modality, sop_class = text(first, t.MODALITY).upper(), text(first, t.SOP_CLASS)
    capture = sop_class.startswith(SECONDARY_CAPTURE)
    ct_class = sop_class in (*CT_CLASSES, LEGACY_CT_CLASS)
    image = candidate.slices[0].rows > 0 and candidate.slices[0].header.pixel_start is not None
    if capture or (modality == "CT" and u16(first, t.SAMPLES, 1) != 1):
        return _error(
            InputError,
            "SECONDARY_CAPTURE",
            candidate,
            found="screen captures, whose values are colours or grey levels",
            expected="CT images",
            remedy="export the CT series itself",
        )
    if (modality == "CT" or (not modality and ct_class)) and image:
        return None
    if modality == "CT" and ct_class:
        return _error(
            InputError,
            "NO_PIXELS",
            candidate,
            found="CT headers without pixel data",
            expected="CT images",
            remedy="copy or export the files again; they may be cut short",
        )
    return _error(
        InputError,
        "NOT_CT",
        candidate,
        found=f"modality {modality or 'not stated'}",
        expected="CT",
        remedy="give a folder that holds a CT series",
    )


def _localizer(candidate: Stack) -> CalcimetryError | None:
    kinds = {v.upper() for v in texts(candidate.slices[0].elements, t.IMAGE_TYPE)}
    if not kinds & {"LOCALIZER", "SCOUT", "TOPOGRAM"}:
        return None
    return _error(
        InputError,
        "ONLY_LOCALIZER",
        candidate,
        found="a localizer (scout view)",
        expected="a CT volume",
        remedy="give the folder of the axial series",
    )


def _not_hu(candidate: Stack) -> CalcimetryError | None:
    first = candidate.slices[0].elements
    kind = text(first, t.RESCALE_TYPE).upper()
    projection = facts.is_projection(first)
    if kind in HU_TYPES and not projection:
        return None
    return _error(
        InputError,
        "NOT_HU",
        candidate,
        found="an intensity projection" if projection else f"values in {kind!r}",
        expected="Hounsfield units",
        remedy="give the original CT series",
    )


def _no_geometry(candidate: Stack) -> CalcimetryError | None:
    for attribute, code, name in (
        ("position", "NO_POSITION", "ImagePositionPatient"),
        ("orientation", "NO_ORIENTATION", "ImageOrientationPatient"),
        ("spacing", "NO_PIXEL_SPACING", "PixelSpacing"),
    ):
        lacking = [s.name for s in candidate.slices if getattr(s, attribute) is None]
        if lacking:
            return _error(
                GeometryError,
                code,
                candidate,
                found=f"no valid {name} in {listed(lacking)}",
                expected=f"{name} in every slice",
                remedy="export the series again, without removing geometry",
            )
    return None


def _clash(candidate: Stack) -> CalcimetryError | None:
    if not candidate.clash or len(_places(candidate.slices)) < stack.MIN_SLICES:
        return None
    return _error(
        GeometryError,
        "SLICES_CLASH",
        candidate,
        found=f"different images at the same place: {listed(candidate.clash)}",
        expected="one image at each place",
        remedy="export one reconstruction or phase only",
    )


def _few(candidate: Stack) -> CalcimetryError | None:
    ordered = sorted(
        zip(stack.distances(candidate.slices), range(len(candidate.slices)), strict=True)
    )
    try:
        stack.check_count(
            [candidate.slices[i] for _, i in ordered], np.array([d for d, _ in ordered])
        )
    except GeometryError as error:
        return error
    return None


# -------------------------------------------------------------------------------- choice


def describe(candidate: Stack) -> str:
    """A stack in words: number, description, slices."""
    first = candidate.slices[0].elements
    named = [f"series {label}" if (label := text(first, t.SERIES_NUMBER)) else "series"]
    if title := text(first, t.SERIES_DESCRIPTION):
        named.append(f"'{title}'")
    count = len(candidate.slices)
    named.append(f"({count} image{'s' if count > 1 else ''}, {candidate.slices[0].path.name}...)")
    return " ".join(named)


def plane_of(candidate: Stack) -> str:
    """axial, coronal or sagittal: the body axis nearest to the slices' normal."""
    orientation = candidate.slices[0].orientation
    if orientation is None:
        return ""
    return ("sagittal", "coronal", "axial")[int(np.abs(stack.normal(orientation)).argmax())]


def cover_mm(candidate: Stack) -> float:
    """From the first slice to the last."""
    return float(np.ptp(stack.distances(candidate.slices)))


_CONTRAST_RANK = {False: 0, None: 1, True: 2}


def _ranks(candidate: Stack, longest: float) -> tuple[tuple[Any, str], ...]:
    """What the rules compare, each with what it says of a stack that loses by it."""
    first = candidate.slices[0].elements
    thin = stack.spacing_of(candidate.slices)
    kernel, contrast = facts.kernel_of(first), facts.contrast_of(first)
    plane, cover = plane_of(candidate), cover_mm(candidate)
    return (
        (plane != "axial", f"{plane}, not axial"),
        (facts.is_derived(first), "derived, not original"),
        (cover < HALF_COVER * longest, f"covers {cover:.0f} mm; the longest covers {longest:.0f}"),
        (round(thin / SPACING_STEP_MM), f"thicker, {thin:.2f} mm spacing"),
        (facts.is_sharp(kernel), f"sharp kernel {kernel}"),
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
    reasons = {key: f"{error.code}: {error.found}" for key, error in refused.items()}
    for other in fit:
        if other is not best:
            reasons[id(other)] = _why(ranks[id(best)], ranks[id(other)])
    return best, reasons


def _why(best: tuple[tuple[Any, str], ...], other: tuple[tuple[Any, str], ...]) -> str:
    for (winner, _), (loser, words) in zip(best, other, strict=True):
        if winner != loser:
            return words
    return "equal in every rule, and found later"


_NEARNESS = [
    "SLICES_CLASH",
    "NO_POSITION",
    "NO_ORIENTATION",
    "NO_PIXEL_SPACING",
    "TOO_FEW_SLICES",
    "NO_PIXELS",
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


# -------------------------------------------------------------------------- user's choice


def pick(stacks: Sequence[Stack], wanted: str) -> list[Stack]:
    """The stacks that `wanted` names: key, UID, number, or the start of UID or description.

    Raises InputError SERIES_NOT_FOUND or SERIES_AMBIGUOUS, which list the choices.
    """
    for matches in (_exact, _starts, _contains):
        found = [s for s in stacks if matches(s, wanted.strip(), keys(stacks)[id(s)])]
        names = {_series_key(s.slices[0]) for s in found}
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
        mark = _series_key(s.slices[0])
        uids.setdefault(text(s.slices[0].elements, t.SERIES_NUMBER), set()).add(mark)
        parts[mark] = parts.get(mark, 0) + 1
    result = {}
    for s in stacks:
        label = text(s.slices[0].elements, t.SERIES_NUMBER)
        base = label if label and len(uids[label]) == 1 else s.series_uid or label or "1"
        result[id(s)] = f"{base}/{s.part}" if parts[_series_key(s.slices[0])] > 1 else base
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
    error = refusal(candidate)
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
        spacing_mm=(stack.spacing_of(candidate.slices) or None) if sized else None,
        kernel=facts.kernel_of(first),
        kvp=facts.kvp_of(first),
        plane=plane_of(candidate),
        image_type=texts(first, t.IMAGE_TYPE),
        chosen=chosen,
        refusal=f"{error.code}: {error.found}" if error else None,
        reason=reason,
    )
