"""What a run says on stderr while it works."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from calcimetry.cli import measure, progress
from calcimetry.cli.progress import stages
from calcimetry.kernels import compiled
from calcimetry.phantom import generate


def test_as_many_stages_are_told_as_were_announced(run, tmp_path, monkeypatch):
    generate("knee", tmp_path / "knee", spacing=(3.0, 1.5, 1.5), form="nifti")
    scan = tmp_path / "knee" / "scan.nii.gz"
    told = []

    @contextmanager
    def told_stages(total, *, quiet):
        told.append(total)
        yield told.append

    monkeypatch.setattr(progress, "stages", told_stages)
    assert run("measure", scan, "-o", tmp_path / "out", "--quiet") in (0, 5)
    assert told[0] == measure.STAGES == len(told) - 1


@pytest.fixture
def first_run(monkeypatch):
    """Three kernels have to be compiled, and none is found in a cache."""

    @contextmanager
    def watched(tell):
        for number in (1, 2, 3):
            tell(number, 3)
        yield

    monkeypatch.setattr(compiled, "first_compilation", watched)


def test_a_first_run_says_so_once_where_nobody_watches(first_run, capsys):
    with stages(2, quiet=False) as stage:
        stage("reading the scan")
    assert capsys.readouterr() == (
        "",
        "first run on this machine: preparing 3 kernels, about a minute\n",
    )


def test_a_quiet_first_run_says_nothing(first_run, capsys):
    with stages(2, quiet=True) as stage:
        stage("reading the scan")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_is_shown_each_kernel(first_run, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with stages(2, quiet=False) as stage:
        stage("reading the scan")
    shown = capsys.readouterr().err
    assert "preparing 3 of 3" in shown or "reading the scan" in shown
