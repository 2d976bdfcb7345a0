"""Scan to Examination: the main job. Every step is a room's function; nothing is judged here."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from calcimetry import deposits as finder
from calcimetry.anatomy import (
    Anatomy,
    Body,
    LabelMap,
    find_body,
    in_pose,
    is_turned,
    labels_of,
    landmarks,
    out_of_pose,
    pose_of,
    soft_tissue,
)
from calcimetry.arguments import bad_argument, check, check_path, label, threads
from calcimetry.assemble import (
    Described,
    deposit_of,
    flags_by_code,
    grouped,
    object_of,
    ranked,
    slices_of,
    totals_of,
    uid_of,
)
from calcimetry.describe import crops_about, form, places, site_flags
from calcimetry.plan import Plan
from calcimetry.quantity import (
    Noise,
    calibrate,
    hu_threshold,
    noise_of,
    quantify,
    user_calibration,
)
from calcimetry.records import (
    Calibration,
    Deposit,
    Examination,
    OtherObject,
    Provenance,
    Quantity,
    Scan,
    StoredGrid,
)
from calcimetry.runs import dense_objects
from calcimetry.scan import from_array, read
from calcimetry.sites import check_site
from calcimetry.threads import Future, Pool
from calcimetry.versions import versions


def measure(
    scan: Scan | str | os.PathLike[str] | ArrayLike,
    plan: Plan | None = None,
    *,
    spacing: tuple[float, float, float] | None = None,
    kvp: float | None = None,
    calibration: str | float | None = None,
    labels: str | os.PathLike[str] | None = None,
    site: str | None = None,
    subject: str | None = None,
    visit: str | None = None,
    jobs: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Examination:
    """Find every deposit of a scan, measure it and say where it lies.

    Parameters
    ----------
    scan : from `calcimetry.read` or `calcimetry.from_array`; or a path, which is read; or an array
        of HU (z, y, x) with its spacing
    spacing : of an array: voxel edge lengths along (z, y, x), mm
    kvp : tube voltage, kV, of a path or an array
    plan : every parameter; the defaults unless given
    calibration : the user's own, "c=0.764" or a number, mg/cm3 HA per HU above background
    labels : anatomy label map of this scan (NIfTI, any grid)
    site : body part in words ("hand", "left knee", "linkes Knie"), where the user knows it
    subject, visit : your own codes for the person and the visit, which stand in every table:
        letters, digits, - _ . up to 64
    jobs : threads; all cores unless told
    progress : told the name of each stage as it begins

    Raises UsageError for a calibration that cannot be read, a site that is not known or an
    argument of another type, InputError for a label map that does not fit the scan, and what
    `calcimetry.read` or `calcimetry.from_array` raise.
    """
    check(plan, (Plan, type(None)), "a Plan, or None", "plan")
    plan, count = plan or Plan(), threads(jobs)
    subject, visit = label(subject, "subject"), label(visit, "visit")
    _check_given(calibration, labels, site, plan)
    scan = scan_of(scan, spacing, kvp, count)
    given = _Given(calibration, None if labels is None else labels_of(scan, Path(labels)), site)
    with Pool(count) as pool, _Stages(progress) as stage:
        stage("finding the body")
        pose = pose_of(scan, jobs=pool)
        exam = _measured(in_pose(scan, pose), plan, given, pool, stage)
    if is_turned(pose):
        exam = _as_it_lay(exam, scan, pose)
    crops = crops_about(scan, exam.listed)
    return replace(exam, crops=crops, timings=stage.seconds, subject=subject, visit=visit)


def scan_of(
    given: Scan | str | os.PathLike[str] | ArrayLike,
    spacing: tuple[float, float, float] | None,
    kvp: float | None,
    jobs: int,
) -> Scan:
    """The scan itself, read from its path, or made of an array. See `measure`."""
    if spacing is not None and isinstance(given, Scan | str | os.PathLike):
        raise bad_argument("spacing beside a scan", "spacing of an array alone", "spacing")
    if isinstance(given, Scan):
        if kvp is not None:
            raise bad_argument("kvp beside a scan", "kvp of a path or an array", "kvp")
        return given
    if isinstance(given, str | os.PathLike):
        return read(given, kvp=kvp, jobs=jobs)
    check(given, (np.ndarray, list, tuple), "a Scan, a path, or an array of HU (z, y, x)", "scan")
    return from_array(given, spacing=spacing, kvp=kvp)


def _check_given(calibration: Any, labels: Any, site: Any, plan: Plan) -> None:
    """What cannot be taken is said at once. Raises UsageError BAD_ARGUMENT, BAD_SITE,
    CALIBRATION_BAD."""
    numbers = "c=NUMBER, a number, or None"
    check(calibration, (str, int, float, type(None)), numbers, "calibration")
    check(site, (str, type(None)), "a part of the body in words, or None", "site")
    check_site(site)
    if labels is not None:
        check_path(labels, "a path to a label map, or None", "labels")
    if calibration is not None:
        user_calibration(calibration, plan)


@dataclass(frozen=True, slots=True)
class _Given:
    """What the user says of a scan; see `measure`."""

    calibration: str | float | None
    labels: LabelMap | None
    site: str | None


def _measured(
    scan: Scan, plan: Plan, given: _Given, pool: Pool, stage: Callable[[str], None]
) -> Examination:
    """The stages in their order; what is submitted is worked out beside what follows it."""
    noise = pool.submit(noise_of, scan)
    body = find_body(scan, jobs=pool)
    calibration = pool.submit(_calibration, scan, plan, body, given, noise, pool)
    plan = _at_threshold(plan, calibration)
    stage("finding dense voxels")
    dense = dense_objects(scan.hu, plan.find.threshold_hu, jobs=pool)
    stage("telling deposits apart")
    answer = finder.ask_network(scan, dense, body, plan, jobs=pool)
    found = finder.find(scan, dense, body, plan, answer, labels=given.labels, jobs=pool)
    stage("measuring")
    anatomy = Anatomy(body, found.skeleton, given.labels)
    marks = pool.submit(landmarks, scan, body, found.skeleton)
    soft = pool.submit(soft_tissue, scan, [found.findings[k].runs for k in found.listed])
    scale = calibration.result()
    quantities = quantify(scan, found.findings, scale, plan, noise=noise.result(), jobs=pool)
    deposits, others = ranked(_described(scan, found, anatomy, given, quantities))
    named, rest = grouped(
        scan.frame,
        [deposit_of(scan, n, item) for n, item in enumerate(deposits, 1)],
        [object_of(n, item) for n, item in enumerate(others, 1)],
    )
    return Examination(
        frame=scan.frame,
        acquisition=scan.acquisition,
        provenance=Provenance.of(scan.source),
        plan=plan,
        calibration=scale,
        listed=named,
        objects=rest,
        totals=totals_of(named, rest, scale),
        flags=flags_by_code(scan.flags, scale.flags, found.flags, site_flags(given.site, scan)),
        timings={},
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        landmarks=replace(marks.result(), soft=soft.result()),
        anatomy={} if given.labels is None else about(given.labels),
        site=given.site,
        skeleton=(
            *(n for n, item in enumerate(deposits, 1) if item.skeletal),
            *(-n for n, item in enumerate(others, 1) if item.skeletal),
        ),
    )


def about(labels: LabelMap) -> dict[str, str]:
    """The scheme of a label map, and who made it."""
    return {"scheme": labels.scheme, **labels.made_by}


def _calibration(
    scan: Scan, plan: Plan, body: Body, given: _Given, noise: Future[Noise], pool: Pool
) -> Calibration:
    user = given.calibration
    return calibrate(scan, plan, body=body, user=user, noise=noise.result(), jobs=pool)


def _at_threshold(plan: Plan, calibration: Future[Calibration]) -> Plan:
    """The plan with the HU that a threshold in mg/cm3 stands for on this scan."""
    if not plan.find.threshold_mg_cm3:
        return plan
    hu = round(hu_threshold(calibration.result(), plan.find.threshold_mg_cm3), 1)
    return plan.changed("find", {"threshold_hu": hu}, where="find.threshold_mg_cm3")


def _described(
    scan: Scan,
    found: finder.Found,
    anatomy: Anatomy,
    given: _Given,
    quantities: Sequence[Quantity],
) -> list[Described]:
    """Every finding with its quantity; listed ones with their place too."""
    listed = [found.findings[k].runs for k in found.listed]
    seen = [found.evidence[k] for k in found.listed]
    place = dict(zip(found.listed, places(scan, listed, seen, anatomy, given.site), strict=True))
    centres = map(tuple, scan.to_lps(found.centroid).tolist())
    rows = zip(found.findings, quantities, found.evidence, centres, strict=True)
    return [
        Described(finding, quantity, place.get(k), evidence.axes_mm, centre, evidence.skeletal)
        for k, (finding, quantity, evidence, centre) in enumerate(rows)
    ]


def _as_it_lay(exam: Examination, scan: Scan, pose: StoredGrid) -> Examination:
    """What was found in a pose, on the scan's own grid; what is in patient coordinates stays."""
    scale = exam.calibration
    return replace(
        exam,
        frame=scan.frame,
        listed=tuple(deposit_as_it_lay(deposit, scan, pose) for deposit in exam.listed),
        objects=tuple(object_as_it_lay(item, pose) for item in exam.objects),
        calibration=replace(scale, per_slice=_slopes_as_it_lay(scale.per_slice, pose)),
    )


def _slopes_as_it_lay(
    slopes: tuple[float, ...] | None, pose: StoredGrid
) -> tuple[float, ...] | None:
    """Slopes along the scan's own slices; those of another axis are gone, and their median
    stands for all."""
    if slopes is None or pose.axes[0] != 2:
        return None
    return slopes[::-1] if pose.flipped[0] else slopes


def deposit_as_it_lay(deposit: Deposit, scan: Scan, pose: StoredGrid) -> Deposit:
    """A deposit that was measured in a pose, on the scan's own grid."""
    runs, said = out_of_pose(deposit.runs, pose), deposit.form
    volume = deposit.quantity.volume_mm3.value
    return replace(
        deposit,
        uid=uid_of(scan, runs),
        runs=runs,
        slices=slices_of(scan.frame, runs),
        form=form(scan, runs, shape=said.shape, volume_mm3=volume, numbers=said.numbers),
    )


def object_as_it_lay(item: OtherObject, pose: StoredGrid) -> OtherObject:
    """A left-out object of a pose, on the scan's own grid."""
    return item if item.runs is None else replace(item, runs=out_of_pose(item.runs, pose))


@dataclass(slots=True)
class _Stages:
    """Seconds of each stage, and word of it to whoever watches."""

    progress: Callable[[str], None] | None
    seconds: dict[str, float] = field(default_factory=dict)
    name: str = ""
    since: float = 0.0

    def __enter__(self) -> _Stages:
        return self

    def __exit__(self, *about: object) -> None:
        if self.name:
            self.seconds[self.name] = perf_counter() - self.since

    def __call__(self, name: str) -> None:
        self.__exit__()
        self.name, self.since = name, perf_counter()
        if self.progress is not None:
            self.progress(name)
