from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from calcimetry.phantom import generate


@pytest.fixture(scope="session")
def strace(tool, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program `strace`, where processes may be watched at all; else skip (fail in CI)."""
    program = tool("strace")
    log = tmp_path_factory.mktemp("strace") / "log"
    tried = subprocess.run(
        [program, "-f", "-o", log, sys.executable, "-c", ""], capture_output=True
    )
    if tried.returncode != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("strace may not watch processes here, and CI must be able to")
        pytest.skip("strace may not watch processes here")
    return str(program)


@pytest.fixture(scope="session")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom hand as a DICOM folder."""
    out = tmp_path_factory.mktemp("phantom") / "hand"
    return generate("hand", out, seed=0, spacing=(1.25, 0.8, 0.8), kvp=120.0, form="dicom")
