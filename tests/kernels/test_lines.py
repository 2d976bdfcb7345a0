"""Volumes on a line: a step along any axis is a shift, and beyond the borders lie zeros."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.kernels import lines
from calcimetry.kernels.compiled import entered

LAYOUT_OF, EMPTY_LINE = entered(lines.layout_of), entered(lines.empty_line)
SET_OUT, TAKEN_BACK = entered(lines.to_line), entered(lines.from_line)

sizes = st.tuples(*[st.integers(1, 5)] * 3)
reaches = st.tuples(*[st.integers(0, 3)] * 3)


@given(sizes, reaches, st.data())
def test_a_step_is_a_shift_and_beyond_lie_zeros(shape, reach, data):
    volume = np.random.default_rng(7).random(shape).astype(np.float32)
    layout = plane, row, _ = LAYOUT_OF(shape, reach)
    line = EMPTY_LINE(shape[0], layout)
    SET_OUT(volume, layout, line)
    assert np.array_equal(TAKEN_BACK(line, layout, shape), volume)
    z, y, x = (data.draw(st.integers(-r, r)) for r in reach)
    shifted = TAKEN_BACK(np.roll(line, -(z * plane + y * row + x)), layout, shape)
    wide = np.pad(volume, [(r, r) for r in reach])
    by = [slice(r + k, r + k + n) for r, k, n in zip(reach, (z, y, x), shape, strict=True)]
    assert np.array_equal(shifted, wide[tuple(by)])
