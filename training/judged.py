"""What is dense by nature and was looked at: true deposit, not one, or better left out."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.finder.natural import CALCIFICATIONS
from numpy.typing import NDArray
from scipy import ndimage as ndi

from calcimetry.deposits.resample import GRID_MM
from calcimetry.records import Scan
from training.paint import IGNORE
from training.sources import Case

DENSE_HU = 120
SURE, DOUBTFUL = 0.6, 0.5
"""From the one on a true deposit is told as one; below the other nothing is told."""

_TOUCH = np.ones((3, 3, 3), bool)
_REACH_MM = 6.0
_DIAMETER_MM = 11.0


@dataclass(frozen=True, slots=True)
class Judged:
    """An object that was looked at.

    place_mm : of its middle, (z, y, x) from the middle of the scan's first voxel
    answer : 1 deposit, 0 not, IGNORE where that is not sure or is a matter of kind (vessels)
    """

    place_mm: tuple[float, float, float]
    diameter_mm: float
    answer: int


def judged(case: Case, scan: Scan, data: Path) -> tuple[Judged, ...]:
    """The judged objects of a scan: rows of ``judged.csv``, and the true ones of the benchmark."""
    back = np.linalg.inv(scan.affine)
    size = np.array(scan.spacing)
    found = []
    for row in _rows(data / "judged.csv")[case.stem]:
        lps = np.array([float(row["x_mm"]), float(row["y_mm"]), float(row["z_mm"]), 1.0])
        z, y, x = ((back @ lps)[2::-1] * size).tolist()
        found.append(Judged((z, y, x), float(row["diameter_mm"]), _answer(row)))
    for at in CALCIFICATIONS.get(case.name, ()):
        z, y, x = (np.array(at) * size).tolist()
        found.append(Judged((z, y, x), _DIAMETER_MM, 1))
    return tuple(found)


def _rows(path: Path) -> dict[str, list[dict[str, str]]]:
    kept: dict[str, list[dict[str, str]]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            kept[row["scan"]].append(row)
    return kept


def _answer(row: dict[str, str]) -> int:
    sureness = float(row["sureness"])
    if row["judgement"] == "vascular" or sureness < DOUBTFUL:
        return IGNORE
    if row["is_true"] == "1":
        return 1 if sureness >= SURE else IGNORE
    return 0


def answers(
    grid: NDArray[np.int16], objects: tuple[Judged, ...], scale: float = 1.0
) -> NDArray[np.uint8]:
    """What the loss is told of a scan's own voxels: 0 but for judged deposits, and what is left
    out.

    grid : HU on the network's grid, (z, y, x)
    scale : of the scan as it is shown

    An object is what is dense and connected around its place, within 1.2 times its diameter of
    it; its rim, of which part is soft tissue, is left out.
    """
    told = np.zeros(grid.shape, np.uint8)
    for one in objects:
        if one.answer == 0:
            continue
        reach = scale * max(1.2 * one.diameter_mm, 4.0) / GRID_MM
        middle = np.array(one.place_mm) * scale / GRID_MM
        low = np.maximum(np.floor(middle - reach - 2), 0).astype(int)
        high = np.minimum(np.ceil(middle + reach + 3), grid.shape).astype(int)
        if (high <= low).any():
            continue
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        mask = _around(grid[box], middle - low, reach, scale)
        part = told[box]
        part[ndi.binary_dilation(mask, _TOUCH) & (part != 1)] = IGNORE
        part[mask] = one.answer
    return told


def _around(
    hu: NDArray[np.int16], middle: NDArray[np.float64], reach: float, scale: float
) -> NDArray[np.bool_]:
    """The dense component nearest to a place, as far as `reach` voxels from it."""
    offset = np.indices(hu.shape) - middle[:, None, None, None]
    away = np.sqrt((offset**2).sum(0))
    label, count = ndi.label((hu >= DENSE_HU) & (away <= reach), _TOUCH)
    near = np.where(label > 0, away, np.inf)
    if count == 0 or near.min() > scale * _REACH_MM / GRID_MM:
        return np.zeros(hu.shape, bool)
    chosen: NDArray[np.bool_] = label == label[np.unravel_index(near.argmin(), near.shape)]
    return chosen
