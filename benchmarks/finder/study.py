"""The insertion study: deposits of known truth in CTs that the weights never saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calcimetry import deposits as finder
from calcimetry.anatomy import find_body, in_pose, is_turned, out_of_pose, pose_of
from calcimetry.phantom.insertion import insert
from calcimetry.phantom.placement import Mix, Pool, candidate_sites, random_placements
from calcimetry.phantom.shapes_independent import Make, draw_independent, insert_independent
from calcimetry.phantom.spec import Imaging, Placement
from calcimetry.phantom.truth import Painted, Truth
from calcimetry.plan import Plan
from calcimetry.records import Finding, Kind, Scan
from calcimetry.runs import find_runs, objects_of, paint

GENERATORS = ("trained", "independent")
HIT_SHARE = 0.25
"""A deposit is found when at least this share of its dense voxels is called deposit."""

FALSE_MM = 3.0
"""False deposits are counted from the volume of a sphere of this diameter on."""

FALSE_MM3 = np.pi / 6 * FALSE_MM**3
MINE = 0.1
"""Share of a voxel that a painted deposit fills, blur and all, from which it is its own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one painted deposit.

    share_deposit, share_listed : of its dense voxels, called deposit, or that or uncertain;
        None when none of it is dense
    cut : the field's edge cuts it
    """

    case: str
    generator: str
    family: str
    site: str
    diameter_mm: float
    density_mg_cm3: float
    null: bool
    share_deposit: float | None
    share_listed: float | None
    confidence: float
    at: tuple[int, int, int]
    cut: bool

    @property
    def hit(self) -> bool:
        return self.share_deposit is not None and self.share_deposit >= HIT_SHARE

    @property
    def listed(self) -> bool:
        return self.share_listed is not None and self.share_listed >= HIT_SHARE


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """A deposit that is none: where it is, how big, how sure the finder was."""

    case: str
    volume_mm3: float
    confidence: float
    at: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Called:
    """What was called a deposit: how sure the finder was, and whether it is one."""

    case: str
    generator: str
    confidence: float
    right: bool


def judged(scan: Scan, plan: Plan | None = None, jobs: int = 2) -> tuple[Finding, ...]:
    """What the finder says of every dense object of a scan, as `measure` asks it."""
    plan, pose = plan or Plan(), pose_of(scan, jobs=jobs)
    scan = in_pose(scan, pose)
    dense = objects_of(scan.hu, find_runs(scan.hu, plan.find.threshold_hu, jobs=jobs), jobs=jobs)
    body = find_body(scan, jobs=jobs)
    answer = finder.ask_network(scan, dense, body, plan, jobs=jobs)
    found = finder.find(scan, dense, body, plan, answer, jobs=jobs).findings
    if not is_turned(pose):
        return found
    return tuple(replace(finding, runs=out_of_pose(finding.runs, pose)) for finding in found)


MIX = Mix(diameter_mm=(3.0, 22.0), density_mg_cm3=(180.0, 1100.0), null_share=0.4)


def inserted(
    scan: Scan,
    generator: str,
    seed: int,
    count: int,
    *,
    sites: Mapping[str, Pool] | None = None,
    mix: Mix = MIX,
    hu_per_mg_cm3: float | None = None,
) -> tuple[Scan, Truth]:
    """`count` deposits, and with the usual mix null insertions, by either generator.

    sites : places by pool; all that the scan has unless given
    hu_per_mg_cm3 : of the mineral; drawn unless given
    """
    rng = np.random.default_rng((seed, len(generator)))
    placed = random_placements(scan, count, rng, sites=sites or candidate_sites(scan), mix=mix)
    spread, drawn = rng.uniform(0.8, 1.6), float(rng.uniform(1.25, 1.6))
    look = Imaging(fwhm_mm=(scan.spacing[0] * 0.6, spread), hu_per_mg_cm3=hu_per_mg_cm3 or drawn)
    if generator == "trained":
        return insert(scan, placed, rng, look)
    return insert_independent(scan, [_redrawn(place, rng) for place in placed], rng, look)


def _redrawn(place: Placement, rng: np.random.Generator) -> Placement:
    size = max(place.shape.shape) * place.step_mm
    make = list(Make)[rng.integers(len(Make))]
    step = max(size / 26, 0.15)
    name = f"null_{make}" if place.negative else str(make)
    return replace(place, shape=draw_independent(make, size, rng, step), step_mm=step, family=name)


def outcomes(
    case: str, generator: str, scan: Scan, truth: Truth, findings: Iterable[Finding]
) -> Iterator[Outcome]:
    """One outcome for each painted deposit and null insertion."""
    sure, listed = marked(scan, findings)
    for item in (*truth.deposits, *truth.negatives):
        held = _dense(scan, item)
        share = _shares(item, held, sure, listed)
        yield Outcome(
            case,
            generator,
            item.family,
            site_of(item),
            item.diameter_mm,
            item.density_mg_cm3,
            item.negative,
            *share,
            _confidence(item, held, sure),
            _middle(item),
            _cut(scan, item),
        )


def called(
    case: str, generator: str, scan: Scan, truth: Truth, findings: Iterable[Finding]
) -> Iterator[Called]:
    """Everything called a deposit; right where at least half of its voxels are painted.

    Natural deposits count as wrong: leave out scans that hold them.
    """
    painted = np.zeros(scan.hu.shape, np.bool_)
    for item in truth.deposits:
        painted[item.box] |= item.imaged > MINE
    height = scan.hu.shape[1]
    for finding in findings:
        runs = finding.runs
        if finding.kind is not Kind.DEPOSIT or runs.voxels * scan.voxel_mm3 < FALSE_MM3:
            continue
        rows = zip(runs.row // height, runs.row % height, runs.start, runs.stop, strict=True)
        mine = sum(int(painted[z, y, a:b].sum()) for z, y, a, b in rows)
        yield Called(case, generator, finding.confidence, mine >= 0.5 * runs.voxels)


def marked(
    scan: Scan, findings: Iterable[Finding]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The confidence of the deposit at each voxel (0: none), and deposit or uncertain."""
    whole = (slice(0, scan.hu.shape[0]), slice(0, scan.hu.shape[1]), slice(0, scan.hu.shape[2]))
    sure = np.zeros(scan.hu.shape, np.float32)
    listed = np.zeros(scan.hu.shape, np.bool_)
    for finding in findings:
        if finding.kind in (Kind.DEPOSIT, Kind.UNCERTAIN):
            paint(whole, finding.runs, True, out=listed)
            if finding.kind is Kind.DEPOSIT:
                sure[paint(whole, finding.runs)] = max(finding.confidence, 1e-3)
    return sure, listed


def _dense(scan: Scan, item: Painted) -> NDArray[np.bool_]:
    part = scan.hu[item.box] >= Plan().find.threshold_hu
    for least in (0.5, 0.25):
        held: NDArray[np.bool_] = part & (item.imaged > least)
        if held.sum() >= 3:
            return held
    return held if item.negative else np.zeros_like(held)


def _shares(
    item: Painted, held: NDArray[np.bool_], sure: NDArray[np.float32], listed: NDArray[np.bool_]
) -> tuple[float | None, float | None]:
    if item.negative:
        filled = item.imaged > 0.5
        found = (sure[item.box] > 0) & filled
        return float(found.sum() / max(filled.sum(), 1)), 0.0
    if not held.any():
        return None, None
    return float((sure[item.box][held] > 0).mean()), float(listed[item.box][held].mean())


def _cut(scan: Scan, item: Painted) -> bool:
    held = np.argwhere(item.imaged > 0.1) + [side.start for side in item.box]
    return bool(len(held) and ((held == 0) | (held == np.array(scan.hu.shape) - 1)).any())


def _confidence(item: Painted, held: NDArray[np.bool_], sure: NDArray[np.float32]) -> float:
    return float(sure[item.box][held].max()) if held.any() else 0.0


def _middle(item: Painted) -> tuple[int, int, int]:
    weight = item.imaged
    if weight.sum() <= 0:
        return item.box[0].start, item.box[1].start, item.box[2].start
    at = [round(float(c)) for c in np.array(np.nonzero(weight > 0.5 * weight.max())).mean(axis=1)]
    return (at[0] + item.box[0].start, at[1] + item.box[1].start, at[2] + item.box[2].start)


def site_of(item: Painted) -> str:
    if item.touches_bone:
        return "touching bone"
    return str(item.tissue or item.site or "other")


def false_deposits(
    case: str, scan: Scan, findings: Iterable[Finding], known: NDArray[np.bool_] | None = None
) -> list[FalseAlarm]:
    """Deposits of FALSE_MM or more that do not meet what is known to be one."""
    out = []
    for finding in findings:
        volume = finding.runs.voxels * scan.voxel_mm3
        if finding.kind is not Kind.DEPOSIT or volume < FALSE_MM3:
            continue
        runs = finding.runs
        z, y = runs.row // scan.hu.shape[1], runs.row % scan.hu.shape[1]
        if known is not None and any(
            known[a, b, c:d].any() for a, b, c, d in zip(z, y, runs.start, runs.stop, strict=True)
        ):
            continue
        k = len(runs) // 2
        at = (int(z[k]), int(y[k]), int((runs.start[k] + runs.stop[k]) // 2))
        out.append(FalseAlarm(case, volume, finding.confidence, at))
    return out
