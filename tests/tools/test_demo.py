"""The demo says what was found of what is true, and names what was missed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "tools" / "demo.py"
SPEC = importlib.util.spec_from_file_location("demo", PATH)
demo = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(demo)


def true(x, mass, **words):
    row = {"family": "nodule", "site": "hand", "tissue": "muscle", "touches_bone": "false"}
    places = {"x_mm": str(x), "y_mm": "0", "z_mm": "0", "diameter_mm": "5.0", "mass_mg": str(mass)}
    return row | places | words


def found(number, x, mass):
    place = {"x_mm": str(x), "y_mm": "0", "z_mm": "0", "kind": "deposit", "deposit": str(number)}
    return place | {"mass_mg": mass, "mass_mg_low": mass, "mass_mg_high": ""}


def test_the_nearest_is_taken_once_and_the_missed_is_named():
    truth = [true(0, 10), true(3, 50), true(40, 5, tissue="skin", touches_bone="true")]
    text = demo.report(truth, [found(1, 2.5, "48"), found(2, 0.5, "11"), found(3, 90, "7")])
    lines = text.splitlines()
    assert "48.0  48.0 to ?" in lines[1]
    assert "11.0" in lines[2]
    assert lines[3].endswith("missed")
    assert "Found 2 of 3." in lines
    assert "Missed: 5.0 mm nodule, skin, touching bone." in lines
    assert lines[-1] == "Listed, and none of the true ones: deposit 3 (deposit)."


@pytest.mark.parametrize("listed", [[], [found(1, 0, "")]])
def test_nothing_found_and_nothing_told(listed):
    text = demo.report([true(0, 10)], listed)
    assert ("withheld" if listed else "missed") in text


def test_nothing_true():
    assert demo.report([], []).splitlines()[-1] == "Found 0 of 0."
