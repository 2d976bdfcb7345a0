"""What may stand in a result: terms of anatomy and codes of machines, nothing that was typed."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.terms import anatomical, code, scale, uid


def test_every_name_of_the_schemes_that_ship_stays():
    folder = files("calcimetry.anatomy") / "schemes"
    for scheme in folder.iterdir():
        for name in tomllib.loads(scheme.read_text())["structures"].values():
            assert anatomical(name) == name


@pytest.mark.parametrize(
    "text",
    ["HAND", "left distal phalanx", "mc2_right", "vertebrae_T12", "L-SPINE", "HEAD_NECK", "rib 7"],
)
def test_terms_of_anatomy_stay(text):
    assert anatomical(text) == text


TYPED = ("", "DOE", "hand of Mrs Doe", "knee 19470317", "hand 4711", "Mueller", "7", "12 3", "x")


@pytest.mark.parametrize("text", [None, *TYPED, "hand\nof Doe", "bone " * 30, "left Smith"])
def test_what_was_typed_goes(text):
    assert anatomical(text) is None


@given(st.text(st.characters(categories=["Lu", "Ll"]), min_size=9, max_size=12), st.booleans())
def test_a_word_that_is_no_term_takes_all_of_it_away(word, before):
    if anatomical(word) is None:
        assert anatomical(f"{word} left hand" if before else f"left hand, {word}") is None


@pytest.mark.parametrize("text", ["Br38f\\3", "SOMATOM Definition Flash", "FC30", "CT_SOM5 SPI"])
def test_codes_of_machines_stay(text):
    assert code(text) == text


@pytest.mark.parametrize("text", [None, "", "Doe^Jane", "serial 990017", "a\nb", "K" * 65, "<b>"])
def test_what_looks_otherwise_goes(text):
    assert code(text) is None


def test_scales_and_uids():
    assert scale("SCTC") == "SCTC"
    assert scale("reader 2") == "reader 2"
    assert scale("score of Mrs Doe") is None
    assert uid("2.25.99") == "2.25.99"
    assert uid("1.2.DOE") is uid("") is uid("1" * 65) is None
