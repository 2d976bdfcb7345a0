"""Objects of a scan and what readers judged them to be, by place."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Frame, Runs
from calcimetry.runs import voxels_of

GROWN_MM = 3.0
"""An object is what was judged when the judged place lies in it, grown by this much, or its middle
within this (or the judged object's radius) of that place."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One row of judged.csv.

    place : LPS mm
    volume_mm3 : of its voxels of 130 HU and more
    called : what the finder of 2026-11-27 called it
    agree : whether two readers agreed; None: one reader
    """

    case: str
    place: tuple[float, float, float]
    volume_mm3: float
    mass_mg: float
    diameter_mm: float
    judgement: str
    true: bool
    sureness: float
    called: str
    agree: bool | None = None


def read_judged(path: Path) -> dict[str, list[Judged]]:
    """The judged objects of each scan."""
    found: dict[str, list[Judged]] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["scan"], []).append(_judged(row))
    return found


def _judged(row: dict[str, str]) -> Judged:
    x, y, z = (float(row[name]) for name in ("x_mm", "y_mm", "z_mm"))
    numbers = [float(row[n] or 0) for n in ("volume_130_mm3", "mass_mg", "diameter_mm")]
    agree = {"1": True, "0": False}.get(row["readers_agree"])
    return Judged(
        row["scan"], (x, y, z), *numbers, row["judgement"], row["is_true"] == "1",
        float(row["sureness"]), row["called"], agree,
    )  # fmt: skip


def gaps(frame: Frame, runs: Runs, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """From each place (n, 3), LPS mm, to the nearest voxel of the runs: mm; 0 in a voxel.

    Of a sheared grid it is that of an upright one with its spacing.
    """
    step = np.array(frame.spacing)
    if not len(runs):
        return np.full(len(places), np.inf)
    voxels = voxels_of(runs)
    low, high = voxels.min(0), voxels.max(0)
    found = np.empty(len(places))
    for k, at in enumerate(frame.to_zyx(places)):
        to_box = np.maximum(np.maximum(low - at, at - high) - 0.5, 0) * step
        found[k] = np.linalg.norm(to_box)
        if found[k] <= 2 * GROWN_MM:  # further away the box will do
            beyond = np.maximum(np.abs(voxels - at) - 0.5, 0) * step
            found[k] = np.sqrt((beyond * beyond).sum(axis=1).min())
    return found


def middle(frame: Frame, runs: Runs) -> NDArray[np.float64]:
    """The centroid of the runs, LPS mm."""
    return frame.to_lps(voxels_of(runs).mean(axis=0))


def same_place(frame: Frame, runs: Runs, judged: Sequence[Judged]) -> list[Judged]:
    """Those of the judged objects that the runs are, the likeliest first.

    Places within the runs come first, the heaviest before others; then those near them, the
    nearest to their middle before others.
    """
    if not judged:
        return []
    places = np.array([j.place for j in judged])
    gap = gaps(frame, runs, places)
    far = np.linalg.norm(places - middle(frame, runs), axis=1)
    reach = np.maximum(GROWN_MM, [j.diameter_mm / 2 for j in judged])
    ranked = [
        ((g > 0, -j.mass_mg if g == 0 else d), k)
        for k, (j, g, d, r) in enumerate(zip(judged, gap, far, reach, strict=True))
        if g <= GROWN_MM or d <= r
    ]
    return [judged[k] for _, k in sorted(ranked)]
