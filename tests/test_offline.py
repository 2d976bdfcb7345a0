"""Switches that keep libraries silent: set on import, whatever the user's environment says."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

from calcimetry import offline


def test_the_switches_are_set_over_other_values(monkeypatch):
    for name in offline.SWITCHES:
        monkeypatch.setenv(name, "0")
    offline.silence()
    assert {name: os.environ[name] for name in offline.SWITCHES} == dict(offline.SWITCHES)


def test_onnxruntime_is_told_before_and_after_its_import(monkeypatch):
    told = []
    fake = SimpleNamespace(disable_telemetry_events=lambda: told.append(True))
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    assert offline.onnxruntime() is fake
    assert told == [True]
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_processes_that_are_started_inherit_them():
    script = (
        "import os, subprocess, sys, calcimetry\n"
        "child = 'import os; print(os.environ[\"ORT_DISABLE_TELEMETRY\"])'\n"
        "subprocess.run([sys.executable, '-c', child], check=True)"
    )
    clean = {key: value for key, value in os.environ.items() if key not in offline.SWITCHES}
    done = subprocess.run([sys.executable, "-c", script], env=clean, capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr
