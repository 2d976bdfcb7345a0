"""The card says of each scan in which fold it is, and on whose terms it may be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="extra `train` is not installed")

from training.calibrate import Calibration
from training.card import write
from training.loop import Recipe
from training.sources import TEST, Case

USED = (
    Case("one", Path("one"), "A", "terms of one", True),
    Case("two", Path("two"), "B", "terms of two", False),
    Case("three", Path("three"), TEST, "terms of three", False),
)
SCALE = Calibration(0.8, -2.0, ((5, 0.1, 0.2),), ("two",))


def _written(folder, *folds):
    weights = folder / "finder.onnx"
    weights.write_bytes(b"weights")
    recipes = tuple(Recipe(fold=fold) for fold in folds)
    write(weights, recipes, USED, SCALE, (7,) * len(folds))
    return weights


def test_the_card_lies_beside_the_weights_as_the_loader_wants_it(tmp_path):
    card = json.loads(_written(tmp_path, "A", "B").with_suffix(".card.json").read_text())
    assert len(card["sha256"]) == 64
    assert [run["fold"] for run in card["recipe"]] == ["A", "B"]
    assert [run["steps_done"] for run in card["recipe"]] == [7, 7]
    assert {d["case"]: d["part"] for d in card["data"]} == {"one": "A", "two": "B", "three": TEST}


def test_the_prose_says_what_was_trained_on(tmp_path):
    prose = _written(tmp_path, "A").with_suffix(".card.md").read_text()
    assert "- **fold A, trained on**: one. terms of one." in prose
    assert "- **fold B**: two. terms of two." in prose
    assert "- **test**: three. terms of three." in prose
