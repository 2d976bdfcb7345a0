"""A process that has imported calcimetry once and forks a child for each run of the command.

Starting Python, importing and loading kernels takes some seconds, measuring a small scan a
fraction of one: thousands of runs are only possible if the first is paid once. A child is a
run of the command line like any other: its own exit status, its own memory, killed when it
takes too long.

    Zygote() as z: z.run(["measure", "scan", "-o", "out"])

The protocol is a line of JSON each way over the pipes of `python -m benchmarks.fuzz.zygote`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 60.0
KILLED = -9


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    code : exit status; `KILLED` when it took longer than it may
    peak_mb : largest resident memory, MB
    text : what it printed
    """

    code: int
    seconds: float
    peak_mb: float
    text: str


class Zygote:
    """The process to run commands in, as a context."""

    def __enter__(self) -> Zygote:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.fuzz.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *about: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def run(self, words: list[str], seconds: float = SECONDS) -> Outcome:
        """`calcimetry` with these arguments, in a child."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([words, seconds]), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process that forks has ended")
        return Outcome(**json.loads(line))


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing but answers may come out of the pipe
    _prepare()
    for line in sys.stdin:
        words, seconds = json.loads(line)
        print(json.dumps(_forked(words, seconds)), file=answers, flush=True)


def _prepare() -> None:
    """Imports and kernels, by one small measurement on this thread alone."""
    from calcimetry import cli  # noqa: F401
    from calcimetry.examine import measure
    from calcimetry.outputs import examination  # noqa: F401
    from calcimetry.scan.nifti import read  # noqa: F401
    from calcimetry.warm import limb

    measure(limb()[0], jobs=1)


def _forked(words: list[str], seconds: float) -> dict[str, Any]:
    log = Path(f"/proc/self/fd/{os.memfd_create('log')}")
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        _run(words, log)
    status, used = _waited(child, begun + seconds)
    text = log.read_text(errors="replace")
    os.close(int(log.name))
    return {
        "code": KILLED if status is None else os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - begun,
        "peak_mb": used.ru_maxrss / 1024,
        "text": text[-4000:],
    }


def _waited(child: int, until: float) -> tuple[int | None, Any]:
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            return status, used
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            return None, os.wait4(child, 0)[2]
        time.sleep(0.005)


def _run(words: list[str], log: Path) -> None:
    code = 0
    try:
        out = os.open(log, os.O_WRONLY | os.O_APPEND)
        for end in (1, 2):
            os.dup2(out, end)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        code = _command(words)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _command(words: list[str]) -> int:
    from calcimetry import cli

    sys.argv = ["calcimetry", *words]
    try:
        cli.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


if __name__ == "__main__":
    _serve()
