"""Order statistics against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.kernels import order
from calcimetry.kernels.compiled import entered

MEDIAN_OF_COUNTS = entered(order.median_of_counts)
MEDIAN_OF_WHOLE = entered(order.median_of_whole)
SORT = entered(order.sort)
INDEX_OF_LEAST = entered(order.index_of_least)
FIRST_AT_LEAST = entered(order.first_at_least)

HU = st.lists(st.integers(-1024, 3071), min_size=1, max_size=80)


@given(HU)
def test_medians(values):
    assert MEDIAN_OF_WHOLE(np.array(values, np.float64), len(values)) == np.median(values)
    counts = np.bincount(np.array(values) + 1024)
    assert MEDIAN_OF_COUNTS(counts, len(values)) == np.median(values) + 1024


def test_a_median_of_the_first_few():
    assert MEDIAN_OF_WHOLE(np.array([3.0, 1.0, 2.0, 99.0]), 3) == 2.0


@given(st.lists(st.integers(-(2**62), 2**62), max_size=200))
def test_sort(values):
    sorted_here = np.array(values, np.int64)
    SORT(sorted_here)
    assert sorted_here.tolist() == sorted(values)


@given(st.lists(st.sampled_from([0.0, 1.5, -2.0, np.inf]), min_size=1, max_size=9))
def test_index_of_least(values):
    assert INDEX_OF_LEAST(np.array(values)) == np.argmin(values)


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(-1, 11), st.integers(0, 20))
def test_first_at_least(values, value, begin):
    rising, begin = np.sort(np.array(values, np.int32)), min(begin, len(values))
    expected = begin + np.searchsorted(rising[begin:], value)
    assert FIRST_AT_LEAST(rising, value, begin) == expected


@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_quantile(size):
    values = np.sort(np.random.default_rng(5).integers(0, 12, size)).astype(np.float32)
    for share in (0.0, 0.1, 0.95, 1.0):
        assert order.quantile(values, share) == pytest.approx(np.quantile(values, share))
