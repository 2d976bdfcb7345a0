"""A reader's corrections, described and measured by the same functions as everything else.

Only what an edit touches is measured again: objects whose voxels or kind changed, those near enough
to share blur or background with changed voxels, and those whose distance to bone may have changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry import deposits as finder
from calcimetry.anatomy import (
    Anatomy,
    is_turned,
    out_of_pose,
    skeleton_of,
)
from calcimetry.assemble import (
    Described,
    deposit_of,
    flags_by_code,
    grouped,
    in_group,
    object_of,
    totals_of,
)
from calcimetry.correct.context import Prepared, numbered, posed_runs_of, prepare
from calcimetry.correct.touched import bones_of, changed_bones, is_unmoved, touched
from calcimetry.describe import axes_of, crops_about, locate, places
from calcimetry.edits import Edit, Piece, Pieces, Seen, apply
from calcimetry.errors import UsageError
from calcimetry.examine import deposit_as_it_lay, object_as_it_lay
from calcimetry.quantity import measure_deposit, quantify
from calcimetry.records import (
    Crops,
    Deposit,
    Examination,
    Finding,
    Flag,
    OtherObject,
    Place,
    Quantity,
    Runs,
    Scan,
    Severity,
)
from calcimetry.runs import union_all, voxels_of
from calcimetry.sites import region_of


def remeasure(
    scan: Scan | Prepared,
    exam: Examination | None = None,
    edits: Iterable[Edit] = (),
    *,
    labels: Path | None = None,
    jobs: int | None = None,
) -> Examination:
    """The original examination with a reader's corrections, measured again where they touch it.

    Parameters
    ----------
    scan : that was measured; or what `prepare` made of it and of the examination
    exam : the examination; of a corrected one its original is taken
    edits : the whole list of corrections, in their order: undo is one edit less
    labels : the anatomy label map that it was measured with
    jobs : threads; all cores unless told

    Numbers of deposits and groups are kept, and new ones begin after the last. The same scan,
    examination and list give the same document.

    Raises UsageError BAD_EDIT, and InputError as `prepare` does.
    """
    ready = (
        scan
        if isinstance(scan, Prepared)
        else prepare(scan, _given(exam), labels=labels, jobs=jobs)
    )
    base, listed = ready.exam, tuple(edits)
    if not listed:
        return base
    seen = Seen(ready.scan, partial(_split_free, ready))
    after = apply(ready.pieces, listed, seen)
    made = _measured_again(ready, after)
    known = {n: item.group for n, item in _old(base).items()}
    made = {n: in_group(item, known.get(n)) for n, item in made.items()}
    deposits, objects = grouped(
        base.frame,
        [made[n] for n in sorted(made) if n > 0],
        [made[n] for n in sorted(made, reverse=True) if n < 0],
        last=max((number for number in known.values() if number), default=0),
    )
    return replace(
        base,
        listed=deposits,
        objects=objects,
        totals=totals_of(deposits, objects, base.calibration),
        flags=flags_by_code(base.flags, (_corrected(len(listed)),)),
        crops=_crops(ready, deposits),
        skeleton=bones_of(base, ready.pieces, after),
        pictures={},
        edits=listed,
        original=base,
    )


def _given(exam: Examination | None) -> Examination:
    if exam is not None:
        return exam
    raise UsageError(
        "BAD_ARGUMENT",
        found="no examination",
        expected="remeasure(scan, exam, edits), or what `prepare` made of scan and examination",
        where="exam",
        remedy="give the examination of the scan",
    )


def _corrected(count: int) -> Flag:
    text = f"corrected by a reader: {count} edit{'s' * (count > 1)}; they stand in the document"
    return Flag("CORRECTED", text, Severity.INFO)


def _split_free(ready: Prepared, runs: Runs) -> tuple[list[Runs], list[Runs]]:
    """See `Seen.cut`: as the finder splits it, in its pose."""
    posed = posed_runs_of(runs, ready.pose)
    dense, probability = ready.network()
    own = probability[_voxels_within(dense, posed)]
    found = finder.split_free(ready.posed, posed, own, ready.exam.plan, jobs=ready.jobs)
    if not is_turned(ready.pose):
        return found
    cores, rests = ([out_of_pose(part, ready.pose) for part in side] for side in found)
    return cores, rests


def _voxels_within(dense: Runs, runs: Runs) -> NDArray[np.int64]:
    """For each voxel of runs its place among the dense voxels; one that is not dense, which a
    reader drew, has that of the dense voxel before it."""
    width, voxels = dense.shape[2], voxels_of(runs).astype(np.int64)
    keys = (voxels[:, 0] * dense.shape[1] + voxels[:, 1]) * width + voxels[:, 2]
    begin = dense.row.astype(np.int64) * width + dense.start
    length = (dense.stop - dense.start).astype(np.int64)
    run = np.maximum(np.searchsorted(begin, keys, side="right") - 1, 0)
    within = np.clip(keys - begin[run], 0, length[run] - 1)
    return np.asarray((np.cumsum(length) - length)[run] + within, np.int64)


def _measured_again(ready: Prepared, after: Pieces) -> dict[int, Any]:
    """Every object of the corrected examination by number: as it was, or measured anew."""
    runs = {n: _runs_of(ready, n, piece) for n, piece in after.by_number.items()}
    anew, elsewhere = touched(ready, after, runs)
    made: dict[int, Any] = {}
    old = _old(ready.exam)
    for number, piece in after.by_number.items():
        if number not in anew and number not in elsewhere:
            made[number] = _relabelled(old[number], piece)
    both = sorted(n for n in anew | elsewhere if n > 0)
    placed = dict(zip(both, _places(ready, after, runs, both), strict=True))
    for number in elsewhere - anew:
        piece = after.by_number[number]
        made[number] = _relabelled(replace(old[number], place=placed[number]), piece)
    for number, quantity in _quantities(ready, after, runs, anew).items():
        piece, place = after.by_number[number], placed.get(number)
        item = _described(ready, piece, runs[number], quantity, place)
        made[number] = _as_it_lay(ready, number, item)
    return made


def _runs_of(ready: Prepared, number: int, piece: Piece) -> Runs:
    """An object's voxels in the pose, where they did not change as they were laid out before."""
    if is_unmoved(ready, number, piece):
        return ready.posed_runs[number]
    return posed_runs_of(piece.runs, ready.pose)


def _old(exam: Examination) -> dict[int, Any]:
    return {d.number: d for d in exam.listed} | {-o.number: o for o in exam.objects}


def _relabelled(record: Deposit | OtherObject, piece: Piece) -> Deposit | OtherObject:
    """An object with its old numbers, and the kind and place that it has now."""
    told: dict[str, Any] = {
        "kind": piece.kind,
        "rule": piece.rule,
        "reason": piece.reason,
        "confidence": piece.confidence,
        "likeness": piece.likeness,
    }
    if not piece.place and all(getattr(record, name) == told[name] for name in told):
        return record
    if isinstance(record, Deposit):
        return replace(record, **told, place=_said(record.place, piece))
    return replace(record, **told)


def _said(place: Place, piece: Piece) -> Place:
    """The place with what a reader said of it."""
    told: dict[str, Any] = dict(piece.place)
    if "site" in told:
        told["region"] = region_of(told["site"]) or place.region or ""
    return replace(place, **{name: word or None for name, word in told.items()})


def _quantities(
    ready: Prepared, after: Pieces, runs: Mapping[int, Runs], anew: set[int]
) -> dict[int, Quantity]:
    order = numbered(after)
    findings = {n: Finding(runs[n], p.kind, p.reason, p.confidence) for n, p in order}
    tools = ready.tools.with_objects([findings[n] for n, _ in order])
    at = {n: k for k, (n, _) in enumerate(order, 1)}
    full = {n: measure_deposit(tools, findings[n], at[n]) for n in anew if n > 0}
    rest = sorted(n for n in anew if n < 0)
    plain = quantify(
        ready.posed, [findings[n] for n in rest], ready.tools.calibration, ready.exam.plan
    )
    return full | dict(zip(rest, plain, strict=True))


def _places(
    ready: Prepared, after: Pieces, runs: Mapping[int, Runs], numbers: Sequence[int]
) -> list[Place]:
    if not numbers:
        return []
    skeleton = ready.skeleton
    if changed_bones(ready, after):
        bones = bones_of(ready.exam, ready.pieces, after)
        whole = union_all([runs[n] for n in bones], ready.posed.hu.shape)
        skeleton = skeleton_of(ready.posed, whole, ready.body)
    anatomy = Anatomy(ready.body, skeleton, ready.labels)
    pieces, plan = [runs[n] for n in numbers], ready.exam.plan
    seen = locate(ready.posed, pieces, anatomy, plan.find.threshold_hu, jobs=ready.jobs)
    return places(ready.posed, pieces, seen, anatomy, ready.exam.site)


def _described(
    ready: Prepared,
    piece: Piece,
    runs: Runs,
    quantity: Quantity,
    place: Place | None,
) -> Described:
    finding = Finding(
        runs,
        piece.kind,
        piece.reason,
        piece.confidence,
        rule=piece.rule,
        likeness=piece.likeness,
    )
    x, y, z = ready.posed.to_lps(voxels_of(runs).mean(axis=0)).tolist()
    said = None if place is None else _said(place, piece)
    return Described(finding, quantity, said, axes_of(ready.posed, runs), (x, y, z))


def _as_it_lay(ready: Prepared, number: int, item: Described) -> Deposit | OtherObject:
    if number > 0:
        deposit = deposit_of(ready.posed, number, item)
        turned = is_turned(ready.pose)
        return deposit_as_it_lay(deposit, ready.scan, ready.pose) if turned else deposit
    made = object_of(-number, item)
    return object_as_it_lay(made, ready.pose) if is_turned(ready.pose) else made


def _crops(ready: Prepared, deposits: Sequence[Deposit]) -> Crops | None:
    """The original's crops of what is as it was, and new ones of what is not."""
    return crops_about(ready.scan, deposits, known=ready.exam.crops)
