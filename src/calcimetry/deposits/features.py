"""Features of candidate objects: the numbers from which the object stage tells deposits.

Of the object itself, the shell around it, its place, what the network says of it, and the scan
within 60 mm (`context`). None depends on which axis of the scan is which.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from calcimetry.anatomy import Anatomy
from calcimetry.deposits.context import (
    SCALES_MM,
    TISSUES,
    bone_directions,
    tissue_shares,
)
from calcimetry.deposits.network import HIDDEN, Answer
from calcimetry.describe.evidence import Evidence, SampledObjects
from calcimetry.records import Scan

FAR_MM = 60.0
"""Distances are capped here: beyond it one is as far as another."""

COMPANY_MM = (15.0, 40.0)
"""How near other candidates are counted as neighbours."""

ROW = 6
"""Nearest candidates that are looked at for lying along a line with one."""

GEOMETRY = (
    "log_volume",
    "log_voxels",
    "mean_hu",
    "peak_hu",
    "peak_over_mean",
    "log_long",
    "elongation",
    "flatness",
    "log_thickness",
    "fill",
    "shell_fat",
    "shell_soft",
    "shell_air",
    "shell_dense",
    "shell_hu",
    "noise_hu",
    "log_contrast_to_noise",
    "edge_mm",
    "skin_mm",
    "bone_mm",
    "enclosure",
    "cut",
    "over_enhancement",
    "enhanced",
    "bone_near_directions",
    "bone_far_directions",
    "neighbours_15_mm",
    "neighbours_40_mm",
    "candidates",
    "in_line",
    "finest_mm",
    "coarsest_mm",
    *(f"{tissue}_{scale:.0f}_mm" for scale in SCALES_MM for tissue in TISSUES),
)
"""Features that need no network, in their order."""

NETWORK = ("core_logit", "peak_logit", "mean_logit", "positive_share")
HIDDEN_NAMES = tuple(f"hidden_{k}" for k in range(HIDDEN))
NAMES = (*GEOMETRY, *NETWORK, *HIDDEN_NAMES)
"""All features, in their order; docs/finder.md says what each is."""


def features(
    scan: Scan,
    anatomy: Anatomy,
    objects: SampledObjects,
    evidence: Sequence[Evidence],
    answer: Answer | None,
) -> NDArray[np.float64]:
    """float64 (objects, names): NAMES, or GEOMETRY where no network ran; finite everywhere.

    objects, evidence : of the candidates; the evidence with all that is known of them
    """
    columns = [
        _of_itself(evidence),
        _of_shell(evidence),
        _of_place(evidence),
        bone_directions(anatomy.body, anatomy.skeleton, objects.centroids),
        _of_company(scan.to_lps(objects.centroids)),
        np.tile(np.log([min(scan.spacing), max(scan.spacing)]), (len(evidence), 1)),
        tissue_shares(anatomy.body, anatomy.skeleton, objects.centroids),
    ]
    if answer is not None:
        columns += [_of_network(objects, answer), _of_hidden(objects, answer)]
    return np.concatenate(columns, axis=1)


def _of_itself(evidence: Sequence[Evidence]) -> NDArray[np.float64]:
    volume = np.array([seen.volume_mm3 for seen in evidence])
    voxels = np.array([seen.voxels for seen in evidence])
    mean = np.array([seen.mean_hu for seen in evidence])
    peak = np.minimum([seen.peak_hu for seen in evidence], 2500.0)
    long, middle, short = np.array([seen.axes_mm for seen in evidence]).reshape(-1, 3).T
    thick = np.array([seen.thickness_mm or 0.0 for seen in evidence])
    return np.stack(
        [
            np.log(volume),
            np.log(voxels),
            mean,
            peak,
            peak / mean,
            np.log(long),
            np.log(long / middle),
            np.log(middle / short),
            np.log1p(thick),
            np.minimum(volume / (np.pi / 6 * long * middle * short), 1.5),
        ],
        axis=1,
    )


def _of_shell(evidence: Sequence[Evidence]) -> NDArray[np.float64]:
    """Of what lies around each; typical soft tissue where nothing of the scan does."""
    rows = []
    for seen in evidence:
        shell = seen.surroundings
        if shell is None:
            rows.append((0.0, 1.0, 0.0, 0.0, 40.0, 20.0, np.log(seen.peak_hu / 20.0)))
            continue
        median = 40.0 if shell.median_hu is None else shell.median_hu
        noise = max(shell.noise_hu or 20.0, 3.0)
        contrast = np.log(max(seen.peak_hu - median, 1.0) / noise)
        rows.append((shell.fat, shell.soft, shell.air, shell.dense, median, noise, contrast))
    return np.array(rows).reshape(-1, 7)


def _of_place(evidence: Sequence[Evidence]) -> NDArray[np.float64]:
    rows = [
        (
            _capped(seen.edge_mm),
            _capped(seen.skin_depth_mm),
            _capped(seen.bone_distance_mm),
            0.0 if seen.enclosure is None else seen.enclosure,
            float(seen.split_off),
            0.0 if seen.contrast_hu is None else seen.peak_hu - seen.contrast_hu,
            float(seen.contrast_hu is not None),
        )
        for seen in evidence
    ]
    return np.array(rows, np.float64).reshape(-1, 7)


def _capped(distance: float | None) -> float:
    return FAR_MM if distance is None else min(distance, FAR_MM)


def _of_company(centres_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many candidates lie near each, how many there are, and how well the nearest lie in line.

    In line: share of the spread of the nearest ROW, and itself, along their longest axis.
    """
    count = len(centres_mm)
    if not count:
        return np.zeros((0, 4))
    tree = cKDTree(centres_mm)
    near, wide = (
        tree.query_ball_point(centres_mm, reach, return_length=True) - 1 for reach in COMPANY_MM
    )
    row = np.full(count, 0.5)
    if count > ROW:
        _, index = tree.query(centres_mm, ROW + 1)
        group = centres_mm[index]
        group -= group.mean(axis=1, keepdims=True)
        spread = np.linalg.eigvalsh(np.einsum("nki,nkj->nij", group, group))
        row = spread[:, 2] / np.maximum(spread.sum(axis=1), 1e-9)
    return np.column_stack([np.log1p(near), np.log1p(wide), np.full(count, np.log1p(count)), row])


def _of_network(objects: SampledObjects, answer: Answer) -> NDArray[np.float64]:
    """Logits of the network's probability: of the surer half of each object's voxels (its rim is
    always doubtful), of the surest, of all; and the share that it takes for deposit."""
    chance = answer.probability_at(objects.points).astype(np.float64)
    rows = []
    for first, end in pairwise(objects.bounds.tolist()):
        own = np.sort(chance[first:end])
        rows.append((own[len(own) // 2 :].mean(), own[-1], own.mean(), (own >= 0.5).mean()))
    found = np.array(rows).reshape(-1, 4)
    seen = np.clip(found[:, :3], 1e-4, 1 - 1e-4)
    return np.column_stack([np.log(seen / (1 - seen)), found[:, 3]])


def _of_hidden(objects: SampledObjects, answer: Answer) -> NDArray[np.float64]:
    """The network's last hidden layer, mean over each object's voxels."""
    if not len(objects.points):
        return np.zeros((0, HIDDEN))
    seen = answer.hidden(objects.points).astype(np.float64)
    total: NDArray[np.float64] = np.add.reduceat(seen, objects.bounds[:-1], axis=0)
    return total / np.diff(objects.bounds)[:, None]
