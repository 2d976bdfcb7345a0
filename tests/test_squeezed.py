"""Arrays that are carried small come back to the bit."""

from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from calcimetry.records import Crops, Landmarks, Runs, SoftTissue
from calcimetry.records.squeezed import squeezed, unsqueezed

KINDS = st.sampled_from([np.int16, np.int32, np.uint8, np.float32, np.float64])
SHAPES = arrays.array_shapes(max_dims=3, max_side=6, min_side=0)


@given(arrays.arrays(KINDS, SHAPES))
def test_any_array_comes_back(values):
    back = unsqueezed(squeezed(values))
    assert back.dtype == values.dtype
    assert back.shape == values.shape
    assert back.tobytes() == values.tobytes()


def test_records_come_back():
    rng = np.random.default_rng(1)
    runs = Runs((9, 9, 9), *(np.sort(rng.integers(0, 9, 20, np.int32)) for _ in range(3)))
    soft = SoftTissue(rng.integers(0, 255, (3, 4, 5), np.uint8), np.eye(4))
    marks = Landmarks(rng.random((7, 3), np.float32), rng.random((0, 3), np.float32), soft)
    crops = Crops(
        rng.integers(0, 9, (1, 6), np.int32), rng.integers(-9, 9, 30, np.int16), ("2.25.1",)
    )
    for record in (runs, marks, crops):
        back = pickle.loads(pickle.dumps(record))
        assert type(back) is type(record)
        for name in type(record).__slots__:
            one, other = getattr(record, name), getattr(back, name)
            if isinstance(one, np.ndarray):
                assert one.tobytes() == other.tobytes()
            elif name == "soft":
                assert one.code.tobytes() == other.code.tobytes()
            else:
                assert one == other
