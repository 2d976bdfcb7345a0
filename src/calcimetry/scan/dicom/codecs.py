"""Compressed pixels: decoded here, or by worker processes where that pays.

Decoders hold Python's lock, so threads do not help. Workers are plain child processes fed
through pipes, not a `multiprocessing` pool: they never import the user's main script, and
forking a process that has threads can lock up.
"""

from __future__ import annotations

import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from numpy.typing import NDArray

from calcimetry.errors import CalcimetryError
from calcimetry.scan.dicom.header import Header
from calcimetry.scan.quiet import quiet_libraries

Decode = Callable[[bytes, Header, Sequence[int]], Iterable[NDArray[Any]]]
"""A file's bytes, its header and frame numbers, to planes of stored values."""

COST_MS = {
    "1.2.840.10008.1.2.4.57": 4.0,
    "1.2.840.10008.1.2.4.70": 4.0,
    "1.2.840.10008.1.2.4.80": 7.0,
    "1.2.840.10008.1.2.4.81": 7.0,
    "1.2.840.10008.1.2.4.90": 23.0,
    "1.2.840.10008.1.2.4.91": 23.0,
    "1.2.840.10008.1.2.4.201": 3.0,
    "1.2.840.10008.1.2.4.202": 3.0,
    "1.2.840.10008.1.2.4.203": 3.0,
    "1.2.840.10008.1.2.5": 4.5,
}
"""To decode a 512 x 512 slice, one core, as measured on a 2-core server of 2026."""
WORKER_START_MS = 900.0
"""To start a worker and import what it needs; the saving must exceed it."""
PLUGIN = {
    "1.2.840.10008.1.2.4.5": ("gdcm", "python-gdcm"),
    "1.2.840.10008.1.2.4.7": ("gdcm", "python-gdcm"),
    "1.2.840.10008.1.2.4.8": ("pyjpegls", "pyjpegls"),
    "1.2.840.10008.1.2.4.9": ("pylibjpeg", "pylibjpeg-openjpeg"),
    "1.2.840.10008.1.2.4.20": ("pylibjpeg", "pylibjpeg-openjpeg"),
    "1.2.840.10008.1.2.5": ("pydicom", "pydicom"),
}
"""By the start of the transfer syntax: pydicom's name of the plug-in, and its package. One
each: pydicom's own order would put gdcm first, which is isolated below."""


def named(plugins: dict[str, tuple[str, str]], syntax: str) -> tuple[str, str]:
    return next((p for start, p in plugins.items() if syntax.startswith(start)), ("", ""))


@contextmanager
def decoder(header: Header, count: int, jobs: int) -> Iterator[Decode]:
    """A decoder for `count` slices like those of `header`: here, or over workers."""
    workers = worth(header.syntax, count, jobs)
    if workers == 0:
        yield _here
        return
    pool = [_start() for _ in range(workers)]
    free: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
    for worker in pool:
        free.put(worker)

    def remote(raw: bytes, header: Header, frames: Sequence[int]) -> Iterable[NDArray[Any]]:
        worker = free.get()
        try:
            return _ask(worker, raw, header, frames)
        finally:
            free.put(worker)

    try:
        yield remote
    finally:
        for worker in pool:
            _stop(worker)


def _here(raw: bytes, header: Header, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Decoded by this process, with libraries that are imported for it alone."""
    from calcimetry.scan.dicom.decode import decode  # noqa: PLC0415 - see there

    with quiet_libraries():
        yield from decode(raw, header, frames)


def worth(syntax: str, count: int, jobs: int) -> int:
    """How many workers to start; 0 to decode here.

    Daemonic processes (Dask's, a pool's) are already one of many, and get no more than the
    one worker that keeps a crash of gdcm away from them.
    """
    if not sys.executable:
        return 0
    least = 1 if _isolated(syntax) else 0
    if jobs < 2 or multiprocessing.current_process().daemon:
        return least
    alone = COST_MS.get(syntax, 0.0) * count
    workers = min(jobs, count)
    return workers if alone / workers + WORKER_START_MS < alone else least


def costliest(headers: Sequence[Header]) -> Header:
    """Of the files of one stack, whose syntaxes may differ, the one to choose workers by."""
    return max(headers, key=lambda h: (_isolated(h.syntax), COST_MS.get(h.syntax, 0.0)))


def _isolated(syntax: str) -> bool:
    """Whether a worker must decode it: gdcm ends its process on some damaged data."""
    return named(PLUGIN, syntax)[0] == "gdcm"


def _start() -> subprocess.Popen[bytes]:
    # -P: a file in the current folder must not be imported in place of a library's.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "calcimetry.scan.dicom.decode_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _ask(
    worker: subprocess.Popen[bytes], raw: bytes, header: Header, frames: Sequence[int]
) -> list[NDArray[Any]]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        pickle.dump((raw, header, list(frames)), worker.stdin)
        worker.stdin.flush()
        answer = pickle.load(worker.stdout)
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        if _isolated(header.syntax):
            from calcimetry.scan.dicom.decode import undecodable  # noqa: PLC0415 - see there

            raise undecodable(header, RuntimeError("the decoder crashed")) from error
        # A worker that died (killed for memory, say) is no reason to lose the scan.
        return list(_here(raw, header, frames))
    if isinstance(answer, CalcimetryError):
        raise answer
    planes: list[NDArray[Any]] = answer
    return planes


def _stop(worker: subprocess.Popen[bytes]) -> None:
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue
    worker.wait()


def serve(requests: Any, answers: Any) -> None:
    """A worker's life: requests in, planes or an error out, until the pipe closes."""
    from calcimetry.scan.dicom.decode import decode  # noqa: PLC0415 - it imports this module

    with quiet_libraries():
        while True:
            try:
                raw, header, frames = pickle.load(requests)
            except EOFError:
                return
            try:
                answer: Any = list(decode(raw, header, frames))
            except CalcimetryError as error:
                answer = error
            pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
            answers.flush()
