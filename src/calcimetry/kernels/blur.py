"""Weights of a Gaussian."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def gaussian_taps(sd: float, cut: float) -> NDArray[np.float64]:
    """Weights of a Gaussian of that SD, in voxels, from the middle outwards, up to `cut` SD.

    Those of both sides have the sum 1; without an SD all is in the middle.
    """
    reach = int(cut * sd + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sd, 1e-12)) ** 2)
    return np.asarray(weights[reach:] / weights.sum())
