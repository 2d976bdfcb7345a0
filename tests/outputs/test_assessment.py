"""An assessment in its folder: with the examination's report where there is one."""

from __future__ import annotations

import json

import pytest

import calcimetry as cm
from calcimetry.errors import OutputError
from report.conftest import corners, make_deposit, make_exam, make_scan

LABS = [{"name": "phosphate", "value": 7, "unit": "mg/dL"}]


def test_without_an_examination_there_is_no_report(tmp_path):
    facts = cm.write_assessment(cm.assess(labs=LABS), tmp_path / "o")
    assert {path.name for path in (tmp_path / "o").iterdir()} == {"assessment.json"}
    assert json.loads((tmp_path / "o" / "assessment.json").read_text()) == facts
    with pytest.raises(OutputError, match="OUT_NOT_EMPTY"):
        cm.write_assessment(cm.assess(labs=LABS), tmp_path / "o")


def test_the_report_of_an_examination_gets_the_chapter(tmp_path):
    scan = make_scan()
    exam = make_exam(scan, [make_deposit(scan, 1, corners(1, scan.hu.shape)[0])])
    cm.write(exam, tmp_path / "exam", scan=scan)
    loaded = cm.load(tmp_path / "exam")
    found = cm.assess(loaded, LABS)
    out = tmp_path / "o"
    cm.write_assessment(found, out, exam=loaded)
    page = (out / "report.html").read_text("utf-8")
    assert "Leading type: Metastatic" in page
    assert page.count("data:image/png") > 0
    cm.write_assessment(found, out, force=True)
    assert not (out / "report.html").exists()
