"""One sentence for each rule, the same in the catalogue and in the docs."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from calcimetry.deposits.reasons import REASONS, reason_of
from calcimetry.records import Rule

FINDER = Path(__file__).resolve().parents[2] / "docs" / "finder.md"


def names_in(template: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(template) if name]


def as_documented(template: str) -> str:
    """The template with its values by name alone, without how they are written."""
    parts = Formatter().parse(template)
    return "".join(text + (f"{{{name}}}" if name else "") for text, name, _, _ in parts)


def test_every_rule_has_a_sentence_of_its_own():
    assert set(REASONS) == set(Rule) - {Rule.READER}  # a reader is no rule of the finder
    assert len(set(REASONS.values())) == len(REASONS)


def test_the_docs_hold_the_catalogue_in_its_order():
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+) \|$", FINDER.read_text(), re.M)
    assert rows == [(str(rule), as_documented(text)) for rule, text in REASONS.items()]


@pytest.mark.parametrize("rule", REASONS)
def test_a_sentence_holds_the_values_of_its_rule(rule):
    values = {name: 40 + k for k, name in enumerate(names_in(REASONS[rule]))}
    assert all(str(value) in reason_of(rule, values) for value in values.values())


def test_a_value_that_is_missing_is_an_error_not_a_gap():
    with pytest.raises(KeyError, match="noise_hu"):
        reason_of(Rule.NOISE, {"peak_hu": 200, "sds": 5.0})


def test_the_sentences_that_carry_values():
    noise = {"peak_hu": 151, "sds": 5.0, "noise_hu": 30.4}
    assert reason_of(Rule.NOISE, noise) == "its peak of 151 HU is within 5 SD of noise (30 HU)"
    assert reason_of(Rule.METAL, {"peak_hu": 3071}) == "brighter than mineral (peak 3071 HU)"
