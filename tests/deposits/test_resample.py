"""The network's grid: what goes there and comes back keeps its place and its level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.deposits.resample import (
    GRID_MM,
    OUTSIDE_HU,
    axis_cells,
    axis_weights,
    folded,
    interpolate,
    resample,
    unfolded,
)
from calcimetry.kernels.compiled import read_only
from calcimetry.runs import find_runs, from_mask
from calcimetry.runs.find import columns

spacings = st.floats(0.3, 6.0)


def _to_grid(hu, spacing):
    taps = [axis_weights(n, s) for n, s in zip(hu.shape, spacing, strict=True)]
    return resample(read_only(hu, np.int16), *taps)


def _back(grid, runs, spacing):
    lattice = zip(runs.shape, spacing, grid.shape, strict=True)
    cells = [axis_cells(n, s, m) for n, s, m in lattice]
    back = np.empty(runs.voxels, np.float32)
    interpolate(read_only(grid, np.float32), columns(runs), *cells, back)
    return back


@given(count=st.integers(2, 300), spacing=spacings)
def test_weights_sum_to_one_and_stay_on_the_axis(count, spacing):
    index, weight = axis_weights(count, spacing)
    assert np.allclose(weight.sum(axis=1), 1, atol=1e-5)
    assert index.min() >= 0
    assert index.max() < count
    assert (len(index) - 1) * GRID_MM <= (count - 1) * spacing + 1e-3


@given(count=st.integers(12, 200), spacing=spacings)
def test_the_filter_does_not_shift(count, spacing):
    """Away from the ends, the weighted mean position is the grid voxel's own."""
    index, weight = axis_weights(count, spacing)
    mean = (index * weight).sum(axis=1) * spacing
    place = np.arange(len(index)) * GRID_MM
    reach = max(spacing, GRID_MM)
    inner = (place > reach) & (place < (count - 1) * spacing - reach)
    # A sampled triangle's mean is off by a share of a voxel, and of nothing when coarse.
    assert np.abs(mean - place)[inner].max(initial=0) < 0.26 * min(spacing, GRID_MM)


@settings(deadline=None, max_examples=25)
@given(
    shape=st.tuples(*[st.integers(4, 24)] * 3),
    spacing=st.tuples(spacings, spacings, spacings),
    level=st.integers(-900, 3000),
)
def test_an_even_volume_stays_even_there_and_back(shape, spacing, level):
    hu = np.full(shape, level, np.int16)
    grid = _to_grid(hu, spacing)
    assert np.allclose(grid, level, atol=0.05)
    runs = find_runs(hu, level)
    assert np.allclose(_back(grid, runs, spacing), level, atol=0.05)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 99), spacing=st.tuples(spacings, spacings, spacings))
def test_resampling_equals_three_matrix_products(seed, spacing):
    hu = np.random.default_rng(seed).integers(-1000, 2000, (7, 9, 11)).astype(np.int16)
    expected = hu.astype(float)
    for axis in range(3):
        index, weight = axis_weights(hu.shape[axis], spacing[axis])
        matrix = np.zeros((len(index), hu.shape[axis]))
        np.add.at(matrix, (np.arange(len(index))[:, None], index), weight)
        expected = np.moveaxis(np.tensordot(matrix, expected, axes=(1, axis)), 0, axis)
    assert np.allclose(_to_grid(hu, spacing), expected, atol=0.2)


def test_a_ramp_comes_back_where_it_was():
    spacing = (3.0, 0.75, 1.0)
    z, y, x = np.indices((12, 40, 30))
    hu = (40 * z + 7 * y + 11 * x).astype(np.int16)
    mask = np.zeros(hu.shape, bool)
    mask[3:-3, 6:-6, 6:-6] = True
    back = _back(_to_grid(hu, spacing), from_mask(mask), spacing)
    assert np.abs(back - hu[mask]).max() < 6


def test_padding_below_air_is_air():
    hu = np.full((6, 6, 6), -2048, np.int16)
    assert np.allclose(_to_grid(hu, (1.0, 1.0, 1.0)), OUTSIDE_HU)


@pytest.mark.parametrize("count", [1, 2])
def test_an_axis_shorter_than_a_grid_voxel_has_one_place(count):
    index, _ = axis_weights(count, 0.5)
    assert len(index) == 1
    low, beyond = axis_cells(count, 0.5, 1)
    assert (low == 0).all()
    assert (beyond == 0).all()


def test_folding_keeps_every_voxel_in_its_cell():
    volume = np.arange(4 * 6 * 8, dtype=np.float32).reshape(4, 6, 8)
    cells = folded(volume)
    assert cells.shape == (2, 3, 4, 8)
    assert cells[1, 2, 3].tolist() == volume[2:, 4:, 6:].ravel().tolist()
    assert np.array_equal(unfolded(cells), volume)
