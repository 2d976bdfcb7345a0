"""The studies: fates, repeats and true change, bent joints, time."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from time import process_time
from typing import NamedTuple

import numpy as np
from benchmarks.followup.judged import Outcome, Sum, judged
from benchmarks.followup.pictures import Tile, tiles
from benchmarks.followup.stories import Story, deposits, scaled, stories
from benchmarks.followup.subjects import Drawn, Real, Session, Subject
from benchmarks.followup.visits import WAYS, Made, Part, make

from calcimetry.phantom.canvas import Pose
from calcimetry.phantom.placement import Placement

LINEAGES = 12  # asked of a pair; the edge of a field and crowding cost some
LIMBS = (15, 17, 23, 26, 29, 33, 41, 43, 1, 2, 35, 50, 51)
REGIONS = ("knee", "elbow", "shoulder", "thigh", "hand")
TURN_DEG, SHIFT_MM = 10.0, 15.0
REPEAT_TURN_DEG = 5.0
KVP = (80.0, 100.0, 120.0, 140.0)
TRUE_CHANGE = (1.4, 0.6)
BEND_DEG = 30.0


Known = tuple[str, str]
"""Of a lineage: its fate, its family of shapes."""


class Pair(NamedTuple):
    """Two visits of a case to compare, and what became of each lineage between them."""

    study: str
    first: int
    second: int
    known: tuple[Known, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """A subject's visits, measured; what can be compared without its images."""

    name: str
    kind: str
    visits: tuple[Made, ...]
    pairs: tuple[Pair, ...]
    seconds: float = 0.0  # of one core, to make it


@dataclass(frozen=True)
class Result:
    """Outcomes, totals, and pictures of what went wrong."""

    outcomes: tuple[Outcome, ...] = ()
    sums: tuple[Sum, ...] = ()
    tiles: tuple[Tile, ...] = ()
    seconds: float = 0.0


def subjects(data: Path | None, count: int, seeds: int = 0) -> list[Subject]:
    """So many: phantoms, and (where the data is) as many real CTs, in turn."""
    drawn: list[Subject] = [
        Drawn(REGIONS[k % len(REGIONS)], 40 + seeds + k, _phantom_spacing(k)) for k in range(count)
    ]
    if data is None:
        return drawn
    paths = [data / "limbs" / f"STS_{n:03d}_CT.nii.gz" for n in LIMBS]
    real: list[Subject] = [Real(path) for path in paths]
    trunks = data / "trunks"
    real += [
        Real(trunks / "abdomen_crlm1006_1.5mm.nii.gz", 28.0),
        Real(trunks / "chest_lidc0314_1.5mm.nii.gz", 28.0, (40, 110)),
    ]
    return [real[(k // 2) % len(real)] if k % 2 else drawn[k // 2] for k in range(count)]


def more_trunks(folder: Path) -> list[Subject]:
    """The chest and the aorta that `get-trunks` fetched."""
    return [
        Real(folder / "chest_ct.nii.gz", 28.0, (40, 110)),
        Real(folder / "aorta_cta.nii.gz", 28.0, (60, 170)),
    ]


def _phantom_spacing(k: int) -> tuple[float, float, float]:
    return ((1.5, 0.9, 0.9), (1.25, 0.9, 0.9), (2.5, 0.9, 0.9))[k % 3]


def _seed(subject: Subject, *more: int) -> list[int]:
    return [zlib.crc32(subject.name.encode()), *more]


def _pose(rng: np.random.Generator, turn: float, bend: float = 0.0) -> Pose:
    t, s = rng.uniform(-turn, turn, 3), rng.uniform(-SHIFT_MM, SHIFT_MM, 3)
    return Pose(
        (float(t[0]), float(t[1]), float(t[2])), (float(s[0]), float(s[1]), float(s[2])), bend
    )


def fates(subject: Subject, number: int, ways: Sequence[str] = WAYS) -> Case:
    """Two visits, a year apart, with lineages of every fate.

    The second is turned, shifted and noisier or less so; of every four, two have other voxels,
    every third another voltage; of every four, two have a shorter field on one visit; joints
    are bent.
    """
    rng = np.random.default_rng(_seed(subject, 1, number))
    told = stories(subject, LINEAGES, rng, number)
    finer = (0.75, 0.85, 0.85) if number % 4 < 2 else (1.0, 1.0, 1.0)
    z, y, x = np.array(subject.spacing) * finer
    kvp = float(rng.choice(KVP)) if number % 3 == 2 else subject.kvp
    bend = float(rng.uniform(10, 30)) if subject.bends else 0.0
    first = Session(Pose(), subject.spacing, subject.kvp, seed=2 * number)
    second = Session(
        _pose(rng, TURN_DEG, bend), (float(z), float(y), float(x)), kvp,
        float(rng.uniform(0.8, 1.4)), 2 * number + 1, "2026-01-01",
    )  # fmt: skip
    sessions = (first, second)
    if number // 2 % 2:
        sessions = _shorter(subject, told, sessions, number % 8 < 4)
    return _case(subject, ("fates", number), told, sessions, ways)


def _case(
    subject: Subject,
    what: tuple[str, int],
    told: Sequence[Story],
    sessions: Sequence[Session],
    ways: Sequence[str],
) -> Case:
    """Two visits of stories that have two states."""
    visits = tuple(make(subject, how, _parts(told, k), ways) for k, how in enumerate(sessions))
    pair = Pair(what[0], 0, 1, _known(told))
    return Case(f"{subject.name} #{what[1]}", subject.kind, visits, (pair,))


def _known(told: Sequence[Story]) -> tuple[Known, ...]:
    return tuple((story.fate, story.family) for story in told)


def _parts(told: Sequence[Story], visit: int) -> list[Part]:
    return [
        Part(bool(story.visits[visit]), story.visits[visit] or story.visits[1 - visit])
        for story in told
    ]


def _shorter(
    subject: Subject, told: Sequence[Story], sessions: tuple[Session, Session], later: bool
) -> tuple[Session, Session]:
    """The field of one visit ends above the lowest deposits."""
    side = int(later)
    heights = sorted(
        max(subject.moved(p, sessions[side].pose).centre_mm[2] for p in parts)
        for parts in (story.visits[0] or story.visits[1] for story in told)
    )
    cut = replace(sessions[side], field_z=(heights[min(2, len(heights) - 1)] + 8.0, np.inf))
    return (sessions[0], cut) if later else (cut, sessions[1])


def repeats(subject: Subject, number: int, ways: Sequence[str] = WAYS) -> Case:
    """Three scans of one state, and a fourth with every deposit 40 % heavier or lighter.

    Compared: the first three with each other, and the fourth with two of them (1-4, 3-4). All
    four
    have other noise, another position, slices elsewhere, and nothing else that differs.
    """
    rng = np.random.default_rng(_seed(subject, 2, number))
    placed = deposits(subject, LINEAGES, rng)
    same = [Story("stable", ((p,), (p,))) for p in placed]
    changed = [_changed(subject, p, TRUE_CHANGE[k % 2]) for k, p in enumerate(placed)]
    visits = tuple(
        make(subject, _again(subject, rng, 4 * number + k), _parts(state, 1), ways)
        for k, state in enumerate((same, same, same, changed))
    )
    pairs = [Pair("repeats", a, b, _known(same)) for a, b in ((0, 1), (1, 2), (0, 2))]
    pairs += [Pair("changes", a, 3, _known(changed)) for a in (0, 2)]
    return Case(f"{subject.name} #{number}", subject.kind, visits, tuple(pairs))


def _changed(subject: Subject, place: Placement, times: float) -> Story:
    later = scaled(subject.reference, place, times)
    return Story("grown" if times > 1 else "shrunk", ((place,), (later,)))


def _again(subject: Subject, rng: np.random.Generator, seed: int) -> Session:
    date = f"202{seed % 4}-06-01"
    return Session(_pose(rng, REPEAT_TURN_DEG), subject.spacing, subject.kvp, 1.0, seed, date)


def bends(subject: Subject, number: int, ways: Sequence[str] = WAYS) -> Case:
    """A knee or elbow, straight and bent by 30 degrees; deposits unchanged."""
    rng = np.random.default_rng(_seed(subject, 3))
    told = [Story("stable", ((p,), (p,))) for p in deposits(subject, LINEAGES, rng)]
    sessions = (
        Session(Pose(), subject.spacing, seed=number),
        Session(_pose(rng, 5.0, BEND_DEG), subject.spacing, seed=number + 1, date="2026-01-01"),
    )
    return _case(subject, ("bends", number), told, sessions, ways)


def compared(case: Case, study: str) -> Result:
    """What follow-up says of every pair of a study."""
    outcomes: list[Outcome] = []
    sums: list[Sum] = []
    pictures: list[Tile] = []
    for pair in case.pairs:
        if pair.study != study:
            continue
        visits = case.visits[pair.first], case.visits[pair.second]
        name = f"{case.name} {pair.first + 1}-{pair.second + 1}"
        for way in visits[0].visits:
            out, total, _ = judged((name, case.kind), pair.known, visits, way)
            outcomes += out
            sums.append(total)
            pictures += tiles(out, visits, way)
    return Result(tuple(outcomes), tuple(sums), tuple(pictures))


def merged(results: Iterable[Result]) -> Result:
    every = list(results)
    return Result(
        tuple(o for r in every for o in r.outcomes),
        tuple(s for r in every for s in r.sums),
        tuple(t for r in every for t in r.tiles),
        sum(r.seconds for r in every),
    )


WORK: dict[str, Callable[..., Case]] = {"fates": fates, "repeats": repeats, "bends": bends}


class Job(NamedTuple):
    """A case to make, or to take from the folder where it was kept."""

    work: str
    subject: Subject
    number: int
    kept: Path | None = None


def done(job: Job) -> dict[str, Result]:
    """A job's results, by study."""
    case = _kept(job)
    began = process_time()
    found = {study: compared(case, study) for study in {pair.study for pair in case.pairs}}
    share = (case.seconds + process_time() - began) / len(found)
    return {study: replace(result, seconds=share) for study, result in found.items()}


def _kept(job: Job) -> Case:
    if job.kept is None:
        return _timed(job)
    path = job.kept / f"{job.work}-{job.number:02d}.pickle"
    if path.exists():
        return pickle.loads(path.read_bytes())
    case = _timed(job)
    job.kept.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(case))
    return case


def _timed(job: Job) -> Case:
    began = process_time()
    case = WORK[job.work](job.subject, job.number)
    return replace(case, seconds=process_time() - began)


def spread(jobs: Sequence[Job], processes: int) -> Iterator[tuple[Job, dict[str, Result]]]:
    """Every job with its results, in order."""
    if processes == 1:
        yield from ((job, done(job)) for job in jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from zip(jobs, pool.map(done, jobs), strict=True)
