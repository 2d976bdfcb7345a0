"""Images grouped into stacks: slices of one plane, size, kind, kernel, energy and pass.

A series is where grouping starts, not where it ends: real series hold a localizer, several
passes over the same places, blocks with a gap between them, or copies of slices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calcimetry.errors import GeometryError
from calcimetry.scan.dicom import geometry
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.acquisition import kernel_of, kev_of, kvp_of, rescale_of
from calcimetry.scan.dicom.image_type import kind_of
from calcimetry.scan.dicom.slices import Slice, distinct, integer, number, text, texts, u16
from calcimetry.scan.flags import counted
from calcimetry.scan.grid import MIN_SLICES
from calcimetry.terms import uid as known_uid

SAME_PIXEL = 0.25
"""Of a pixel: how far the last pixels of two slices may lie apart by their spacings."""
CAPTURES = frozenset(f"1.2.840.10008.5.1.4.1.1.7{part}" for part in ("", ".1", ".2", ".3", ".4"))
"""SOP classes of secondary captures."""
SAME_DIRECTION = 1e-3
"""Largest difference between the direction cosines of slices of one stack."""


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


def unnamed(candidate: Stack) -> str:
    """A stack in words for a document: number, count, UID; nothing typed, no file's name."""
    number = integer(candidate.slices[0].elements, t.SERIES_NUMBER)
    series = "series" if number is None else f"series {number}"
    known = known_uid(candidate.series_uid)
    uid = "" if known is None else f", UID {known}"
    return f"{series} ({counted(candidate.slices, 'image')}{uid})"


def describe(candidate: Stack) -> str:
    """A stack in words for the terminal: number, description, slices, the first file's name."""
    first = candidate.slices[0].elements
    named = [f"series {label}" if (label := text(first, t.SERIES_NUMBER)) else "series"]
    if title := text(first, t.SERIES_DESCRIPTION):
        named.append(f"'{title}'")
    count = len(candidate.slices)
    named.append(f"({count} image{'s' if count > 1 else ''}, {candidate.slices[0].path.name}...)")
    return " ".join(named)


def group(slices: Iterable[Slice]) -> tuple[Stack, ...]:
    """All stacks among slices, in the order of their first files."""
    result: list[Stack] = []
    for series in _by(slices, series_key):
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


def series_key(piece: Slice) -> Hashable:
    """The series UID; de-identified files may lack it, then what else names a series."""
    elements = piece.elements
    if uid := text(elements, t.SERIES_UID):
        return uid
    tags = (t.STUDY_UID, t.SERIES_NUMBER, t.SERIES_DESCRIPTION, t.FRAME_OF_REFERENCE)
    return tuple(text(elements, tag) for tag in (*tags, t.STUDY_DATE, t.MODALITY))


def _alike(series: list[Slice]) -> list[list[Slice]]:
    """Parts of a series with one size, kind, kernel, energy, spacing, then one direction.

    What some slices state and others lack does not part them, as long as no two values are
    stated: the series is one that lost its elements here and there.
    """
    parts = _by(series, _likeness)
    if len(distinct(series, _FACT_TAGS)) > 1:
        for fact in _FACTS:
            parts = [same for part in parts for same in _by_stated(part, fact)]
    parts = [same for part in parts for same in _by_first(part, _same_spacing)]
    return [same for part in parts for same in _by_first(part, _same_direction)]


def _likeness(piece: Slice) -> Hashable:
    elements = piece.elements
    return (
        piece.rows,
        piece.columns,
        piece.spacing is None,
        piece.position is None,
        piece.header.pixel_start is None,
        u16(elements, t.SAMPLES, 1),
        text(elements, t.SOP_CLASS) in CAPTURES,
        kind_of(elements),
    )


_FACTS: tuple[Callable[[Slice], Hashable], ...] = (
    lambda s: text(s.elements, t.MODALITY).upper() or None,
    lambda s: text(s.elements, t.RESCALE_TYPE).upper() or None,
    lambda s: (kernel_of(s.elements) or "").upper() or None,
    lambda s: kvp_of(s.elements),
    lambda s: kev_of(s.elements),
)
"""What a stack holds one value of; None where a slice does not state it."""
_FACT_TAGS = (
    *(t.MODALITY, t.RESCALE_TYPE, t.KERNEL, t.KVP, t.KEV),
    *(t.SERIES_DESCRIPTION, t.IMAGE_TYPE),
)


def _by_stated(slices: list[Slice], fact: Callable[[Slice], Hashable]) -> list[list[Slice]]:
    """Parted by a fact, when slices state more than one value of it."""
    parts = _by(slices, fact)
    stated = sum(fact(part[0]) is not None for part in parts)
    return parts if stated > 1 else [slices]


def _by_first(slices: list[Slice], same: Callable[[Slice, Slice], bool]) -> list[list[Slice]]:
    """Parted by likeness to the first slice of each part; rounding has no edge to fall over."""
    groups: list[list[Slice]] = []
    for piece in slices:
        for members in groups:
            if same(members[0], piece):
                members.append(piece)
                break
        else:
            groups.append([piece])
    return groups


def _same_spacing(one: Slice, two: Slice) -> bool:
    """Whether images of both spacings lie on each other pixel by pixel, to the far corner."""
    if one.spacing is None or two.spacing is None or one.spacing == two.spacing:
        return one.spacing == two.spacing
    return all(
        abs(a - b) * count < SAME_PIXEL * a
        for a, b, count in zip(one.spacing, two.spacing, (one.rows, one.columns), strict=True)
    )


def _same_direction(one: Slice, two: Slice) -> bool:
    if one.orientation is None or two.orientation is None:
        return one.orientation is None and two.orientation is None
    if _cosines(one) == _cosines(two):
        return True
    return bool(np.abs(one.orientation - two.orientation).max() < SAME_DIRECTION)


def on_one_grid(one: Slice, two: Slice) -> bool:
    """Whether two slices have the same pixels, one beside the other along their normal."""
    same = _same_spacing(one, two) and _same_direction(one, two)
    return same and _in_plane(one) == _in_plane(two)


def _cosines(piece: Slice) -> bytes | None:
    return piece.elements.get(t.ORIENTATION)


def _settle(slices: list[Slice]) -> list[Stack]:
    """Copies dropped, passes at the same places told apart, separate blocks separated."""
    if any(s.position is None or s.orientation is None or s.spacing is None for s in slices):
        return [Stack(tuple(slices))]
    kept, dropped = _without_copies(slices)
    if not _clashes(kept):
        blocks = _blocks(kept)
        return [Stack(tuple(b), dropped if i == 0 else ()) for i, b in enumerate(blocks)]
    for key in (_in_plane, *_PASS_KEYS):
        parts = _by(kept, key)
        if len(parts) > 1 and all(_is_pass(p) for p in parts):
            return [Stack(tuple(p), dropped if i == 0 else ()) for i, p in enumerate(parts)]
    for key in _KIND_KEYS:
        parts = _by(kept, key)
        if len(parts) > 1 and not any(_clashes(p) for p in parts) and any(map(_is_pass, parts)):
            return [Stack(tuple(p), dropped if i == 0 else ()) for i, p in enumerate(parts)]
    if passes := _passes(kept):
        return [Stack(tuple(p), dropped if i == 0 else ()) for i, p in enumerate(passes)]
    return [Stack(tuple(kept), dropped, _clashes(kept))]


def _is_pass(slices: list[Slice]) -> bool:
    return len(slices) >= MIN_SLICES and not _clashes(slices)


def _in_plane(piece: Slice) -> Hashable:
    """Where in its plane a slice lies: two hands are often two images of one series."""
    if piece.orientation is None or piece.position is None:
        return ()
    return tuple(int(v) for v in np.round(piece.orientation @ piece.position))


_PASS_KEYS: tuple[Callable[[Slice], Hashable], ...] = (
    lambda s: text(s.elements, t.ACQUISITION_NUMBER),
    lambda s: text(s.elements, t.TEMPORAL_POSITION),
    lambda s: texts(s.elements, t.IMAGE_TYPE),
)


_KIND_KEYS: tuple[Callable[[Slice], Hashable], ...] = (
    *_FACTS,
    lambda s: u16(s.elements, t.BITS_ALLOCATED, 16),
    lambda s: tuple(v.upper() for v in texts(s.elements, t.IMAGE_TYPE)[:3]),
    lambda s: text(s.elements, t.SOP_CLASS),
)
"""What tells images of one place apart when some lack what others state, or are derived."""


def places(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Slices that lie at the same place, in order."""
    along = geometry.distances(slices)
    order = np.argsort(along, kind="stable")
    groups: list[list[Slice]] = []
    last = -np.inf
    for i in order:
        if along[i] - last > geometry.SAME_PLACE_MM:
            groups.append([])
            last = along[i]
        groups[-1].append(slices[i])
    return groups


def _clashes(slices: Sequence[Slice]) -> tuple[str, ...]:
    return tuple(s.name for place in places(slices) if len(place) > 1 for s in place)


def _without_copies(slices: list[Slice]) -> tuple[list[Slice], tuple[str, ...]]:
    """One slice of each set of copies, and the names of the others."""
    kept: set[int] = set()
    dropped: list[str] = []
    for place in places(slices):
        originals: list[Slice] = []
        # Once for each file: passes over one place can be dozens.
        contents = {id(piece): _content(piece) for piece in place} if len(place) > 1 else {}
        for piece in place:
            if any(_is_copy(piece, other, contents) for other in originals):
                dropped.append(piece.name)
            else:
                originals.append(piece)
        kept.update(id(piece) for piece in originals)
    return [s for s in slices if id(s) in kept], tuple(dropped)


def _is_copy(one: Slice, two: Slice, contents: Mapping[int, Hashable]) -> bool:
    """The same image under two names; compressed and not, it is known by its UID."""
    uid = text(one.elements, t.SOP_UID)
    if one.header.frames or two.header.frames:
        return False
    if one.header.syntax != two.header.syntax:
        return bool(uid) and uid == text(two.elements, t.SOP_UID)
    return contents[id(one)] == contents[id(two)]


def _content(piece: Slice) -> Hashable:
    """The stored pixels and what makes HU of them; nothing for one frame of many."""
    if piece.header.frames:
        return None
    start = max(piece.header.pixel_start or 0, 0)
    pixels = piece.path.read_bytes()[start:]
    return hashlib.sha256(pixels).digest(), rescale_of(piece.elements)


def _passes(slices: list[Slice]) -> list[list[Slice]]:
    """Whole passes one after the other in InstanceNumber, each through all places."""
    where = places(slices)
    count, size = len(where[0]), len(where)
    if count < 2 or any(len(place) != count for place in where):
        return []
    numbered = sorted(slices, key=lambda s: number(s.elements, t.INSTANCE_NUMBER, 0))
    parts = [numbered[i * size : (i + 1) * size] for i in range(count)]
    return parts if all(_is_pass(p) for p in parts) else []


def _blocks(slices: list[Slice]) -> list[list[Slice]]:
    """Acquisitions with a gap between them, when each is whole by itself."""
    parts = _by(slices, _PASS_KEYS[0])
    if len(parts) < 2 or not _fits_not(slices):
        return [slices]
    if all(len(p) >= MIN_SLICES and not _fits_not(p) for p in parts):
        return parts
    return [slices]


def _fits_not(slices: Sequence[Slice]) -> bool:
    try:
        geometry.place(slices)
    except GeometryError:
        return True
    return False
