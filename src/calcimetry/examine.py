"""Scan to Examination: the main job. Every step is a room's function; nothing is judged here."""

from __future__ import annotations

import os
from collections.abc import Callable
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
    flags_by_code,
    numbered_deposits,
    other_objects,
    slices_of,
    totals_of,
    uid_of,
)
from calcimetry.describe import crops_about
from calcimetry.plan import Plan
from calcimetry.quantity import calibrate, form, hu_threshold, noise_of, quantify
from calcimetry.records import (
    Calibration,
    Deposit,
    Examination,
    Objects,
    OtherObject,
    Place,
    Provenance,
    Scan,
    StoredGrid,
)
from calcimetry.runs import dense_objects
from calcimetry.scan import from_array, read
from calcimetry.sites import check_site
from calcimetry.threads import Crew, Later
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
    _check_given(calibration, labels, site)
    asked = _Asked(calibration, None if labels is None else Path(labels), site)
    clock = _Clock(progress)
    subject, visit, count = label(subject, "subject"), label(visit, "visit"), threads(jobs)
    scan = scan_of(scan, spacing, kvp, count)
    with Crew(count) as crew:
        clock.begin("finding the body")
        pose = pose_of(scan, jobs=crew)
        found = _examined(crew, in_pose(scan, pose), plan or Plan(), asked, clock)
    exam = _as_it_lay(found, scan, pose) if is_turned(pose) else found
    return replace(exam, crops=crops_about(scan, exam.listed), subject=subject, visit=visit)


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


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the user says of a scan; see `measure`."""

    calibration: str | float | None
    labels: Path | None
    site: str | None


def _check_given(calibration: Any, labels: Any, site: Any) -> None:
    """Raises UsageError BAD_ARGUMENT, BAD_SITE."""
    numbers = "c=NUMBER, a number, or None"
    check(calibration, (str, int, float, type(None)), numbers, "calibration")
    check(site, (str, type(None)), "a part of the body in words, or None", "site")
    check_site(site)
    if labels is not None:
        check_path(labels, "a path to a label map, or None", "labels")


def _examined(crew: Crew, scan: Scan, plan: Plan, asked: _Asked, clock: _Clock) -> Examination:
    """Stage after stage; what a stage has no need of is worked out beside it."""
    noise = crew.later(lambda: noise_of(scan))
    early = None if plan.find.threshold_mg_cm3 else _dense(crew, scan, plan)
    names = None if asked.labels is None else labels_of(scan, asked.labels)
    body = find_body(scan, jobs=crew)

    def calibrated() -> Calibration:
        user = asked.calibration
        return calibrate(scan, plan, body=body, user=user, noise=noise.result(), jobs=crew)

    scale = None
    if asked.calibration is not None or plan.find.threshold_mg_cm3:
        scale = crew.later(calibrated)
        plan = _with_threshold(plan, scale.result())  # what cannot be read is said at once
    clock.begin("finding dense voxels")
    dense = (early or _dense(crew, scan, plan)).result()
    clock.begin("telling deposits apart")
    chance = finder.ask(scan, dense, body, plan, jobs=crew)
    scale = scale or crew.later(calibrated)  # beside what one thread has to do alone
    found = finder.find(scan, dense, body, plan, chance, labels=names, jobs=crew)
    clock.begin("measuring")
    anatomy = Anatomy(body, found.skeleton, names)
    places = crew.later(lambda: _places(scan, found, anatomy, asked.site))
    marks = crew.later(lambda: landmarks(scan, body, found.skeleton))
    soft = crew.later(lambda: soft_tissue(scan, [found.findings[k].runs for k in found.listed]))
    quantities = quantify(
        scan, found.findings, scale.result(), plan, noise=noise.result(), jobs=crew
    )
    pairs = list(zip(found.findings, quantities, strict=True))
    listed = numbered_deposits(scan, pairs, found, places.result())
    return Examination(
        frame=scan.frame,
        acquisition=scan.acquisition,
        provenance=Provenance.of(scan.source),
        plan=plan,
        calibration=scale.result(),
        listed=tuple(listed),
        objects=other_objects(scan, pairs, found),
        totals=totals_of(listed, scale.result()),
        flags=flags_by_code(
            scan.flags, scale.result().flags, found.flags, finder.site_flags(asked.site, scan)
        ),
        timings=clock.end(),
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        landmarks=replace(marks.result(), soft=soft.result()),
        anatomy={} if names is None else {"scheme": names.scheme, **names.made_by},
    )


def _as_it_lay(exam: Examination, scan: Scan, pose: StoredGrid) -> Examination:
    """What was found in a pose, on the scan's own grid; what is in patient coordinates stays."""
    scale = exam.calibration
    slopes = scale.per_slice
    if slopes is not None:
        # Slices of another axis have no slope of their own: their median stands for all.
        along = pose.axes[0] == 2
        slopes = (slopes[::-1] if pose.flipped[0] else slopes) if along else None
    return replace(
        exam,
        frame=scan.frame,
        listed=tuple(_deposit_as_it_lay(deposit, scan, pose) for deposit in exam.listed),
        objects=tuple(_object_as_it_lay(item, pose) for item in exam.objects),
        calibration=replace(scale, per_slice=slopes),
    )


def _deposit_as_it_lay(deposit: Deposit, scan: Scan, pose: StoredGrid) -> Deposit:
    runs, said = out_of_pose(deposit.runs, pose), deposit.form
    volume = deposit.quantity.volume_mm3.value
    return replace(
        deposit,
        uid=uid_of(scan, runs),
        runs=runs,
        slices=slices_of(scan.frame, runs),
        form=form(scan, runs, shape=said.shape, volume_mm3=volume, numbers=said.numbers),
    )


def _object_as_it_lay(item: OtherObject, pose: StoredGrid) -> OtherObject:
    runs = item.runs
    return item if runs is None else replace(item, runs=out_of_pose(runs, pose))


def _dense(crew: Crew, scan: Scan, plan: Plan) -> Later[Objects]:
    """The dense objects at the plan's threshold."""
    return crew.later(lambda: dense_objects(scan.hu, plan.find.threshold_hu, jobs=crew))


def _places(
    scan: Scan, found: finder.Found, anatomy: Anatomy, site: str | None
) -> dict[int, Place]:
    """Where each listed finding lies, by its number among the findings."""
    runs = [found.findings[k].runs for k in found.listed]
    evidence = [found.evidence[k] for k in found.listed]
    return dict(zip(found.listed, finder.places(scan, runs, evidence, anatomy, site), strict=True))


def _with_threshold(plan: Plan, scale: Calibration) -> Plan:
    """The plan with the HU that a threshold in mg/cm3 stands for on this scan."""
    if not plan.find.threshold_mg_cm3:
        return plan
    hu = round(hu_threshold(scale, plan.find.threshold_mg_cm3), 1)
    return plan.changed("find", {"threshold_hu": hu}, where="find.threshold_mg_cm3")


@dataclass(slots=True)
class _Clock:
    """Seconds of each stage, and word of it to whoever watches."""

    progress: Callable[[str], None] | None
    seconds: dict[str, float] = field(default_factory=dict)
    stage: str = ""
    since: float = 0.0

    def begin(self, stage: str) -> None:
        self.end()
        self.stage, self.since = stage, perf_counter()
        if self.progress is not None:
            self.progress(stage)

    def end(self) -> dict[str, float]:
        if self.stage:
            self.seconds[self.stage] = perf_counter() - self.since
        self.stage = ""
        return self.seconds
