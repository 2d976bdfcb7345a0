"""Scan to Examination: the main job. Every step is a room's function; nothing is judged here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

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
from calcimetry.plan import Plan
from calcimetry.quantity import calibrate, form, hu_threshold, noise_of, quantify, total
from calcimetry.records import (
    LISTED,
    Calibration,
    Deposit,
    Examination,
    Finding,
    Flag,
    Kind,
    Objects,
    OtherObject,
    Place,
    Quantity,
    Runs,
    Scan,
    StoredGrid,
    Total,
    Totals,
)
from calcimetry.runs import dense_objects, voxels_of
from calcimetry.sites import check_site
from calcimetry.threads import Crew, Later
from calcimetry.versions import versions

_NAMESPACE = uuid.UUID("5b0c5a5e-9b1d-5c0e-8a54-6f2f6f0c6a11")  # fixed, so that UIDs repeat

Measured = tuple[Finding, Quantity]


def measure(
    scan: Scan,
    plan: Plan | None = None,
    *,
    calibration: str | float | None = None,
    labels: Path | None = None,
    site: str | None = None,
    jobs: int = 1,
    progress: Callable[[str], None] | None = None,
) -> Examination:
    """Find every deposit of a scan, measure it and say where it lies.

    Parameters
    ----------
    scan : from `calcimetry.read`, or `calcimetry.from_array` for NumPy arrays
    plan : every parameter; the defaults unless given
    calibration : the user's own, "c=0.764" or a number, mg/cm3 HA per HU above background
    labels : anatomy label map of this scan (NIfTI, any grid)
    site : body part in words ("hand", "left knee", "linkes Knie"), where the user knows it
    jobs : threads
    progress : told the name of each stage as it begins

    Raises UsageError for a calibration that cannot be read or a site that is not known,
    InputError for a label map that does not fit the scan.
    """
    check_site(site)
    asked, clock = _Asked(calibration, labels, site), _Clock(progress)
    with Crew(jobs) as crew:
        clock.begin("finding the body")
        pose = pose_of(scan, jobs=crew)
        found = _examined(crew, in_pose(scan, pose), plan or Plan(), asked, clock)
    return _as_it_lay(found, scan, pose) if is_turned(pose) else found


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the user says of a scan; see `measure`."""

    calibration: str | float | None
    labels: Path | None
    site: str | None


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
    probability = finder.network_probability(scan, dense, body, plan, jobs=crew)
    scale = scale or crew.later(calibrated)  # beside what one thread has to do alone
    found = finder.find(scan, dense, body, plan, probability, labels=names, jobs=crew)
    clock.begin("measuring")
    anatomy = Anatomy(body, found.skeleton, names)
    places = crew.later(lambda: _places(scan, found, anatomy, asked.site))
    marks = crew.later(lambda: landmarks(scan, body, found.skeleton))
    soft = crew.later(lambda: soft_tissue(scan, [found.findings[k].runs for k in found.listed]))
    quantities = quantify(
        scan, found.findings, scale.result(), plan, noise=noise.result(), jobs=crew
    )
    pairs = list(zip(found.findings, quantities, strict=True))
    listed = _deposits(scan, pairs, found, places.result())
    return Examination(
        scan=scan,
        plan=plan,
        calibration=scale.result(),
        deposits=tuple(listed),
        objects=_others(scan, pairs, found),
        totals=_totals(listed, scale.result()),
        flags=_by_code(
            scan.flags, scale.result().flags, found.flags, finder.site_flags(asked.site, scan)
        ),
        timings=clock.end(),
        versions=versions(),
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
        scan=scan,
        deposits=tuple(_deposit_as_it_lay(deposit, scan, pose) for deposit in exam.deposits),
        calibration=replace(scale, per_slice=slopes),
    )


def _deposit_as_it_lay(deposit: Deposit, scan: Scan, pose: StoredGrid) -> Deposit:
    runs, said = out_of_pose(deposit.runs, pose), deposit.form
    volume = deposit.quantity.volume_mm3.value
    return replace(
        deposit,
        uid=_uid(scan, runs),
        runs=runs,
        slices=_slices(scan, runs),
        form=form(scan, runs, shape=said.shape, volume_mm3=volume, numbers=said.numbers),
    )


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


def _by_code(*rooms: Iterable[Flag]) -> tuple[Flag, ...]:
    """Flags of all rooms; of two with one code the later says more, as it knows the outcome."""
    return tuple({flag.code: flag for flags in rooms for flag in flags}.values())


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


def _deposits(
    scan: Scan, pairs: Sequence[Measured], found: finder.Found, places: dict[int, Place]
) -> list[Deposit]:
    """Deposits and uncertain ones, numbered: those sure first, then by mass."""
    order = sorted(found.listed, key=lambda k: _rank(pairs[k]))
    centres = scan.to_lps(found.centroid[order]).tolist()
    made: list[Deposit] = []
    for at in order:
        finding, quantity = pairs[at]
        numbers = finder.shape_numbers(scan, finding.runs, found.evidence[at].axes_mm)
        made.append(
            Deposit(
                number=len(made) + 1,
                uid=_uid(scan, finding.runs),
                kind=finding.kind,
                confidence=finding.confidence,
                reason=finding.reason,
                rule=finding.rule,
                runs=finding.runs,
                centroid_mm=tuple(centres[len(made)]),
                slices=_slices(scan, finding.runs),
                place=places[at],
                form=form(
                    scan,
                    finding.runs,
                    shape=finder.shape_name(numbers),
                    volume_mm3=quantity.volume_mm3.value,
                    numbers=numbers,
                ),
                quantity=quantity,
                flags=finding.flags,
            )
        )
    return made


def _rank(pair: Measured) -> tuple[int, float, int, int]:
    finding, quantity = pair
    runs = finding.runs
    first = int(runs.row[0]), int(runs.start[0])
    return LISTED.index(finding.kind), -(quantity.mass_mg.value or 0.0), *first


def _uid(scan: Scan, runs: Runs) -> str:
    """A UID that the same voxels get again: from their HU and where they lie.

    DICOM form for UUIDs (PS3.5 B.2). Files and patients do not enter, so that a scan read
    from DICOM and from NIfTI gives the same.
    """
    voxels = voxels_of(runs)
    values = scan.hu[tuple(voxels.T)].astype("<i2").tobytes()
    corners = scan.to_lps(voxels[[0, -1]]).round(1).tolist()
    return f"2.25.{uuid.uuid5(_NAMESPACE, f'{values.hex()} {corners}').int}"


def _slices(scan: Scan, runs: Runs) -> tuple[int, int]:
    height = runs.shape[1]
    ends = [scan.stored.slice_index(int(runs.row[end]) // height) for end in (0, -1)]
    return min(ends), max(ends)


def _others(scan: Scan, pairs: Sequence[Measured], found: finder.Found) -> tuple[OtherObject, ...]:
    """Dense objects of all other kinds, biggest first."""
    voxels = [evidence.voxels for evidence in found.evidence]
    rest = [k for k, (finding, _) in enumerate(pairs) if finding.kind not in LISTED]
    rest.sort(key=lambda k: (-voxels[k], int(pairs[k][0].runs.row[0])))
    centres, voxel = scan.to_lps(found.centroid[rest]).tolist(), scan.voxel_mm3
    return tuple(
        OtherObject(
            number=number,
            kind=pairs[k][0].kind,
            reason=pairs[k][0].reason,
            rule=pairs[k][0].rule,
            confidence=pairs[k][0].confidence,
            volume_mm3=voxels[k] * voxel,
            mass_mg=pairs[k][1].mass_mg.value,
            centroid_mm=tuple(centre),
        )
        for number, (k, centre) in enumerate(zip(rest, centres, strict=True), 1)
    )


def _totals(listed: Sequence[Deposit], scale: Calibration) -> Totals:
    return Totals(
        overall=_total(listed, scale),
        by_region=_grouped(listed, scale, lambda deposit: deposit.place.region),
        by_tissue=_grouped(listed, scale, lambda deposit: deposit.place.tissue),
    )


def _grouped(
    listed: Sequence[Deposit], scale: Calibration, key: Callable[[Deposit], str | None]
) -> dict[str, Total]:
    names = sorted({key(deposit) or "unknown" for deposit in listed})
    return {
        name: _total([d for d in listed if (key(d) or "unknown") == name], scale) for name in names
    }


def _total(listed: Sequence[Deposit], scale: Calibration) -> Total:
    sure = [deposit.quantity for deposit in listed if deposit.kind is Kind.DEPOSIT]
    scores = [quantity.agatston for quantity in sure]
    sums = total(sure, scale)
    known = [score for score in scores if score is not None]
    return Total(
        count=len(sure),
        uncertain=len(listed) - len(sure),
        mass_mg=sums.mass_mg,
        volume_mm3=sums.volume_mm3,
        agatston=sum(known) if len(known) == len(scores) else None,
    )
