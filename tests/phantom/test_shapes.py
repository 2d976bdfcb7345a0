from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.phantom.shapes import Family, draw, random_rotation, step_for, vessel


@given(
    family=st.sampled_from(list(Family)),
    diameter=st.floats(1.0, 30.0),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_every_shape_is_whole_and_of_its_size(family: Family, diameter: float, seed: int) -> None:
    shape = draw(family, diameter, np.random.default_rng(seed))
    assert shape.dtype == np.float32
    assert 0 < shape.max() <= 1.6
    assert shape.min() >= 0
    assert max(shape.shape) * step_for(diameter) <= 1.75 * diameter + 0.5
    for axis in range(3):  # cropped tight
        sides = np.moveaxis(shape, axis, 0)
        assert sides[0].any()
        assert sides[-1].any()


@pytest.mark.parametrize("family", list(Family))
def test_a_seed_repeats_a_shape_and_another_does_not(family: Family) -> None:
    one = draw(family, 8.0, np.random.default_rng(1))
    assert np.array_equal(one, draw(family, 8.0, np.random.default_rng(1)))
    other = draw(family, 8.0, np.random.default_rng(2))
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_a_finer_grid_draws_the_same_kind_of_volume() -> None:
    volumes = [
        (draw("stone", 10.0, np.random.default_rng(3), step) > 0).sum() * step**3
        for step in (0.25, 0.5)
    ]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.05)


def test_fluid_level_is_denser_below_and_its_level_is_flat() -> None:
    for seed in range(6):
        shape = draw("fluid_level", 12.0, np.random.default_rng(seed))
        dense = np.nonzero((shape == 1).any(axis=(0, 2)))[0]
        light = np.nonzero(((shape > 0) & (shape < 1)).any(axis=(0, 2)))[0]
        if len(light):
            assert light.max() < dense.min()


def test_hollow_rings_are_hollow() -> None:
    from scipy.ndimage import binary_fill_holes

    hollow = 0
    for seed in range(20):
        solid = draw("ring", 10.0, np.random.default_rng(seed)) > 0.6
        hollow += binary_fill_holes(solid).sum() > 1.1 * solid.sum()
    assert hollow >= 6  # the rest is open or broken


def test_rotations_are_proper() -> None:
    for seed in range(10):
        turn = random_rotation(np.random.default_rng(seed))
        assert np.allclose(turn @ turn.T, np.eye(3))
        assert np.linalg.det(turn) == pytest.approx(1)


def test_vessel_is_one_long_tube() -> None:
    from scipy.ndimage import label

    tube = vessel(60.0, 2.0, np.random.default_rng(0))
    assert label(tube, np.ones((3, 3, 3)))[1] == 1
    assert max(tube.shape) * 0.6 > 25
    assert tube.sum() * 0.6**3 == pytest.approx(np.pi * 4 * 60, rel=0.35)
