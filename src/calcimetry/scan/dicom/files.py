"""Which files of a folder are looked at, and which of those that are no DICOM should be.

An interrupted copy leaves files of 0 bytes, a web archive that refuses leaves HTML under the
names of images, with a suffix or (as archives and CDs have them) without. A CD also holds
README, viewers and pictures, which are nobody's images.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima", ".dic", ".dc3"})
_DIRECTORY = "DICOMDIR"


def is_directory_file(path: Path) -> bool:
    """Whether this is the table of contents of a CD (PS3.10 section 8), by its fixed name."""
    return path.name.upper().startswith(_DIRECTORY)


def files_below(folder: Path, unread: list[Path]) -> Iterator[Path]:
    """Regular files at any depth in a fixed order, hidden ones left out.

    Pipes, devices and sockets, which can block for ever, are no files; links to folders are
    not followed. Folders that may not be read are added to `unread`. Not recursive: folders
    can be deeper than Python's stack.
    """
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            unread.append(here)
            continue
        shown = [entry for entry in entries if not entry.name.startswith(".")]
        folders = [entry for entry in shown if entry.is_dir(follow_symlinks=False)]
        waiting += [Path(entry.path) for entry in reversed(folders)]
        yield from (Path(entry.path) for entry in shown if _is_regular(entry))


def _is_regular(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return False


def ought_to_be_dicom(others: Sequence[Path], images: Sequence[Path]) -> list[Path]:
    """Of files that are no DICOM, those that look as if they should be.

    By a DICOM suffix; or, in a folder of images, by the suffix that these have. Where images
    have none (or a number, as UIDs end), by a digit in the name: README and AUTORUN have none.
    A file of 0 bytes counts so wherever it lies, because its whole folder may be such.
    """
    by_folder = {(path.parent, _suffix(path)) for path in images}
    anywhere = {_suffix(path) for path in images}
    return [
        path
        for path in others
        if _suffix(path) in DICOM_SUFFIXES or _is_like_images(path, by_folder, anywhere)
    ]


def _is_like_images(path: Path, by_folder: set[tuple[Path, str]], anywhere: set[str]) -> bool:
    suffix = _suffix(path)
    beside = (path.parent, suffix) in by_folder
    if not beside and not (suffix in anywhere and _is_empty(path)):
        return False
    return bool(suffix) or any(letter.isdigit() for letter in path.name)


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


def _suffix(path: Path) -> str:
    """In small letters; empty for none and for numbers."""
    suffix = path.suffix.lower()
    return "" if suffix[1:].isdigit() else suffix
