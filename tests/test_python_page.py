"""Every snippet of docs/python.md and the README runs, in order, as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import calcimetry as cm
from calcimetry.phantom import generate

ROOT = Path(__file__).resolve().parents[1]


def snippets(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with what the snippets name."""
    folder = tmp_path_factory.mktemp("desk")
    made = generate("hand", folder / "phantom", seed=3, spacing=(2.5, 1.2, 1.2))
    made.rename(folder / "scan")
    exam = cm.measure(folder / "scan")
    for name in ("visit-1", "visit-2"):
        cm.write(exam, folder / name)
    (folder / "labs.csv").write_text("name,value,unit,date\ncalcium,2.4,mmol/L,2026-11-01\n")
    (folder / "history.toml").write_text("age = 54\n")
    return folder


def test_every_snippet_of_the_page_runs(desk, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(desk)
    names: dict[str, object] = {}
    found = snippets("docs/python.md")
    assert len(found) >= 10
    for code in found:
        exec(compile(code, "docs/python.md", "exec"), names)
    assert (desk / "OUT" / "examination.json").is_file()
    assert (desk / "deposits.png").is_file()


def test_the_readmes_snippet_runs(desk, monkeypatch, capsys):
    monkeypatch.chdir(desk)
    (code,) = snippets("README.md")
    exec(compile(code, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(re.match(r"\d+ (sure|probable) [\d.]+ \(", line) for line in lines), lines


def test_three_ways_in_are_one(desk):
    scan = cm.read(desk / "scan")
    exams = [
        cm.measure(str(desk / "scan"), jobs=1),
        cm.measure(scan, subject="P017", visit="1", jobs=2),
        cm.measure(scan.hu, spacing=scan.spacing, kvp=scan.acquisition.kvp),
    ]
    masses = [[d.mass_mg.value for d in exam.listed] for exam in exams]
    assert len(masses[0]) > 0
    assert masses[0] == masses[1] == pytest.approx(masses[2])
    assert exams[0].scan_uid == exams[1].scan_uid
    assert (exams[1].subject, exams[1].visit) == ("P017", "1")
    assert cm.document(exams[1])["subject"] == "P017"
