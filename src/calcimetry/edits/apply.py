"""Each correction as a pure function from objects to objects. Nothing is measured here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.edits import regions
from calcimetry.edits.records import (
    Accept,
    AddByThreshold,
    CutFromBone,
    Draw,
    Edit,
    Erase,
    Merge,
    Reject,
    SetKind,
    SetPlace,
    SplitByPlane,
    SplitBySeeds,
)
from calcimetry.errors import UsageError
from calcimetry.records import LISTED, Kind, Likeness, Rule, Runs, Scan
from calcimetry.runs import difference, intersect, union, union_all
from calcimetry.sites import check_site

BY_READER = "corrected by a reader"
TISSUES = frozenset(
    (
        "skin",
        "subcutis",
        "fascia",
        "muscle",
        "periarticular",
        "vessel wall",
        "lung",
        "organ",
        "airway",
    )
)
"""What a reader may say that a deposit lies in: the words that measuring uses."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """An object as far as edits change it.

    place : what a reader said of where it lies, by the names of `records.Place`
    likeness : what it looks like, as the finder says; gone once a reader says what it is
    """

    runs: Runs
    kind: Kind
    rule: Rule | None
    reason: str
    confidence: float
    place: Mapping[str, str] = field(default_factory=dict)
    likeness: Likeness | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """All objects of an examination by number: deposits above 0, others below.

    deposits, objects : how many numbers of each sort were given so far
    """

    by_number: Mapping[int, Piece]
    deposits: int
    objects: int


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What edits may ask of the scan.

    cut : the deposits in an object's voxels by the finder's probability, and what is left
    """

    scan: Scan
    cut: Callable[[Runs], tuple[list[Runs], list[Runs]]]


def apply(pieces: Pieces, edits: Iterable[Edit], seen: Seen) -> Pieces:
    """The objects after all edits, one after the other.

    Raises UsageError BAD_EDIT, which names the edit by its place in the list (from 1).
    """
    for number, edit in enumerate(edits, 1):
        try:
            pieces = _APPLY[type(edit)](pieces, edit, seen)
        except _BadEditError as error:
            raise UsageError(
                "BAD_EDIT",
                found=str(error),
                expected="an edit that fits the objects as the edits before it left them",
                where=f"edit {number} ({type(edit).__name__})",
                remedy="correct it, or take it out of the list",
            ) from error
    return pieces


class _BadEditError(ValueError):
    """Why an edit cannot be, in words."""


def _of(pieces: Pieces, number: int) -> Piece:
    if number not in pieces.by_number:
        named = isinstance(number, int) and (
            f"deposit {number}" if number > 0 else f"object {-number}"
        )
        raise _BadEditError(f"no {named or 'object without a number'}")
    return pieces.by_number[number]


def _with(pieces: Pieces, changed: Mapping[int, Piece | None]) -> Pieces:
    """Some objects changed; those that are None, or have no voxels left, are gone."""
    merged = {**pieces.by_number, **changed}
    kept = {n: piece for n, piece in merged.items() if piece is not None and len(piece.runs)}
    return replace(pieces, by_number=kept)


def _added(pieces: Pieces, made: Sequence[Piece]) -> Pieces:
    """New objects with the next numbers."""
    deposits, objects = pieces.deposits, pieces.objects
    numbered = {}
    for piece in made:
        if piece.kind in LISTED:
            deposits += 1
            numbered[deposits] = piece
        else:
            objects += 1
            numbered[-objects] = piece
    grown = replace(pieces, deposits=deposits, objects=objects)
    return _with(grown, numbered)


def _as_kind(pieces: Pieces, number: int, kind: Kind, what: str) -> Pieces:
    """An object of another kind; where it changes sides it gets a number of the other side."""
    piece = _of(pieces, number)
    made = replace(
        piece,
        kind=kind,
        rule=Rule.READER,
        reason=f"{BY_READER}: {what}",
        confidence=1.0,
        likeness=None,
    )
    if (kind in LISTED) == (number > 0):
        return _with(pieces, {number: made})
    return _added(_with(pieces, {number: None}), [made])


def _accept(pieces: Pieces, edit: Accept, seen: Seen) -> Pieces:
    return _as_kind(pieces, edit.target, Kind.DEPOSIT, "a deposit")


def _reject(pieces: Pieces, edit: Reject, seen: Seen) -> Pieces:
    if edit.kind in LISTED:
        raise _BadEditError(f"the kind {edit.kind}, which is not left out")
    return _as_kind(pieces, edit.target, edit.kind, "no deposit")


def _set_kind(pieces: Pieces, edit: SetKind, seen: Seen) -> Pieces:
    return _as_kind(pieces, edit.target, edit.kind, str(edit.kind))


def _set_place(pieces: Pieces, edit: SetPlace, seen: Seen) -> Pieces:
    piece = _of(pieces, edit.target)
    if edit.target < 0:
        raise _BadEditError("a left-out object, which has no place")
    if edit.side not in (None, "left", "right"):
        raise _BadEditError(f"the side {edit.side!r}")
    if edit.tissue is not None and edit.tissue not in TISSUES:
        raise _BadEditError(f"the tissue {edit.tissue!r}")
    check_site(edit.site)
    told = {"tissue": edit.tissue, "side": edit.side, "site": edit.site}
    known = {name: word for name, word in told.items() if word is not None}
    return _with(pieces, {edit.target: replace(piece, place={**piece.place, **known})})


def _split_by_plane(pieces: Pieces, edit: SplitByPlane, seen: Seen) -> Pieces:
    piece = _of(pieces, edit.target)
    beyond = _beyond(piece.runs, edit.point_mm, edit.normal_mm, seen)
    return _divided(pieces, edit.target, [difference(piece.runs, beyond), beyond])


def _split_by_seeds(pieces: Pieces, edit: SplitBySeeds, seen: Seen) -> Pieces:
    piece = _of(pieces, edit.target)
    if len(edit.seeds_mm) < 2:
        raise _BadEditError("fewer than two seeds")
    parts = regions.watershed(seen.scan, piece.runs, edit.seeds_mm)
    return _divided(pieces, edit.target, parts)


def _divided(pieces: Pieces, number: int, parts: Sequence[Runs]) -> Pieces:
    """An object in parts: the first keeps its number, the others are new."""
    if not all(len(part) for part in parts):
        raise _BadEditError("a part without voxels")
    piece = _of(pieces, number)
    reason = f"{BY_READER}: split"
    made = [replace(piece, runs=part, rule=Rule.READER, reason=reason) for part in parts]
    return _added(_with(pieces, {number: made[0]}), made[1:])


def _cut_from_bone(pieces: Pieces, edit: CutFromBone, seen: Seen) -> Pieces:
    piece = _of(pieces, edit.target)
    if (edit.point_mm is None) != (edit.normal_mm is None):
        raise _BadEditError("half of a plane: both a point and a normal, or neither")
    if edit.point_mm is not None and edit.normal_mm is not None:
        cores = [_beyond(piece.runs, edit.point_mm, edit.normal_mm, seen)]
        rests = [difference(piece.runs, cores[0])]
        if not len(cores[0]):
            raise _BadEditError("a plane that cuts nothing off")
    else:
        cores, rests = seen.cut(piece.runs)
        if not cores:
            raise _BadEditError("no voxel that the finder takes for a deposit")
    reason = f"{BY_READER}: cut from bone"
    cut = [Piece(runs, Kind.DEPOSIT, Rule.READER, reason, 1.0, piece.place) for runs in cores]
    # What is left stays what it was; a deposit that was cut out of one is a part of that.
    left = [replace(piece, runs=runs) for runs in rests if len(runs)]
    return _added(_with(pieces, {edit.target: left[0] if left else None}), cut + left[1:])


def _beyond(runs: Runs, point: Any, normal: Any, seen: Seen) -> Runs:
    if not np.linalg.norm(normal) > 0:
        raise _BadEditError("a plane without a normal")
    return regions.beyond_plane(seen.scan.frame, runs, point, normal)


def _merge(pieces: Pieces, edit: Merge, seen: Seen) -> Pieces:
    if len(set(edit.targets)) < 2:
        raise _BadEditError("fewer than two objects")
    own = [_of(pieces, number) for number in edit.targets]
    runs = union_all([piece.runs for piece in own], seen.scan.frame.shape)
    merged = replace(own[0], runs=runs, rule=Rule.READER, reason=f"{BY_READER}: merged")
    gone: dict[int, Piece | None] = dict.fromkeys(edit.targets)
    return _with(pieces, {**gone, edit.targets[0]: merged})


def _draw(pieces: Pieces, edit: Draw, seen: Seen) -> Pieces:
    drawn = _region(edit.region, seen)
    rest = _erased(pieces, drawn, (n for n in pieces.by_number if n != edit.target))
    reason = f"{BY_READER}: drawn"
    if edit.target is None:
        return _added(rest, [Piece(drawn, Kind.DEPOSIT, Rule.READER, reason, 1.0)])
    piece = _of(pieces, edit.target)
    grown = replace(piece, runs=union(piece.runs, drawn), rule=Rule.READER, reason=reason)
    return _with(rest, {edit.target: grown})


def _erase(pieces: Pieces, edit: Erase, seen: Seen) -> Pieces:
    region = _region(edit.region, seen)
    if edit.target is not None:
        _of(pieces, edit.target)
    return _erased(pieces, region, pieces.by_number if edit.target is None else [edit.target])


def _region(region: Any, seen: Seen) -> Runs:
    found = regions.runs_in(seen.scan.frame, region)
    if not len(found):
        raise _BadEditError("no voxel of the scan in the region")
    return found


def _erased(pieces: Pieces, region: Runs, numbers: Iterable[int]) -> Pieces:
    changed: dict[int, Piece | None] = {}
    for number in numbers:
        piece = pieces.by_number[number]
        if regions.may_touch(piece.runs, region) and len(intersect(piece.runs, region)):
            changed[number] = replace(piece, runs=difference(piece.runs, region))
    return _with(pieces, changed)


def _add_by_threshold(pieces: Pieces, edit: AddByThreshold, seen: Seen) -> Pieces:
    found = regions.dense_in_ball(seen.scan, edit.centre_mm, edit.radius_mm, edit.threshold_hu)
    for piece in pieces.by_number.values():
        theirs = piece.kind in (*LISTED, Kind.BONE, Kind.TOOTH)
        if theirs and regions.may_touch(piece.runs, found):
            found = difference(found, piece.runs)
    found = regions.nearest_part(seen.scan, found, edit.centre_mm)
    if not len(found):
        raise _BadEditError("no voxel at or above the threshold that is nobody's")
    rest = _erased(pieces, found, pieces.by_number)
    reason = f"{BY_READER}: added by threshold"
    return _added(rest, [Piece(found, Kind.DEPOSIT, Rule.READER, reason, 1.0)])


_APPLY: Mapping[type[Edit], Callable[[Pieces, Any, Seen], Pieces]] = {
    Accept: _accept,
    Reject: _reject,
    SetKind: _set_kind,
    SetPlace: _set_place,
    SplitByPlane: _split_by_plane,
    SplitBySeeds: _split_by_seeds,
    CutFromBone: _cut_from_bone,
    Merge: _merge,
    Draw: _draw,
    Erase: _erase,
    AddByThreshold: _add_by_threshold,
}


def changed_voxels(before: Pieces, after: Pieces) -> list[Runs]:
    """The voxels whose object is another than before, as runs, one after the other."""
    found = []
    for number in before.by_number.keys() | after.by_number.keys():
        old, new = before.by_number.get(number), after.by_number.get(number)
        if old is None or new is None:
            found.append((old or new).runs)  # type: ignore[union-attr]
        elif not same_voxels(old.runs, new.runs):
            found += [difference(old.runs, new.runs), difference(new.runs, old.runs)]
    return [runs for runs in found if len(runs)]


def same_voxels(one: Runs, other: Runs) -> bool:
    """Whether two runs of one volume hold the same voxels."""
    return one is other or (
        len(one) == len(other)
        and _equal(one.row, other.row)
        and _equal(one.start, other.start)
        and _equal(one.stop, other.stop)
    )


def _equal(one: NDArray[np.int32], other: NDArray[np.int32]) -> bool:
    return one is other or np.array_equal(one, other)
