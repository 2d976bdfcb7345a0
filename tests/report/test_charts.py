"""Charts: every value stands in the bin whose edges say so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.report import charts, svg

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
