"""Answers that must be right whatever the numbers: order, third visit, no deposits, and time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
from benchmarks.followup.stories import deposits
from benchmarks.followup.subjects import Drawn, Session

import calcimetry as cm
from calcimetry.followup import FollowUp
from calcimetry.phantom import PhantomSpec, Protocol, insert, random_placements, realise
from calcimetry.phantom.canvas import Pose
from calcimetry.phantom.placement import Mix
from calcimetry.records import Examination, Frame, Scan
from calcimetry.visits import follow

SHAPE = (200, 512, 512)
DEPOSITS = 50
MOVED = (3, 6, -8)  # voxels


def cases() -> Iterator[tuple[str, bool]]:
    """What is asked, and whether the answer is right."""
    subject = Drawn("elbow", 77, (1.5, 1.0, 1.0))
    placed = deposits(subject, 6, np.random.default_rng(5))
    sessions = [
        Session(Pose((0.0, 3.0 * k, -4.0 * k), (2.0 * k, 0.0, 3.0 * k), 8.0 * k),
                subject.spacing, seed=k, date=f"202{k}-01-01")
        for k in range(3)
    ]  # fmt: skip
    full = [cm.measure(subject.visit(how, placed)[0]) for how in sessions]
    none = cm.measure(subject.visit(sessions[1], [])[0])
    first, second, third = full
    yield (
        "the order of the inputs does not matter",
        _same(follow([first, second]), follow([second, first])),
    )
    yield "nor with three visits", _same(follow(full), follow([third, first, second]))
    yield "a third visit: every lineage runs through all", _run_through(follow(full))
    yield (
        "an identical visit twice: all stable, change 0",
        _unchanged(follow([first, replace(first)])),
    )
    yield (
        "a visit with none, later: all gone or judged otherwise",
        _alone(follow([first, none]), "gone"),
    )
    yield (
        "a visit with none, before: all new or judged otherwise",
        _alone(
            follow([_redated(none, "2019-01-01"), first]),
            "new",
        ),
    )
    yield (
        "two visits with none: no change",
        not any(row.change.called for row in follow([none, replace(none)]).rows),
    )


def _same(a: FollowUp, b: FollowUp) -> bool:
    return [(r.first, r.second, r.fate, r.change) for r in a.rows] == [
        (r.first, r.second, r.fate, r.change) for r in b.rows
    ]


def _run_through(found: FollowUp) -> bool:
    lineages = {row.lineage for row in found.rows if row.fate == "stable"}
    pairs = [{r.lineage for r in found.rows if r.visits == v} for v in ((1, 2), (2, 3))]
    return len(lineages) >= 4 and all(lineages <= pair for pair in pairs)


def _unchanged(found: FollowUp) -> bool:
    return bool(found.rows) and all(
        row.fate == "stable" and row.change.mass_pct.value in (0.0, None) and not row.change.called
        for row in found.rows
    )


def _alone(found: FollowUp, fate: str) -> bool:
    """Whether what the finder lists on one visit alone (false findings apart) has one fate."""
    side = ("gone", "new").index(fate)
    lone = [row for row in found.rows if not (row.first, row.second)[1 - side]]
    fates = [row.fate for row in lone]
    return fates.count(fate) >= 4 and set(fates) <= {fate, "doubtful", "not_covered"}


def _dated(scan: Scan, date: str) -> Scan:
    return replace(scan, acquisition=replace(scan.acquisition, date=date))


def _redated(exam: Examination, date: str) -> Examination:
    return replace(exam, acquisition=replace(exam.acquisition, date=date))


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds; `found` is how many deposits each visit has."""

    measure: tuple[float, float]
    memory: float
    folders: float
    found: tuple[int, int]


def times() -> Times:
    """Two trunks of 512 x 512 x 200 with 50 deposits each."""
    scans = _big()
    cm.measure(scans[0], jobs=2)  # kernels are compiled once, not at every visit
    exams: list[Examination] = []
    seconds = []
    for scan in scans:
        began = perf_counter()
        exams.append(cm.measure(scan, jobs=2))
        seconds.append(perf_counter() - began)
    began = perf_counter()
    follow(exams)
    memory = perf_counter() - began
    with tempfile.TemporaryDirectory() as base:
        folders = [Path(base) / name for name in ("a", "b")]
        for exam, folder in zip(exams, folders, strict=True):
            cm.write(exam, folder)
        began = perf_counter()
        follow(folders)
        saved = perf_counter() - began
    found = len(exams[0].deposits), len(exams[1].deposits)
    return Times((seconds[0], seconds[1]), memory, saved, found)


def _big() -> tuple[Scan, Scan]:
    """A trunk drawn at half the matrix and doubled, noise on top; then the same, moved."""
    half = tuple(n // 2 for n in SHAPE)
    how = Protocol(spacing=(3.0, 1.4, 1.4), shape=half, noise_hu=0.0, table=True)  # type: ignore[arg-type]
    small = realise(PhantomSpec("trunk", 9, protocol=how)).scan
    hu = small.hu
    for axis in range(3):
        hu = hu.repeat(2, axis=axis)
    affine = small.affine.copy()
    affine[:3, :3] /= 2
    affine[:3, 3] = small.to_lps(np.full(3, -0.25))
    stored = replace(small.stored, shape=SHAPE[::-1], affine=affine)
    base = replace(small, hu=hu, frame=Frame(hu.shape, affine, stored))
    mix = Mix(diameter_mm=(5.0, 14.0), density_mg_cm3=(300.0, 1200.0))
    placed = random_placements(base, DEPOSITS, np.random.default_rng(4), mix=mix)
    scan, _ = insert(base, placed)
    return _noisy(scan, (0, 0, 0), 1), _noisy(scan, MOVED, 2)


def _noisy(scan: Scan, shift: tuple[int, int, int], seed: int) -> Scan:
    hu = np.roll(scan.hu, shift, axis=(0, 1, 2))
    noise = np.random.default_rng(seed).standard_normal(hu.shape, dtype=np.float32) * 10
    moved = np.clip(hu + noise, -1024, 3071).astype(np.int16)
    return _dated(replace(scan, hu=moved), f"202{seed}-01-01")
