"""One visit of a subject: scanned, measured as users measure, and measured with true masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from benchmarks.finder.pictures import tile
from benchmarks.followup.stories import cover
from benchmarks.followup.subjects import MATRIX_HU, Session, Shown, Subject
from numpy.typing import NDArray

from calcimetry import deposits as finder
from calcimetry.anatomy import Anatomy, Body, in_pose, into_pose, pose_of
from calcimetry.describe import Evidence, Located, locate
from calcimetry.describe.evidence import axes
from calcimetry.examine import measure
from calcimetry.followup.visit import Visit
from calcimetry.phantom.spec import Placement
from calcimetry.plan import Plan
from calcimetry.records import LISTED, Examination, Finding, Kind, Runs, Scan
from calcimetry.runs import (
    difference,
    from_mask,
    merge_labelled,
    object_statistics,
    to_labels,
    voxels_of,
)
from calcimetry.visits import visit_of

AS_FOUND, TRUE_MASKS = "as found", "true masks"
WAYS = (AS_FOUND, TRUE_MASKS)
_PLAN = Plan()
_CUT_BY_TRUTH = _PLAN.changed("quantity", {"cut_sd_voxels": 0.25})
"""The truth's own cut between deposit and bone is right to a fraction of a voxel; the plan's
error of the cut is the finder's."""


class Part(NamedTuple):
    """What a lineage has at a visit (present), or where it would lie (not)."""

    present: bool
    places: tuple[Placement, ...]


ANY = Evidence(
    voxels=0,
    volume_mm3=0.0,
    mean_hu=0.0,
    peak_hu=0,
    axes_mm=(0.0, 0.0, 0.0),
    fraction_in_body=1.0,
    edge_mm=40.0,
    skeletal=False,
    contrast_given=None,
)
"""What the finder sees, but for what `places` asks."""


@dataclass(frozen=True, slots=True)
class Known:
    """A lineage at a visit, as it truly is.

    covered : in, out or partly; mass_mg : 0 for none; runs : dense voxels of each part,
    None where one has too few to be listed; centre_mm : of each place
    """

    covered: str
    mass_mg: float
    runs: tuple[Runs, ...] | None
    centre_mm: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Made:
    """A visit: what is known of it, examined both ways, and which numbers are which deposit.

    visits : by way; pictures : of each lineage's place
    numbers : by way, for each lineage, the deposits' numbers that lie on it
    shares : by way, how much of its dense voxels these hold; of parts, of the worst held
    """

    known: tuple[Known, ...]
    visits: dict[str, Visit]
    numbers: dict[str, list[tuple[int, ...]]]
    shares: dict[str, list[float]]
    pictures: tuple[NDArray[np.uint8], ...]


def make(subject: Subject, how: Session, parts: Sequence[Part], ways: Sequence[str]) -> Made:
    """Scan and measure a subject with its lineages as they are at this visit."""
    scan, shown = subject.visit(how, [p for part in parts if part.present for p in part.places])
    queue = iter(shown)
    known = tuple(
        _known(scan, [next(queue) for _ in part.places])
        if part.present
        else _place(scan, [subject.moved(p, how.pose) for p in part.places])
        for part in parts
    )
    visits, numbers, shares = {}, {}, {}
    for way, exam in _examined(scan, known, ways):
        visits[way] = visit_of(exam, 1)
        numbers[way], shares[way] = _matched(exam, known)
    return Made(known, visits, numbers, shares, tuple(_picture(scan, item) for item in known))


def _picture(scan: Scan, item: Known) -> NDArray[np.uint8]:
    at = np.rint(scan.to_zyx(item.centre_mm[0])).astype(int)
    z, y, x = (int(v) for v in np.clip(at, 0, np.array(scan.hu.shape) - 1))
    return tile(scan, (z, y, x), "")


def _place(scan: Scan, places: Sequence[Placement]) -> Known:
    return Known(cover(scan, places), 0.0, (), np.array([p.centre_mm for p in places]))


def _known(scan: Scan, shown: Sequence[Shown]) -> Known:
    where = _place(scan, [item.placed for item in shown])
    runs = [_dense(scan, item) for item in shown]
    whole = tuple(part for part in runs if part is not None)
    mass = sum(item.painted.mass_mg for item in shown if item.painted)
    return replace(where, mass_mg=mass, runs=whole if len(whole) == len(runs) else None)


def _dense(scan: Scan, item: Shown) -> Runs | None:
    """Dense voxels that owe more than half of their HU above soft tissue to a deposit."""
    if item.painted is None:
        return None
    mask = np.zeros(scan.hu.shape, np.bool_)
    hu = scan.hu[item.painted.box].astype(np.float32)
    own = item.added > 0.5 * np.maximum(hu - MATRIX_HU, 1.0)
    mask[item.painted.box] = own & (hu >= _PLAN.find.threshold_hu)
    least = max(_PLAN.find.smallest_voxels, _PLAN.find.smallest_mm3 / scan.voxel_mm3)
    return from_mask(mask) if mask.sum() >= least else None


def _examined(
    scan: Scan, known: Sequence[Known], ways: Sequence[str]
) -> Iterator[tuple[str, Examination]]:
    kept: list[Any] = []
    with _finder(lambda found, _: kept.append(found) or found):
        yield AS_FOUND, measure(scan, _PLAN, jobs=1)
    if TRUE_MASKS in ways:
        pose = pose_of(scan)  # the finder sees the scan so
        true = [into_pose(runs, pose) for item in known for runs in item.runs or ()]
        lying = in_pose(scan, pose)
        with _finder(lambda found, body: _with_truth(lying, body, found, true), kept[0]):
            yield TRUE_MASKS, measure(scan, _CUT_BY_TRUTH, jobs=1)


@contextmanager
def _finder(then: Any, found: Any = None) -> Iterator[None]:
    """The finder with its findings changed; with `found`, without running it again."""
    original, asks = finder.find, finder.ask_network

    def ask_network(*values: Any, **names: Any) -> Any:
        return asks(*values, **names) if found is None else None

    def find(*values: Any, **names: Any) -> Any:
        body = values[2]
        return then(original(*values, **names) if found is None else found, body)

    with mock.patch.multiple(finder, ask_network=ask_network, find=find):
        yield


def _with_truth(scan: Scan, body: Body, found: Any, true: Sequence[Runs]) -> Any:
    """Findings with the true masks as the only deposits; all else keeps what is left of it."""
    findings = [Finding(runs, Kind.DEPOSIT, "truth", 1.0) for runs in true]
    bones = found.skeleton.runs
    for runs in true:
        bones = difference(bones, runs)
    skeleton = replace(found.skeleton, runs=bones)
    evidence = [
        ANY.with_more(**{name: getattr(seen, name) for name in Located.__slots__})
        for seen in locate(scan, true, Anatomy(body, skeleton), _PLAN.find.threshold_hu)
    ]
    for item, seen in zip(found.findings, found.evidence, strict=True):
        rest = item.runs
        for runs in true:
            rest = difference(rest, runs)
        if item.kind not in LISTED and len(rest):
            findings.append(replace(item, runs=rest))
            evidence.append(seen)
    table = object_statistics(
        scan.hu, *merge_labelled([item.runs for item in findings], scan.hu.shape)
    )
    numbers = zip(table.voxels.tolist(), axes(table.moment, scan.spacing).tolist(), strict=True)
    measured = [
        seen.with_more(voxels=voxels, axes_mm=tuple(lengths))
        for seen, (voxels, lengths) in zip(evidence, numbers, strict=True)
    ]
    return replace(
        found,
        findings=tuple(findings),
        evidence=tuple(measured),
        centroid=table.centroid,
        skeleton=skeleton,
    )


def _matched(
    exam: Examination, known: Sequence[Known]
) -> tuple[list[tuple[int, ...]], list[float]]:
    labels = to_labels(exam.frame.shape, [d.runs for d in exam.listed], dtype=np.uint16)
    numbers, shares = [], []
    for item in known:
        if not item.runs:
            numbers.append(())
            shares.append(0.0)
            continue
        found = [_lying_on(exam, labels[tuple(voxels_of(runs).T)]) for runs in item.runs]
        numbers.append(tuple(sorted({n for own, _ in found for n in own})))
        shares.append(min(share for _, share in found))
    return numbers, shares


def _lying_on(exam: Examination, here: NDArray[np.uint16]) -> tuple[list[int], float]:
    """Numbers that lie mostly on a part, or hold much of it, and how much of it they hold."""
    there, count = np.unique(here[here > 0], return_counts=True)
    sizes = np.array([exam.listed[n - 1].runs.voxels for n in there], float)
    own = (count >= 0.3 * sizes) | (count >= 0.3 * len(here))
    return [int(n) for n in there[own]], float(count[own].sum() / len(here))
