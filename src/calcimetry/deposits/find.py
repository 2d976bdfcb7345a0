"""The finder: every dense object of a scan becomes a finding with kind, reason and confidence."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from calcimetry.anatomy import (
    Body,
    LabelMap,
    Skeleton,
    bone_distance,
    enclosure,
    find_bone,
    inside,
    skin_gap,
    water_equivalent_diameter,
)
from calcimetry.deposits import network
from calcimetry.deposits.cut import Pieces, cut, uncut
from calcimetry.deposits.evidence import (
    NOTHING,
    Evidence,
    at_edge,
    axes,
    least,
    sample,
    structure_of,
    surroundings,
    thickness,
)
from calcimetry.deposits.rules import CUT_FREE, SMALL_MM3, SURE, Verdict, in_company, judge
from calcimetry.errors import UsageError
from calcimetry.plan import Plan
from calcimetry.records import Finding, Flag, Kind, Objects, Runs, Scan
from calcimetry.runs import stacked, tabulate

TRUNK_MM = 230.0  # water-equivalent; of 30 limb and pelvis scans none has a median above 211

RULES_ALONE = Flag(
    "FINDER_RULES_ONLY",
    "The finder's network did not run: deposits that touch bone are counted as bone.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What the finder found: findings, the skeleton without deposits, flags."""

    findings: tuple[Finding, ...]
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
    pieces, flags = _pieces(scan, dense, plan, jobs)
    skeleton, skeletal = _skeleton(scan, pieces, body)
    voxels, smallest = pieces.objects.voxels, plan.find.smallest_mm3 / scan.voxel_mm3
    listed = np.flatnonzero(voxels >= max(smallest, plan.find.smallest_voxels)).tolist()
    surely = np.zeros(len(voxels), np.bool_)
    surely[skeletal] = True

    trunk = _trunk_slices(scan, body)

    def verdict(index: int) -> Verdict:
        points = sample(pieces.runs[index])
        evidence = replace(
            _at_sight(scan, pieces, index, bool(surely[index]), plan),
            inside=float(np.mean(inside(body, points))),
            in_trunk=bool(trunk[points[:, 0]].mean() > 0.5),
            structure=structure_of(scan, labels, points),
        )

        def closer(evidence: Evidence) -> Evidence:
            return replace(
                evidence,
                thickness_mm=thickness(scan, pieces.runs[index]),
                bone_distance_mm=least(bone_distance(skeleton, points)),
                skin_depth_mm=skin_gap(body, scan, points),
                enclosure=float(enclosure(skeleton, body, points.mean(axis=0))[0]),
            )

        return judge(evidence, closer)

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        verdicts = list(pool.map(verdict, listed))
    findings = _findings(scan, [pieces.runs[index] for index in listed], verdicts)
    return Found(findings, skeleton, flags)


def _findings(scan: Scan, runs: Sequence[Runs], verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    """Verdicts as findings, each looked at again beside the deposits that are not small."""
    size = [part.voxels * scan.voxel_mm3 for part in runs]
    hosts = [
        scan.to_lps(sample(part))
        for part, verdict, mm3 in zip(runs, verdicts, size, strict=True)
        if verdict.kind is Kind.DEPOSIT and verdict.reason != CUT_FREE and mm3 > SMALL_MM3
    ]
    tree = cKDTree(np.concatenate(hosts)) if hosts else None
    made = []
    for part, verdict in zip(runs, verdicts, strict=True):
        gap = np.inf if tree is None else float(tree.query(scan.to_lps(sample(part)))[0].min())
        final = in_company(verdict, gap)
        made.append(Finding(part, final.kind, final.reason, final.confidence))
    return tuple(made)


def _pieces(scan: Scan, dense: Objects, plan: Plan, jobs: int) -> tuple[Pieces, tuple[Flag, ...]]:
    """Dense objects as they are, or with deposits cut out where the network can run."""
    net = None if plan.find.finder == "rules" else network.load()
    if net is not None:
        probability = network.probability(net, scan, dense.runs, jobs=jobs)
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


def _at_sight(scan: Scan, pieces: Pieces, index: int, skeletal: bool, plan: Plan) -> Evidence:
    """What is to be seen of one piece and its nearest surroundings."""
    objects, runs = pieces.objects, pieces.runs[index]
    chance = float(pieces.probability[index])
    voxels = int(objects.voxels[index])
    long, middle, short = axes(objects.moment[index], scan.spacing).tolist()
    return Evidence(
        voxels=voxels,
        volume_mm3=voxels * scan.voxel_mm3,
        mean_hu=float(objects.total[index]) / voxels,
        peak_hu=int(objects.peak[index]),
        axes_mm=(long, middle, short),
        inside=1.0,
        at_edge=at_edge(objects, index + 1),
        skeletal=skeletal,
        surroundings=NOTHING if skeletal else surroundings(scan, runs, plan.find.threshold_hu),
        contrast_given=scan.acquisition.contrast,
        deposit_probability=None if np.isnan(chance) else chance,
        marked=bool(pieces.marked[index]),
        freed=bool(pieces.freed[index]),
    )
