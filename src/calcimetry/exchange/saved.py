"""An examination that was written before: its document and pictures, read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calcimetry.atomic import atomic_file
from calcimetry.errors import InputError
from calcimetry.exchange.document import SCHEMA_VERSION


def saved_document(folder: Path) -> dict[str, Any]:
    """The document in `folder`/examination.json.

    Raises InputError: NOT_AN_EXAMINATION, SCHEMA_TOO_NEW.
    """
    path = folder / "examination.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _not_ours(path, str(error)) from error
    if not isinstance(document, dict) or document.get("schema") != "calcimetry-examination":
        raise _not_ours(path, "JSON of another kind")
    major = str(document.get("schema_version", "")).partition(".")[0]
    if major != SCHEMA_VERSION.partition(".")[0]:
        raise InputError(
            "SCHEMA_MISMATCH",
            found=f"schema version {document.get('schema_version')}",
            expected=f"version {SCHEMA_VERSION} or one like it",
            where=str(path),
            remedy="use the version of calcimetry that wrote it, or measure the scan again",
        )
    return document


def saved_pictures(folder: Path) -> dict[str, bytes]:
    """The PNGs in `folder`/pictures, by file name; empty where there are none."""
    return {path.name: path.read_bytes() for path in sorted((folder / "pictures").glob("*.png"))}


def replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into an existing folder, each whole or not at all."""
    for name, content in files.items():
        with atomic_file(folder / name) as draft:
            draft.write_bytes(content)


def _not_ours(path: Path, found: str) -> InputError:
    return InputError(
        "NOT_AN_EXAMINATION",
        found=found,
        expected="examination.json as `calcimetry measure` writes it",
        where=str(path),
        remedy="give the folder that was named with -o",
    )
