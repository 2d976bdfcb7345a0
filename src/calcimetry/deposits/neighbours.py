"""What objects of one scan say of one another: vessels, remainders and satellites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from calcimetry.deposits.reasons import Verdict
from calcimetry.deposits.rules import SMALL_MM3
from calcimetry.deposits.vessel_course import along_course
from calcimetry.describe.evidence import Evidence, SampledObjects
from calcimetry.records import LISTED, Kind, Rule, Scan
from calcimetry.runs import voxels_of

DOUBTFUL_ALONE = (Rule.SMALL_DEEP, Rule.ISOLATED_LOW_PROBABILITY)
"""Rules whose doubt a bigger deposit beside the object takes away."""

COMPANY_MM = 25.0
NEARLY_HALF = 0.4
COURSE_DEPTH_MM = 15.0  # deposits under the skin lie along lines, too: tendons, crests of bone
TOUCHING = 1.01  # in voxel diagonals: neighbours at a corner touch


def mark_vessels(
    scan: Scan,
    objects: SampledObjects,
    verdicts: Sequence[Verdict],
    evidence: Sequence[Evidence],
) -> list[Verdict]:
    """The verdicts, but small deep objects along a line are a vessel's."""
    final = list(verdicts)
    pairs = zip(verdicts, evidence, strict=True)
    small = [k for k, pair in enumerate(pairs) if may_be_vessel(*pair)]
    along = along_course(scan.to_lps(objects.subset(small).centroids))
    for k, found in zip(small, along.tolist(), strict=True):
        final[k] = as_vessel(final[k], found)
    return final


def may_be_vessel(verdict: Verdict, evidence: Evidence) -> bool:
    """Whether an object may be one of those along an artery's wall: see `as_vessel`."""
    return (
        verdict.kind in LISTED
        and not evidence.in_trunk
        and not evidence.touches_field_edge
        and evidence.volume_mm3 <= SMALL_MM3
        and evidence.skin_depth_mm is not None
        and evidence.skin_depth_mm >= COURSE_DEPTH_MM
    )


def as_vessel(verdict: Verdict, along: bool) -> Verdict:
    """The verdict once it is known whether small deep objects lie along a line with it."""
    return Verdict(Kind.VESSEL, Rule.VESSEL_COURSE, 0.6) if along else verdict


def rejoin_remainders(
    scan: Scan, objects: SampledObjects, verdicts: Sequence[Verdict]
) -> list[Verdict]:
    """The verdicts, but remainders of a split object that no bone explains become part of the
    deposit they touch."""
    final = list(verdicts)
    cores = [objects.runs[k] for k, v in enumerate(verdicts) if v.rule is Rule.SPLIT_FROM_BONE]
    remainders = [k for k, v in enumerate(verdicts) if v.rule is Rule.ISOLATED_LOW_PROBABILITY]
    if not cores or not remainders:
        return final
    points = [voxels_of(runs) for runs in cores]
    tree = cKDTree(scan.to_lps(np.concatenate(points)))
    owner = np.repeat(np.arange(len(cores)), [len(part) for part in points])
    touching = TOUCHING * float(np.linalg.norm(scan.spacing))
    for k in remainders:
        gap, nearest = tree.query(scan.to_lps(voxels_of(objects.runs[k])))
        if gap.min() <= touching:
            core = cores[owner[nearest[gap.argmin()]]].voxels
            final[k] = as_remainder(verdicts[k], core / (core + objects.runs[k].voxels))
    return final


def as_remainder(verdict: Verdict, core_fraction: float) -> Verdict:
    """The verdict on what was left when a deposit was split off.

    core_fraction : of both together, how much is that deposit. Where no bone is, there was
        nothing to split it from.
    """
    if verdict.rule is not Rule.ISOLATED_LOW_PROBABILITY or core_fraction < NEARLY_HALF:
        return verdict
    return Verdict(Kind.DEPOSIT, Rule.REMAINDER, 0.6)


def promote_satellites(
    scan: Scan, objects: SampledObjects, verdicts: Sequence[Verdict]
) -> list[Verdict]:
    """The verdicts, but doubtful objects within COMPANY_MM of a larger deposit are its satellites,
    and deposits."""
    hosts = [k for k, v in enumerate(verdicts) if _is_host(v, objects.runs[k].voxels, scan)]
    doubtful = [k for k, v in enumerate(verdicts) if v.rule in DOUBTFUL_ALONE]
    final = list(verdicts)
    if hosts and doubtful:
        tree = cKDTree(scan.to_lps(objects.subset(hosts).points))
        near = objects.subset(doubtful)
        gaps = np.minimum.reduceat(tree.query(scan.to_lps(near.points))[0], near.bounds[:-1])
        for k, gap in zip(doubtful, gaps.tolist(), strict=True):
            final[k] = as_satellite(verdicts[k], gap)
    return final


def _is_host(verdict: Verdict, voxels: int, scan: Scan) -> bool:
    """A deposit that is not small and stands alone; of what is split from bone bone may be left."""
    sure = verdict.kind is Kind.DEPOSIT and verdict.rule is not Rule.SPLIT_FROM_BONE
    return sure and voxels * scan.voxel_mm3 > SMALL_MM3


def as_satellite(verdict: Verdict, gap_mm: float) -> Verdict:
    """The verdict once its neighbours are known.

    gap_mm : to the nearest deposit that is not small and stands alone. Phleboliths and specks
        of other origin do not keep company with such; the satellites of a big deposit do.
    """
    if verdict.rule not in DOUBTFUL_ALONE or gap_mm > COMPANY_MM:
        return verdict
    return Verdict(Kind.DEPOSIT, Rule.SATELLITE, 0.6)
