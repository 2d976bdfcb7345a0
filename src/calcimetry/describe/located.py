"""What the place of any piece of a scan is told from, whoever found it: a finder or a reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calcimetry.anatomy import Anatomy, bone_gaps, skin_gaps
from calcimetry.describe.evidence import axes, none_for_nan, samples
from calcimetry.describe.surroundings import Surroundings, surroundings
from calcimetry.records import Runs, Scan
from calcimetry.runs import voxels_of
from calcimetry.threads import Jobs


@dataclass(frozen=True, slots=True)
class Located:
    """A piece in its body; the finder's `Evidence` has these fields too.

    surroundings : of the shell around it; None where no voxel of the scan lies in it
    skin_depth_mm, bone_distance_mm : None where no skin, or no bone, is in the field
    """

    surroundings: Surroundings | None
    skin_depth_mm: float | None
    bone_distance_mm: float | None


def locate(
    scan: Scan, pieces: Sequence[Runs], anatomy: Anatomy, threshold_hu: float, *, jobs: Jobs = 1
) -> list[Located]:
    """Each piece in its body, by the same looks as the finder takes.

    threshold_hu : at and above which a voxel is dense, and no part of what surrounds a piece
    """
    if not pieces:
        return []
    points, bounds = samples(pieces, scan.hu.shape)
    columns = (
        surroundings(scan, pieces, threshold_hu, jobs=jobs),
        none_for_nan(skin_gaps(anatomy.body, scan, points, bounds, jobs=jobs)),
        none_for_nan(bone_gaps(anatomy.skeleton, points, bounds, jobs=jobs)),
    )
    return [Located(*row) for row in zip(*columns, strict=True)]


def axes_of(scan: Scan, runs: Runs) -> tuple[float, float, float]:
    """Full lengths of the ellipsoid of equal moments, mm, longest first."""
    voxels = voxels_of(runs).astype(np.float64)
    moment = np.atleast_2d(np.cov(voxels.T, bias=True))
    long, middle, short = axes(moment, scan.spacing).tolist()
    return long, middle, short
