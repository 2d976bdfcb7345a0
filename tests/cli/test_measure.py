"""calcimetry measure, as its users call it."""

from __future__ import annotations

import csv
import json
import os
import resource
import signal
from importlib.resources import files
from pathlib import Path

import jsonschema
import nibabel as nib
import numpy as np
import pyarrow.parquet as pq
import pytest

import segmenter_fakes
from bad_scans import CASES
from calcimetry.exchange import DEPOSIT_COLUMNS, OBJECT_COLUMNS
from calcimetry.records import Rule

CONTRACT = {
    "deposits.csv",
    "deposits.parquet",
    "objects.csv",
    "objects.npz",
    "labels.nii.gz",
    "landmarks.npz",
    "crops.npz",
    "examination.json",
    "report.html",
    "pictures",
}


@pytest.fixture(scope="session")
def measured(hand, tmp_path_factory):
    """The phantom hand, measured once by the command line."""
    import subprocess
    import sys

    out = tmp_path_factory.mktemp("measured") / "out"
    done = subprocess.run(
        [sys.executable, "-m", "calcimetry", "measure", hand / "scan", "-o", out, "--json"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return out, done


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as text:
        return list(csv.DictReader(text))


def test_the_contract_is_kept(measured):
    out, done = measured
    assert names(out) == CONTRACT
    assert list(rows(out / "deposits.csv")[0])[: len(DEPOSIT_COLUMNS)] == list(DEPOSIT_COLUMNS)
    assert list(rows(out / "objects.csv")[0]) == list(OBJECT_COLUMNS)
    document = json.loads((out / "examination.json").read_text())
    schema = files("calcimetry.exchange").joinpath("examination.schema.json").read_text()
    jsonschema.validate(document, json.loads(schema))
    assert json.loads(done.stdout) == document
    assert "Research use only" in (out / "report.html").read_text()


def test_tables_and_document_hold_the_same_numbers(measured):
    out, _ = measured
    document = json.loads((out / "examination.json").read_text())
    table = pq.read_table(out / "deposits.parquet").to_pylist()
    own = {"scan_uid": document["scan_uid"], "subject": None, "visit": None}
    own |= {name: document["scan"][name] for name in ("study_uid", "series_uid", "date")}
    listed = [{**entry, **own} for entry in document["deposits"]]
    for row, again, entry in zip(rows(out / "deposits.csv"), table, listed, strict=True):
        for name in set(DEPOSIT_COLUMNS) - {"flags"}:
            assert again[name] == entry[name]
            known = entry[name] is not None
            assert row[name] == (str(entry[name]) if known else "") or name == "touches_bone"
    total = sum(d["mass_mg"] for d in document["deposits"] if d["kind"] == "deposit")
    assert document["totals"]["overall"]["mass_mg"]["value"] == pytest.approx(total, abs=1e-3)


def test_every_row_names_the_rule_that_decided(measured):
    out, _ = measured
    listed = rows(out / "deposits.csv") + rows(out / "objects.csv")
    assert listed
    assert {row["rule"] for row in listed} <= {str(rule) for rule in Rule}


def test_labels_lie_on_the_scan(measured):
    out, _ = measured
    document = json.loads((out / "examination.json").read_text())
    image = nib.load(out / "labels.nii.gz")
    labels = np.asarray(image.dataobj)
    assert labels.dtype == np.uint8
    assert list(labels.shape) == document["scan"]["stored_shape_ijk"]
    to_lps = np.diag([-1, -1, 1, 1]) @ image.affine
    assert np.allclose(to_lps, document["scan"]["stored_affine_ijk_to_lps_mm"], atol=1e-3)
    assert set(np.unique(labels)) == {0, *(d["deposit"] for d in document["deposits"])}
    for deposit in document["deposits"]:
        voxels = np.argwhere(labels == deposit["deposit"])
        centre = (to_lps @ [*voxels.mean(axis=0), 1])[:3]
        assert np.allclose(centre, [deposit[f"{a}_mm"] for a in "xyz"], atol=0.01)
        slices = (deposit["slice_first"], deposit["slice_last"])
        assert slices == (voxels[:, 2].min(), voxels[:, 2].max())


def test_it_finds_what_was_put_in(measured, hand):
    out, _ = measured
    found = [d for d in rows(out / "deposits.csv") if d["kind"] == "deposit"]
    for truth in rows(hand / "truth.csv"):
        if truth["touches_bone"] == "true" or float(truth["diameter_mm"]) < 4:
            continue
        place = np.array([float(truth[f"{a}_mm"]) for a in "xyz"])
        gaps = [np.linalg.norm(place - [float(d[f"{a}_mm"]) for a in "xyz"]) for d in found]
        nearest = found[int(np.argmin(gaps))]
        assert min(gaps) < 1.5
        assert float(nearest["mass_mg"]) == pytest.approx(float(truth["mass_mg"]), rel=0.15)


def test_nothing_that_names_a_person_is_written(measured, hand):
    out, done = measured
    for path in out.rglob("*.*"):
        content = path.read_bytes()
        assert b"PHANTOM^" not in content
        assert str(hand).encode() not in content
    assert "PHANTOM^" not in done.stdout + done.stderr


def test_the_table_names_the_report(run, hand, tmp_path, capsys):
    assert run("measure", hand / "scan", "-o", tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert "hydroxyapatite" in shown
    assert "report.html" in shown.replace("\n", "")
    assert "Research use only" in shown


def test_quiet_says_nothing(run, hand, tmp_path, capsys):
    assert run("measure", hand / "scan", "-o", tmp_path / "out", "--quiet") == 0
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_a_threshold_changes_the_plan_and_the_finding(run, hand, tmp_path):
    out = tmp_path / "out"
    assert run("measure", hand / "scan", "-o", out, "--threshold", 250, "--quiet") == 0
    document = json.loads((out / "examination.json").read_text())
    assert document["plan"]["find"]["threshold_hu"] == 250


def test_a_report_is_made_again_without_the_scan(run, measured, tmp_path):
    import shutil

    out = tmp_path / "copy"
    shutil.copytree(measured[0], out)
    before = (out / "report.html").read_text()
    (out / "report.html").unlink()
    assert run("report", out) == 0
    assert (out / "report.html").read_text() == before


def test_a_person_is_named_only_when_asked_for(run, measured, tmp_path, capsys):
    import shutil

    out = tmp_path / "copy"
    shutil.copytree(measured[0], out)
    assert run("report", out, "--identify", "name=Ann Smith") == 0
    assert "Ann Smith" in (out / "report.html").read_text()
    assert "Ann Smith" not in (out / "examination.json").read_text()
    assert run("report", out, "--identify", "nobody") == 2
    assert capsys.readouterr().err.startswith("BAD_OPTION")


@pytest.mark.parametrize("kind", CASES)
def test_bad_input_gets_its_exit_code_and_leaves_nothing(run, tmp_path, make, kind, capsys):
    code, exit_code, named, maker = CASES[kind]
    (tmp_path / "in").mkdir()
    path = maker(tmp_path / "in", make)
    assert run("measure", path, "-o", tmp_path / "out") == exit_code
    captured = capsys.readouterr()
    assert captured.err.startswith(code)
    assert named in captured.err
    assert "Traceback" not in captured.out + captured.err
    assert captured.out == ""
    assert names(tmp_path) == {"in"}


@pytest.mark.parametrize(
    ("options", "exit_code", "code"),
    [
        (["--calibration", "c=abc"], 2, "CALIBRATION_BAD"),
        (["--calibration", "c=-1"], 2, "CALIBRATION_BAD"),
        (["--threshold", "5"], 2, "PLAN_BAD_VALUE"),
        (["--plan", "nowhere.toml"], 2, "PLAN_UNREADABLE"),
        (["--jobs", "0"], 2, "BAD_OPTION"),
        (["--subject", "Jane Doe"], 2, "BAD_OPTION"),
        (["--visit", "=1+1"], 2, "BAD_OPTION"),
        (["--series", "no such"], 3, "SERIES_NOT_FOUND"),
        (["--kvp", "12"], 2, "BAD_KVP"),
        (["--labels", "nowhere.nii.gz"], 3, "LABELMAP"),
    ],
)
def test_bad_options_are_named_and_leave_nothing(
    run, hand, tmp_path, capsys, options, exit_code, code
):
    assert run("measure", hand / "scan", "-o", tmp_path / "out", *options) == exit_code
    captured = capsys.readouterr()
    assert captured.err.startswith(code)
    assert captured.out == ""
    assert names(tmp_path) == set()


def test_a_full_disk_leaves_nothing(run, hand, tmp_path, capsys):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        code = run("measure", hand / "scan", "-o", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert code == 6
    assert capsys.readouterr().err.startswith("DISK_FULL")
    assert names(tmp_path) == set()


def test_an_output_that_cannot_be_made_is_told_before_the_scan_is_read(run, capsys):
    assert run("measure", "no scan is here", "-o", "/proc/none/out") == 6
    assert capsys.readouterr().err.startswith("OUT_NOT_WRITABLE")


def test_a_bug_is_one_line_and_a_traceback_only_with_debug(
    run, hand, tmp_path, monkeypatch, capsys
):
    import calcimetry.scan

    def broken(*_args, **_options):
        raise ZeroDivisionError("for this test")

    monkeypatch.setattr(calcimetry.scan, "read", broken)
    assert run("measure", hand / "scan", "-o", tmp_path / "out") == 1
    assert capsys.readouterr().err.startswith("BUG: ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        run("measure", hand / "scan", "-o", tmp_path / "out", "--debug")
    assert names(tmp_path) == set()


def test_a_threshold_in_mineral_density_is_turned_into_hu(run, hand, tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text("[find]\nthreshold_mg_cm3 = 100\n")
    out = tmp_path / "out"
    assert run("measure", hand / "scan", "-o", out, "--plan", plan, "--quiet") == 0
    document = json.loads((out / "examination.json").read_text())
    slope = document["calibration"]["mg_cm3_per_hu"]
    used = document["plan"]["find"]["threshold_hu"]
    assert used == pytest.approx(40 + 100 / slope, abs=0.1)
    assert used > 150


def test_a_segmenter_of_the_users_is_run_and_its_map_kept(run, hand, tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    segmenter_fakes.install(programs, "moosez", segmenter_fakes.MOOSE)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    out = tmp_path / "out"
    assert run("measure", hand / "scan", "-o", out, "--segment", "moose", "--quiet") == 0
    assert names(out) == CONTRACT | {"anatomy.nii.gz", "anatomy.toml"}
    document = json.loads((out / "examination.json").read_text())
    assert document["anatomy"]["model"] == "clin_ct_peripheral_bones"
    assert document["anatomy"]["licence"].startswith("CC-BY-4.0")
    assert document["anatomy"]["version"] == "3.2.2"
    schema = files("calcimetry.exchange").joinpath("examination.schema.json").read_text()
    jsonschema.validate(document, json.loads(schema))


def test_segmenter_and_label_map_are_one_or_the_other(run, hand, tmp_path, capsys):
    labels = hand / "truth.nii.gz"
    code = run(
        "measure", hand / "scan", "-o", tmp_path / "o", "--segment", "moose", "--labels", labels
    )
    assert code == 2
    assert "one of them" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_without_the_program_nothing_is_written(run, hand, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code = run("measure", hand / "scan", "-o", tmp_path / "o", "--segment", "totalsegmentator")
    assert code == 2
    assert "SEGMENTER_MISSING" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
