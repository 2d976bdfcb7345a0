"""The shape of a deposit in a word, with the numbers behind the word.

No published rule gives numbers for the shapes that the literature names (Orandi 2017,
doi 10.1186/s12969-017-0199-4: circumscripta, tumoral, universalis, exoskeleton). The bounds
below are this project's, tested on drawn shapes only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from calcimetry.kernels.compiled import inner, kernel
from calcimetry.kernels.types import Plane, Volume
from calcimetry.records import Runs, Scan
from calcimetry.runs import box_of, paint

MASS_MM3 = 10_000.0  # 10 cm3, or
MASS_MM = 50.0  # 5 cm: tumoral
THIN = 0.35  # third axis over second: a sheet; second over first: a line
FLAT = 0.5
HOLLOW = 0.08  # of the filled outline: a ring
SPARSE = 0.45  # of the ellipsoid of equal moments: stippled or a cluster


def shape_numbers(scan: Scan, runs: Runs, axes_mm: tuple[float, float, float]) -> dict[str, float]:
    """What the name rests on: axes (mm), their ratios, fill and hollow fractions.

    axes_mm : of the ellipsoid of equal moments, longest first
    """
    long, middle, short = axes_mm
    volume = runs.voxels * scan.voxel_mm3
    return {
        "axis_1_mm": long,
        "axis_2_mm": middle,
        "axis_3_mm": short,
        "elongation": middle / long,
        "flatness": short / middle,
        "fill": min(1.0, volume / (np.pi / 6.0 * long * middle * short)),
        "hollow": _hollow(runs),
        "volume_mm3": volume,
    }


def shape_name(numbers: Mapping[str, float]) -> str:
    """nodule, lobulated mass, ring, linear, sheet, stippled."""
    big = numbers["volume_mm3"] >= MASS_MM3 or numbers["axis_1_mm"] >= MASS_MM
    if numbers["hollow"] >= HOLLOW:
        return "ring"
    if numbers["elongation"] < THIN:
        return "linear"
    if numbers["flatness"] < THIN and numbers["elongation"] > FLAT:
        return "sheet"
    if numbers["fill"] < SPARSE:
        return "stippled"
    return "lobulated mass" if big else "nodule"


def _hollow(runs: Runs) -> float:
    """The share of each slice's filled outline that is a hole, the largest of the slices."""
    return float(_most_hollow(paint(box_of(runs), runs)))


@kernel
def _most_hollow(own: Volume[np.bool_]) -> float:
    most = 0.0
    for z in range(own.shape[0]):
        solid = 0
        for y in range(own.shape[1]):
            for x in range(own.shape[2]):
                solid += own[z, y, x]
        if solid:
            most = max(most, 1.0 - solid / (own[z].size - _outside(own[z])))
    return most


@inner
def _outside(plane: Plane[np.bool_]) -> int:
    """Pixels that are reached from the border, by faces, without crossing the object."""
    height, width = plane.shape
    seen = np.zeros((height, width), np.bool_)
    waiting = np.empty(plane.size, np.int64)
    held, done = 0, 0
    for y in range(height):
        for x in range(width):
            at_border = y == 0 or x == 0 or y == height - 1 or x == width - 1
            if at_border and not plane[y, x]:
                seen[y, x] = True
                waiting[held] = y * width + x
                held += 1
    while done < held:
        y, x = waiting[done] // width, waiting[done] % width
        done += 1
        for way in range(4):
            down, right = y + (way == 0) - (way == 1), x + (way == 2) - (way == 3)
            if not (0 <= down < height and 0 <= right < width):
                continue
            if not seen[down, right] and not plane[down, right]:
                seen[down, right] = True
                waiting[held] = down * width + right
                held += 1
    return held
