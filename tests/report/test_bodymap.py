"""Numbered views: labels that never cover one another."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from calcimetry.report import bodymap


@given(st.lists(st.floats(min_value=0, max_value=400), max_size=32))
def test_labels_are_apart_in_order_and_inside(wanted):
    places = bodymap.spread(sorted(wanted), 400.0)
    assert all(b - a >= bodymap.STEP - 1e-6 for a, b in pairwise(places))
    assert all(-1e-6 <= place <= 400 for place in places)


def test_a_label_with_room_stands_level_with_its_deposit():
    assert bodymap.spread([50.0, 200.0], 400.0) == [50.0, 200.0]
