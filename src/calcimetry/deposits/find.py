"""The finder: every dense object of a scan becomes a finding with kind, reason and confidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from calcimetry.anatomy import (
    Body,
    LabelMap,
    Skeleton,
    bone_gaps,
    enclosure,
    enhancement,
    find_bone,
    frontness,
    inside,
    skin_gaps,
    water_equivalent_diameter,
)
from calcimetry.deposits import network
from calcimetry.deposits.around import surroundings
from calcimetry.deposits.course import along_course
from calcimetry.deposits.cut import Pieces, cut, uncut
from calcimetry.deposits.evidence import (
    Evidence,
    Listed,
    at_edge,
    axes,
    known,
    listed_of,
    structures_of,
    thicknesses,
)
from calcimetry.deposits.rules import (
    DOUBTFUL_ALONE,
    SMALL_MM3,
    SURE,
    Verdict,
    at_sight,
    in_company,
    in_place,
    may_be_on_course,
    not_marked,
    of_one_piece,
    on_course,
)
from calcimetry.errors import UsageError
from calcimetry.plan import Plan
from calcimetry.records import LISTED, Finding, Flag, Kind, Objects, Rule, Scan
from calcimetry.runs import parts, taken, voxels_of
from calcimetry.threads import Jobs

Look = Callable[[Listed, Sequence[Evidence]], list[Evidence]]
"""Objects and the evidence of each, to the evidence with what another look at them adds."""

TRUNK_MM = 230.0  # water-equivalent; of 30 limb and pelvis scans none has a median above 211

RULES_ALONE = Flag(
    "FINDER_RULES_ONLY",
    "The finder's network did not run: deposits that touch bone are counted as bone.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What the finder found: findings, the skeleton without deposits, flags.

    evidence : of each finding; those of listed kinds were looked at closely
    centroid : float64 (findings, 3), of each, as in `Objects`
    """

    findings: tuple[Finding, ...]
    evidence: tuple[Evidence, ...]
    centroid: NDArray[np.float64]
    skeleton: Skeleton
    flags: tuple[Flag, ...]

    @property
    def listed(self) -> list[int]:
        """The findings that are deposits or uncertain, by their number."""
        return [k for k, finding in enumerate(self.findings) if finding.kind in LISTED]


def find(
    scan: Scan,
    dense: Objects,
    body: Body,
    plan: Plan,
    chance: NDArray[np.float32] | None,
    *,
    labels: LabelMap | None = None,
    jobs: Jobs = 1,
) -> Found:
    """Findings for every dense object of at least the plan's smallest volume.

    dense : connected objects at the plan's threshold
    chance : what the network says of them, see `ask`; None for rules alone
    labels : the user's anatomy label map; it outranks what is guessed from the images
    """
    pieces = uncut(dense) if chance is None else cut(scan, dense, chance, plan.find, jobs=jobs)
    skeleton = _skeleton(scan, pieces, body, jobs)
    objects = pieces.objects
    number = np.flatnonzero(objects.voxels >= _fewest_voxels(scan, plan))
    listed = listed_of(parts(objects, number.tolist()), scan.hu.shape)
    sights = _at_sight(scan, pieces, (number, listed), (body, skeleton, labels))
    anatomy = body, skeleton
    looks = (
        partial(_surrounded, scan, plan=plan, jobs=jobs),
        partial(_closer, scan, anatomy=anatomy, jobs=jobs),
        partial(_deeper, scan, anatomy=anatomy, jobs=jobs),
    )
    verdicts, evidence = _judged(listed, sights, looks)
    verdicts = _coursed(scan, listed, verdicts, evidence)
    return Found(
        _findings(scan, listed, verdicts),
        tuple(evidence),
        objects.centroid[number],
        skeleton,
        (RULES_ALONE,) if chance is None else (),
    )


def _judged(
    listed: Listed, sights: Sequence[Evidence], looks: tuple[Look, Look, Look]
) -> tuple[list[Verdict], list[Evidence]]:
    """The verdict on each object, and the evidence that it rests on.

    looks : around, closer and deeper. Each is taken at those alone that are not decided without
        it, and at whatever is on the list by then, whose place is told.
    """
    around, closer, deeper = looks
    verdicts = [at_sight(seen) for seen in sights]
    evidence = _renewed(listed, sights, _which(verdicts, LISTED), around)
    verdicts = [v or at_sight(seen) for v, seen in zip(verdicts, evidence, strict=True)]
    evidence = _renewed(listed, evidence, _which(verdicts, LISTED), closer)
    verdicts = [v or not_marked(seen) for v, seen in zip(verdicts, evidence, strict=True)]
    evidence = _renewed(listed, evidence, _which(verdicts, LISTED), deeper)
    final = [v or in_place(seen) for v, seen in zip(verdicts, evidence, strict=True)]
    return final, evidence


def _which(verdicts: Sequence[Verdict | None], kinds: Sequence[Kind] = ()) -> list[int]:
    """Objects without a verdict, or with one of these kinds."""
    return [k for k, v in enumerate(verdicts) if v is None or v.kind in kinds]


def _renewed(
    listed: Listed,
    sights: Sequence[Evidence],
    which: Sequence[int],
    look: Look,
) -> list[Evidence]:
    """The evidence, with what another look at some of the objects adds."""
    evidence = list(sights)
    seen = look(listed.some(which), [sights[k] for k in which])
    for k, more in zip(which, seen, strict=True):
        evidence[k] = more
    return evidence


def _coursed(
    scan: Scan, listed: Listed, verdicts: Sequence[Verdict], evidence: Sequence[Evidence]
) -> list[Verdict]:
    """The verdicts, but small deep objects along a line are a vessel's."""
    final = list(verdicts)
    pairs = zip(verdicts, evidence, strict=True)
    small = [k for k, pair in enumerate(pairs) if may_be_on_course(*pair)]
    along = along_course(scan.to_lps(listed.some(small).middles))
    for k, found in zip(small, along.tolist(), strict=True):
        final[k] = on_course(final[k], found)
    return final


def _closer(
    scan: Scan,
    listed: Listed,
    sights: Sequence[Evidence],
    *,
    anatomy: tuple[Body, Skeleton],
    jobs: Jobs,
) -> list[Evidence]:
    """Evidence with what the rules of NOT_MARKED ask for."""
    body, skeleton = anatomy
    bone = known(bone_gaps(skeleton, listed.points, listed.bounds, jobs=jobs))
    contrast = enhancement(scan, body, skeleton)
    thick = thicknesses(scan, listed.runs, jobs=jobs).tolist()
    return [
        evidence.with_more(
            thickness_mm=thick[k],
            bone_distance_mm=bone[k],
            contrast_hu=contrast,
        )
        for k, evidence in enumerate(sights)
    ]


def _deeper(
    scan: Scan,
    listed: Listed,
    sights: Sequence[Evidence],
    *,
    anatomy: tuple[Body, Skeleton],
    jobs: Jobs,
) -> list[Evidence]:
    """Evidence with what only the other rules of IN_PLACE, and the place of a deposit, ask for."""
    body, skeleton = anatomy
    skin = known(skin_gaps(body, scan, listed.points, listed.bounds, jobs=jobs))
    ringed = known(enclosure(skeleton, body, listed.middles))
    front = known(frontness(scan, body, listed.middles))
    return [
        evidence.with_more(skin_depth_mm=skin[k], enclosure=ringed[k], front=front[k])
        for k, evidence in enumerate(sights)
    ]


def _surrounded(
    scan: Scan, listed: Listed, sights: Sequence[Evidence], *, plan: Plan, jobs: Jobs
) -> list[Evidence]:
    """The evidence, with what surrounds each object."""
    shells = surroundings(scan, listed.runs, plan.find.threshold_hu, jobs=jobs)
    pairs = zip(sights, shells, strict=True)
    return [evidence.with_more(surroundings=shell) for evidence, shell in pairs]


def _findings(scan: Scan, listed: Listed, verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    """Verdicts as findings, those doubtful by themselves looked at again beside deposits."""
    final = _accompanied(scan, listed, _rejoined(scan, listed, verdicts))
    return tuple(
        Finding(runs, verdict.kind, verdict.reason, verdict.confidence, rule=verdict.rule)
        for runs, verdict in zip(listed.runs, final, strict=True)
    )


def _rejoined(scan: Scan, listed: Listed, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts, but what stands alone and touches a deposit cut from it is one with it."""
    final = list(verdicts)
    cores = [listed.runs[k] for k, v in enumerate(verdicts) if v.rule is Rule.SPLIT_FROM_BONE]
    rests = [k for k, v in enumerate(verdicts) if v.rule is Rule.ISOLATED_LOW_PROBABILITY]
    if not cores or not rests:
        return final
    points = [voxels_of(runs) for runs in cores]
    tree = cKDTree(scan.to_lps(np.concatenate(points)))
    owner = np.repeat(np.arange(len(cores)), [len(part) for part in points])
    touching = 1.01 * float(np.linalg.norm(scan.spacing))
    for k in rests:
        gap, nearest = tree.query(scan.to_lps(voxels_of(listed.runs[k])))
        if gap.min() <= touching:
            core = cores[owner[nearest[gap.argmin()]]].voxels
            final[k] = of_one_piece(verdicts[k], core / (core + listed.runs[k].voxels))
    return final


def _accompanied(scan: Scan, listed: Listed, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts, but satellites of bigger deposits are deposits."""
    hosts, doubtful = [], []
    for k, (runs, verdict) in enumerate(zip(listed.runs, verdicts, strict=True)):
        sure = verdict.kind is Kind.DEPOSIT and verdict.rule is not Rule.SPLIT_FROM_BONE
        if sure and runs.voxels * scan.voxel_mm3 > SMALL_MM3:
            hosts.append(k)
        if verdict.rule in DOUBTFUL_ALONE:
            doubtful.append(k)
    final = list(verdicts)
    if hosts and doubtful:
        tree = cKDTree(scan.to_lps(listed.some(hosts).points))
        near = listed.some(doubtful)
        gaps = np.minimum.reduceat(tree.query(scan.to_lps(near.points))[0], near.bounds[:-1])
        for k, gap in zip(doubtful, gaps.tolist(), strict=True):
            final[k] = in_company(verdicts[k], gap)
    return final


def ask(
    scan: Scan, dense: Objects, body: Body, plan: Plan, *, jobs: Jobs = 1
) -> NDArray[np.float32] | None:
    """How probable it is that each dense voxel is deposit, by the finder's network.

    float32 (voxels,), in run order of `dense`; 0 where it was not worth asking. None where the
    network cannot run, or the plan wants rules alone.
    Raises UsageError NO_NETWORK when the plan asks for the network and it cannot run.
    """
    net = None if plan.find.finder == "rules" else network.load()
    if net is not None:
        asked = _worth_asking(scan, dense, body, plan)[dense.label - 1]
        chance = np.zeros(dense.runs.voxels, np.float32)
        lengths = dense.runs.stop - dense.runs.start
        found = network.probability(net, scan, taken(dense.runs, asked), jobs=jobs)
        chance[np.repeat(asked, lengths)] = found
        return chance
    if plan.find.finder == "network":
        raise UsageError(
            "NO_NETWORK",
            found="no onnxruntime, or no weights",
            expected="both, as `pip install calcimetry` brings them",
            where="find.finder = network",
            remedy="install onnxruntime, or take find.finder = auto",
        )
    return None


def _worth_asking(scan: Scan, dense: Objects, body: Body, plan: Plan) -> NDArray[np.bool_]:
    """Which objects the network's word can matter for: listed ones that touch the body."""
    asked = dense.voxels >= _fewest_voxels(scan, plan)
    number = np.flatnonzero(asked)
    listed = listed_of(parts(dense, number.tolist()), scan.hu.shape)
    z, y, x = body.grid.of(listed.points).T
    asked[number] = listed.share(body.around[z, y, x]) > 0
    return asked


def _fewest_voxels(scan: Scan, plan: Plan) -> float:
    return max(plan.find.smallest_mm3 / scan.voxel_mm3, plan.find.smallest_voxels)


def _trunk_slices(scan: Scan, body: Body) -> NDArray[np.bool_]:
    """bool (z,): slices whose water-equivalent diameter is that of a trunk."""
    diameter = water_equivalent_diameter(scan, body)
    return np.asarray(np.nan_to_num(diameter) > TRUNK_MM)


def _skeleton(scan: Scan, pieces: Pieces, body: Body, jobs: Jobs) -> Skeleton:
    """The skeleton among the pieces.

    Deposits that were cut free are left out: distances to bone must not count them. Whole
    pieces that the network is sure of are no bone either.
    """
    sure = pieces.marked & (pieces.probability >= SURE)
    return find_bone(scan, pieces.objects, body, among=~pieces.freed & ~sure, jobs=jobs)


def _at_sight(
    scan: Scan,
    pieces: Pieces,
    listed: tuple[NDArray[np.intp], Listed],
    anatomy: tuple[Body, Skeleton, LabelMap | None],
) -> list[Evidence]:
    """What is to be seen of each listed piece itself, and where in the body it lies.

    listed : the indices of the listed pieces, and what was listed of them
    """
    (number, pile), (body, skeleton, labels) = listed, anatomy
    objects, voxels = pieces.objects, pieces.objects.voxels[number]
    trunk = _trunk_slices(scan, body)[pile.points[:, 0]]
    columns: dict[str, list[Any]] = {
        "voxels": voxels.tolist(),
        "volume_mm3": (voxels * scan.voxel_mm3).tolist(),
        "mean_hu": (objects.total[number] / voxels).tolist(),
        "peak_hu": objects.peak[number].tolist(),
        "axes_mm": list(map(tuple, axes(objects.moment[number], scan.spacing).tolist())),
        "inside": pile.share(inside(body, pile.points)).tolist(),
        "at_edge": at_edge(objects)[number].tolist(),
        "skeletal": skeleton.members[number].tolist(),
        "contrast_given": [scan.acquisition.contrast] * len(number),
        "in_trunk": (pile.share(trunk) > 0.5).tolist(),
        "structure": structures_of(scan, labels, pile),
        "deposit_probability": known(pieces.probability[number]),
        "marked": pieces.marked[number].tolist(),
        "freed": pieces.freed[number].tolist(),
    }
    rows = zip(*columns.values(), strict=True)
    return [Evidence(**dict(zip(columns, row, strict=True))) for row in rows]
