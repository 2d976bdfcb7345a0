"""Medians and quantiles inside kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from calcimetry.runs._jit import kernel


@kernel
def middle(counts: Any, total: Any) -> Any:
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
def quantile(ordered: Any, share: Any) -> Any:
    """Of sorted values, linear between two of them (Hyndman and Fan's type 7)."""
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (np.float64(ordered[high]) - ordered[low])
