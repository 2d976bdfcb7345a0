"""Parts of the coarse grid that are of a body, and those that are tables or phantoms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.coarse import Grid, Mask, eroded

SMALLEST_CM3 = 1.0  # a fingertip
DIGIT_CM3, DIGIT_MM = 40.0, 130.0  # the most that a finger or toe can be
DIGIT_WIDTH_MM = 10.0
FINGERS_CM3 = 200.0  # of one hand, side by side
THICK = 0.3  # share of a part more than two cells deep; limbs have 0.5 and more
SLIM = 0.02  # fingers have more than that, table shells nothing
FRINGE = 0.05  # share between foam and tissue, which the inside of a body does not have
BONY_SPREAD_HU = 80.0
UNIFORM_CM3 = 30.0  # from this size on, a part of a body shows both fat and lean


@dataclass(frozen=True, slots=True, eq=False)
class MakeUp:
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


def make_up(labels: NDArray[np.int32], hu: NDArray[np.int16], inner: Mask, grid: Grid) -> MakeUp:
    """The make-up of labelled parts; `inner` are the cells beneath the surface."""
    count = int(labels.max(initial=0)) + 1
    size = np.bincount(labels.ravel(), minlength=count)
    numbers, values = labels[inner], hu[inner]
    inner_size = np.maximum(np.bincount(numbers, minlength=count), 1)

    def share(low: int, high: int) -> NDArray[np.float64]:
        chosen = numbers[(values > low) & (values < high)]
        part: NDArray[np.float64] = np.bincount(chosen, minlength=count) / inner_size
        return part

    first, last = _extent(labels, count)
    sides = [_length(labels.transpose(axes), count) for axes in ((1, 0, 2), (2, 0, 1))]
    deep = np.bincount(labels[eroded(inner)], minlength=count)
    return MakeUp(
        cm3=size * (np.prod(grid.size_mm) / 1000),
        long_mm=(last - first + 1).astype(np.float64) * grid.size_mm[0],
        wide_mm=np.minimum(sides[0] * grid.size_mm[1], sides[1] * grid.size_mm[2]),
        through=(first == 0) & (last == labels.shape[0] - 1),
        thick=deep / np.maximum(size, 1),
        soft=share(-200, 200),
        fat=share(-150, -30),
        lean=share(0, 120),
        spread=_spread(numbers, values, count),
        fringe=share(-32768, -200),
    )


def bodily(parts: MakeUp) -> Mask:
    """Which parts (0..) are of a body: bool, one for each part and False for 0.

    The largest part that is no shell is the body, whatever it is made of: phantoms are
    measured too. Thresholds were set on the parts seen in 36 CTs (docs/anatomy.md).
    """
    thick = parts.thick >= THICK
    slim = parts.thick >= SLIM
    digit = (parts.cm3 < DIGIT_CM3) & (parts.long_mm < DIGIT_MM)
    digit &= ~parts.through | (parts.wide_mm >= DIGIT_WIDTH_MM)
    digit |= slim & (parts.cm3 < FINGERS_CM3)
    whole = (parts.cm3 < UNIFORM_CM3) | ((parts.fat > 0.02) & (parts.lean > 0.05))
    # A finger is bone to a good part; a table's rail is as dense, but all of one density.
    bony = (parts.spread > BONY_SPREAD_HU) & (parts.wide_mm >= DIGIT_WIDTH_MM)
    keep: Mask = (thick | digit) & whole & ((parts.soft > 0.4) | bony)
    keep &= (parts.fringe <= FRINGE) | (parts.cm3 > 500)
    keep &= parts.cm3 >= SMALLEST_CM3
    keep[0] = False
    solid = np.where(slim & (parts.soft > 0.4) & (parts.fringe <= FRINGE), parts.cm3, 0)
    solid[0] = 0
    if solid.max() >= SMALLEST_CM3:
        keep[int(solid.argmax())] = True
    return keep


def _length(labels: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """How many planes of the first axis each part reaches over."""
    first, last = _extent(labels, count)
    length: NDArray[np.float64] = np.maximum(last - first + 1, 0).astype(np.float64)
    return length


def _spread(
    numbers: NDArray[np.int32], values: NDArray[np.int16], count: int
) -> NDArray[np.float64]:
    size = np.maximum(np.bincount(numbers, minlength=count), 1)
    weights = values.astype(np.float64)
    mean = np.bincount(numbers, weights, minlength=count) / size
    square = np.bincount(numbers, weights**2, minlength=count) / size
    spread: NDArray[np.float64] = np.sqrt(np.maximum(square - mean**2, 0))
    return spread


def _extent(labels: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last slice of each part."""
    first, last = np.full(count, labels.shape[0]), np.full(count, -1)
    for z, plane in enumerate(labels):
        here = np.flatnonzero(np.bincount(plane.ravel(), minlength=count))
        first[here] = np.minimum(first[here], z)
        last[here] = z
    return first, last
