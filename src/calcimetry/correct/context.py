"""What of a scan every correction asks for, made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calcimetry import deposits as finder
from calcimetry.anatomy import (
    Body,
    LabelMap,
    Skeleton,
    find_body,
    in_pose,
    into_pose,
    is_turned,
    labels_of,
    pose_of,
    skeleton_of,
)
from calcimetry.arguments import check, threads
from calcimetry.assemble import uid_of
from calcimetry.describe import crops_about
from calcimetry.edits import Piece, Pieces
from calcimetry.errors import InputError
from calcimetry.plan import Plan
from calcimetry.quantity import MeasurementContext, calibrate, context_of
from calcimetry.records import (
    Calibration,
    Deposit,
    Examination,
    Finding,
    OtherObject,
    Runs,
    Scan,
    StoredGrid,
)
from calcimetry.runs import dense_objects, union_all

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
    # An original that was loaded has no crops of its own: they are in the scan.
    exam = replace(exam, crops=crops_about(scan, exam.listed, known=exam.crops))
    pose = pose_of(scan, jobs=count)
    posed = in_pose(scan, pose)
    body = find_body(posed, jobs=count)
    runs = {n: posed_runs_of(piece.runs, pose) for n, piece in pieces.by_number.items()}
    findings = [Finding(runs[n], p.kind, p.reason, p.confidence) for n, p in numbered(pieces)]
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


def _pieces(exam: Examination) -> Pieces:
    """The objects of an examination, as edits see them."""
    made = {d.number: _piece(d, d.runs) for d in exam.listed}
    for item in exam.objects:
        if item.runs is None:
            raise InputError(
                "EXAM_WITHOUT_VOXELS",
                found="no voxels of what was left out",
                expected="an examination of this version, or its folder with objects.npz",
                where="the examination to correct",
                remedy="measure the scan again, then correct that",
            )
        made[-item.number] = _piece(item, item.runs)
    return Pieces(made, max([0, *made]), -min([0, *made]))


def _piece(item: Deposit | OtherObject, runs: Runs) -> Piece:
    return Piece(runs, item.kind, item.rule, item.reason, item.confidence, likeness=item.likeness)


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


def posed_runs_of(runs: Runs, pose: StoredGrid) -> Runs:
    return into_pose(runs, pose) if is_turned(pose) else runs


def numbered(pieces: Pieces) -> list[tuple[int, Piece]]:
    """All objects in the order in which they are laid out: deposits first."""
    return sorted(pieces.by_number.items(), key=lambda item: (item[0] < 0, abs(item[0])))


def _network(posed: Scan, body: Body, plan: Plan, jobs: int) -> tuple[Runs, NDArray[np.float32]]:
    """All dense voxels, and the network's probability of each: as in measuring, where its tiles
    lie, and so the last digits, hang on all that is dense. Raises UsageError NO_NETWORK."""
    dense = dense_objects(posed.hu, plan.find.threshold_hu, jobs=jobs)
    asked = plan.changed("find", {"finder": "network"})
    found = finder.ask_network(posed, dense, body, asked, jobs=jobs)
    return dense.runs, np.zeros(0, np.float32) if found is None else found.probability
