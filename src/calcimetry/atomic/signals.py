"""A step that signals must not cut in two, and what this process has put in place.

Ctrl-C and its like raise an exception wherever the main thread stands. While outputs change
places they wait until that is done; a kill -9 does not, and the next run sets that right.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread

_WAITING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
_published: list[Path] = []


def published() -> tuple[Path, ...]:
    """Folders and files that this process has put in place, in their order."""
    return tuple(_published)


def note(target: Path) -> None:
    """Remember that a target was put in place."""
    _published.append(target)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Signals that come in the block act after it."""
    if current_thread() is not main_thread():
        yield  # only the main thread is interrupted, and only it may say how
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in _WAITING}
    for number in _WAITING:
        if callable(before[number]) or before[number] is signal.SIG_DFL:
            signal.signal(number, lambda which, _: came.append(which))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for number in came[:1]:
            signal.raise_signal(number)
