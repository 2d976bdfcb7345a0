"""Slices of runs are the slices of their label volume."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.records import Runs
from calcimetry.report.slices_of_runs import Marks, fullest


@given(st.data())
def test_marks_on_planes_are_the_label_volume_cut(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shape = tuple(int(n) for n in rng.integers(1, 7, size=3))
    labels = rng.integers(0, 3, size=shape) * (rng.random(shape) < 0.5)
    parts = []
    for number in (1, 2):
        z, y, x = np.nonzero(labels == number)
        row = (z * shape[1] + y).astype(np.int32)
        parts.append((number, Runs(shape, row, x.astype(np.int32), (x + 1).astype(np.int32))))
    marks = Marks(
        np.concatenate(
            [
                np.column_stack([*np.divmod(r.row, shape[1]), r.start, r.stop, [n] * len(r)])
                for n, r in parts
            ]
        ).astype(np.int64),
        shape,
    )
    for axis in range(3):
        for index in range(shape[axis]):
            cut = labels.take(index, axis=axis)
            assert (marks.on_plane(axis, index) == cut).all()
        for number, runs in parts:
            if len(runs):
                area = (labels == number).sum(axis=tuple(k for k in range(3) if k != axis))
                assert area[fullest(runs, axis)] == area.max()
