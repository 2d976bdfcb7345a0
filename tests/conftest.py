"""What tests of all rooms share: real data beside the repository, and tools that may be missing."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import pytest
from hypothesis import settings

from scan_makers import Make

# Machines that run tests are shared: how long an example takes says nothing about the code.
settings.register_profile("calcimetry", deadline=None)
settings.load_profile("calcimetry")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def own_configuration(tmp_path_factory: pytest.TempPathFactory):
    """The key for patients' links is made in a configuration of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.delenv("CALCIMETRY_LINK_KEY_FILE", raising=False)
        yield


def missing(what: str) -> None:
    """A test lacks something that could have been installed: skip, but fail in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans; the test is skipped where it is not at hand."""
    if not SHARED.is_dir():
        pytest.skip("the real scans (../shared/data) are not here")
    return SHARED


@pytest.fixture(scope="session")
def make() -> type[Make]:
    """Makers of small scans, right and wrong."""
    return Make


@pytest.fixture(scope="session")
def tool():
    """tool("dciodvfy") gives the path of a program, or skips (fails in CI)."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            missing(name)
        return str(path)

    return find


@pytest.fixture(scope="session")
def unpacked(shared_data: Path, tmp_path_factory: pytest.TempPathFactory):
    """unpacked("limbs/STS_001_dicom.tar.xz") gives a folder with the archive's files."""

    def unpack(name: str) -> Path:
        if not (shared_data / name).exists():
            pytest.skip(f"the real scan {name} is not here")
        folder = tmp_path_factory.mktemp("unpacked")
        with tarfile.open(shared_data / name) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # 3.11.4 and later
            archive.extractall(folder)
        return folder

    return unpack
