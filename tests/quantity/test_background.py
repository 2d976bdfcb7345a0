"""The fit of a background against the plain formulas that its kernels stand for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from calcimetry.kernels.compiled import entered
from calcimetry.quantity.background import (
    _levels,
    _logistic,
    _otsu,
    _probability,
    background_of,
)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_own_exponential_is_exact():
    level = np.linspace(-35, 35, 1001)
    found = level.copy()
    entered(_probability)(found)
    assert found == pytest.approx(special.expit(np.clip(level, -30, 30)), rel=1e-14)


def test_a_border_is_found_where_it_was_drawn(rng):
    at = np.argwhere(np.ones((9, 9, 9))).T / 4.0 - 1.0
    drawn = np.array([0.3, 2.0, -1.0, 1.5, 0.5, 0.0, -0.5, 0.2, 0.0, 0.4])
    z, y, x = at
    design = np.stack([z**0, z, y, x, z * z, y * y, x * x, z * y, z * x, y * x])
    target = special.expit(drawn @ design)
    weights = _logistic(np.ascontiguousarray(at), target)
    assert special.expit(weights @ design) == pytest.approx(target, abs=0.02)
    low, high = entered(_levels)(
        (-100 + 150 * target).astype(np.float32), target.astype(np.float32)
    )
    assert (low, high) == pytest.approx((-100, 50), abs=1e-3)


def test_otsu_parts_where_the_classes_differ_most(rng):
    values = np.concatenate([rng.normal(-100, 15, 300), rng.normal(40, 15, 700)]).round()
    low, high, share = _otsu(values.astype(np.float32))
    assert share == pytest.approx(0.7, abs=0.01)
    assert (low, high) == pytest.approx((-100, 40), abs=3)


def test_tissue_that_differs_from_octant_to_octant_counts_as_uneven_and_noise_does_not(rng):
    shell = np.ones((16, 16, 16), bool)
    noise = rng.normal(50, 12, shell.shape).astype(np.float32)
    octants = np.kron(rng.normal(0, 8, (2, 2, 2)), np.ones((8, 8, 8))).astype(np.float32)
    even, uneven = (
        background_of(np.round(hu), shell, (1.0, 1.0, 1.0), 12.0) for hu in (noise, noise + octants)
    )
    assert even.uneven < 1.0
    assert uneven.uneven == pytest.approx(octants.std() * np.sqrt(9 / 7), abs=1.0)
