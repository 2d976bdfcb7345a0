"""The coarse grid's cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from calcimetry import Scan, from_array
from calcimetry.anatomy import find_body, skin_depth
from calcimetry.anatomy.coarse_grid import MOST_VOXELS, dilated, eroded, flooded, grid_of


def scan_of(hu, edges) -> Scan:
    """Of any edges (z, y, x), also finer than a scan of a patient may have."""
    scan = from_array(hu, spacing=(1.0, 1.0, 1.0))
    return replace(scan, frame=replace(scan.frame, affine=np.diag([*edges[::-1], 1.0])))


@pytest.mark.parametrize("step", [0.02, 0.047, 0.05, 0.7, 5.0])
def test_cells_are_of_one_voxel_to_what_a_word_of_bits_holds(step) -> None:
    scan = scan_of(np.zeros((4, 5, 6), np.int16), (step, step, step))
    assert all(1 <= n <= MOST_VOXELS for n in grid_of(scan).cell)


def test_skin_depth_at_very_fine_voxels() -> None:
    """Voxels of 0.047 mm along x: more than 62 of them would fit into a cell of 3 mm."""
    hu = np.full((40, 60, 700), -1000, np.int16)
    hu[:, 20:] = 40
    scan = scan_of(hu, (1.0, 1.0, 0.047))
    depth = skin_depth(find_body(scan), scan, np.array([[20, 40, 350]]))
    assert depth[0] == pytest.approx(20.5, abs=0.2)


def _by_scipy(mask, steps, in_slice):
    """Faces and then edges in turns, by SciPy."""
    for step in range(steps):
        ball = ndimage.generate_binary_structure(3, 1 + step % 2)
        if in_slice:
            ball[[0, 2]] = False
        mask = ndimage.binary_dilation(mask, ball)
    return mask


@pytest.mark.parametrize("in_slice", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 9), (6, 1, 40), (9, 12, 70)])
def test_growing_is_that_of_a_structuring_element(shape, in_slice) -> None:
    mask = np.random.default_rng(0).random(shape) < 0.05
    mask[0, 0, 0] = True
    for steps in range(4):
        grown = _by_scipy(mask, steps, in_slice)
        assert np.array_equal(dilated(mask, steps, in_slice=in_slice), grown)
        assert np.array_equal(eroded(~mask, steps, in_slice=in_slice), ~grown)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_flood_fills_the_parts_that_hold_a_seed(share) -> None:
    rng = np.random.default_rng(1)
    room, seeds = rng.random((8, 20, 30)) < share, rng.random((8, 20, 30)) < 0.02
    labels, _ = ndimage.label(room)
    held = np.unique(labels[seeds & room])
    assert np.array_equal(flooded(seeds, room, 6), np.isin(labels, held[held > 0]))
