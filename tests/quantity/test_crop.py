"""Parts of a crop that hold a seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.quantity.crop import flooded


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_flood_reaches_over_corners_only_what_holds_a_seed(rng):
    room = rng.random((7, 8, 9)) < 0.12
    seeds = room & (rng.random(room.shape) < 0.1)
    labels, _ = ndimage.label(room, np.ones((3, 3, 3)))
    assert np.array_equal(flooded(seeds, room), np.isin(labels, labels[seeds]))
