"""Killed at every step: OUT is whole or as it was, and the next run leaves nothing behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kill_scenes
from calcimetry.atomic import AtomicFolder, unfinished
from kill_scenes import GONE, OURS, content, hidden

pytestmark = pytest.mark.slow

OLD = {
    "examination.json": b"old",
    "report.pdf": b"old",
    "pictures/deposit-7-axial-bone.png": b"old",
}
NEW = {"examination.json": b"new", "report.html": b"new", "pictures/front.png": b"new"}
THEIRS = {
    "notes.txt": b"mine",
    "pictures/holiday.jpg": b"mine",
    "pictures/deposit-x.png": b"mine",
    "deep/er/report.html": b"mine",
}


def fill(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def scene(folder: Path, start: str) -> tuple[Path, Path]:
    """A source, and a target absent, empty, or with an earlier run and its user's files."""
    shutil.rmtree(folder, ignore_errors=True)
    source, target = folder / "source", folder / "beside" / "out"
    fill(source, NEW)
    target.parent.mkdir()
    if start != "absent":
        target.mkdir()
    if start == "full":
        fill(target, OLD | THEIRS)
        (target / "link").symlink_to("notes.txt")
    return source, target


def state(target: Path) -> dict[str, bytes | str] | None:
    if not target.exists():
        return None
    found = content(target)
    return {name: data for name, data in found.items() if not name.startswith(".calcimetry")}


def abandoned(target: Path) -> None:
    """A next run that fails: it clears up, and writes nothing."""
    with pytest.raises(ZeroDivisionError), AtomicFolder(target, force=True, ours=OURS):
        raise ZeroDivisionError


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("start", ["absent", "empty", "full"])
def test_killed_at_every_step(tmp_path, start, number):
    source, target = scene(tmp_path / "s", start)
    before = state(target)
    code, said = kill_scenes.run(source, target, 0, number)
    assert code == 0, said
    after, steps = state(target), int(said)
    assert {name: after[name] for name in NEW} == NEW
    assert set(THEIRS) <= set(after) or start != "full"
    assert "report.pdf" not in after
    assert hidden(target) == []
    assert steps > 15
    for at in range(1, steps + 1):
        source, target = scene(tmp_path / "s", start)
        code, said = kill_scenes.run(source, target, at, number)
        assert code in GONE, said
        left = state(target)
        assert left in (before, after), at
        if number == signal.SIGTERM:
            assert hidden(target) == [], at
        assert not unfinished(target)
        abandoned(target)
        assert state(target) == left, at
        assert hidden(target) == [], at


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("start", ["empty", "full"])
def test_killed_at_every_step_where_the_folder_must_stay(tmp_path, start, number):
    source, target = scene(tmp_path / "s", start)
    before = state(target)
    code, said = kill_scenes.run(source, target, 0, number, "inside")
    assert code == 0, said
    after, mixed = state(target), 0
    for at in range(1, int(said) + 1):
        source, target = scene(tmp_path / "s", start)
        about = target.stat().st_ino
        assert kill_scenes.run(source, target, at, number, "inside")[0] in GONE
        left = state(target)
        mixed += left not in (before, after)
        assert left in (before, after) or (unfinished(target) and number == signal.SIGKILL), at
        abandoned(target)
        assert state(target) in (before, after), at
        assert hidden(target) == [], at
        assert target.stat().st_ino == about
    assert bool(mixed) == (number == signal.SIGKILL)


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment_while_it_measures(tmp_path, seed):
    """The command itself, by turns -9 and TERM; `python -m benchmarks.kills` does it 100 times."""
    code = subprocess.run(
        [sys.executable, "-m", "benchmarks.kills", "--times", "2", "--seed", str(seed)],
        cwd=Path(__file__).parents[1],
    ).returncode
    assert code == 0
