"""Order statistics inside kernels: NumPy's own take seconds to compile."""

from __future__ import annotations

import numpy as np

from calcimetry.kernels.compiled import kernel
from calcimetry.kernels.types import Vector


@kernel
def median_of_counts(counts: Vector[np.int64] | Vector[np.int32], total: int) -> float:
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


@kernel
def quantile(ordered: Vector[np.float32], share: float) -> float:
    """Of sorted values, linear between two of them (Hyndman and Fan's type 7)."""
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    found: float = ordered[low] + (at - low) * (np.float64(ordered[high]) - ordered[low])
    return found


@kernel
def index_of_least(values: Vector[np.float64]) -> int:
    """The first of the least values; 0 where there are none but infinite ones."""
    least = 0
    for n in range(1, len(values)):
        if values[n] < values[least]:
            least = n
    return least
