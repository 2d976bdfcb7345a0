"""Dilation by a distance, against a distance map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from calcimetry.kernels.dilate import ball_widths, dilated_mm


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.003, 0.1]), st.floats(0.5, 6.0))
def test_it_is_a_distance_map_compared(seed, dense, reach):
    rng = np.random.default_rng(seed)
    steps = tuple(rng.uniform(0.4, 3.0, 3))
    mask = rng.random(tuple(rng.integers(1, 15, 3))) < dense
    mask.flat[mask.size // 2] = True
    far = ndimage.distance_transform_edt(~mask, sampling=steps)
    assert np.array_equal(dilated_mm(mask, steps, reach), far <= reach)


def test_nothing_stays_nothing():
    assert not dilated_mm(np.zeros((3, 4, 5), bool), (1.0, 1.0, 1.0), 2.0).any()


@pytest.mark.parametrize(
    ("reach", "row"), [(0.5, [0, -1, -1]), (1.0, [1, 0, -1]), (2.5, [2, 2, 1])]
)
def test_a_ball_has_its_widths(reach, row):
    assert ball_widths((1.0, 1.0, 1.0), (2, 2, 3), reach)[0].tolist() == row
