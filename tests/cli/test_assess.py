"""The verbs assess, claims and cite, as a user calls them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import calcimetry as cm
from calcimetry.cli import app
from calcimetry.clinic import knowledge
from calcimetry.errors import OutputError

LABS = """loinc,name,value,unit,date,low,high
2777-1,Phosphate,7.1,mg/dL,2026-11-01,2.5,4.5
17861-6,Calcium,9.4,mg/dL,2026-11-01,8.5,10.2
"""
HISTORY = """age = 60
sex = "F"
dialysis = true
conditions = ["N18.6"]
medications = ["warfarin"]
symptoms = ["skin necrosis"]
"""


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def files(tmp_path):
    (tmp_path / "labs.csv").write_text(LABS, "utf-8")
    (tmp_path / "history.toml").write_text(HISTORY, "utf-8")
    return tmp_path


def test_assess_writes_and_says_urgent_things_first(files):
    out = files / "out"
    arguments = ("--labs", files / "labs.csv", "--history", files / "history.toml", "-o", out)
    made = call("assess", *arguments, "--as-of", "2026-11-23")
    assert made.exit_code == 0, made.output
    assert made.output.startswith("URGENT: Calciphylaxis is possible")
    assert "Research use only" in made.output
    document = json.loads((out / "assessment.json").read_text("utf-8"))
    assert document["leading"] == ["calciphylaxis", "metastatic"]
    again = call("assess", *arguments)
    assert isinstance(again.exception, OutputError)
    assert call("assess", *arguments, "--force", "--as-of", "2026-11-23").exit_code == 0


def test_assess_needs_nothing_but_a_folder(tmp_path):
    made = call("assess", "-o", tmp_path / "out", "--quiet")
    assert (made.exit_code, made.output) == (0, "")
    assert json.loads((tmp_path / "out/assessment.json").read_text("utf-8"))["leading"] == []


def test_assess_withholds_on_stale_labs(files):
    out = files / "out"
    made = call("assess", "--labs", files / "labs.csv", "-o", out, "--as-of", "2029-01-01")
    assert made.exit_code == 5
    assert "LABS_STALE" in made.output
    assert (out / "assessment.json").exists()


def test_assess_prints_json(files):
    made = call("assess", "--labs", files / "labs.csv", "-o", files / "o", "--json")
    assert json.loads(made.stdout)["schema"] == "calcimetry-assessment"


def test_nothing_is_written_when_the_input_is_bad(files):
    (files / "labs.csv").write_text("a,b\n", "utf-8")
    made = call("assess", "--labs", files / "labs.csv", "-o", files / "out")
    assert made.exit_code != 0
    assert not (files / "out").exists()


def test_the_report_gets_a_chapter(files):
    from report.conftest import corners, make_deposit, make_exam, make_scan

    scan = make_scan()
    places = corners(2, scan.hu.shape)
    exam = make_exam(scan, [make_deposit(scan, k + 1, at) for k, at in enumerate(places)])
    facts = cm.write(exam, files / "exam")
    inputs = ("--exam", files / "exam", "--labs", files / "labs.csv", "--as-of", "2026-11-23")
    made = call("assess", *inputs, "-o", files / "o")
    assert made.exit_code == 0, made.output
    page = (files / "o" / "report.html").read_text("utf-8")
    assert "Leading type: Metastatic" in page
    assert "Phosphate is high; metastatic calcinosis" in page
    document = json.loads((files / "o" / "assessment.json").read_text("utf-8"))
    assert document["extent"]["count"] == facts["totals"]["overall"]["count"] == 2
    assert cm.assess(exam).facts == cm.assess(facts).facts == cm.assess(files / "exam").facts


def test_claims():
    made = call("claims", "--json")
    rows = json.loads(made.stdout)
    assert [row["id"] for row in rows] == [claim.id for claim in knowledge().claims]
    verdicts = {row["id"]: row["verdict"] for row in rows}
    assert verdicts["claim.18"] == "contradicted"
    assert verdicts["claim.11"] == "misleading"
    assert all(row["references"] and row["sources"] for row in rows)
    assert '"Anticoagulants shrink small deposits."' in call("claims").output
    assert len([n for n in verdicts if n[-1].isdigit()]) == 23


def test_cite():
    assert "10.1016/j.jaad.2019.07.006" in call("cite", "claim.18", "--style", "apa").output
    assert call("cite", "calcimetry", "--style", "ris").output.startswith("TY  - COMP")


def test_from_python():
    found = cm.assess(labs=[{"name": "phosphate", "value": 7, "unit": "mg/dL"}])
    assert cm.assessment_document(found)["leading"] == ["metastatic"]
