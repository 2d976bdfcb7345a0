"""One sentence for each rule, the same in the catalogue and in the docs; evidence in words."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.deposits.features import GEOMETRY, NAMES
from calcimetry.deposits.reasons import REASONS, evidence_in_words, reason_of
from calcimetry.records import Rule
from evidence_maker import NODULE, everything

ROOT = Path(__file__).resolve().parents[2]
FINDER = (ROOT / "docs" / "finder.md").read_text()
SOURCES = (ROOT / "src" / "calcimetry" / "deposits").glob("*.py")
OF_SAVED = "groups.py", "reasons.py"  # also asks for rules of earlier versions; names them all


def names_in(template: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(template) if name]


def as_documented(template: str) -> str:
    """The template with its values by name alone, without how they are written."""
    parts = Formatter().parse(template)
    return "".join(text + (f"{{{name}}}" if name else "") for text, name, _, _ in parts)


def rows_of(heading: str) -> list[tuple[str, str]]:
    """Codes and sentences of the tables of one section."""
    section = FINDER.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([A-Z_]+)` \| (.+) \|$", section, re.M)


def test_every_rule_of_the_finder_has_a_sentence_of_its_own():
    named = {
        name
        for path in SOURCES
        if path.name not in OF_SAVED
        for name in re.findall(r"\bRule\.([A-Z_]+)", path.read_text())
    }
    assert named == {str(rule) for rule in REASONS}
    assert len(set(REASONS.values())) == len(REASONS)


def test_the_docs_hold_the_catalogue_in_its_order():
    rows = rows_of("The rules and their codes")
    assert rows == [(str(rule), as_documented(text)) for rule, text in REASONS.items()]


def test_the_docs_hold_the_codes_that_only_older_documents_have():
    rows = rows_of("Codes of earlier versions")
    assert {code for code, _ in rows} == set(Rule) - set(REASONS) - {Rule.READER}


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


# evidence in words

OWN = dict.fromkeys(GEOMETRY, 0.0) | {"shell_fat": 0.9}
TWO = 1.0986122886681098  # log(1 + 2)


@pytest.mark.parametrize(
    ("change", "own", "words"),
    [
        ({}, {}, "in fat, alone, 12 mm under the skin"),
        ({}, {"shell_fat": 0.3}, "in soft tissue, alone, 12 mm under the skin"),
        ({"bone_distance_mm": 8.0}, {}, "in fat, 8 mm from bone, alone, 12 mm under the skin"),
        ({"bone_distance_mm": None}, {}, "in fat, alone, 12 mm under the skin"),
        ({"bone_distance_mm": 0.0}, {}, "touching bone, alone, 12 mm under the skin"),
        ({"split_off": True}, {}, "touching bone, alone, 12 mm under the skin"),
        (
            {"split_off": True},
            {"bone_far_directions": 0.9},
            "touching bone, bone on most sides, alone, 12 mm under the skin",
        ),
        ({}, {"shell_air": 0.5}, "beside air, alone, 12 mm under the skin"),
        ({}, {"gas_10_mm": 0.1}, "beside gas, alone, 12 mm under the skin"),
        ({"skin_depth_mm": None}, {}, "in fat, alone"),
        ({"edge_mm": 0.0}, {}, "in fat, alone, 12 mm under the skin, cut by the scan's edge"),
        ({}, {"neighbours_15_mm": TWO}, "in fat, 2 more within 15 mm, 12 mm under the skin"),
        (
            {"skin_depth_mm": None},
            {"neighbours_15_mm": TWO, "neighbours_40_mm": 2.0, "in_line": 0.99},
            "in fat, 2 more within 15 mm, in a row with others",
        ),
        ({}, {"core_logit": 2.0}, "in fat, alone, 12 mm under the skin, network 0.88"),
    ],
)
def test_evidence_is_told_as_a_reader_would_tell_it(change, own, words):
    assert evidence_in_words(replace(NODULE, **change), OWN | own) == words


@given(everything, st.lists(st.floats(0, 1), min_size=len(NAMES), max_size=len(NAMES)))
def test_any_evidence_has_words(seen, values):
    words = evidence_in_words(seen, dict(zip(NAMES, values, strict=True))).split(", ")
    assert all(words)
    assert words[-1].startswith("network ")
