"""Distances to the skin are those to every crossing there is, found by trying them all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.anatomy.coarse_grid import grid_of
from calcimetry.anatomy.nearest import blocks_of
from calcimetry.anatomy.skin import SURFACE_HU, gaps_to_skin
from calcimetry.records import Scan


def _scan(spacing, shape, seed):
    rng = np.random.default_rng(seed)
    hu = ndimage.gaussian_filter(rng.normal(0, 1, shape), 1.5)
    hu = np.round(hu / hu.std() * 400 + SURFACE_HU).astype(np.int16)
    affine = np.diag([*spacing[::-1], 1.0])
    return Scan.of(hu, affine)


def _crossings(scan, grid, near, unseen, home):
    """Every point (z, y, x) of the skin: in home cells, or one voxel off and in no home cell."""
    found = []
    reached = np.kron(home, np.ones(grid.cell)) > 0
    reached = ndimage.binary_dilation(reached, np.ones((3, 3, 3)))
    for at in np.ndindex(scan.hu.shape):
        for axis in range(3):
            to = tuple(n + (k == axis) for k, n in enumerate(at))
            if to[axis] == scan.hu.shape[axis]:
                continue
            v, w = float(scan.hu[at]), float(scan.hu[to])
            a, b = (tuple(np.array(voxel) // grid.cell) for voxel in (at, to))
            crosses = (v >= SURFACE_HU) != (w >= SURFACE_HU) and (near[a] or near[b])
            if crosses and not (unseen[a] or unseen[b]) and reached[at] and reached[to]:
                step = (SURFACE_HU - v) / (w - v)
                found.append([n + step * (k == axis) for k, n in enumerate(at)])
    return np.array(found).reshape(-1, 3)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.8, 1.3), (0.7, 3.0, 3.0)])
def test_gaps_are_those_to_every_crossing(spacing, jobs):
    rng = np.random.default_rng(3)
    scan = _scan(spacing, (13, 17, 22), 1)
    grid = grid_of(scan)
    near, unseen, home = (rng.random(grid.shape) < share for share in (0.7, 0.2, 0.4))
    blocks = blocks_of(np.argwhere(home), grid, scan.affine, 0.5)
    bounds = np.cumsum([0, 0, 1, 8, 9, 40, 0])
    points = rng.uniform(0, 1, (bounds[-1], 3)) * scan.hu.shape
    found = gaps_to_skin(blocks, scan, (grid, near, unseen), points, bounds, jobs=jobs)
    skin = _crossings(scan, grid, near, unseen, home) * spacing
    for a, b, gap in zip(bounds[:-1], bounds[1:], found, strict=True):
        apart = np.linalg.norm((points[a:b] * spacing)[:, None] - skin[None], axis=2)
        assert gap == pytest.approx(apart.min(initial=np.inf), abs=1e-9)


def test_without_a_crossing_the_nearest_cell_counts():
    scan = _scan((1.0, 1.0, 1.0), (9, 9, 9), 0)
    scan.hu[:] = -1000
    grid = grid_of(scan)
    none = np.zeros(grid.shape, np.bool_)
    blocks = blocks_of(np.array([[0, 0, 0], [2, 2, 2]]), grid, scan.affine, 0.5)
    found = gaps_to_skin(
        blocks, scan, (grid, ~none, none), np.array([[1, 1, 4.0]]), np.array([0, 1])
    )
    assert found == pytest.approx([3.0])
