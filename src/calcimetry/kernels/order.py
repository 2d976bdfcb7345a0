"""Order statistics inside kernels, where NumPy's own take seconds to compile; and a quantile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import inner
from calcimetry.kernels.types import Integer, Vector


@inner
def median_of_counts(counts: Vector[np.int64] | Vector[np.int32], total: Integer) -> float:
    """The median of values 0, 1, ... of which `counts` says how many there are."""
    low = high = -1
    seen = 0
    for value in range(len(counts)):
        seen += counts[value]
        if low < 0 and seen >= (total + 1) // 2:
            low = value
        if seen >= total // 2 + 1:
            high = value
            break
    return (low + high) / 2


@inner
def median_of_whole(values: Vector[np.float64], count: int) -> float:
    """The median of the first `count` of some whole numbers that lie no further apart than HU."""
    first = last = int(values[0])
    for n in range(count):
        first, last = min(first, int(values[n])), max(last, int(values[n]))
    counts = np.zeros(last - first + 1, np.int64)
    for n in range(count):
        counts[int(values[n]) - first] += 1
    return first + median_of_counts(counts, count)


@inner
def sort(values: Vector[np.int64]) -> None:
    """Sort in place, by Shell's method: for the hundreds of values that it is used on."""
    gap = len(values) // 2
    while gap > 0:
        for n in range(gap, len(values)):
            value, at = values[n], n
            while at >= gap and values[at - gap] > value:
                values[at] = values[at - gap]
                at -= gap
            values[at] = value
        gap //= 2


@inner
def index_of_least(values: Vector[np.float64]) -> int:
    """The first of the least values; 0 where there are none but infinite ones."""
    least = 0
    for n in range(1, len(values)):
        if values[n] < values[least]:
            least = n
    return least


@inner
def first_at_least(rising: Vector[np.int32], value: Integer, begin: int) -> int:
    """The index of the first of rising values, from `begin` on, that is not below `value`."""
    low, high = begin, len(rising)
    while low < high:
        middle = (low + high) // 2
        if rising[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


def quantile(ordered: NDArray[np.float32], share: float) -> float:
    """Of sorted values, linear between two of them (Hyndman and Fan's type 7)."""
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low]) + (at - low) * (float(ordered[high]) - float(ordered[low]))
