"""Deblending against the plain formulas that its kernels stand for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.quantity.deblend import deblend_weights


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("sigma", [(0.1, 0.5, 0.9), (1.2, 0.8, 0.6)])
def test_weights_are_those_of_richardson_and_lucy(rng, sigma):
    own, other = np.zeros((2, 11, 16, 18), bool)
    own[4:7, 5:9, 6:10] = True
    other[3:9, 4:12, 10:14] = True
    excess = (300 * own + 700 * other + rng.normal(0, 20, own.shape)).astype(np.float32)

    def blur(volume):
        return ndimage.gaussian_filter(volume, sigma, mode="constant", truncate=3.0)

    support = own | other
    sharp = np.where(support, np.maximum(excess, 1.0), 0.0).astype(np.float64)
    for _ in range(8):
        sharp = sharp * blur(np.maximum(excess, 0.0) / np.maximum(blur(sharp), 1.0))
    part, whole = blur(np.where(own, sharp, 0.0)), blur(sharp)
    expected = part / np.maximum(whole, 1e-3)
    assert deblend_weights(excess, own, other, sigma) == pytest.approx(expected, abs=2e-5)
