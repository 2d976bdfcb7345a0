"""Runs a command under strace and says what it reached for: sockets, and files it wrote."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SOCKETS = ("socket", "connect", "bind", "listen", "sendto", "sendmsg", "sendmmsg")
WRITING = ("openat", "open", "creat", "mkdir", "mkdirat", "link", "linkat", "symlink", "symlinkat")
RENAMING = ("rename", "renameat", "renameat2")
_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)")
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
_CREATES = re.compile(r"O_CREAT|O_WRONLY|O_RDWR|O_TMPFILE")


@dataclass(frozen=True)
class Watched:
    """What a command did.

    sockets : calls of the system that make, name or use a socket, as strace shows them
    written : files and folders that it made, renamed or opened to write, wherever they are
    """

    done: subprocess.CompletedProcess[str]
    sockets: tuple[str, ...]
    written: tuple[Path, ...]


def bare_environment(scene: Path) -> dict[str, str]:
    """A user's environment with a HOME and a TMPDIR of its own, and no switch thrown."""
    for name in ("home", "tmp"):
        (scene / name).mkdir(parents=True, exist_ok=True)
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "LANG") if key in os.environ}
    return kept | {"HOME": str(scene / "home"), "TMPDIR": str(scene / "tmp")}


def traced(strace: str, scene: Path, command: Sequence[object]) -> list[str]:
    """The command line that runs Python under strace, with a log for each of its threads."""
    (scene / "logs").mkdir(parents=True, exist_ok=True)
    calls = ",".join((*SOCKETS, *WRITING, *RENAMING))
    options = ["-f", "-ff", "-qq", "-s", "4096", "-e", f"trace={calls}", "-e", "signal=none"]
    python = [sys.executable, *map(str, command)]
    return [strace, "--seccomp-bpf", *options, "-o", str(scene / "logs" / "log"), *python]


def watched(strace: str, scene: Path, command: Sequence[object]) -> Watched:
    """Run Python with a command line, in the folder `scene`, and see what it does."""
    environment = bare_environment(scene)
    line = traced(strace, scene, command)
    done = subprocess.run(line, capture_output=True, text=True, env=environment, cwd=scene)
    return seen(done, scene)


def seen(done: subprocess.CompletedProcess[str], scene: Path) -> Watched:
    """What the logs of a command say."""
    calls = list(_calls(scene / "logs"))
    sockets = tuple(f"{name}({about})" for name, about, _ in calls if name in SOCKETS)
    written = {path for call in calls for path in _written(*call, scene)}
    return Watched(done, sockets, tuple(sorted(written)))


def _calls(logs: Path) -> Iterator[tuple[str, str, int]]:
    for log in sorted(logs.glob("log*")):
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            call = _CALL.match(line)
            if call is not None:
                yield call[1], call[2], -1 if call[3] == "?" else int(call[3])


def _written(name: str, about: str, code: int, cwd: Path) -> Iterator[Path]:
    opened = name.startswith("open")
    if code < 0 or name in SOCKETS or (opened and not _CREATES.search(about)):
        return
    texts = _PATH.findall(about)
    for text in texts if name in RENAMING else texts[-1:]:
        raw = text.encode().decode("unicode_escape").encode("latin-1")
        yield Path(os.path.normpath(cwd / os.fsdecode(raw)))
