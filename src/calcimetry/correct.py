"""A reader's corrections, described and measured by the same functions as everything else.

Only what an edit touches is measured again: objects whose voxels or kind changed, those near enough
to share blur or background with changed voxels, and those whose distance to bone may have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry import deposits as finder
from calcimetry.anatomy import (
    Anatomy,
    Body,
    LabelMap,
    Skeleton,
    find_body,
    in_pose,
    into_pose,
    is_turned,
    labels_of,
    out_of_pose,
    pose_of,
    skeleton_of,
)
from calcimetry.arguments import check, threads
from calcimetry.assemble import Described, deposit_of, flags_by_code, object_of, totals_of, uid_of
from calcimetry.describe import axes_of, crops_about, locate, places
from calcimetry.edits import Edit, Piece, Pieces, Seen, apply
from calcimetry.edits.apply import changed_voxels, same_voxels
from calcimetry.errors import InputError, UsageError
from calcimetry.examine import deposit_as_it_lay, object_as_it_lay
from calcimetry.plan import Plan
from calcimetry.quantity import MeasurementContext, calibrate, context_of, measure_deposit, quantify
from calcimetry.records import (
    Box,
    Calibration,
    Crops,
    Deposit,
    Examination,
    Finding,
    Flag,
    Kind,
    OtherObject,
    Place,
    Quantity,
    Runs,
    Scan,
    Severity,
    StoredGrid,
)
from calcimetry.runs import box_of, crop, dense_objects, union_all, voxels_of
from calcimetry.sites import region_of

_BONES = (Kind.BONE, Kind.TOOTH)
_CHECKED = 5  # deposits whose voxels tell whether a scan is the one that was measured


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """All of a scan that corrections ask for: made once, used for every list of edits.

    scan : as it lies; posed : as it was measured
    exam : the original examination
    pieces : its objects; posed_runs : their voxels in the pose, by number
    tools : blur, noise, calibration and what is dense where, in the pose
    network : all dense voxels and the network's probability of each; worked out once, if asked
    """

    scan: Scan
    posed: Scan
    pose: StoredGrid
    exam: Examination
    pieces: Pieces
    posed_runs: Mapping[int, Runs]
    body: Body
    skeleton: Skeleton
    labels: LabelMap | None
    tools: MeasurementContext
    network: Callable[[], tuple[Runs, NDArray[np.float32]]]
    jobs: int


def prepare(
    scan: Scan, exam: Examination, *, labels: Path | None = None, jobs: int | None = None
) -> Prepared:
    """What `remeasure` needs of a scan, for many lists of edits.

    exam : of this scan, measured or loaded; of a corrected one its original is taken
    labels : the anatomy label map that it was measured with

    Raises InputError OTHER_SCAN, and EXAM_WITHOUT_VOXELS for examinations that did not keep the
    voxels of what was left out.
    """
    check(scan, Scan, "the Scan that was measured", "scan")
    check(exam, Examination, "an Examination, from measure or load", "exam")
    count, exam = threads(jobs), exam.original or exam
    pieces = _pieces(exam)
    _check_scan(scan, exam)
    pose = pose_of(scan, jobs=count)
    posed = in_pose(scan, pose)
    body = find_body(posed, jobs=count)
    runs = {n: _posed(piece.runs, pose) for n, piece in pieces.by_number.items()}
    findings = [Finding(runs[n], p.kind, p.reason, p.confidence) for n, p in _numbered(pieces)]
    return Prepared(
        scan=scan,
        posed=posed,
        pose=pose,
        exam=exam,
        pieces=pieces,
        posed_runs=runs,
        body=body,
        skeleton=skeleton_of(
            posed, union_all([runs[n] for n in exam.skeleton], posed.hu.shape), body
        ),
        labels=None if labels is None else labels_of(scan, labels),
        tools=context_of(posed, findings, _calibration(posed, pose, exam, body), exam.plan),
        network=cache(partial(_network, posed, body, exam.plan, count)),
        jobs=count,
    )


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

    Numbers of deposits are kept, and new ones begin after the last. The same scan, examination and
    list give the same document.

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
    deposits = tuple(made[n] for n in sorted(made) if n > 0)
    objects = tuple(made[n] for n in sorted(made, reverse=True) if n < 0)
    return replace(
        base,
        listed=deposits,
        objects=objects,
        totals=totals_of(deposits, base.calibration),
        flags=flags_by_code(base.flags, (_corrected(len(listed)),)),
        crops=_crops(ready, deposits),
        skeleton=_bones(base, ready.pieces, after),
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


def _pieces(exam: Examination) -> Pieces:
    """The objects of an examination, as edits see them."""
    made = {d.number: Piece(d.runs, d.kind, d.rule, d.reason, d.confidence) for d in exam.listed}
    for item in exam.objects:
        if item.runs is None:
            raise InputError(
                "EXAM_WITHOUT_VOXELS",
                found="no voxels of what was left out",
                expected="an examination of this version, or its folder with objects.npz",
                where="the examination to correct",
                remedy="measure the scan again, then correct that",
            )
        made[-item.number] = Piece(item.runs, item.kind, item.rule, item.reason, item.confidence)
    return Pieces(made, max([0, *made]), -min([0, *made]))


def _check_scan(scan: Scan, exam: Examination) -> None:
    """Raise InputError OTHER_SCAN, where grid or voxels are not those that were measured."""
    same = scan.frame.shape == exam.frame.shape
    same = same and np.allclose(scan.frame.affine, exam.frame.affine, atol=1e-3)
    same = same and all(uid_of(scan, d.runs) == d.uid for d in exam.listed[:_CHECKED])
    if not same:
        raise InputError(
            "OTHER_SCAN",
            found="another grid, or other voxels, than were measured",
            expected="the scan that the examination was made from",
            where="the scan",
            remedy="read the scan again from the files that were measured",
        )


def _calibration(posed: Scan, pose: StoredGrid, exam: Examination, body: Body) -> Calibration:
    """The examination's calibration, its slopes along the slices of the pose."""
    scale = exam.calibration
    if not is_turned(pose):
        return scale
    if scale.per_slice is None:
        # Slopes of slices that the scan does not have were not kept: the table gives them again.
        return calibrate(posed, exam.plan, body=body) if scale.source == "table" else scale
    return replace(scale, per_slice=scale.per_slice[::-1]) if pose.flipped[0] else scale


def _posed(runs: Runs, pose: StoredGrid) -> Runs:
    return into_pose(runs, pose) if is_turned(pose) else runs


def _numbered(pieces: Pieces) -> list[tuple[int, Piece]]:
    """All objects in the order in which they are laid out: deposits first."""
    return sorted(pieces.by_number.items(), key=lambda item: (item[0] < 0, abs(item[0])))


def _split_free(ready: Prepared, runs: Runs) -> tuple[list[Runs], list[Runs]]:
    """See `Seen.cut`: as the finder splits it, in its pose."""
    posed = _posed(runs, ready.pose)
    dense, probability = ready.network()
    own = probability[_voxels_within(dense, posed)]
    found = finder.split_free(ready.posed, posed, own, ready.exam.plan, jobs=ready.jobs)
    if not is_turned(ready.pose):
        return found
    cores, rests = ([out_of_pose(part, ready.pose) for part in side] for side in found)
    return cores, rests


def _network(posed: Scan, body: Body, plan: Plan, jobs: int) -> tuple[Runs, NDArray[np.float32]]:
    """All dense voxels, and the network's probability of each: as in measuring, where its tiles
    lie, and so the last digits, hang on all that is dense. Raises UsageError NO_NETWORK."""
    dense = dense_objects(posed.hu, plan.find.threshold_hu, jobs=jobs)
    asked = plan.changed("find", {"finder": "network"})
    found = finder.network_probability(posed, dense, body, asked, jobs=jobs)
    return dense.runs, np.zeros(0, np.float32) if found is None else found


def _voxels_within(dense: Runs, runs: Runs) -> NDArray[np.int64]:
    """For each voxel of runs its place among the dense voxels; one that is not dense, which a
    reader drew, has that of the dense voxel before it."""
    shape = np.array(dense.shape)
    keys = [np.ravel_multi_index(tuple(voxels_of(part).T), shape) for part in (dense, runs)]
    at = np.searchsorted(keys[0], keys[1], side="right") - 1
    return np.asarray(np.maximum(at, 0), np.int64)


def _measured_again(ready: Prepared, after: Pieces) -> dict[int, Any]:
    """Every object of the corrected examination by number: as it was, or measured anew."""
    runs = {
        n: ready.posed_runs[n] if _unmoved(ready, n, piece) else _posed(piece.runs, ready.pose)
        for n, piece in after.by_number.items()
    }
    anew, elsewhere = _touched(ready, after, runs)
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


def _old(exam: Examination) -> dict[int, Any]:
    return {d.number: d for d in exam.listed} | {-o.number: o for o in exam.objects}


def _unmoved(ready: Prepared, number: int, piece: Piece) -> bool:
    before = ready.pieces.by_number.get(number)
    return before is not None and same_voxels(before.runs, piece.runs)


def _relabelled(record: Deposit | OtherObject, piece: Piece) -> Deposit | OtherObject:
    """An object with its old numbers, and the kind and place that it has now."""
    told: dict[str, Any] = {
        "kind": piece.kind,
        "rule": piece.rule,
        "reason": piece.reason,
        "confidence": piece.confidence,
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


def _touched(ready: Prepared, after: Pieces, runs: Mapping[int, Runs]) -> tuple[set[int], set[int]]:
    """The objects to be measured anew; and those that only need their place told anew."""
    anew = {n for n, piece in after.by_number.items() if not _unmoved(ready, n, piece)}
    changed = [_posed(part, ready.pose) for part in changed_voxels(ready.pieces, after)]
    moved = [box_of(part) for part in _settled(ready, after, changed)]
    near = {
        n
        for n, part in runs.items()
        if n > 0 and n not in anew and any(_meet(_around(ready, part), box) for box in moved)
    }
    bones = [box_of(part) for part in _changed_bones(ready, after)]
    old = _old(ready.exam)
    placed = {
        n
        for n, part in runs.items()
        if n > 0 and n not in anew and _bone_may_be_nearer(ready, old[n], part, bones)
    }
    return anew | near, placed


def _settled(ready: Prepared, after: Pieces, changed: Sequence[Runs]) -> list[Runs]:
    """Of changed voxels those whose object is another: not where one only changed its number.

    Whose voxels are whose matters to neighbours, not what they are called.
    """
    gone = [p.runs for n, p in ready.pieces.by_number.items() if n not in after.by_number]
    come = [p.runs for n, p in after.by_number.items() if n not in ready.pieces.by_number]
    renamed = [runs for runs in gone if any(same_voxels(runs, other) for other in come)]
    posed = [_posed(runs, ready.pose) for runs in renamed]
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


def _changed_bones(ready: Prepared, after: Pieces) -> list[Runs]:
    """Voxels, in the pose, that are bone now and were not, or were and are not."""
    was = {n: ready.pieces.by_number[n] for n in ready.exam.skeleton}
    numbers = _bones(ready.exam, ready.pieces, after)
    now = {n: after.by_number[n] for n in numbers}
    found = changed_voxels(Pieces(was, 0, 0), Pieces(now, 0, 0))
    return [_posed(part, ready.pose) for part in found]


def _bones(exam: Examination, before: Pieces, after: Pieces) -> tuple[int, ...]:
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


def _quantities(
    ready: Prepared, after: Pieces, runs: Mapping[int, Runs], anew: set[int]
) -> dict[int, Quantity]:
    order = _numbered(after)
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
    if _changed_bones(ready, after):
        bones = _bones(ready.exam, ready.pieces, after)
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
    finding = Finding(runs, piece.kind, piece.reason, piece.confidence, rule=piece.rule)
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
