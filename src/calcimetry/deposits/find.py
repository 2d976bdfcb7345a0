"""The finder: every dense object of a scan becomes a finding with kind, reason and confidence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from calcimetry.anatomy import Anatomy, bone_distance, inside
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
)
from calcimetry.deposits.rules import judge
from calcimetry.errors import UsageError
from calcimetry.plan import Plan
from calcimetry.records import Finding, Flag, Objects, Scan
from calcimetry.runs import parts

RULES_ALONE = Flag(
    "FINDER_RULES_ONLY",
    "The finder's network did not run: deposits that touch bone are counted as bone.",
)


def find(
    scan: Scan, dense: Objects, anatomy: Anatomy, plan: Plan, *, jobs: int = 1
) -> tuple[tuple[Finding, ...], tuple[Flag, ...]]:
    """Findings for every dense object of at least the plan's smallest volume, and flags.

    dense : connected objects at the plan's threshold
    Raises UsageError NO_NETWORK when the plan asks for the network and it cannot run.
    """
    pieces, flags = _pieces(scan, dense, plan, jobs)
    voxels, smallest = pieces.objects.voxels, plan.find.smallest_mm3 / scan.voxel_mm3
    listed = np.flatnonzero(voxels >= max(smallest, plan.find.smallest_voxels)).tolist()
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        findings = pool.map(lambda index: _finding(scan, pieces, index, anatomy, plan), listed)
        return tuple(findings), flags


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
    numbers = np.arange(1, len(dense) + 1)
    return Pieces(tuple(parts(dense)), dense, unknown, numbers), (RULES_ALONE,)


def _finding(scan: Scan, pieces: Pieces, index: int, anatomy: Anatomy, plan: Plan) -> Finding:
    verdict = judge(_evidence(scan, pieces, index, anatomy, plan))
    return Finding(pieces.runs[index], verdict.kind, verdict.reason, verdict.confidence)


def _evidence(scan: Scan, pieces: Pieces, index: int, anatomy: Anatomy, plan: Plan) -> Evidence:
    objects, runs = pieces.objects, pieces.runs[index]
    chance = float(pieces.probability[index])
    skeletal = bool(anatomy.skeleton.members[pieces.parent[index] - 1]) and not chance > 0
    voxels = int(objects.voxels[index])
    points = sample(runs)
    long, middle, short = axes(objects.moment[index], scan.spacing).tolist()
    return Evidence(
        voxels=voxels,
        volume_mm3=voxels * scan.voxel_mm3,
        mean_hu=float(objects.total[index]) / voxels,
        peak_hu=int(objects.peak[index]),
        axes_mm=(long, middle, short),
        inside=float(np.mean(inside(anatomy.body, points))),
        at_edge=at_edge(objects, index + 1),
        skeletal=skeletal,
        bone_distance_mm=None if skeletal else least(bone_distance(anatomy.skeleton, points)),
        surroundings=NOTHING if skeletal else surroundings(scan, runs, plan.find.threshold_hu),
        contrast_given=scan.acquisition.contrast,
        deposit_probability=None if np.isnan(chance) else chance,
    )
