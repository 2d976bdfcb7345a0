"""Rigid motions in part, and distances from sampled surfaces."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calcimetry.followup.motion import BONE, Cloud, Motion, crossed

vectors = arrays(float, 3, elements=st.floats(-1, 1))


@given(vectors, vectors, st.floats(0, 1))
def test_the_parts_of_a_motion_make_the_whole(turn, pivot, share):
    whole = Motion.moved(20 * pivot[::-1]).after(Motion.about(50 * pivot, turn))
    points = np.random.default_rng(0).normal(size=(5, 3)) * 40
    there = whole.part(1 - share)(whole.part(share)(points))
    np.testing.assert_allclose(there, whole(points), atol=1e-3)


def test_two_samplings_of_one_plane_are_no_distance_apart():
    line = np.arange(0.0, 40.0, 2.0)
    grid = np.stack(np.meshgrid(line, line, [0.0]), axis=-1).reshape(-1, 3)
    group = np.full(len(grid), BONE)
    plane = Cloud(grid, group, np.ones(len(grid)))
    inside = np.array([[11.0, 11.0, 0.0], [11.0, 11.0, 0.7], [11.0, 11.0, 9.0]])
    gaps = plane.gap(inside, group[:3], 5.0)
    np.testing.assert_allclose(gaps, [0.0, 0.7, 5.0], atol=1e-6)


@given(arrays(float, (7, 3), elements=st.floats(-50, 50)), vectors)
def test_cross_products_are_numpys(points, axis):
    assert np.array_equal(crossed(points, axis), np.cross(points, axis))
    assert np.array_equal(crossed(points, points[::-1]), np.cross(points, points[::-1]))
