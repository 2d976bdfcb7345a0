"""Discs of rods, measured in one kernel, against scipy and against what was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.quantity.disc import dense_parts, measured_discs


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (3, 3), (40, 57), (41, 58)])
def test_dense_parts_are_scipys(shape, every):
    plane = np.where(np.random.default_rng(5).random(shape) < 0.85, 130, 129).astype(np.int16)
    labels, _ = ndimage.label(ndimage.binary_opening(plane[::every, ::every] >= 130))
    expected = [[y.start, y.stop, x.start, x.stop] for y, x in ndimage.find_objects(labels)]
    assert dense_parts(plane, every).tolist() == expected


def test_parts_that_reach_every_border():
    assert dense_parts(np.full((9, 12), 200, np.int16), 1).tolist() == [[0, 9, 0, 12]]


def test_too_little_is_not_looked_at():
    plane = np.full((9, 12), 200, np.int16)
    assert len(dense_parts(plane, 1, 108)) == 1
    assert len(dense_parts(plane, 1, 109)) == 0


def _plane(across, dy=0.5, dx=0.7):
    """A blurred, noisy object of 400 HU on 50 HU, drawn by its radius in each direction, mm."""
    fine = 4
    y, x = np.indices((60 * fine, 50 * fine)) / fine
    y, x = (y - 30.3) * dy, (x - 24.6) * dx
    drawn = (np.hypot(y, x) < across(np.arctan2(y, x))).reshape(60, fine, 50, fine).mean((1, 3))
    drawn = ndimage.gaussian_filter(50 + 350 * drawn, (0.6 / dy, 0.6 / dx))
    return np.round(drawn + np.random.default_rng(1).normal(0, 8, drawn.shape)).astype(np.int16)


def _measured(plane, most_sd=1000.0):
    """All of a plane as one box."""
    box = np.array([[0, plane.shape[0], 0, plane.shape[1]]])
    return measured_discs(plane, box, (0.5, 0.7), most_sd)[0]


def test_a_drawn_disc_is_measured():
    y, x, diameter, mean, sd = _measured(_plane(lambda turn: 7.0 + 0 * turn))
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
    assert _measured(plane)[:2] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "across",
    [
        lambda turn: 7.0 + 2.0 * np.cos(2 * turn),
        lambda turn: 7.0 / np.maximum(np.abs(np.cos(turn)), np.abs(np.sin(turn))),
    ],
    ids=["oval", "square"],
)
def test_what_is_not_round_is_no_disc(across):
    assert _measured(_plane(across))[2] == 0


def test_what_is_uneven_is_no_disc():
    plane = _plane(lambda turn: 7.0 + 0 * turn)
    sd = _measured(plane)[4]
    assert _measured(plane, sd * 1.01)[2] > 0
    assert _measured(plane, sd)[2] == 0


def test_each_box_is_measured_in_its_own_place():
    plane = _plane(lambda turn: 7.0 + 0 * turn)
    wide = np.tile(plane, (2, 2))
    boxes = np.array([[60 * n, 60 * n + 60, 50 * m, 50 * m + 50] for n in (0, 1) for m in (0, 1)])
    found = measured_discs(wide, boxes, (0.5, 0.7), 1000.0)
    assert found[:, :2] == pytest.approx(boxes[:, ::2] + _measured(plane)[:2])
    assert np.array_equal(found[:, 2:], np.tile(_measured(plane)[2:], (4, 1)))
    assert measured_discs(plane, boxes[:0], (0.5, 0.7), 1000.0).shape == (0, 5)
