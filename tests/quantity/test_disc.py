"""Discs of rods, measured in one kernel, against scipy and against what was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.quantity.disc import measured_disc, opened


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (3, 3), (40, 57)])
def test_opening_is_scipys(shape):
    mask = np.random.default_rng(5).random(shape) < 0.8
    assert np.array_equal(opened(mask), ndimage.binary_opening(mask))


def _plane(across, dy=0.5, dx=0.7):
    """A blurred, noisy object of 400 HU on 50 HU, drawn by its radius in each direction, mm."""
    fine = 4
    y, x = np.indices((60 * fine, 50 * fine)) / fine
    y, x = (y - 30.3) * dy, (x - 24.6) * dx
    drawn = (np.hypot(y, x) < across(np.arctan2(y, x))).reshape(60, fine, 50, fine).mean((1, 3))
    drawn = ndimage.gaussian_filter(50 + 350 * drawn, (0.6 / dy, 0.6 / dx))
    return np.round(drawn + np.random.default_rng(1).normal(0, 8, drawn.shape)).astype(np.int16)


def test_a_drawn_disc_is_measured():
    y, x, diameter, mean, sd = measured_disc(_plane(lambda turn: 7.0 + 0 * turn), (0.5, 0.7))
    # Half height of a blurred disc lies inside its edge by half the variance over the radius.
    assert abs(diameter - (14.0 - (0.6**2 + 1.0**2) / 7.0)) < 0.1
    assert abs(mean - 400) < 2
    assert abs(sd - 8) < 1
    # The middle of a pixel lies half a pixel past its edge.
    assert np.hypot((y - 29.9) * 0.5, (x - 24.2) * 0.7) < 0.15


def test_smoothing_and_part_are_scipys():
    plane = _plane(lambda turn: 7.0 + 0 * turn)
    smooth = ndimage.gaussian_filter(plane.astype(np.float32), (1 / 0.5, 1 / 0.7))
    labels, _ = ndimage.label(smooth >= 130)
    expected = ndimage.center_of_mass(labels == labels[30, 25])
    assert measured_disc(plane, (0.5, 0.7))[:2] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "across",
    [
        lambda turn: 7.0 + 2.0 * np.cos(2 * turn),
        lambda turn: 7.0 / np.maximum(np.abs(np.cos(turn)), np.abs(np.sin(turn))),
    ],
    ids=["oval", "square"],
)
def test_what_is_not_round_is_no_disc(across):
    assert measured_disc(_plane(across), (0.5, 0.7)) is None
