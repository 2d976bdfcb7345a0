"""A draft and what a folder holds already: what is ours, what is kept, who takes whose place.

`ours` are paths below the folder, in which # stands for a number and * for any name:
"deposits.csv", "pictures/deposit-#-axial-bone.png", "exports/*". What fits and is a plain file is
an earlier run's, and is replaced or removed; a folder that only holds such is ours, but not what
else stands in it. All else is somebody's own and is kept. Links are never followed.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from calcimetry.atomic.errors import in_the_way

MOVES = "moves.json"
Ours = tuple[str, ...]


def is_ours(path: Path, name: str, ours: Ours) -> bool:
    """Whether a path, `name` below its folder, is a file of an earlier run."""
    return _fits(ours).fullmatch(name) is not None and path.is_file() and not path.is_symlink()


def refuse_in_the_way(target: Path, ours: Ours) -> None:
    """Raise OutputError OUT_IN_THE_WAY where something else has the name of a result."""
    for name in sorted({pattern.partition("/")[0] for pattern in ours}):
        path = target / name
        folder = _is_folder_of_ours(name, ours)
        if not os.path.lexists(path) or (folder and _is_folder(path)):
            continue
        if folder or not is_ours(path, name, ours):
            raise in_the_way(path, _what(path))


def files_of(folder: Path, below: str = "") -> Iterator[str]:
    """Paths of all that is in a folder and is no folder, as "pictures/front.png"."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from files_of(Path(entry.path), f"{name}/")
        else:
            yield name


def carry_over(source: Path, draft: Path, ours: Ours, below: str = "") -> None:
    """Give a draft all that is not ours in a folder, as further names of the same files.

    Raises OSError where a file cannot have two names, and OutputError OUT_IN_THE_WAY.
    """
    for entry in os.scandir(source):
        name, path, new = f"{below}{entry.name}", Path(entry.path), draft / entry.name
        if entry.is_dir(follow_symlinks=False):
            _carry_folder(path, new, ours, name)
        elif is_ours(path, name, ours):
            continue
        elif os.path.lexists(new):
            raise in_the_way(path, _what(path))
        else:
            os.link(path, new, follow_symlinks=False)


def _carry_folder(path: Path, new: Path, ours: Ours, name: str) -> None:
    if path.is_mount():
        raise OSError(errno.EXDEV, "a file system is mounted there")
    known = new.is_dir() and not new.is_symlink()
    if os.path.lexists(new) and not known:
        raise in_the_way(path, "a folder")
    if not known:
        new.mkdir()
    carry_over(path, new, ours, f"{name}/")
    like(path, new)
    if not known and _is_folder_of_ours(name, ours) and not any(new.iterdir()):
        new.rmdir()


def like(old: Path, new: Path) -> None:
    """Give a folder another's owner, mode, attributes and times, as far as may be."""
    about = old.stat()
    with suppress(OSError, AttributeError):
        os.chown(new, about.st_uid, about.st_gid)
    with suppress(OSError):
        shutil.copystat(old, new)


def exchange(one: Path, other: Path) -> None:
    """Two folders take each other's names in one step. OSError where the system cannot."""
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "no exchange of names on this system")
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError as error:
        raise OSError(errno.ENOSYS, "no exchange of names in this C library") from error
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of linux/fs.h
    if call(here, os.fsencode(one), here, os.fsencode(other), swap):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


def rescue(old: Path, target: Path, ours: Ours) -> None:
    """Bring over what is not ours and came into a folder after its names were carried over."""
    for name in files_of(old):
        path, new = old / name, target / name
        if is_ours(path, name, ours):
            continue
        if not os.path.lexists(new) or path.lstat().st_mtime_ns > new.lstat().st_mtime_ns:
            new.parent.mkdir(parents=True, exist_ok=True)
            path.replace(new)


def move_in(work: Path, target: Path, put: Sequence[str], ours: Ours) -> None:
    """Put files of a draft into a folder one by one, where the folder must stay what it is.

    work : a workspace; what the files replace goes to its ``old``
    put : those of its ``new`` that are to be put

    After an error, or a kill and the next run, all is as it was.
    """
    drop = [n for n in files_of(target) if is_ours(target / n, n, ours)] if ours else []
    for name in put:
        _refuse_taken(target, name, drop)
    made = [n for n in _folders_of(put) if not (target / n).is_dir()]
    moves = {"put": list(put), "drop": drop, "made": made}
    write_json(work / MOVES, moves)
    try:
        for name in made:
            (target / name).mkdir()
        for name in drop:
            _move(target / name, work / "old" / name)
        for name in put:
            (work / "new" / name).rename(target / name)
        for name in _folders_of(drop)[::-1]:
            with suppress(OSError):
                (target / name).rmdir()
        sync_folders(target)
        (work / MOVES).unlink()  # from here on it is done
    except BaseException:
        place_back(work, target, moves)
        raise


def place_back(work: Path, target: Path, moves: Mapping[str, Any]) -> None:
    """Undo `move_in`, wherever it stopped."""
    for name in moves["put"]:
        if not os.path.lexists(work / "new" / name) and os.path.lexists(target / name):
            _move(target / name, work / "new" / name)
    for name in moves["drop"]:
        if os.path.lexists(work / "old" / name):
            _move(work / "old" / name, target / name)
    for name in moves["made"][::-1]:
        with suppress(OSError):
            (target / name).rmdir()
    sync_folders(target)
    (work / MOVES).unlink(missing_ok=True)


def write_json(path: Path, facts: Any) -> None:
    """A small file that is on the disk, whole, when this returns."""
    draft = path.with_name(f"{path.name}.part")
    with draft.open("w", encoding="utf-8") as out:
        json.dump(facts, out)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)


def sync(folder: Path) -> None:
    """Bring all files of a draft to the disk: a power cut must not leave names without bytes."""
    for name in files_of(folder):
        if (folder / name).is_file() and not (folder / name).is_symlink():
            with (folder / name).open("rb") as file, suppress(PermissionError):
                os.fsync(file.fileno())
    sync_folders(folder, *(folder / name for name in _folders_of(list(files_of(folder)))))


def sync_folders(*folders: Path) -> None:
    """Bring the names in folders to the disk, where the system lets them be opened."""
    for folder in folders:
        with suppress(OSError):
            file = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(file)
            finally:
                os.close(file)


@cache
def _fits(ours: Ours) -> re.Pattern[str]:
    parts = (re.escape(path).replace(r"\#", "[0-9]+").replace(r"\*", "[^/]+") for path in ours)
    return re.compile("|".join(parts) or "(?!)")


def _refuse_taken(target: Path, name: str, drop: Sequence[str]) -> None:
    if os.path.lexists(target / name) and name not in drop:
        raise in_the_way(target / name, _what(target / name))
    for parent in list(Path(name).parents)[:-1]:
        if os.path.lexists(target / parent) and not _is_folder(target / parent):
            raise in_the_way(target / parent, _what(target / parent))


def _move(path: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    path.rename(new)


def _folders_of(names: Sequence[str]) -> list[str]:
    """The folders that files lie in, outer ones first."""
    return sorted({str(p) for name in names for p in list(Path(name).parents)[:-1]})


def _is_folder_of_ours(name: str, ours: Ours) -> bool:
    return any(pattern.startswith(f"{name}/") for pattern in ours)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _what(path: Path) -> str:
    if path.is_symlink():
        return "a symbolic link"
    if path.is_dir():
        return "a folder"
    return "a file" if path.is_file() else "something that is no file"
