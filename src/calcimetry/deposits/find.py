"""The finder: every dense object of a scan becomes a finding with kind, reason and confidence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy import Body, Skeleton, bone_distance, find_bone, inside, skin_depth
from calcimetry.deposits import network
from calcimetry.deposits.cut import Pieces, cut
from calcimetry.deposits.evidence import (
    NOTHING,
    Evidence,
    at_edge,
    axes,
    least,
    sample,
    surroundings,
    thickness,
)
from calcimetry.deposits.rules import judge
from calcimetry.errors import UsageError
from calcimetry.plan import Plan
from calcimetry.records import Finding, Flag, Objects, Scan
from calcimetry.runs import parts, stacked, tabulate

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


def find(scan: Scan, dense: Objects, body: Body, plan: Plan, *, jobs: int = 1) -> Found:
    """Findings for every dense object of at least the plan's smallest volume.

    dense : connected objects at the plan's threshold
    Raises UsageError NO_NETWORK when the plan asks for the network and it cannot run.
    """
    pieces, flags = _pieces(scan, dense, plan, jobs)
    skeleton, skeletal = _skeleton(scan, pieces, body)
    voxels, smallest = pieces.objects.voxels, plan.find.smallest_mm3 / scan.voxel_mm3
    listed = np.flatnonzero(voxels >= max(smallest, plan.find.smallest_voxels)).tolist()
    surely = np.zeros(len(voxels), np.bool_)
    surely[skeletal] = True

    def finding(index: int) -> Finding:
        evidence = _evidence(scan, pieces, index, body, None if surely[index] else skeleton, plan)
        verdict = judge(evidence)
        return Finding(pieces.runs[index], verdict.kind, verdict.reason, verdict.confidence)

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return Found(tuple(pool.map(finding, listed)), skeleton, flags)


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
    unknown = np.full(len(dense), np.nan)
    return Pieces(tuple(parts(dense)), dense, unknown), (RULES_ALONE,)


def _skeleton(scan: Scan, pieces: Pieces, body: Body) -> tuple[Skeleton, NDArray[np.intp]]:
    """The skeleton among the pieces that are not deposits, and the indices of its pieces."""
    rest = np.flatnonzero(~(pieces.probability > 0))
    runs, label = stacked([pieces.runs[index] for index in rest], scan.hu.shape)
    skeleton = find_bone(scan, tabulate(scan.hu, runs, label), body)
    return skeleton, rest[skeleton.members]


def _evidence(
    scan: Scan, pieces: Pieces, index: int, body: Body, skeleton: Skeleton | None, plan: Plan
) -> Evidence:
    """What is to be seen of one piece; `skeleton` None when it is part of that."""
    objects, runs = pieces.objects, pieces.runs[index]
    chance = float(pieces.probability[index])
    voxels = int(objects.voxels[index])
    points = sample(runs)
    long, middle, short = axes(objects.moment[index], scan.spacing).tolist()
    threshold = plan.find.threshold_hu
    return Evidence(
        voxels=voxels,
        volume_mm3=voxels * scan.voxel_mm3,
        mean_hu=float(objects.total[index]) / voxels,
        peak_hu=int(objects.peak[index]),
        axes_mm=(long, middle, short),
        thickness_mm=0.0 if skeleton is None else thickness(scan, runs),
        inside=float(np.mean(inside(body, points))),
        at_edge=at_edge(objects, index + 1),
        skeletal=skeleton is None,
        bone_distance_mm=None if skeleton is None else least(bone_distance(skeleton, points)),
        skin_depth_mm=None if skeleton is None else least(skin_depth(body, scan, points)),
        surroundings=NOTHING if skeleton is None else surroundings(scan, runs, threshold),
        contrast_given=scan.acquisition.contrast,
        deposit_probability=None if np.isnan(chance) else chance,
    )
