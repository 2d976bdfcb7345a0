"""What is drawn on a picture: outlines that hide nothing, scale bars of round lengths."""

from __future__ import annotations

import numpy as np
import pytest

from calcimetry.report import png


def test_outlines_are_outside_what_they_mark():
    mask = np.zeros((20, 20), dtype=bool)
    mask[8:12, 8:12] = True
    image = np.full((20, 20), 7, dtype=np.uint8)
    png.draw_outline(image, mask, "deposit")
    assert (image[mask] == 7).all()
    assert (image[7, 8:12] == png.INDEX["deposit"]).all()


@pytest.mark.parametrize(("most", "length"), [(16, 10), (100, 100), (4.9, 2), (0.3, 0.2)])
def test_scale_bars_have_round_lengths(most, length):
    assert png.bar_length(most) == length
