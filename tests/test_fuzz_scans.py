"""Damaged scans through the whole command, each against its undamaged twin.

A short run of what `python -m benchmarks.fuzz dicom --count 2000` does.
"""

from __future__ import annotations

import importlib

import pytest

COUNT = 40


@pytest.mark.slow
@pytest.mark.parametrize("room", ["dicom", "nifti"])
def test_a_damaged_scan_is_refused_flagged_or_measured_right(room, tmp_path):
    fuzzer = importlib.import_module(f"benchmarks.fuzz.{room}")
    outcomes = {m.name: fuzzer.run(m) for m in fuzzer.mutants(7000, COUNT, tmp_path)}
    assert len(outcomes) == COUNT
    assert {name: what for name, what in outcomes.items() if what.startswith("BUG")} == {}
    assert len(set(outcomes.values())) > 3  # not all refused at one door
