"""Follow-up from end to end: phantom visits, folders, the command line."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

import calcimetry as cm
from calcimetry import followup
from calcimetry.errors import InputError, OutputError, UsageError
from calcimetry.exchange.followup import LINEAGE_COLUMNS, followup_document, lineage_rows
from calcimetry.followup import read_events
from calcimetry.outputs.followup import write_followup
from calcimetry.phantom import DepositSpec
from calcimetry.plan import Plan
from calcimetry.records import RESEARCH_USE, Examination
from calcimetry.visits import follow

from .conftest import MOVED, dated

SCHEMA = json.loads(files("calcimetry.exchange").joinpath("followup.schema.json").read_text())
COLUMNS = (
    "lineage,visit_from,visit_to,deposits_from,deposits_to,fate,mass_from_mg,mass_to_mg,"
    "mass_change_pct,mass_change_pct_low,mass_change_pct_high,density_change,called,"
    "alignment_mm,flags"
)


@pytest.fixture(scope="module")
def found(twice):
    return follow(twice)


def by_mass(found):
    return sorted(found.rows, key=lambda row: -(row.amounts[0].mass_mg or 0.0))


def test_a_grown_a_stable_and_a_gone_deposit(found):
    assert [row.fate for row in by_mass(found)] == ["grown", "stable", "gone"]
    grown, stable, gone = (row.change for row in by_mass(found))
    assert grown.mass_pct.low < 60 < grown.mass_pct.high
    assert grown.called
    assert gone.called
    assert not stable.called
    assert grown.doubling_days == pytest.approx(365 * 0.693 / 0.470, rel=0.15)


def test_it_says_itself_in_a_line_for_each_pair(found):
    lines = repr(found).splitlines()
    assert lines[0].startswith("FollowUp(2 visits; flags: ")
    assert len(lines) == 1 + len(found.pairs)
    assert "visits 1 and 2: 1 gone, 1 grown, 1 stable; mass" in lines[1]
    assert "measurement error" in lines[1]
    html = found._repr_html_()
    assert html.count("<tr>") == 1 + len(found.pairs)
    assert RESEARCH_USE in html
    assert repr(found.visits[0]) == "Visit(1, 2025-01-01, 3 listed)"


def test_the_order_of_the_inputs_does_not_matter(found, twice):
    again = follow(twice[::-1])
    assert lineage_rows(followup_document(again)) == lineage_rows(followup_document(found))


def test_an_identical_visit_twice_has_no_change(twice):
    first = twice[0]
    found = follow([first, replace(first)])
    assert {row.fate for row in found.rows} == {"stable"}
    assert all(row.change.mass_pct.value == 0 for row in found.rows)
    assert not found.pairs[0].total.called
    assert [flag.code for flag in found.flags] == ["ORDER_AS_GIVEN", "SAME_SCAN"]
    assert found.withheld
    assert found.pairs[0].total.mass_mg.value is None


def test_the_document_fits_its_schema(found):
    jsonschema.validate(followup_document(found), SCHEMA)


@pytest.fixture(scope="module")
def folders(twice, tmp_path_factory) -> list[Path]:
    base = tmp_path_factory.mktemp("visits")
    for name, exam in zip(("a", "b"), twice, strict=True):
        cm.write(exam, base / name)
    return [base / "a", base / "b"]


def test_folders_give_what_examinations_give(folders, found):
    saved = {(r.first, r.second, r.fate) for r in follow(folders).rows}
    assert saved == {(r.first, r.second, r.fate) for r in found.rows}


@pytest.fixture(scope="module")
def on_bone(elbow) -> tuple[Examination, Examination]:
    """A nodule on the olecranon, then 50 % heavier; the arm lies otherwise."""
    nodule = DepositSpec("olecranon", "nodule", 9.0, 600.0, 4)
    later = replace(nodule, diameter_mm=9.0 * 1.5 ** (1 / 3))
    scans = elbow((nodule,)), elbow((later,), MOVED, 5)
    first, second = (dated(s, f"202{k}-01-01", Plan()) for k, s in enumerate(scans))
    return first, second


def test_what_touches_bone_is_judged_by_the_difference_of_the_images(on_bone, tmp_path):
    for name, exam in zip(("a", "b"), on_bone, strict=True):
        cm.write(exam, tmp_path / name)
    rows = []
    for visits in (on_bone, [tmp_path / "a", tmp_path / "b"]):
        changed = [row for row in follow(visits).rows if "BY_DIFFERENCE" in row.flags]
        rows.append(max(changed, key=lambda row: row.amounts[0].mass_mg))
    memory, folder = (row.change for row in rows)
    assert memory.called
    assert memory.mass_pct.low < 50 < memory.mass_pct.high
    assert folder.mass_pct.value == pytest.approx(memory.mass_pct.value, rel=0.05)
    (tmp_path / "a" / "crops.npz").unlink()
    without = follow([tmp_path / "a", tmp_path / "b"])
    assert not any("BY_DIFFERENCE" in row.flags for row in without.rows)


def test_what_is_written(folders, tmp_path):
    facts = write_followup(follow(folders), tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "lineage.csv", "followup.json", "report.html", "timeline.svg", "lineages.svg", "crops.svg",
    }  # fmt: skip
    text = (tmp_path / "out" / "lineage.csv").read_text()
    assert text.splitlines()[0] == COLUMNS == ",".join(LINEAGE_COLUMNS)
    assert json.loads((tmp_path / "out" / "followup.json").read_text()) == facts
    page = (tmp_path / "out" / "report.html").read_text()
    assert "What changed" in page
    assert page.count("<svg") > 2
    for url in re.findall(r'href="([^"]{1,80})', (tmp_path / "out" / "crops.svg").read_text()):
        assert url.startswith("data:image/png;base64,")
    with pytest.raises(OutputError, match="OUT_NOT_EMPTY"):
        write_followup(follow(folders), tmp_path / "out")


def test_the_command_line(folders, tmp_path, capsys):
    from calcimetry import cli

    events = tmp_path / "events.toml"
    events.write_text(
        '[[left_out]]\nvisit = 1\ndeposit = 3\nreason = "operated"\n'
        '[[score]]\nvisit = 1\nname = "SCTC"\nvalue = 20\n'
        '[[score]]\nvisit = 2\nname = "SCTC"\nvalue = 26\n'
    )
    words = ["follow", *map(str, folders), "-o", str(tmp_path / "o"), "--events", str(events)]
    with pytest.raises(SystemExit) as leaving:
        cli.app([*words, "--json"])
    assert leaving.value.code == 0
    facts = json.loads(capsys.readouterr().out)
    with (tmp_path / "o" / "lineage.csv").open(newline="") as text:
        out = {row["flags"]: row for row in csv.DictReader(text)}
    assert out["LEFT_OUT"]["called"] == "false"
    assert facts["scores"][0]["result"] == "progressive"


def test_wrong_calls(folders, tmp_path):
    with pytest.raises(UsageError, match="TOO_FEW_VISITS"):
        follow(folders[:1])
    with pytest.raises(InputError, match="NOT_AN_EXAMINATION"):
        follow([folders[0], tmp_path])
    with pytest.raises(UsageError, match="BAD_REPEATABILITY"):
        follow(folders, repeat="no-such-file.toml")


def test_a_folder_without_landmarks_is_refused(folders, tmp_path):
    import shutil

    broken = tmp_path / "old"
    shutil.copytree(folders[1], broken)
    (broken / "landmarks.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="EXAM_DAMAGED"):
        follow([folders[0], broken])
    (broken / "landmarks.npz").unlink()
    with pytest.raises(InputError, match="NO_LANDMARKS"):
        follow([folders[0], broken])


def left_with(words, capsys) -> tuple[int, str, str]:
    from calcimetry import cli

    with pytest.raises(SystemExit) as leaving:
        cli.app(words)
    said = capsys.readouterr()
    return int(leaving.value.code or 0), said.out, said.err


def test_one_folder_twice_is_told_first_and_leaves_with_5(folders, tmp_path, capsys):
    words = ["follow", str(folders[0]), str(folders[0]), "-o", str(tmp_path / "o")]
    code, out, _ = left_with(words, capsys)
    assert code == 5
    assert out.startswith("Total change withheld. Visits 1 and 2 are the same scan")
    facts = json.loads((tmp_path / "o" / "followup.json").read_text())
    jsonschema.validate(facts, SCHEMA)
    assert facts["pairs"][0]["total"]["mass_mg"]["value"] is None
    assert "SAME_SCAN" in [f["code"] for f in facts["flags"] if f["severity"] == "withheld"]


def test_another_body_withholds_the_total_and_pairs_nothing(folders, tmp_path, capsys):
    """The second visit's bones stretched by a third: nobody's who was scanned before."""
    import shutil

    from calcimetry.exchange.landmarks import landmark_bytes, saved_landmarks

    other = tmp_path / "other"
    shutil.copytree(folders[1], other)
    marks = saved_landmarks(other)
    stretched = replace(marks, bone=marks.bone * (1.3, 0.8, 1.1), skin=marks.skin * 1.4)
    (other / "landmarks.npz").write_bytes(landmark_bytes(stretched))
    words = ["follow", str(folders[0]), str(other), "-o", str(tmp_path / "o")]
    code, out, _ = left_with(words, capsys)
    assert code == 5
    assert out.startswith("Total change withheld. Visits 1 and 2: the two scans could not be laid")
    assert "beyond" not in out.splitlines()[0]
    facts = json.loads((tmp_path / "o" / "followup.json").read_text())
    jsonschema.validate(facts, SCHEMA)
    assert {row["fate"] for row in facts["lineages"]} == {"doubtful"}
    assert not any(row["deposits_from"] and row["deposits_to"] for row in facts["lineages"])
    assert facts["pairs"][0]["alignment"]["failed"]
    with (tmp_path / "o" / "lineage.csv").open(newline="") as text:
        assert {row["alignment_mm"] for row in csv.DictReader(text)} == {""}
    assert "could not be laid over each other" in (tmp_path / "o" / "report.html").read_text()


def test_events_that_name_no_visit_write_nothing(folders, tmp_path):
    events = tmp_path / "events.toml"
    events.write_text('[[left_out]]\nvisit = 3\ndeposit = 1\nreason = "operated"\n')
    with pytest.raises(UsageError, match="BAD_EVENTS") as error:
        follow(folders, events=read_events(events))
    assert error.value.where == str(events)


def test_known_dates_are_put_in_order_though_two_are_the_same(visit):
    balls = {1: ((100, 100, 100), 60.0)}
    dates = ("2026-02-01", "2025-01-01", "2026-02-01")
    visits = [visit(balls, k, scan={"date": date}) for k, date in enumerate(dates, 1)]
    found = followup.follow(visits)
    assert [v.date for v in found.visits] == sorted(dates)
    assert "ORDER_AS_GIVEN" in [flag.code for flag in found.flags]
