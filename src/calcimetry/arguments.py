"""What is given to a function from outside, checked before any work: wrong types and values get a
coded error, never a TypeError from within."""

from __future__ import annotations

import os
import re
from typing import Any

from calcimetry.errors import UsageError
from calcimetry.threads import MOST

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def bad_argument(found: str, expected: str, where: str) -> UsageError:
    """The error for an argument that a function cannot take."""
    return UsageError(
        "BAD_ARGUMENT",
        found=found,
        expected=expected,
        where=where,
        remedy="correct the call; help(calcimetry) and docs/python.md show it",
    )


def check(given: object, kinds: type | tuple[type, ...], expected: str, where: str) -> None:
    """Raise UsageError BAD_ARGUMENT unless `given` is of one of the types.

    What it is, is said by its type alone: its text could hold a name.
    """
    if not isinstance(given, kinds) or isinstance(given, bool):
        raise bad_argument(f"something of type {type(given).__name__}", expected, where)


def check_path(given: object, expected: str, where: str) -> None:
    """As `check`, for a path: a text or a `pathlib.Path`."""
    check(given, (str, os.PathLike), expected, where)


def threads(jobs: Any, where: str = "jobs") -> int:
    """How many threads to use: all cores that this process may use, unless told.

    Raises UsageError BAD_OPTION below 1, BAD_ARGUMENT for what is no whole number.
    """
    if jobs is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    check(jobs, int, "a whole number of threads, or None for all cores", where)
    if jobs >= 1:
        return min(int(jobs), MOST)
    raise UsageError(
        "BAD_OPTION",
        found=f"{where} {jobs}",
        expected="1 or more",
        where=where,
        remedy="give the number of threads, or leave it out",
    )


def label(given: Any, where: str) -> str | None:
    """A user's own code for a person or a visit, if it is one.

    Letters (A to Z), digits, ``-``, ``_`` and ``.``, up to 64, the first a letter or a digit: it
    stands in every table and must not command a terminal, a spreadsheet or a path.

    Raises UsageError BAD_OPTION.
    """
    if given is None or (isinstance(given, str) and _LABEL.fullmatch(given)):
        return given
    raise UsageError(
        "BAD_OPTION",
        found="a text of another kind" if isinstance(given, str) else type(given).__name__,
        expected="1 to 64 of A-Z a-z 0-9 - _ . that begin with a letter or a digit",
        where=where,
        remedy="give a code such as P017; names do not belong into results",
    )
