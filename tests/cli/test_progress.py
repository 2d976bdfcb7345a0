"""The bar ends where the work ends: as many stages are told as were announced."""

from __future__ import annotations

from contextlib import contextmanager

from calcimetry.cli import measure, progress
from calcimetry.phantom import generate


def test_as_many_stages_are_told_as_were_announced(run, tmp_path, monkeypatch):
    generate("knee", tmp_path / "knee", spacing=(3.0, 1.5, 1.5), form="nifti")
    scan = tmp_path / "knee" / "scan.nii.gz"
    told = []

    @contextmanager
    def stages(total, *, quiet):
        told.append(total)
        yield told.append

    monkeypatch.setattr(progress, "stages", stages)
    assert run("measure", scan, "-o", tmp_path / "out", "--quiet") in (0, 5)
    assert told[0] == measure.STAGES == len(told) - 1
