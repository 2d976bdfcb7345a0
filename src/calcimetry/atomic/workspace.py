"""The hidden folder of a run, the lock on its target, and what dead runs left of theirs.

In the folder where the target stands (`home`) a run has, while it lives:

    .calcimetry-KEY.lock      locked by the system for as long as the process lives
    .calcimetry-KEY-RANDOM/   its workspace, for its owner only
        run.json              the target's name, what is ours in it, which folder is the draft
        new/                  the draft; after an exchange, what the target held before
        moves.json, old/      while files change places one by one: which, and those put aside

KEY comes from the target's name. A lock that can be had is a dead run's, and so is its workspace:
what that had begun is undone, and it is removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any

from calcimetry.atomic.errors import in_use
from calcimetry.atomic.merge import MOVES, place_back, rescue, write_json

_TRIES, _WAIT_S = 20, 0.05  # another run that clears up here holds the lock for a moment
_OF_US = re.compile(r"\.calcimetry-([0-9a-f]{12})(\.lock|-[a-z0-9_]{8})")
RUN = "run.json"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A run's own hidden folder, and its lock.

    home : the folder that both lie in; target : what is to be put in place
    """

    home: Path
    target: Path
    path: Path
    lock: int

    @property
    def new(self) -> Path:
        """The draft."""
        return self.path / "new"


def open_workspace(home: Path, target: Path, ours: tuple[str, ...] = ()) -> Workspace:
    """Lock a target, clear what dead runs left in `home`, and make a workspace there.

    Raises OutputError OUT_IN_USE, and OSError where `home` cannot be written.
    """
    key = _key(target)
    lock = _locked(home / f".calcimetry-{key}.lock", _TRIES)
    if lock is None:
        raise in_use(target)
    try:
        _clear(home, key)
        path = Path(tempfile.mkdtemp(prefix=f".calcimetry-{key}-", dir=home))
        try:
            (path / "new").mkdir()
            name = "." if target == home else target.name
            made = (path / "new").stat()
            facts = {"target": name, "ours": list(ours), "draft": [made.st_dev, made.st_ino]}
            write_json(path / RUN, facts)
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
    except BaseException:
        _unlock(lock, home / f".calcimetry-{key}.lock")
        raise
    return Workspace(home, target, path, lock)


def close_workspace(work: Workspace) -> None:
    """Undo what was begun and not ended, remove the workspace, and let go of the lock."""
    try:
        with suppress(OSError):
            _recovered(work.path)
    finally:
        _unlock(work.lock, work.home / f".calcimetry-{_key(work.target)}.lock")


def unfinished(target: Path) -> bool:
    """Whether a run died while files changed places in a folder: it may hold old and new."""
    real = Path(os.path.realpath(target))
    homes = ((real, _key(real)), (real.parent, _key(real)))
    return any(
        _is_ours(path) and (path / MOVES).is_file()
        for home, key in homes
        for path in _matching(home, key)
    )


def is_hidden(name: str) -> bool:
    """Whether a name is one of a workspace or of a lock."""
    return _OF_US.fullmatch(name) is not None


def _key(target: Path) -> str:
    # The name itself may be a person's; it need not stand twice in a listing.
    return hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]


def _clear(home: Path, own: str) -> None:
    """Recover and remove the workspaces of dead runs; of `own` key, whose lock is held, all."""
    for path in _matching(home, own):
        _recovered(path)
    for key in sorted(
        {found[1] for path in _matching(home) if (found := _OF_US.fullmatch(path.name))} - {own}
    ):
        lock_path = home / f".calcimetry-{key}.lock"
        with suppress(OSError):  # those of another user are left to that user
            lock = _locked(lock_path, 1)
            if lock is None:
                continue
            try:
                for path in _matching(home, key):
                    _recovered(path)
            finally:
                _unlock(lock, lock_path)


def _matching(home: Path, key: str | None = None) -> list[Path]:
    try:
        paths = sorted(home.iterdir())
    except OSError:
        return []
    return [p for p in paths if (m := _OF_US.fullmatch(p.name)) and key in (None, m[1])]


def _is_ours(path: Path) -> bool:
    """Whether a folder of such a name is a workspace that this user may clear."""
    try:
        about = path.lstat()
    except OSError:
        return False
    # Never another user's, not even for root: what it says is to be moved could be anything.
    owner = os.geteuid() if hasattr(os, "geteuid") else about.st_uid
    return stat.S_ISDIR(about.st_mode) and owner == about.st_uid


def _recovered(path: Path) -> None:
    """Undo what a workspace's run had begun, and remove it; all else is let be."""
    if not _is_ours(path):
        return
    run = _read(path / RUN)
    if run is None:
        (path / f"{RUN}.part").unlink(missing_ok=True)
        for folder in (path / "new", path):  # killed before it had begun: nothing is in it
            with suppress(OSError):
                folder.rmdir()
        return
    target = path.parent / run["target"]
    moves = _read(path / MOVES)
    if moves is not None:
        place_back(path, target, moves)
    elif (path / "new").is_dir():
        about = (path / "new").stat()
        if [about.st_dev, about.st_ino] != run["draft"] and target.is_dir():
            rescue(path / "new", target, tuple(run["ours"]))
    _remove(path)


def _remove(path: Path) -> None:
    """Remove a workspace: what says whose it is goes last, for one that is killed here too."""
    for entry in path.iterdir():
        if entry.name != RUN:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    (path / RUN).unlink()
    path.rmdir()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def _locked(path: Path, tries: int) -> int | None:
    """An open, locked file; None where another process has locked it."""
    for _ in range(tries):
        file = _opened(path)
        if file is not None and _try_lock(file) and _is_still(path, file):
            return file
        if file is not None:
            os.close(file)
        if tries > 1:
            sleep(_WAIT_S)
    return None


def _opened(path: Path) -> int | None:
    """The file, made where there is none; None where its owner has just removed it."""
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    with suppress(FileExistsError):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | flags, 0o644)
    with suppress(FileNotFoundError):
        # For reading only: enough to lock it, and another user's can be opened so.
        return os.open(path, os.O_RDONLY | flags)
    return None


def _is_still(path: Path, file: int) -> bool:
    """Whether the locked file is the one that stands there: its last owner removes it."""
    try:
        return os.path.samestat(os.fstat(file), os.lstat(path))
    except OSError:
        return False


def _unlock(file: int, path: Path) -> None:
    with suppress(OSError):
        path.unlink()
    os.close(file)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
