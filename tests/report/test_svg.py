"""The drawing kit: scales, ticks, and texts that stay texts."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.report import svg

positive = st.floats(min_value=1e-3, max_value=1e6)


@given(st.lists(positive, min_size=1, max_size=50))
def test_a_log_scale_keeps_order_and_holds_the_largest(values):
    scale = svg.log_scale(values)
    assert 2 <= len(scale.ticks) <= 6
    assert scale.high >= max(values)
    places = [scale.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)
    assert scale.at(0.0) == 0


@given(st.lists(positive, min_size=1, max_size=50))
def test_a_log_scale_with_room_holds_all(values):
    assert svg.log_scale(values, most=12).low <= min(values) * (1 + 1e-9)


@given(st.lists(positive, min_size=1, max_size=50))
def test_a_linear_scale_starts_at_zero_with_few_ticks(values):
    scale = svg.linear_scale(values)
    assert scale.low == 0
    assert scale.high >= max(values) * (1 - 1e-9)
    assert 3 <= len(scale.ticks) <= 6


@given(st.lists(st.floats(min_value=1e-3, max_value=1e8), min_size=1), st.booleans())
def test_ticks_are_told_apart_and_never_in_powers_of_ten(values, logarithmic):
    scale = (svg.log_scale if logarithmic else svg.linear_scale)(values)
    told = [svg.tick(value) for value in scale.ticks]
    assert len(set(told)) == len(told)
    assert not any("e" in text for text in told)
    assert all(len(text) <= 7 for text in told)


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0"), (0.01, "0.01"), (2.5, "2.5"), (1000, "1000"), (12_000, "12k"), (2e6, "2M")],
)
def test_ticks_read_as_people_write_them(value, told):
    assert svg.tick(value) == told


def test_texts_are_no_marks_and_a_file_of_its_own_names_its_space_and_font():
    odd = "<b onload='x()'>&\x00\x1b\udcff"
    whole = svg.drawing((10, 5), odd, [svg.text(1, 2, odd), svg.dot(1, 1, 1)], alone=True)
    root = ET.fromstring(str(whole))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("font-family")
    assert [item.tag.partition("}")[2] for item in root] == ["text", "circle"]
