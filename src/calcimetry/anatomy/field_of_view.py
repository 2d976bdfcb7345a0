"""The field of view: which pixels of the slices were never reconstructed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_HU = -1500  # below every tissue, gas and streak: values that only padding has
_SAMPLES = 9


def unseen_pixels(hu: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Padding outside a round field: bool (y, x).

    Padding is the value of the corners, the same in every slice. Far below air (-2000,
    -2048, -3024) it speaks for itself. As low as air (-1024, -1000) it counts only where what
    is left fills a circle across the slice: else it is true air, cut off at that value.
    """
    picks = np.unique(np.linspace(0, hu.shape[0] - 1, _SAMPLES).round().astype(int))
    corners = np.unique(hu[picks][:, [0, 0, -1, -1], [0, -1, 0, -1]])
    none = np.zeros(hu.shape[1:], np.bool_)
    low = [int(value) for value in corners if value <= -1000]
    for value in low:
        same = np.logical_and.reduce([hu[z] == value for z in picks])
        if same.any() and (value < NO_HU or _rounds(~same)):
            none |= same
    return none


def _rounds(seen: NDArray[Any]) -> bool:
    """Whether `seen` pixels are a disc that spans the slice."""
    height, width = seen.shape
    y, x = np.ogrid[:height, :width]
    far = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    if seen.all() or not seen.any():
        return False
    radius = float(far[seen].max())
    disc = far <= radius
    spans = 0.47 * min(height, width) <= radius <= 0.55 * max(height, width)
    return spans and bool(seen[disc].mean() > 0.97)
