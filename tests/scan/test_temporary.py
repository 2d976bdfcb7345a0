"""The folder for a scan's files: its own, and nothing left of runs that were killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from calcimetry.scan import temporary
from calcimetry.scan.temporary import temporary_folder

HOLD = (
    "import sys, tempfile, time\n"
    "tempfile.tempdir = sys.argv[1]\n"
    "from calcimetry.scan.temporary import temporary_folder\n"
    "with temporary_folder() as folder:\n"
    "    (folder / 'slice.dcm').write_text('x')\n"
    "    print('held', flush=True)\n"
    "    time.sleep(600)\n"
)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(temporary, "YOUNG_S", -1.0)
    return tmp_path


def test_it_is_for_its_owner_alone_and_gone_after(place):
    with temporary_folder() as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "deep").mkdir()
        (folder / "deep" / "slice.dcm").write_text("x")
    assert list(place.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), temporary_folder():
        raise KeyboardInterrupt
    assert list(place.iterdir()) == []


def test_a_killed_runs_folder_goes_and_a_living_ones_stays(place):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        (held,) = place.iterdir()
        with temporary_folder():
            assert (held / "slice.dcm").is_file()
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert held.is_dir()
    with temporary_folder():
        assert not held.exists()
    assert list(place.iterdir()) == []


def test_what_is_not_a_folder_of_ours_is_left_alone(place):
    (place / "holiday").mkdir()
    (place / f"{temporary.PREFIX}note").write_text("mine")
    (place / f"{temporary.PREFIX}link").symlink_to(place / "holiday")
    with temporary_folder():
        pass
    assert {path.name for path in place.iterdir()} == {
        "holiday", f"{temporary.PREFIX}note", f"{temporary.PREFIX}link",
    }  # fmt: skip


def test_a_young_folder_is_left_to_whoever_makes_it(place, monkeypatch):
    monkeypatch.setattr(temporary, "YOUNG_S", 60.0)
    (place / f"{temporary.PREFIX}new").mkdir()
    with temporary_folder():
        assert (place / f"{temporary.PREFIX}new").is_dir()
