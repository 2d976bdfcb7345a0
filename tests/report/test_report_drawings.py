"""Charts and numbered views: bins, labels that never cover one another."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.report import bodymap, charts, choice, svg

positive = st.floats(min_value=1e-3, max_value=1e6)


@given(st.lists(positive, max_size=60), st.booleans())
def test_bins_hold_every_value_once(values, logarithmic):
    scale = (svg.log_scale if logarithmic else svg.linear_scale)(values)
    found = charts.bins(values, scale)
    assert sum(found.counts) == len(values)
    assert len(found.edges) == len(found.counts) + 1


def test_bins_put_values_where_their_edges_say():
    found = charts.bins([1, 1.9, 2, 5, 99], svg.log_scale([1, 99]))
    assert found.edges == pytest.approx([1, 2, 5, 10, 20, 50, 100])
    assert found.counts == (2, 1, 1, 0, 0, 1)


@given(st.lists(st.floats(min_value=0, max_value=400), max_size=32))
def test_labels_are_apart_in_order_and_inside(wanted):
    places = bodymap.spread(sorted(wanted), 400.0)
    assert all(b - a >= bodymap.STEP - 1e-6 for a, b in pairwise(places))
    assert all(-1e-6 <= place <= 400 for place in places)


def test_a_label_with_room_stands_level_with_its_deposit():
    assert bodymap.spread([50.0, 200.0], 400.0) == [50.0, 200.0]


def test_cards_go_to_the_biggest_and_small_ones_to_the_table():
    ranks = [(n, True, float(100 - n), 1.0) for n in range(1, 50)]
    assert choice.carded(ranks) == list(range(1, 21))
    tiny = [(1, True, 1000.0, 1.0)] + [(n, True, 1.0, 1.0) for n in range(2, 12)]
    assert choice.carded(tiny) == [1, 2, 3, 4, 5, 6]


def test_doubtful_ones_get_no_card_and_withheld_ones_come_last():
    ranks = [(1, False, 900.0, 9.0), (2, True, None, 500.0), (3, True, 4.0, 8.0)]
    assert choice.carded(ranks) == [3, 2]
    assert choice.pictured(ranks) == [3, 2, 1]


def test_left_out_ones_are_shown_least_sure_first():
    rows = [(1, "bone", 0.99, 5.0), (2, "vessel", 0.6, 5.0), (3, "stone", 0.5, 5.0)]
    assert choice.doubtful_objects([*rows, (4, "external", 0.1, 5.0)]) == [3, 2]
