"""The coarse grid's cells."""

from __future__ import annotations

import numpy as np
import pytest

from calcimetry import from_array
from calcimetry.anatomy import find_body, skin_depth
from calcimetry.anatomy.coarse import MOST_VOXELS, grid_of


@pytest.mark.parametrize("step", [0.02, 0.047, 0.05, 0.7, 5.0])
def test_cells_are_of_one_voxel_to_what_a_word_of_bits_holds(step) -> None:
    scan = from_array(np.zeros((4, 5, 6), np.int16), spacing=(step, step, step))
    assert all(1 <= n <= MOST_VOXELS for n in grid_of(scan).cell)


def test_skin_depth_at_very_fine_voxels() -> None:
    """Voxels of 0.047 mm along x: more than 62 of them would fit into a cell of 3 mm."""
    hu = np.full((40, 60, 700), -1000, np.int16)
    hu[:, 20:] = 40
    scan = from_array(hu, spacing=(1.0, 1.0, 0.047))
    depth = skin_depth(find_body(scan), scan, np.array([[20, 40, 350]]))
    assert depth[0] == pytest.approx(20.5, abs=0.2)
