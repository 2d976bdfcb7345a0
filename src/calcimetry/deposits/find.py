"""The finder: every dense object of a scan becomes a finding with kind, reason and confidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

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
from calcimetry.deposits.around import NOTHING, Surroundings, surroundings
from calcimetry.deposits.course import along_course
from calcimetry.deposits.cut import Pieces, cut, uncut
from calcimetry.deposits.evidence import (
    Evidence,
    at_edge,
    axes,
    known,
    means,
    samples,
    structure_of,
    thickness,
)
from calcimetry.deposits.rules import (
    CUT_FREE,
    DOUBTFUL_ALONE,
    MOSTLY_INSIDE,
    SMALL_MM3,
    SURE,
    Verdict,
    at_sight,
    in_company,
    in_place,
    may_be_on_course,
    on_course,
)
from calcimetry.errors import UsageError
from calcimetry.plan import Plan
from calcimetry.records import LISTED, Finding, Flag, Kind, Objects, Runs, Scan
from calcimetry.runs import parts, stacked, tabulate, taken

TRUNK_MM = 230.0  # water-equivalent; of 30 limb and pelvis scans none has a median above 211

RULES_ALONE = Flag(
    "FINDER_RULES_ONLY",
    "The finder's network did not run: deposits that touch bone are counted as bone.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What the finder found: findings, the skeleton without deposits, flags.

    evidence : of each finding; those of listed kinds were looked at closely
    """

    findings: tuple[Finding, ...]
    evidence: tuple[Evidence, ...]
    skeleton: Skeleton
    flags: tuple[Flag, ...]


def find(
    scan: Scan,
    dense: Objects,
    body: Body,
    plan: Plan,
    *,
    labels: LabelMap | None = None,
    jobs: int = 1,
) -> Found:
    """Findings for every dense object of at least the plan's smallest volume.

    dense : connected objects at the plan's threshold
    labels : the user's anatomy label map; it outranks what is guessed from the images
    Raises UsageError NO_NETWORK when the plan asks for the network and it cannot run.
    """
    pieces, flags = _pieces(scan, dense, body, plan, jobs)
    skeleton, skeletal = _skeleton(scan, pieces, body)
    voxels = pieces.objects.voxels
    listed = np.flatnonzero(voxels >= _fewest_voxels(scan, plan)).tolist()
    surely = np.zeros(len(voxels), np.bool_)
    surely[skeletal] = True

    runs = [pieces.runs[index] for index in listed]
    sights = _at_sight(scan, pieces, listed, surely)
    sights = _in_body(scan, runs, sights, body, labels, plan, jobs)
    look = partial(_closer, scan, anatomy=(body, skeleton), plan=plan, jobs=jobs)
    verdicts, evidence = _judged(runs, sights, look)
    verdicts = _coursed(scan, runs, verdicts, evidence)
    return Found(_findings(scan, runs, verdicts), tuple(evidence), skeleton, flags)


def _judged(
    runs: Sequence[Runs],
    sights: Sequence[Evidence],
    look: Callable[[Sequence[Runs], Sequence[Evidence]], list[Evidence]],
) -> tuple[list[Verdict], list[Evidence]]:
    """The verdict on each object, and the evidence that it rests on.

    Only those that sight does not decide, or puts on the list, are looked at closely.
    """
    first = [at_sight(evidence) for evidence in sights]
    near = [k for k, verdict in enumerate(first) if verdict is None or verdict.kind in LISTED]
    evidence = list(sights)
    for k, seen in zip(near, look([runs[k] for k in near], [sights[k] for k in near]), strict=True):
        evidence[k] = seen
    verdicts = [verdict or in_place(seen) for verdict, seen in zip(first, evidence, strict=True)]
    return verdicts, evidence


def _coursed(
    scan: Scan, runs: Sequence[Runs], verdicts: Sequence[Verdict], evidence: Sequence[Evidence]
) -> list[Verdict]:
    """The verdicts, but small deep objects along a line are a vessel's."""
    final = list(verdicts)
    pairs = zip(verdicts, evidence, strict=True)
    small = [k for k, pair in enumerate(pairs) if may_be_on_course(*pair)]
    along = along_course(_middles(scan, [runs[k] for k in small]))
    for k, found in zip(small, along.tolist(), strict=True):
        final[k] = on_course(final[k], found)
    return final


def _middles(scan: Scan, runs: Sequence[Runs]) -> NDArray[np.float64]:
    """The middle of each object, LPS mm (n, 3)."""
    points, bounds = samples(runs, scan.hu.shape)
    return scan.to_lps(means(points, bounds))


def _in_body(
    scan: Scan,
    runs: Sequence[Runs],
    sights: Sequence[Evidence],
    body: Body,
    labels: LabelMap | None,
    plan: Plan,
    jobs: int,
) -> list[Evidence]:
    """Evidence with where in the body its object lies, and what is around it there.

    Nobody asks what is around things outside the body, such as a table, or around all bones.
    """
    points, bounds = samples(runs, scan.hu.shape)
    count = np.maximum(np.diff(bounds), 1)
    owner = np.repeat(np.arange(len(runs)), np.diff(bounds))
    within = np.bincount(owner, inside(body, points), len(runs)) / count
    thick = _trunk_slices(scan, body)[points[:, 0]]
    trunk = np.bincount(owner, thick, len(runs)) / count
    which = [k for k, seen in enumerate(sights) if within[k] >= MOSTLY_INSIDE and not seen.skeletal]
    around = _around(scan, runs, which, plan, jobs)
    return [
        replace(
            evidence,
            inside=share,
            surroundings=around.get(k, NOTHING),
            in_trunk=part > 0.5,
            structure=structure_of(scan, labels, points[a:b]),
        )
        for k, (evidence, share, part, a, b) in enumerate(
            zip(sights, within.tolist(), trunk.tolist(), bounds[:-1], bounds[1:], strict=True)
        )
    ]


def _closer(
    scan: Scan,
    runs: Sequence[Runs],
    sights: Sequence[Evidence],
    *,
    anatomy: tuple[Body, Skeleton],
    plan: Plan,
    jobs: int,
) -> list[Evidence]:
    """Evidence with what only the rules of IN_PLACE, and the place of a deposit, ask for."""
    body, skeleton = anatomy
    points, bounds = samples(runs, scan.hu.shape)
    bone = known(bone_gaps(skeleton, points, bounds, jobs=jobs))
    skin = known(skin_gaps(body, scan, points, bounds, jobs=jobs))
    middles = means(points, bounds)
    ringed = known(enclosure(skeleton, body, middles))
    front = known(frontness(scan, body, middles))
    contrast = enhancement(scan, body, skeleton)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        thick = list(pool.map(partial(thickness, scan), runs))
    unseen = [k for k, evidence in enumerate(sights) if evidence.surroundings is NOTHING]
    around = _around(scan, runs, unseen, plan, jobs)
    return [
        replace(
            evidence,
            surroundings=around.get(k, evidence.surroundings),
            thickness_mm=thick[k],
            bone_distance_mm=bone[k],
            skin_depth_mm=skin[k],
            enclosure=ringed[k],
            front=front[k],
            contrast_hu=contrast,
        )
        for k, evidence in enumerate(sights)
    ]


def _around(
    scan: Scan, runs: Sequence[Runs], which: Sequence[int], plan: Plan, jobs: int
) -> dict[int, Surroundings]:
    """What surrounds some of the objects, by their number."""
    shells = surroundings(scan, [runs[k] for k in which], plan.find.threshold_hu, jobs=jobs)
    return dict(zip(which, shells, strict=True))


def _findings(scan: Scan, runs: Sequence[Runs], verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    """Verdicts as findings, those doubtful by themselves looked at again beside bigger deposits."""
    hosts = [
        part
        for part, verdict in zip(runs, verdicts, strict=True)
        if verdict.kind is Kind.DEPOSIT
        and verdict.reason != CUT_FREE
        and part.voxels * scan.voxel_mm3 > SMALL_MM3
    ]
    points, _ = samples(hosts, scan.hu.shape)
    tree = cKDTree(scan.to_lps(points)) if hosts else None
    made = []
    for part, verdict in zip(runs, verdicts, strict=True):
        final = verdict
        if tree is not None and verdict.reason in DOUBTFUL_ALONE:
            own, _ = samples([part], scan.hu.shape)
            final = in_company(verdict, float(tree.query(scan.to_lps(own))[0].min()))
        made.append(Finding(part, final.kind, final.reason, final.confidence))
    return tuple(made)


def _pieces(
    scan: Scan, dense: Objects, body: Body, plan: Plan, jobs: int
) -> tuple[Pieces, tuple[Flag, ...]]:
    """Dense objects as they are, or with deposits cut out where the network can run."""
    net = None if plan.find.finder == "rules" else network.load()
    if net is not None:
        asked = _worth_asking(scan, dense, body, plan)[dense.label - 1]
        probability = np.zeros(dense.runs.voxels, np.float32)
        lengths = dense.runs.stop - dense.runs.start
        found = network.probability(net, scan, taken(dense.runs, asked), jobs=jobs)
        probability[np.repeat(asked, lengths)] = found
        return cut(scan, dense, probability, plan.find), ()
    if plan.find.finder == "network":
        raise UsageError(
            "NO_NETWORK",
            found="no onnxruntime, or no weights",
            expected="both, as `pip install calcimetry` brings them",
            where="find.finder = network",
            remedy="install onnxruntime, or take find.finder = auto",
        )
    return uncut(dense), (RULES_ALONE,)


def _worth_asking(scan: Scan, dense: Objects, body: Body, plan: Plan) -> NDArray[np.bool_]:
    """Which objects the network's word can matter for: listed ones that touch the body."""
    listed = dense.voxels >= _fewest_voxels(scan, plan)
    number = np.flatnonzero(listed)
    whole = parts(dense)
    points, bounds = samples([whole[k] for k in number], scan.hu.shape)
    z, y, x = body.grid.of(points).T
    owner = np.repeat(np.arange(len(number)), np.diff(bounds))
    listed[number] = np.bincount(owner, body.around[z, y, x], len(number)) > 0
    return listed


def _fewest_voxels(scan: Scan, plan: Plan) -> float:
    return max(plan.find.smallest_mm3 / scan.voxel_mm3, plan.find.smallest_voxels)


def _trunk_slices(scan: Scan, body: Body) -> NDArray[np.bool_]:
    """bool (z,): slices whose water-equivalent diameter is that of a trunk."""
    diameter = water_equivalent_diameter(scan, body)
    return np.asarray(np.nan_to_num(diameter) > TRUNK_MM)


def _skeleton(scan: Scan, pieces: Pieces, body: Body) -> tuple[Skeleton, NDArray[np.intp]]:
    """The skeleton, and the indices of the pieces that have its make.

    Deposits that were cut free are left out: distances to bone must not count them. Whole
    pieces that the network is sure of are no bone either.
    """
    sure = pieces.marked & (pieces.probability >= SURE)
    rest = np.flatnonzero(~pieces.freed & ~sure)
    runs, label = stacked([pieces.runs[index] for index in rest], scan.hu.shape)
    skeleton = find_bone(scan, tabulate(scan.hu, runs, label), body)
    return skeleton, rest[skeleton.members]


def _at_sight(
    scan: Scan,
    pieces: Pieces,
    listed: Sequence[int],
    skeletal: NDArray[np.bool_],
) -> list[Evidence]:
    """What is to be seen of each listed piece itself."""
    objects = pieces.objects
    lengths, edge = axes(objects.moment, scan.spacing).tolist(), at_edge(objects)
    return [
        Evidence(
            voxels=int(objects.voxels[index]),
            volume_mm3=int(objects.voxels[index]) * scan.voxel_mm3,
            mean_hu=float(objects.total[index]) / int(objects.voxels[index]),
            peak_hu=int(objects.peak[index]),
            axes_mm=tuple(lengths[index]),
            inside=1.0,
            at_edge=bool(edge[index]),
            skeletal=bool(skeletal[index]),
            surroundings=NOTHING,
            contrast_given=scan.acquisition.contrast,
            deposit_probability=_chance(pieces, index),
            marked=bool(pieces.marked[index]),
            freed=bool(pieces.freed[index]),
        )
        for index in listed
    ]


def _chance(pieces: Pieces, index: int) -> float | None:
    chance = float(pieces.probability[index])
    return None if np.isnan(chance) else chance
