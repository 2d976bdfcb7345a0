"""What the terminal says of a measurement."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calcimetry.assemble import totals_of
from calcimetry.cli.screen import show
from calcimetry.exchange import document
from drawn import deposit, examination


def said(listed, capsys) -> str:
    exam = examination(listed)
    exam = replace(exam, totals=totals_of(exam.listed, exam.objects, exam.calibration))
    show(document(exam), Path("OUT"))
    return capsys.readouterr().out


def test_counted_sure_and_doubted_mass_stand_together(capsys):
    listed = [
        deposit(1, mass_mg=100.0, confidence=0.95),
        deposit(2, mass_mg=20.0, confidence=0.6),
        deposit(3, mass_mg=7.0, kind="uncertain"),
    ]
    text = said(listed, capsys)
    (line,) = [line for line in text.splitlines() if line.startswith("2 deposits")]
    assert "120 mg hydroxyapatite" in line
    assert line.endswith("of it 100 mg sure; 1 uncertain with 7.00 mg, not counted.")
    for tier in ("sure", "probable", "uncertain"):
        assert f" {tier} " in text


def test_nothing_found_is_said_in_the_same_way(capsys):
    assert "0 deposits; of it 0 mg sure; 0 uncertain with 0 mg, not counted." in said([], capsys)
