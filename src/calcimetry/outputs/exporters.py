"""Further files of an examination, made by exporters: plug-ins of other packages.

They stand in ``exports/`` of the output folder, so that no plug-in can take the place of a file of
the contract (docs/outputs.md), and so that a later run knows which files an earlier one left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from calcimetry.errors import ServiceError, UsageError
from calcimetry.plugins import EXPORTERS, failed, installed, load, told
from calcimetry.records import Examination, Scan

Exporter = Callable[[Examination, Scan | None], Mapping[str, bytes]]
"""Makes files of an examination: names to contents. The scan is what was measured, or None where
the examination was loaded. An entry point of the group ``calcimetry.exporters`` loads to one."""

FOLDER = "exports"
FILES = (f"{FOLDER}/*",)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NAMES = "a file name of letters, digits, '.', '_' and '-', which begins with a letter or digit"


def exporters(names: Sequence[str]) -> dict[str, Exporter]:
    """The exporters of these names, imported.

    Raises UsageError EXPORTER_UNKNOWN, ServiceError PLUGIN_FAILED.
    """
    known = installed(EXPORTERS)
    for name in names:
        if name not in known:
            raise UsageError(
                "EXPORTER_UNKNOWN",
                found=f"'{name}'",
                expected="one of " + ", ".join(known) if known else "an exporter (none is there)",
                where="--export",
                remedy="install the package that brings it; `calcimetry info` lists all",
            )
    return {name: _callable(name) for name in names}


def exported(names: Sequence[str], exam: Examination, scan: Scan | None) -> dict[str, bytes]:
    """Contents by path below the output folder, of all that the named exporters make.

    Raises as `exporters` does, and PLUGIN_FAILED for one that fails, gives something else than
    bytes by file name, or a name that leads elsewhere or that another has given.
    """
    files: dict[str, bytes] = {}
    taken: set[str] = set()
    for name, export in exporters(names).items():
        for file, content in _made(name, export, exam, scan).items():
            _check(name, file, content, taken)
            taken.add(file.casefold())
            files[f"{FOLDER}/{file}"] = bytes(content)
    return files


def _callable(name: str) -> Exporter:
    found = load(EXPORTERS, name)
    if not callable(found):
        raise _unfit(name, f"it loads to {type(found).__name__}", "a function")
    export: Exporter = found
    return export


def _made(name: str, export: Exporter, exam: Examination, scan: Scan | None) -> Mapping[str, bytes]:
    try:
        made = export(exam, scan)
        return dict(made)
    except Exception as error:
        raise _unfit(name, told(error), "files of the examination") from error


def _check(name: str, file: object, content: object, taken: set[str]) -> None:
    if not isinstance(file, str) or not _NAME.fullmatch(file):
        raise _unfit(name, f"a file named {file!r}", _NAMES)
    if file.casefold() in taken:  # some file systems tell no case
        raise _unfit(name, f"a second file named {file}", "another name for each file")
    if not isinstance(content, bytes | bytearray | memoryview):
        raise _unfit(name, f"{type(content).__name__} as content of {file}", "bytes")


def _unfit(name: str, found: str, expected: str) -> ServiceError:
    return failed(EXPORTERS, name, found, expected)
