"""Numbers in the report are the numbers in examination.json."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry import digits
from calcimetry.cli.screen import number
from calcimetry.digits import NNBSP, decimals
from calcimetry.exchange.document import document
from calcimetry.report import numbers, render
from calcimetry.report.language import words
from calcimetry.report.numbers import Numbers, lookup, pointer

from .conftest import seen


class DataReader(HTMLParser):
    """Collects each <data>: its value, its pointer, the text people see."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self.absent: list[str] = []
        self._open: tuple[str, str] | None = None

    def handle_starttag(self, tag, attrs):
        facts = dict(attrs)
        if tag == "data":
            self._open = (facts["value"], facts["data-at"])
        elif facts.get("class") == "absent":
            self.absent.append(facts["data-at"])

    def handle_data(self, data):
        if self._open:
            self.found.append((*self._open, data))
            self._open = None


def read(html: str) -> DataReader:
    reader = DataReader()
    reader.feed(html)
    return reader


def shown(text: str) -> float:
    """The number that people read."""
    digits = text.replace(NNBSP, "").replace("\u2212", "-").split("\u00a0")[0]
    return float(digits)


@pytest.mark.parametrize("count", [0, 1, 7, 70])
def test_every_number_is_the_documents(exam_with, count):
    exam = exam_with(count)
    content = json.loads(json.dumps(document(exam)))
    reader = read(render(content, seen(exam)))
    assert len(reader.found) > 20
    for value, at, text in reader.found:
        held = lookup(content, at)
        assert held is not None, at
        assert json.loads(value) == held, at
        # What people read is that value, rounded where it is written.
        places = len(shown_decimals(text))
        share = 0.01 if text.endswith("%") else 1
        assert shown(text) * share == pytest.approx(held, abs=0.5000001 * share * 10**-places), at


def shown_decimals(text: str) -> str:
    return text.partition("\u00a0")[0].partition(".")[2]


def test_every_deposit_shows_its_mass_volume_density_and_interval(exam_with):
    exam = exam_with(70)
    content = document(exam)
    reader = read(render(content, seen(exam)))
    pointers = {at for _, at, _ in reader.found}
    for k, row in enumerate(content["deposits"]):
        if row["kind"] != "deposit":
            continue
        for field in ("mass_mg", "volume_mm3", "density_mg_cm3"):
            for end in ("", "_low", "_high"):
                assert f"/deposits/{k}/{field}{end}" in pointers
    for field in ("mass_mg", "volume_mm3"):
        for end in ("value", "low", "high"):
            assert f"/totals/overall/{field}/{end}" in pointers


def test_withheld_numbers_are_said_to_be_withheld_and_never_zero(exam_with):
    exam = exam_with(3, per_deposit={"withheld": True})
    content = document(exam)
    html = render(content, seen(exam))
    reader = read(html)
    assert "/deposits/0/mass_mg" in reader.absent
    assert not [at for _, at, _ in reader.found if at.endswith("mass_mg")]
    assert re.search(r'<span class="absent" data-at="/deposits/0/mass_mg">withheld</span>', html)
    assert "None" not in re.sub(r"<style>.*?</style>", "", html, flags=re.S)


@given(st.floats(min_value=1e-3, max_value=1e6))
def test_three_significant_digits(value):
    places = decimals(value)
    text = f"{value:.{places}f}"
    if value >= 0.01:
        assert float(text) == pytest.approx(value, rel=0.5001e-2)
    digits = text.replace(".", "").lstrip("0")
    assert len(digits) <= max(3, len(text.partition(".")[0]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.3456, "12.3"),
        (0.45678, "0.457"),
        (9.996, "10.0"),
        (1234.5, "1234"),
        (0, "0"),
        (65432.1, f"65{NNBSP}432"),
        (-7.25, "\u22127.25"),
        (-65432.1, f"\u221265{NNBSP}432"),
    ],
)
def test_how_numbers_are_written(value, text):
    numbers = Numbers({"a": value}, words("en"))
    assert f">{text}</data>" in numbers.show("/a")


def test_interval_has_the_decimals_of_its_value():
    numbers = Numbers({"v": 12.3, "low": 9.8765, "high": 14.81}, words("en"))
    text = numbers.interval("/low", "/high", "mg", like="/v")
    assert ">9.9</data> to " in text
    assert ">14.8\u00a0mg</data>" in text


def test_pointers_escape_names_with_slashes():
    held = {"by_tissue": {"muscle/fascia ~ x": [5]}}
    assert lookup(held, pointer("by_tissue", "muscle/fascia ~ x", 0)) == 5
    assert lookup(held, "/by_tissue/none/0") is None
    assert lookup(held, "/by_tissue/muscle~1fascia ~0 x/9") is None


@given(st.floats(min_value=1e-3, max_value=1e12), st.sampled_from([1, -1]))
def test_a_number_is_written_the_same_everywhere_and_never_in_powers_of_ten(size, sign):
    value = sign * size
    text = digits.shown(value)
    assert "e" not in text
    assert float(text.replace(NNBSP, "").replace("\u2212", "-")) == pytest.approx(value, rel=0.06)
    assert number(value) == text
    assert Numbers({}, words("en")).plain(value, decimals(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.0, "12.0"), (0.25, "0.250"), (12345.6, f"12{NNBSP}346"), (3, "3"), (0.0, "0")],
)
def test_three_digits(value, text):
    assert digits.shown(value) == text


@pytest.mark.parametrize(("value", "text"), [(130.0, "130"), (0.025, "0.025"), (-1.5, "\u22121.5")])
def test_as_it_was_given(value, text):
    assert numbers.given(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(40.4, "+40"), (-3.6, "\u22124"), (0.2, "0"), (-0.2, "0"), (0.0, "0")]
)
def test_a_change_has_its_sign(value, text):
    assert digits.signed(value, 0) == text
