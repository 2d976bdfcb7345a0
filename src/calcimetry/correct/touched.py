"""Which objects an edit touches: those measured again, and those whose place is told anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calcimetry.correct.context import Prepared, posed_runs_of
from calcimetry.edits import Piece, Pieces
from calcimetry.edits.apply import changed_voxels, same_voxels
from calcimetry.records import (
    Box,
    Deposit,
    Examination,
    Kind,
    Runs,
)
from calcimetry.runs import box_of, crop

_BONES = (Kind.BONE, Kind.TOOTH)


def touched(ready: Prepared, after: Pieces, runs: Mapping[int, Runs]) -> tuple[set[int], set[int]]:
    """The objects to be measured anew; and those that only need their place told anew."""
    anew = {n for n, piece in after.by_number.items() if not is_unmoved(ready, n, piece)}
    changed = [posed_runs_of(part, ready.pose) for part in changed_voxels(ready.pieces, after)]
    moved = [box_of(part) for part in _settled(ready, after, changed)]
    near = {
        n
        for n, part in runs.items()
        if n > 0 and n not in anew and any(_meet(_around(ready, part), box) for box in moved)
    }
    bones = [box_of(part) for part in changed_bones(ready, after)]
    old = {d.number: d for d in ready.exam.listed}
    placed = {
        n
        for n, part in runs.items()
        if n > 0 and n not in anew and _bone_may_be_nearer(ready, old[n], part, bones)
    }
    return anew | near, placed


def is_unmoved(ready: Prepared, number: int, piece: Piece) -> bool:
    before = ready.pieces.by_number.get(number)
    return before is not None and same_voxels(before.runs, piece.runs)


def _settled(ready: Prepared, after: Pieces, changed: Sequence[Runs]) -> list[Runs]:
    """Of changed voxels those whose object is another: not where one only changed its number.

    Whose voxels are whose matters to neighbours, not what they are called.
    """
    gone = [p.runs for n, p in ready.pieces.by_number.items() if n not in after.by_number]
    come = [p.runs for n, p in after.by_number.items() if n not in ready.pieces.by_number]
    renamed = [runs for runs in gone if any(same_voxels(runs, other) for other in come)]
    posed = [posed_runs_of(runs, ready.pose) for runs in renamed]
    return [part for part in changed if not any(same_voxels(part, other) for other in posed)]


def _around(ready: Prepared, runs: Runs) -> Box:
    """The box of the scan that the quantity of an object is measured in."""
    return crop(box_of(runs), runs.shape, ready.tools.reach_mm, ready.posed.spacing)


def _meet(one: Box, other: Box) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


def _bone_may_be_nearer(
    ready: Prepared, deposit: Deposit, runs: Runs, bones: Sequence[Box]
) -> bool:
    """Whether bone that came or went lies within a deposit's distance to bone."""
    distance = deposit.place.bone_distance_mm
    if not bones or distance is None:
        return bool(bones)
    step = ready.posed.spacing
    within = crop(box_of(runs), runs.shape, distance + 2.0 * max(step), step)
    return any(_meet(within, box) for box in bones)


def changed_bones(ready: Prepared, after: Pieces) -> list[Runs]:
    """Voxels, in the pose, that are bone now and were not, or were and are not."""
    was = {n: ready.pieces.by_number[n] for n in ready.exam.skeleton}
    numbers = bones_of(ready.exam, ready.pieces, after)
    now = {n: after.by_number[n] for n in numbers}
    found = changed_voxels(Pieces(was, 0, 0), Pieces(now, 0, 0))
    return [posed_runs_of(part, ready.pose) for part in found]


def bones_of(exam: Examination, before: Pieces, after: Pieces) -> tuple[int, ...]:
    """The numbers of the corrected skeleton: what was of it and still is, and new bones."""
    kept = [n for n in exam.skeleton if n in after.by_number]
    kept = [
        n
        for n in kept
        if after.by_number[n].kind in _BONES or after.by_number[n].kind is before.by_number[n].kind
    ]
    new = [
        n
        for n, piece in after.by_number.items()
        if piece.kind in _BONES and n not in exam.skeleton and _is_new_bone(n, before)
    ]
    return (*kept, *sorted(new, reverse=True))


def _is_new_bone(number: int, before: Pieces) -> bool:
    """Whether an object became bone by an edit: the finder leaves small bones out."""
    return number not in before.by_number or before.by_number[number].kind not in _BONES
