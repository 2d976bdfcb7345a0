"""An examination that was written before: its document and pictures, read again."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calcimetry.atomic import AtomicFolder, unfinished
from calcimetry.bounded import TextError, read_json
from calcimetry.errors import InputError
from calcimetry.exchange.check import MOST_BYTES, DamagedError, check, damaged, read_file
from calcimetry.exchange.document import SCHEMA_VERSION
from calcimetry.exchange.png import check_picture, is_picture

_MOST_PNG = 32 * 2**20  # bytes of a picture; the largest that are made have a tenth


def saved_document(path: Path) -> dict[str, Any]:
    """The document of an examination, from its folder or from its examination.json.

    Raises InputError: NOT_AN_EXAMINATION, SCHEMA_MISMATCH, EXAM_DAMAGED.
    """
    file = path / "examination.json" if path.is_dir() else path
    if unfinished(file.parent):
        raise damaged(file, "a folder in which a run was cut off while it changed the files")
    try:
        document = read_json(file, MOST_BYTES)
    except TextError as error:
        raise _not_ours(str(file), str(error)) from error
    return checked(document, str(file))


def checked(document: Any, where: str = "exam") -> dict[str, Any]:
    """A document, if it is what its schema says.

    Raises InputError: NOT_AN_EXAMINATION, SCHEMA_MISMATCH, EXAM_DAMAGED.
    """
    if not isinstance(document, Mapping) or document.get("schema") != "calcimetry-examination":
        raise _not_ours(where, "JSON of another kind")
    _check_version(document, where)
    try:
        check(document)
    except DamagedError as error:
        raise damaged(Path(where), str(error)) from error
    return dict(document)


def saved_pictures(folder: Path) -> dict[str, bytes]:
    """The PNGs in `folder`/pictures, by file name; empty where there are none.

    Only those of our names, which must be plain files: links are not followed. Raises
    InputError EXAM_DAMAGED.
    """
    pictures = folder / "pictures"
    if not os.path.lexists(pictures):
        return {}
    try:
        if not stat.S_ISDIR(pictures.lstat().st_mode):
            raise DamagedError("no folder")
        return {path.name: _picture(path) for path in sorted(pictures.iterdir()) if _named(path)}
    except DamagedError as error:
        raise damaged(pictures, str(error)) from error
    except OSError as error:
        raise damaged(pictures, (error.strerror or str(error)).lower()) from error


def replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into an existing folder, all of them or none.

    Raises OutputError as `calcimetry.atomic.AtomicFolder` does.
    """
    with AtomicFolder(Path(os.path.realpath(folder)), force=True, ours=tuple(files)) as draft:
        for name, content in files.items():
            draft.write(name, content)


def _named(path: Path) -> bool:
    return is_picture(path.name)


def _picture(path: Path) -> bytes:
    try:
        if path.is_symlink():
            raise DamagedError("a symbolic link")
        content = read_file(path, _MOST_PNG)
        check_picture(content)
    except DamagedError as error:
        raise damaged(path, str(error)) from error
    return content


def _check_version(document: Mapping[str, Any], where: str) -> None:
    major = str(document.get("schema_version", "")).partition(".")[0]
    if major != SCHEMA_VERSION.partition(".")[0]:
        raise InputError(
            "SCHEMA_MISMATCH",
            found=f"schema version {str(document.get('schema_version'))[:40]}",
            expected=f"version {SCHEMA_VERSION} or one like it",
            where=where,
            remedy="use the version of calcimetry that wrote it, or measure the scan again",
        )


def _not_ours(where: str, found: str) -> InputError:
    return InputError(
        "NOT_AN_EXAMINATION",
        found=found,
        expected="examination.json as `calcimetry measure` writes it",
        where=where,
        remedy="give the folder that was named with -o",
    )
