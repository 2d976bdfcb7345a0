"""What a candidate object truly is: by the readers' judgements, by painting, or not known."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calcimetry.phantom.truth import Truth
from calcimetry.records import Scan

UNKNOWN, MIXED = "unknown", "mixed"
"""Not judged: no deposit on these scans, but of no kind that is known; and half painted."""

CLASS_OF: Mapping[str, str] = {
    "true": "deposit",
    "vascular": "vessel",
    "cartilage": "cartilage",
    "contrast": "contrast",
    **dict.fromkeys(
        (
            "bone_edge",
            "bone_fov_edge",
            "process_tip",
            "enthesophyte",
            "bone_island",
            "skull_base",
            "dens",
        ),
        "bone",
    ),
    "sesamoid": "sesamoid",
    "external": "metal",
    "tooth_metal": "metal",
    "noise": "noise",
    **dict.fromkeys(("organ", "tonsil", "stone"), "organ"),
}
"""The class of the object stage for each judgement of a reader."""

REACH_MM = 3.0
"""How far a judged place may lie from the object that it is about."""

UNKNOWN_WEIGHT = 0.5
MINE, MINE_AT_ALL = 0.5, 0.1
"""Of an object's voxels, painted: from the one it is painted, below the other it is not."""

FILLED = 0.1
"""Share of a voxel that a painted deposit fills, blur and all, from which the voxel is its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The readers' judgements of one scan: places (n, 3) in LPS mm, diameters, words, sureness."""

    at: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]
    word: tuple[str, ...]
    sureness: NDArray[np.float64]


def judgements(table: Path) -> dict[str, Judged]:
    """The judgements of each scan, from a table like ``judged.csv`` (its README tells columns)."""
    rows: dict[str, list[dict[str, str]]] = {}
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows.setdefault(row["scan"], []).append(row)
    return {scan: _judged(own) for scan, own in rows.items()}


def _judged(rows: Sequence[Mapping[str, str]]) -> Judged:
    return Judged(
        np.array([[float(row[axis]) for axis in ("x_mm", "y_mm", "z_mm")] for row in rows]),
        np.array([float(row["diameter_mm"]) for row in rows]),
        tuple("true" if row["is_true"] == "1" else row["judgement"] for row in rows),
        np.array([float(row["sureness"] or 0.5) for row in rows]),
    )


def natural_label(
    points_mm: NDArray[np.float64],
    judged: Judged | None,
    known: Sequence[NDArray[np.float64]] = (),
) -> tuple[str, float]:
    """The class of a natural object, and how much it counts.

    points_mm : its voxels (n, 3), LPS
    known : voxels of true calcifications of the scan, LPS, each (n, 3)
    """
    centre = points_mm.mean(axis=0)
    if any(np.linalg.norm(true - centre, axis=1).min() < REACH_MM for true in known):
        return "deposit", 1.0
    if judged is None:
        return UNKNOWN, UNKNOWN_WEIGHT
    gap = np.array([np.linalg.norm(points_mm - place, axis=1).min() for place in judged.at])
    off = np.linalg.norm(judged.at - centre, axis=1)
    near = (gap <= REACH_MM) | (off <= np.maximum(REACH_MM, judged.diameter_mm / 2))
    if not near.any():
        return UNKNOWN, UNKNOWN_WEIGHT
    true = near & np.array([word == "true" for word in judged.word])
    which = np.flatnonzero(true if true.any() else near)
    nearest = which[gap[which].argmin()]
    return CLASS_OF[judged.word[nearest]], float(judged.sureness[nearest])


def painted_label(points_mm: NDArray[np.float64], scan: Scan, filled: NDArray[np.bool_]) -> str:
    """Whether an object of a scan with painted deposits is one: "deposit", MIXED or UNKNOWN.

    filled : bool (z, y, x), see `filled_by`
    """
    at = np.rint(scan.to_zyx(points_mm)).astype(int)
    share = filled[tuple(at.T)].mean()
    return "deposit" if share >= MINE else UNKNOWN if share < MINE_AT_ALL else MIXED


def filled_by(truth: Truth) -> NDArray[np.bool_]:
    """The voxels that hold some of a painted deposit."""
    filled = np.zeros(truth.shape, np.bool_)
    for item in truth.deposits:
        filled[item.box] |= item.imaged > FILLED
    return filled
