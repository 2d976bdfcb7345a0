from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from calcimetry import cli
from calcimetry.phantom import generate


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """run("measure", ...) runs the command line in this process and gives its exit code."""

    def command(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["calcimetry", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as leaving:
            return int(leaving.code or 0)
        return 0

    return command


@pytest.fixture(scope="session")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom hand as a DICOM folder, with its truth beside it."""
    out = tmp_path_factory.mktemp("phantom") / "hand"
    generate("hand", out, seed=0, spacing=(1.25, 0.8, 0.8), kvp=120.0, form="dicom")
    return out
