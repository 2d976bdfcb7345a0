from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.records import Scan, StoredGrid

ORIENTATIONS = list(product(permutations(range(3)), product((False, True), repeat=3)))


def oblique_scan(angle: float) -> Scan:
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.7, 0.8, 2.5])
    affine[:3, 3] = (-100, 30, 5)
    hu = np.zeros((3, 4, 5), np.int16)
    return Scan.of(hu, affine)


@pytest.mark.parametrize(("axes", "flipped"), ORIENTATIONS)
def test_stored_grid_goes_there_and_back(axes, flipped):
    volume = np.arange(24).reshape(2, 3, 4)
    shape = [0, 0, 0]
    for axis, length in zip(axes, volume.shape, strict=True):
        shape[axis] = length
    grid = StoredGrid(tuple(shape), np.eye(4), axes, flipped)
    stored = grid.from_scan(volume)
    assert stored.shape == tuple(shape)
    assert np.array_equal(grid.to_scan(stored), volume)
    assert np.array_equal(
        np.take(stored, grid.slice_index(1), axis=axes[0]),
        grid.from_scan(volume)[
            tuple(grid.slice_index(1) if axis == axes[0] else slice(None) for axis in range(3))
        ],
    )
    assert set(np.take(stored, grid.slice_index(1), axis=axes[0]).ravel()) == set(volume[1].ravel())


@given(st.floats(-3, 3), st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5)))
def test_positions_go_there_and_back(angle, zyx):
    scan = oblique_scan(angle)
    assert np.allclose(scan.to_zyx(scan.to_lps(zyx)), zyx, atol=1e-9)


def test_spacing_is_in_array_order():
    scan = oblique_scan(0.4)
    assert np.allclose(scan.spacing, (2.5, 0.8, 0.7))
    assert np.isclose(scan.voxel_mm3, 2.5 * 0.8 * 0.7)


def test_a_step_along_each_axis_moves_the_right_way():
    scan = oblique_scan(0.0)
    start = scan.to_lps((0, 0, 0))
    assert np.allclose(start, (-100, 30, 5))
    assert np.allclose(scan.to_lps((1, 0, 0)) - start, (0, 0, 2.5))
    assert np.allclose(scan.to_lps((0, 1, 0)) - start, (0, 0.8, 0))
    assert np.allclose(scan.to_lps((0, 0, 1)) - start, (0.7, 0, 0))
