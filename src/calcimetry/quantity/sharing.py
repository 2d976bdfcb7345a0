"""Whose signal is it where a deposit meets bone or another dense object?

Both are sharpened together (Richardson-Lucy, each only inside its own mask), then blurred
apart again: a voxel's excess is shared in proportion to what each blurred object puts there.
Spill-in from bone is thereby left out and spill-out into bone taken back, and the shares of
touching objects add up to the whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Sigma = tuple[float, float, float]
_ROUNDS = 8


def shares(
    excess: NDArray[np.float32],
    own: NDArray[np.bool_],
    other: NDArray[np.bool_],
    sigma: Sigma,
) -> NDArray[np.float32]:
    """The deposit's share of each voxel's excess, 0-1.

    excess : float32 (z, y, x), HU over background
    own, other : bool, masks that do not overlap
    sigma : point spread, in voxels
    """
    sharp = sharpened(excess, own | other, sigma)
    whole = blurred(sharp, sigma)
    part = blurred(np.where(own, sharp, np.float32(0)), sigma)
    return np.asarray(part / np.maximum(whole, 1e-3), np.float32)


def sharpened(
    excess: NDArray[np.float32], support: NDArray[np.bool_], sigma: Sigma, rounds: int = _ROUNDS
) -> NDArray[np.float32]:
    """Richardson-Lucy estimate of the excess before blur, zero outside the support."""
    observed = np.maximum(excess, np.float32(0))
    estimate = np.where(support, np.maximum(observed, 1.0), 0.0).astype(np.float32)
    for _ in range(rounds):
        ratio = observed / np.maximum(blurred(estimate, sigma), np.float32(1))
        estimate *= blurred(ratio.astype(np.float32), sigma)
    return estimate


def blurred(volume: NDArray[np.float32], sigma: Sigma) -> NDArray[np.float32]:
    """Through a Gaussian point spread of SD `sigma` voxels; nothing lies beyond the crop."""
    return np.asarray(ndimage.gaussian_filter(volume, sigma, mode="constant", truncate=3.0))
