"""Each factor against SciPy's normal distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from calcimetry import statistics as s


def test_factors_are_those_of_the_normal_distribution():
    assert pytest.approx(norm.ppf(0.975), abs=1e-6) == s.Z95
    assert pytest.approx(norm.ppf(0.95), abs=1e-6) == s.Z95_ONE_SIDED
    assert pytest.approx(np.sqrt(8 * np.log(2)), abs=1e-9) == s.FWHM_PER_SD
    assert pytest.approx(1 / norm.ppf(0.75), abs=1e-5) == s.SD_PER_MAD
