"""Landmarks are thinned to the first point of every cell of space."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

landmarks = import_module("calcimetry.anatomy.landmarks")


@pytest.mark.parametrize("count", [0, 1, 5000])
@pytest.mark.parametrize("most", [7, 60_000])
def test_the_first_point_of_every_cell_is_kept(count, most, monkeypatch) -> None:
    monkeypatch.setattr(landmarks, "MOST", most)
    points = np.random.default_rng(0).normal(0, 15, (count, 3))
    cells = np.floor((points - points.min(axis=0, initial=np.inf)) / 2.0)
    first = np.sort(np.unique(cells, axis=0, return_index=True)[1])
    every = -(-len(first) // most)
    assert np.array_equal(landmarks._thinned(points, 2.0), first[:: max(1, every)])
