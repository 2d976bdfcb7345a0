"""Every error that calcimetry raises on purpose.

    CalcimetryError          exit code 1 (a bug, if it is ever raised bare)
    |- UsageError            2  the call itself is wrong: option, plan, argument
    |- InputError            3  the input cannot be read, or is not a CT
    |- GeometryError         4  a CT whose geometry cannot be trusted
    |- WithheldError         5  the scan cannot support the result that was asked for
    |- OutputError           6  an output cannot be written
    `- ServiceError          7  a PACS, a database or a program cannot be had

An error says what was found, what was expected, where, and what to do; its `code`
is stable and is what programs should test. `docs/errors.md` lists the codes.
"""

from __future__ import annotations

from typing import ClassVar

from calcimetry.escape import visible


class CalcimetryError(Exception):
    """The root of all errors of this package.

    Parameters
    ----------
    code : stable identifier in upper case, such as ``"NOT_CT"``
    found, expected : what was met and what was needed
    where : file, series, slices or option that it is about; never a patient's name
    remedy : what the user can do about it
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, *, found: str, expected: str, where: str, remedy: str) -> None:
        self.code = code
        self.found = found
        self.expected = expected
        self.where = where
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        # Names of files and tags stand in these: none of them may command a terminal, or add a
        # line that looks like ours.
        return (
            f"{self.code}: found {visible(self.found)}; expected {visible(self.expected)}\n"
            f"  where: {visible(self.where)}\n"
            f"  to do: {visible(self.remedy)}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors
        # must come back from worker processes as themselves.
        return (_rebuild, (type(self), dict(vars(self))))


def _rebuild(cls: type[CalcimetryError], fields: dict[str, str]) -> CalcimetryError:
    return cls(**fields)


class UsageError(CalcimetryError):
    exit_code = 2


class InputError(CalcimetryError):
    exit_code = 3


class GeometryError(CalcimetryError):
    exit_code = 4


class WithheldError(CalcimetryError):
    exit_code = 5


class OutputError(CalcimetryError):
    exit_code = 6


class ServiceError(CalcimetryError):
    exit_code = 7
