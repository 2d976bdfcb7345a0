"""What a failed write means to the user."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from calcimetry.errors import OutputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def output_error(error: OSError, target: Path) -> OutputError:
    """A full disk, or a place that cannot be written."""
    full = error.errno in FULL
    return OutputError(
        "DISK_FULL" if full else "OUT_NOT_WRITABLE",
        found=(error.strerror or str(error)).lower(),
        expected="room for a few megabytes" if full else "a folder that can be written",
        where=str(target),
        remedy="free some space" if full else "check the permissions, or give another folder",
    )


def is_of(error: OSError, *folders: Path) -> bool:
    """Whether an error arose in writing into these folders, and not in reading elsewhere.

    A write that fails carries no name; of those, only a full disk is surely one of ours.
    """
    named = [os.fsdecode(name) for name in (error.filename, error.filename2) if _is_name(name)]
    if not named:
        return error.errno in FULL
    return any(Path(name).is_relative_to(folder) for name in named for folder in folders)


def _is_name(name: object) -> bool:
    return isinstance(name, str | bytes)


def not_a_folder(target: Path, found: str) -> OutputError:
    return OutputError(
        "OUT_NOT_A_FOLDER",
        found=found,
        expected="a folder, or nothing yet",
        where=str(target),
        remedy="give another folder with -o, or for a link the folder that it leads to",
    )


def not_empty(target: Path, found: str = "a folder that holds files") -> OutputError:
    return OutputError(
        "OUT_NOT_EMPTY",
        found=found,
        expected="an empty or new folder",
        where=str(target),
        remedy="give another folder with -o, or --force to replace earlier results in it",
    )


def in_the_way(path: Path, found: str) -> OutputError:
    return OutputError(
        "OUT_IN_THE_WAY",
        found=f"{found} of the name of a result",
        expected="a name that is free, or a result of an earlier run",
        where=str(path),
        remedy="move it elsewhere, or give another folder with -o",
    )


def in_use(target: Path) -> OutputError:
    return OutputError(
        "OUT_IN_USE",
        found="another run that is writing there",
        expected="one run at a time into one folder",
        where=str(target),
        remedy="wait until it has ended, or give another folder with -o",
    )
