"""Segmenters that the user has: run in their own process, and missed with a clear word."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import plug_ins
import segmenter_fakes as fake
from calcimetry.anatomy import names_at, read_labelmap, segment, segmenters
from calcimetry.errors import ServiceError, UsageError
from calcimetry.scan import from_array

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="fakes are scripts with a shebang")


@pytest.fixture
def scan():
    hu = np.full((6, 20, 24), -1000)
    hu[:, 4:16, 4:20] = 40
    hu[2:5, 8:12, 6:10] = 600
    return from_array(hu, spacing=(2.0, 1.0, 1.5), kvp=120)


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TOTALSEG_HOME_DIR", raising=False)
    monkeypatch.delenv("TOTALSEG_WEIGHTS_PATH", raising=False)

    def put(program: str, behaviour: str) -> Path:
        return fake.install(programs, program, behaviour)

    return put


def asked(program: Path) -> dict:
    return json.loads((program.parent / "asked.json").read_text())


def test_totalsegmentator_makes_the_label_map(scan, on_path, tmp_path):
    program = on_path("TotalSegmentator", fake.TOTALSEGMENTATOR)
    path = segment(scan, "totalsegmentator", tmp_path, jobs=3)
    labels = read_labelmap(path)
    inside = scan.to_lps(np.array([[3, 9, 7], [3, 5, 15], [0, 9, 7]]))
    assert names_at(labels, inside) == ["femur_left", None, None]
    assert labels.made_by["version"] == "2.18.0"
    assert labels.made_by["model"] == "total"
    assert "Apache-2.0" in labels.made_by["licence"]
    told = asked(program)
    assert told["argv"][told["argv"].index("-ta") :][:2] == ["-ta", "total"]
    assert "--ml" in told["argv"]


def test_usage_statistics_are_off_and_the_users_settings_untouched(scan, on_path, tmp_path):
    own = tmp_path / ".totalsegmentator"
    own.mkdir()
    (own / "config.json").write_text('{"send_usage_stats": true}')
    program = on_path("TotalSegmentator", fake.TOTALSEGMENTATOR)
    segment(scan, "totalsegmentator", tmp_path)
    assert asked(program)["config"]["send_usage_stats"] is False
    assert asked(program)["weights"] == str(own / "nnunet" / "results")
    assert (own / "config.json").read_text() == '{"send_usage_stats": true}'


def test_nothing_of_the_image_stays_behind(scan, on_path, tmp_path):
    program = on_path("TotalSegmentator", fake.TOTALSEGMENTATOR)
    out = tmp_path / "out"
    out.mkdir()
    segment(scan, "totalsegmentator", out)
    assert not Path(asked(program)["cwd"]).exists()
    assert sorted(p.name for p in out.iterdir()) == ["anatomy.nii.gz", "anatomy.toml"]


def test_moose_names_the_bones_of_hands_and_feet(scan, on_path, tmp_path):
    program = on_path("moosez", fake.MOOSE)
    labels = read_labelmap(segment(scan, "moose", tmp_path))
    assert names_at(labels, scan.to_lps(np.array([[3, 9, 7]]))) == ["radius_right"]
    assert labels.made_by == {
        "segmenter": "moose",
        "version": "3.2.2",
        "model": "clin_ct_peripheral_bones",
        "licence": "CC-BY-4.0 (models), Apache-2.0 (code)",
    }
    assert asked(program)["files"] == ["scan/CT_scan.nii.gz"]


@pytest.mark.parametrize(
    ("name", "program", "behaviour", "code", "says"),
    [
        ("totalsegmentator", "TotalSegmentator", fake.NO_WEIGHTS, "SEGMENTER_WEIGHTS", "total"),
        ("totalsegmentator", "TotalSegmentator", fake.NO_LICENCE, "SEGMENTER_LICENCE", "licence"),
        ("totalsegmentator", "TotalSegmentator", fake.BROKEN, "SEGMENTER_FAILED", "out of memory"),
        ("moose", "moosez", fake.NO_WEIGHTS, "SEGMENTER_WEIGHTS", "clin_ct_peripheral_bones"),
        ("moose", "moosez", fake.MOOSE_NO_SUBJECT, "SEGMENTER_FAILED", "No moose compliant"),
    ],
)
def test_what_goes_wrong_is_said(scan, on_path, tmp_path, name, program, behaviour, code, says):
    on_path(program, behaviour)
    with pytest.raises(ServiceError, match=says) as error:
        segment(scan, name, tmp_path)
    assert error.value.code == code
    assert "--labels" in error.value.remedy or code == "SEGMENTER_LICENCE"


def test_a_program_that_is_not_there(scan, on_path, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="SEGMENTER_MISSING") as error:
        segment(scan, "moose", tmp_path)
    assert "pip install moosez" in error.value.remedy


def test_an_unknown_segmenter_names_those_known(scan, tmp_path):
    with pytest.raises(UsageError, match="moose, totalsegmentator"):
        segment(scan, "brain", tmp_path)


MINE = """
from calcimetry.anatomy import Segmenter
made = Segmenter(
    program="my-bones",
    model="v7",
    licence="MIT",
    scheme="totalsegmentator",
    command=lambda work, _: ["-i", str(work / "scan" / "CT_scan.nii.gz"), "-o", "mine.nii"],
    result=lambda work: work / "mine.nii",
)
"""


def test_a_plug_in_is_a_segmenter_by_entry_point(scan, on_path, tmp_path, monkeypatch):
    plug_ins.install(tmp_path, monkeypatch, "calcimetry.anatomy", "mine", MINE)
    on_path(
        "my-bones",
        'option = dict(zip(sys.argv[1::], sys.argv[2::]))\nlabel(option["-i"], option["-o"], 76)',
    )
    assert set(segmenters()) == {"mine", "moose", "totalsegmentator"}
    labels = read_labelmap(segment(scan, "mine", tmp_path))
    assert names_at(labels, scan.to_lps(np.array([[3, 9, 7]]))) == ["femur_right"]
    assert labels.made_by["version"] == "unknown"


def test_a_plug_in_that_is_no_segmenter_is_named(scan, tmp_path, monkeypatch):
    plug_ins.install(tmp_path, monkeypatch, "calcimetry.anatomy", "odd", "made = 7")
    with pytest.raises(ServiceError, match=r"PLUGIN_FAILED[\s\S]*int[\s\S]*'odd'"):
        segment(scan, "odd", tmp_path)
