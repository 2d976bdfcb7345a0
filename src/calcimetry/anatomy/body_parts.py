"""Parts of the coarse grid that are of a body, and those that are tables or phantoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.coarse_grid import Grid, Mask, eroded
from calcimetry.kernels.compiled import kernel
from calcimetry.kernels.types import Plane, Vector, Volume
from calcimetry.records import Runs
from calcimetry.runs.find import columns

SMALLEST_CM3 = 1.0  # a fingertip
DIGIT_CM3, DIGIT_MM = 40.0, 130.0  # the most that a finger or toe can be
DIGIT_WIDTH_MM = 10.0
FINGERS_CM3 = 200.0  # of one hand, side by side
THICK = 0.3  # share of a part more than two cells deep; limbs have 0.5 and more
SLIM = 0.02  # fingers have more than that, table shells nothing
FRINGE = 0.05  # share between foam and tissue, which the inside of a body does not have
BONY_SPREAD_HU = 80.0
UNIFORM_CM3 = 30.0  # from this size on, a part of a body shows both fat and lean

_COLUMNS = 16


@dataclass(frozen=True, slots=True, eq=False)
class PartFeatures:
    """What each part (0 = none, 1..) is made of, by cells one step beneath its surface.

    cm3 : volume; long_mm : length along z; through : runs through all slices
    wide_mm : the lesser of the extents along y and x
    thick, soft, fat, lean, fringe : shares of the part's inner cells; thick of all cells
    spread : standard deviation of HU of the inner cells
    """

    cm3: NDArray[np.float64]
    long_mm: NDArray[np.float64]
    wide_mm: NDArray[np.float64]
    through: Mask
    thick: NDArray[np.float64]
    soft: NDArray[np.float64]
    fat: NDArray[np.float64]
    lean: NDArray[np.float64]
    spread: NDArray[np.float64]
    fringe: NDArray[np.float64]


def part_features(
    runs: Runs, label: NDArray[np.int32], hu: NDArray[np.int16], inner: Mask, grid: Grid
) -> PartFeatures:
    """The features of parts of the grid, from their runs and the part of each of these.

    inner : the cells beneath the surface
    """
    table = np.zeros((int(label.max(initial=0)) + 1, _COLUMNS))
    table[:, 8:14:2] = np.inf
    table[:, 9:14:2] = -np.inf
    _gather((*columns(runs), label), hu, inner, eroded(inner), table)
    size, under = np.maximum(table[:, 0], 1), np.maximum(table[:, 2], 1)
    soft, fat, lean, fringe = (table[:, 3:7] / under[:, None]).T
    variance = table[:, 15] / under - (table[:, 14] / under) ** 2
    low, high = table[:, 8:14:2], table[:, 9:14:2]
    extent = np.maximum(high - low + 1, 0) * np.array(grid.size_mm)
    return PartFeatures(
        cm3=table[:, 0] * (np.prod(grid.size_mm) / 1000),
        long_mm=extent[:, 0],
        wide_mm=extent[:, 1:].min(axis=1),
        through=(low[:, 0] == 0) & (high[:, 0] == runs.shape[0] - 1),
        thick=table[:, 1] / size,
        soft=soft,
        fat=fat,
        lean=lean,
        spread=np.sqrt(np.maximum(variance, 0)),
        fringe=fringe,
    )


def bodily(parts: PartFeatures) -> Mask:
    """Which parts (0..) are of a body: bool, one for each part and False for 0.

    The largest part that is no shell is the body, whatever it is made of: phantoms are
    measured too. Thresholds were set on the parts seen in 36 CTs (docs/anatomy.md).
    """
    thick = parts.thick >= THICK
    slim = parts.thick >= SLIM
    digit = (parts.cm3 < DIGIT_CM3) & (parts.long_mm < DIGIT_MM)
    wide = parts.wide_mm >= DIGIT_WIDTH_MM
    # A sliver of a limb at the border is fat and lean; a table's rail is neither.
    digit &= wide | (~parts.through & (parts.fat + parts.lean > 0.3))
    digit |= slim & (parts.cm3 < FINGERS_CM3)
    whole = (parts.cm3 < UNIFORM_CM3) | ((parts.fat > 0.02) & (parts.lean > 0.05))
    # A finger is bone to a good part; a table's rail is as dense, but all of one density.
    bony = (parts.spread > BONY_SPREAD_HU) & wide
    keep: Mask = (thick | digit) & whole & ((parts.soft > 0.4) | bony)
    keep &= (parts.fringe <= FRINGE) | (parts.cm3 > 500)
    keep &= parts.cm3 >= SMALLEST_CM3
    keep[0] = False
    solid = np.where(slim & (parts.soft > 0.4) & (parts.fringe <= FRINGE), parts.cm3, 0)
    solid[0] = 0
    if solid.max() >= SMALLEST_CM3:
        keep[int(solid.argmax())] = True
    return keep


@kernel
def _gather(
    runs: tuple[Vector[np.int32], Vector[np.int32], Vector[np.int32], Vector[np.int32]],
    hu: Volume[np.int16],
    inner: Volume[np.bool_],
    deep: Volume[np.bool_],
    table: Plane[np.float64],
) -> None:
    """Columns: cells, deep, inner, soft, fat, lean, fringe, -, extents, sum and squares of HU."""
    row, start, stop, label = runs
    for run in range(row.size):
        z, y = row[run] // hu.shape[1], row[run] % hu.shape[1]
        low, high = start[run], stop[run]
        t = table[label[run]]
        t[0] += high - low
        t[8], t[9] = min(t[8], z), max(t[9], z)
        t[10], t[11] = min(t[10], y), max(t[11], y)
        t[12], t[13] = min(t[12], low), max(t[13], high - 1)
        count = soft = fat = lean = fringe = total = square = np.int64(0)
        for x in range(low, high):
            t[1] += deep[z, y, x]
            if inner[z, y, x]:
                value = np.int64(hu[z, y, x])
                count += 1
                soft += -200 < value < 200
                fat += -150 < value < -30
                lean += 0 < value < 120
                fringe += value < -200
                total += value
                square += value * value
        t[2] += count
        t[3] += soft
        t[4] += fat
        t[5] += lean
        t[6] += fringe
        t[14] += total
        t[15] += square
