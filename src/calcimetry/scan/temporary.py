"""A folder for files of a scan while it is read: removed at the end, and after a killed run.

The folder is locked for as long as its process lives. A lock that can be had is a dead run's:
its folder holds a patient's images, and the next run removes it.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

PREFIX = "calcimetry-scan-"
YOUNG_S = 60.0  # a folder is made and then locked: for that moment it looks like a dead one


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder in TMPDIR, for its owner only, gone when the block ends in any way."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as made:
        lock = _open(Path(made))
        try:
            if lock is not None:
                _try_lock(lock)
            _clear(Path(made))
            yield Path(made)
        finally:
            if lock is not None:
                os.close(lock)


def _clear(own: Path) -> None:
    """Remove what dead runs of this user left beside our folder."""
    for path in own.parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if path != own and _is_ours(path):
                _remove_dead(path)


def _is_ours(path: Path) -> bool:
    about = path.lstat()
    owner = os.geteuid() if hasattr(os, "geteuid") else about.st_uid
    old = time() - about.st_mtime > YOUNG_S
    return stat.S_ISDIR(about.st_mode) and about.st_uid == owner and old


def _remove_dead(path: Path) -> None:
    lock = _open(path)
    if lock is None:
        return
    try:
        if _try_lock(lock):
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


if sys.platform == "win32":
    # Folders cannot be locked there, and a dead run's is left to the system.
    def _open(path: Path) -> int | None:
        del path
        return None

    def _try_lock(file: int) -> bool:
        del file
        return False
else:
    import fcntl

    def _open(path: Path) -> int | None:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)

    def _try_lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
