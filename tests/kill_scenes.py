"""Runs that kill themselves at the n-th step that changes the disk, and what they may leave.

`python kill_scenes.py FOLDER TARGET N SIGNAL WAY` writes a copy of the files in FOLDER (an
examination's) into TARGET as the program does, and sends itself the signal before its n-th
rename, link, new folder, removal or opening for writing; N = 0 only counts them on stdout.
WAY "inside" has it stand in TARGET, which then may not be exchanged.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

CHANGES = {"os.rename", "os.link", "os.mkdir", "os.rmdir", "os.remove", "os.symlink", "os.chmod"}
OURS = (
    "examination.json",
    "report.html",
    "report.pdf",
    "pictures/front.png",
    "pictures/deposit-#-axial-bone.png",
)
GONE = (-signal.SIGKILL, 128 + signal.SIGTERM)


def content(folder: Path) -> dict[str, bytes | str]:
    """All that is in a folder, by path: bytes of files, where links lead, "" of folders."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "" if path.is_dir() else path.read_bytes()
    return found


def hidden(folder: Path) -> list[str]:
    """What runs left hidden in a folder and beside it."""
    return [p.name for f in (folder, folder.parent) if f.is_dir() for p in f.glob(".calcimetry*")]


def run(source: Path, target: Path, at: int, number: int, way: str = "") -> tuple[int, str]:
    """Exit code and what was printed."""
    words = [sys.executable, __file__, source, target, at, int(number), way]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


class Steps:
    """Counts changes of the disk, and sends its own process a signal before the n-th."""

    def __init__(self, at: int, number: int) -> None:
        self.count, self.at, self.number = 0, at, number

    def step(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), self.number)

    def heard(self, event: str, about: tuple[object, ...]) -> None:
        made = event == "open" and isinstance(about[2], int) and about[2] & os.O_CREAT
        if event in CHANGES or made:
            self.step()

    def around(self, plain):
        """A function that is a step, and whose end is another: no audit event tells of it."""

        def stepped(*arguments: object) -> None:
            self.step()
            plain(*arguments)
            self.step()

        return stepped


def _stop(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _main(source: Path, target: Path, steps: Steps, way: str) -> None:
    from calcimetry.atomic import AtomicFolder, folder

    folder.exchange = steps.around(folder.exchange)
    signal.signal(signal.SIGTERM, _stop)
    if way == "inside":
        os.chdir(target)
    files = {name: data for name, data in content(source).items() if isinstance(data, bytes)}
    sys.addaudithook(steps.heard)
    with AtomicFolder(target, force=True, ours=OURS) as draft:
        for name, data in files.items():
            draft.write(name, data)
    sys.stdout.write(str(steps.count))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]), Steps(*map(int, sys.argv[3:5])), sys.argv[5])
