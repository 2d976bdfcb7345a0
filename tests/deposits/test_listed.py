"""Of too many uncertain objects those with the most to lose stay listed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.deposits.listed import MOST_UNCERTAIN, stay_listed

ROWS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1e5)), max_size=90)


def columns(rows):
    return [[row[k] for row in rows] for k in range(2)]


@given(ROWS, st.integers(0, 60))
def test_none_that_goes_has_more_expected_volume_than_one_that_stays(rows, most):
    chance, volume = columns(rows)
    stays = stay_listed(chance, volume, most)
    expected = np.array(chance) * np.array(volume)
    assert stays.sum() == min(most, len(rows))
    if stays.any() and not stays.all():
        assert expected[stays].min() >= expected[~stays].max()


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_different_objects_does_not_matter(rows, random):
    rows = list(dict.fromkeys(rows))
    order = list(range(len(rows)))
    random.shuffle(order)
    shuffled = stay_listed(*columns([rows[k] for k in order]), 10)
    stays = stay_listed(*columns(rows), 10)
    key = {k: (rows[k][0] * rows[k][1], rows[k][0]) for k in order}
    kept = sorted(key[k] for k, stay in zip(order, shuffled, strict=True) if stay)
    assert kept == sorted(key[k] for k in np.flatnonzero(stays))


def test_the_more_probable_of_equal_ones_and_then_the_first():
    assert stay_listed([0.2, 0.4, 0.4, 0.8], [40.0, 20.0, 20.0, 10.0], 2).tolist() == [
        False, True, False, True,
    ]  # fmt: skip


def test_under_forty_as_it_comes():
    assert stay_listed(np.full(300, 0.1), np.arange(300.0)).sum() == MOST_UNCERTAIN == 39
    assert stay_listed([], []).tolist() == []
