"""Values beyond BitsStored: overlays are left out, larger values are kept, doubt is refused."""

from __future__ import annotations

import numpy as np
import pytest

from calcimetry.scan.dicom.bits_stored import Depth, limits, within_depth


def image(seed: int = 0) -> np.ndarray:
    """A smooth body in air, stored with 1024 added, with noise; a smooth stone of 3,000 HU."""
    y, x = np.mgrid[:96, :96]
    away = np.hypot(y - 48.0, x - 48.0)
    body = 24 + 1040 / (1 + np.exp((away - 40) / 1.5))
    stone = 4200 * np.exp(-((y - 40.0) ** 2 + (x - 50.0) ** 2) / 60)
    noise = np.random.default_rng(seed).normal(0, 12, body.shape)
    return np.clip(body + stone + noise, 0, None).astype(np.uint16)


def test_what_keeps_to_its_depth_is_left_as_it_is():
    plane = np.minimum(image(), 4095)
    values, depth = within_depth(plane, 12, False, None)
    assert depth is Depth.KEPT
    assert values is plane


@pytest.mark.parametrize("order", ["<", ">"])
def test_larger_values_are_read_whole(order):
    plane = image()
    assert plane.max() > 4500
    values, depth = within_depth(plane.astype(f"{order}u2"), 12, False, None)
    assert depth is Depth.BEYOND
    assert np.array_equal(values, plane)


@pytest.mark.parametrize("bit", [12, 13, 15])
def test_an_overlay_is_left_out(bit):
    plane = np.minimum(image(), 4000)
    drawn = plane.copy()
    drawn[10:60:7, 20:80] |= 1 << bit
    drawn[30:34, 5:90] |= 1 << bit
    values, depth = within_depth(drawn, 12, False, None)
    assert depth is Depth.MASKED
    assert np.array_equal(values, plane)


def test_the_same_bits_in_every_pixel_mean_nothing():
    plane = np.minimum(image(), 4000)
    values, depth = within_depth(plane | 0x5000, 12, False, None)
    assert depth is Depth.MASKED
    assert np.array_equal(values, plane)


def test_negative_values_without_the_bits_above_their_sign():
    signed = np.minimum(image(), 2500).astype(np.int16) - 1024
    values, depth = within_depth(signed & 0x0FFF, 12, True, None)
    assert depth is Depth.MASKED
    assert np.array_equal(values, signed)


def test_signed_values_larger_than_stated():
    signed = image().astype(np.int16) - 1024
    assert signed.max() > 2047
    values, depth = within_depth(signed, 12, True, None)
    assert depth is Depth.BEYOND
    assert np.array_equal(values, signed)


def test_padding_does_not_count():
    plane = np.minimum(image(), 4000)
    padding = np.zeros(plane.shape, bool)
    padding[:5] = True
    plane[padding] = 63536
    assert within_depth(plane, 12, False, padding)[1] is Depth.KEPT
    assert within_depth(plane, 12, False, None)[1] is not Depth.KEPT


def test_below_twelve_bits_and_scattered_bits_are_doubtful():
    plane = np.minimum(image(), 4000)
    assert within_depth(plane, 10, False, None)[1] is Depth.UNKNOWN
    steep = plane.copy()
    steep[20:70, 20:70] = np.where(np.indices((50, 50)).sum(axis=0) % 2, 5000, 2500)
    assert within_depth(steep, 12, False, None)[1] is Depth.UNKNOWN


@pytest.mark.parametrize(
    ("bits", "signed", "expected"),
    [(12, False, (0, 4095)), (12, True, (-2048, 2047)), (16, True, (-32768, 32767))],
)
def test_limits(bits, signed, expected):
    assert limits(bits, signed) == expected
