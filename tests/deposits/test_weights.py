"""Weights are taken only as their card states them."""

from __future__ import annotations

import hashlib
import json

import pytest

from calcimetry.deposits.weights import checked
from calcimetry.errors import InputError

CONTENT = bytes(range(256))


@pytest.fixture
def kept(tmp_path):
    weights = tmp_path / "some.onnx"
    weights.write_bytes(CONTENT)
    card = {"sha256": hashlib.sha256(CONTENT).hexdigest()}
    weights.with_suffix(".card.json").write_text(json.dumps(card))
    return weights


def refused(weights) -> str:
    with pytest.raises(InputError) as caught:
        checked(weights, besides="or do without")
    assert caught.value.code == "WEIGHTS_DAMAGED"
    assert "or do without" in str(caught.value.remedy)
    return str(caught.value.where)


def test_what_the_card_states_is_taken(kept):
    assert checked(kept) == CONTENT


@pytest.mark.parametrize("at", [0, 100, 255])
def test_no_byte_may_differ(kept, at):
    damaged = bytearray(CONTENT)
    damaged[at] ^= 1
    for content in (bytes(damaged), CONTENT[:at], CONTENT + b"\0"):
        kept.write_bytes(content)
        assert refused(kept) == str(kept)


def test_both_must_be_there(kept):
    kept.unlink()
    assert refused(kept) == str(kept)
    card = kept.with_suffix(".card.json")
    card.unlink()
    assert refused(kept) == str(card)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": null}', "\xff", "[" * 5000])
def test_a_card_that_says_nothing_is_none(kept, text):
    kept.with_suffix(".card.json").write_text(text, encoding="latin-1")
    assert refused(kept)
