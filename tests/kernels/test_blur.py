"""Weights of a Gaussian, against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.kernels.blur import gaussian_taps


@pytest.mark.parametrize("sd", [0.3, 0.9, 2.4])
def test_taps_are_scipys(sd):
    point = np.zeros(41)
    point[20] = 1.0
    blurred = ndimage.gaussian_filter1d(point, sd, truncate=3.0)
    half = gaussian_taps(sd, 3.0)
    assert np.append(half[:0:-1], half) == pytest.approx(blurred[21 - len(half) : 20 + len(half)])


def test_no_blur_leaves_all_in_the_middle():
    assert gaussian_taps(0.0, 3.0).tolist() == [1.0]
