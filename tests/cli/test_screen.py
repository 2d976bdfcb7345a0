"""What the terminal says of a measurement."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calcimetry.assemble import totals_of
from calcimetry.cli.screen import show
from calcimetry.exchange import document
from calcimetry.records import Kind, Likeness, Rule
from drawn import deposit, examination, other


def said(listed, capsys, objects=()) -> str:
    exam = examination(listed, objects=objects)
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


def test_rows_have_their_group_and_what_doubtful_ones_look_like(capsys):
    listed = [
        deposit(1, mass_mg=100.0, group=1),
        deposit(2, mass_mg=20.0, group=1, likeness=Likeness.BONE),
        deposit(3, mass_mg=7.0, group=2, kind="uncertain", likeness=Likeness.SESAMOID),
        deposit(4, mass_mg=6.0, kind="uncertain"),
    ]
    text = said(listed, capsys)
    rows = [line.split() for line in text.splitlines() if line.strip()[:1].isdigit()]
    assert [row[:2] for row in rows[:4]] == [["1", "1"], ["2", "1"], ["3", "2"], ["4", "-"]]
    assert ", sesamoid-like" in text
    assert "bone-like" not in text
    assert "group" not in said(listed[2:], capsys)  # no two are in one
    assert "\n2 deposits in 1 group, 120 mg hydroxyapatite" in text


def unlikely(number, mass_mg):
    return replace(other(number, Kind.VESSEL), rule=Rule.UNLIKELY, mass_mg=mass_mg)


def test_what_is_not_listed_is_one_line(capsys):
    two = said([], capsys, [unlikely(1, 400.0), unlikely(2, 12.0)])
    one = said([], capsys, [unlikely(1, None)])
    ending = "unlikely to be a deposit (UNLIKELY in objects.csv)."
    assert f"Not listed: 2 objects with 412 mg, each {ending}" in two
    assert f"Not listed: 1 object with - mg, {ending}" in one
    assert "Not listed" not in said([deposit(1)], capsys)


def test_nothing_found_is_said_in_the_same_way(capsys):
    assert "0 deposits; of it 0 mg sure; 0 uncertain with 0 mg, not counted." in said([], capsys)
