"""Text files that come from elsewhere (JSON, TOML, CSV), read within bounds or refused in words.

Whatever a file holds, reading it ends in its content or in a `TextError` that says what is
wrong: never in another exception, never in waiting, never in more memory than the bounds
below allow. A caller turns a `TextError` into an error of its own with a code.

    regular files only    a FIFO or a device would block or never end
    gzip                  told by its first bytes, and inflated no further than the bound
    text                  UTF-8, or UTF-16 and UTF-32 with a byte order mark; no NUL
    JSON                  no NaN, no Infinity, no name twice in one object, bounded nesting
    TOML                  the same bounds of nesting and numbers
"""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
import tomllib
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

LARGEST = 64 * 1024 * 1024  # bytes, before and after inflation; a whole record in FHIR is 20 MB
LARGEST_TOML = 1024 * 1024  # bytes; a file that people type
DEEPEST = 100  # lists and objects within each other; FHIR and our documents stay under 30
MOST_VALUES = 5_000_000  # in one JSON: a value takes far more memory than its text
MOST_MEMBERS = 100  # parts of one gzip file
MOST_DOTS = 2_000  # in one line of TOML: keys with many parts take time as the square
LARGEST_NUMBER = 1e300  # beyond it arithmetic overflows
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PAIR = r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf"\\(?:{_PAIR}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{{2}})|.)", re.DOTALL)


class TextError(ValueError):
    """What is wrong with a text, in words; a line at most."""


def read_bytes(path: Path, largest: int = LARGEST) -> bytes:
    """The content of a regular file, inflated where it is gzip.

    Raises TextError: no such file, no permission, no regular file, larger than `largest`
    bytes before or after inflation, damaged gzip.
    """
    try:
        raw = plain_bytes(path, largest)
    except (OSError, ValueError) as error:
        raise TextError(_words(error)) from error
    return gunzip(raw, largest) if raw[:2] == b"\x1f\x8b" else raw


def plain_bytes(path: Path, largest: int) -> bytes:
    """The bytes of a regular file as they are, at most so many.

    Raises OSError, and TextError for what is no regular file or longer.
    """
    # Without O_NONBLOCK opening a FIFO waits until somebody writes into it.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)  # a file object of a folder cannot be made, and would not close it
        raise TextError("a folder, a pipe or a device: no regular file")
    with os.fdopen(handle, "rb") as file:
        raw = file.read(largest + 1)
    if len(raw) > largest:
        raise TextError(f"a file of more than {largest} bytes")
    return raw


def read_text(path: Path, largest: int = LARGEST) -> str:
    """The content of a text file. Raises TextError as `read_bytes` and `decode` do."""
    return decode(read_bytes(path, largest))


def read_json(path: Path, largest: int = LARGEST) -> Any:
    """The content of a JSON file, also gzipped. Raises TextError."""
    return parse_json(read_bytes(path, largest))


def read_toml(path: Path, *, finite: bool = True) -> dict[str, Any]:
    """The tables of a TOML file. Raises TextError.

    finite : refuse nan and inf, which TOML has words for; False for a caller that does so itself
    """
    return parse_toml(read_text(path, LARGEST_TOML), finite=finite)


def gunzip(raw: bytes, largest: int = LARGEST) -> bytes:
    """What gzip data hold. Raises TextError for damage and for more than `largest` bytes."""
    parts: list[bytes] = []
    size = 0
    for _ in range(MOST_MEMBERS):
        engine = zlib.decompressobj(wbits=31)
        try:
            parts.append(engine.decompress(raw, largest - size + 1))
        except zlib.error as error:
            raise TextError(f"damaged gzip data ({error})") from error
        size += len(parts[-1])
        if size > largest:
            raise TextError(f"gzip data of more than {largest} bytes")
        if not engine.eof:
            raise TextError("gzip data that end early")
        raw = engine.unused_data.lstrip(b"\0")  # tapes and some programs pad with zeros
        if not raw:
            return b"".join(parts)
    raise TextError(f"gzip data of more than {MOST_MEMBERS} parts")


def decode(raw: bytes) -> str:
    """Bytes as text. Raises TextError: not UTF-8 (or what its mark says), NUL in it."""
    mark, encoding = next((m for m in _MARKS if raw.startswith(m[0])), (b"", "utf-8"))
    try:
        text = raw[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        where = f"at byte {error.start + len(mark)}"
        raise TextError(f"bytes that are no {encoding.upper()} text, {where}") from error
    if "\0" in text:
        raise TextError("NUL characters: not a text, or UTF-16 without a mark")
    return text


def parse_json(given: bytes | str) -> Any:
    """The value that a JSON text holds. Raises TextError; see the top of this module.

    Half of a surrogate pair (a text that was cut within a character) becomes U+FFFD.
    """
    text = given if isinstance(given, str) else decode(given)
    if text.count(",") + text.count("[") + text.count("{") > MOST_VALUES:
        raise TextError(f"JSON of more than {MOST_VALUES} values")
    if "\\ud" in text or "\\uD" in text:
        text = _ESCAPE.sub(lambda found: r"\ufffd" if found["half"] else found[0], text)
    try:
        content = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError as error:
        raise TextError(_TOO_DEEP) from error
    except ValueError as error:
        raise TextError(_words(error)) from error
    _check(content)
    return content


def parse_toml(text: str, *, finite: bool = True) -> dict[str, Any]:
    """The tables of a TOML text. Raises TextError."""
    if max((line.count(".") for line in text.splitlines()), default=0) > MOST_DOTS:
        raise TextError(f"a line with more than {MOST_DOTS} dots")
    try:
        tables = tomllib.loads(text)
    except RecursionError as error:
        raise TextError(_TOO_DEEP) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # tomllib has its own bugs
        raise TextError(_words(error)) from error
    _check(tables, finite)
    return tables


def shown(value: Any, most: int = 80) -> str:
    """A value as a message may show it: one line, bounded, no control characters."""
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    text = "".join(c if c.isprintable() else "\ufffd" for c in text[: most + 1])
    return text if len(text) <= most else text[: most - 1] + "…"


_TOO_DEEP = f"lists or tables nested more than {DEEPEST} deep"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise TextError(f"the name '{shown(twice)}' twice in one object")
    return made


def _constant(name: str) -> float:
    raise TextError(f"{name}, which is no JSON")


def _check(content: Any, finite: bool = True) -> None:
    """Refuse nesting and numbers beyond the bounds.

    One level after the other is held as a list: recursion has a bound of its own.
    """
    level: list[Any] = [[content]]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for holder in level:
            for value in holder.values() if isinstance(holder, dict) else holder:
                if isinstance(value, dict | list):
                    below.append(value)
                elif isinstance(value, int | float) and not abs(value) < LARGEST_NUMBER:
                    if isinstance(value, float) and not finite:
                        continue
                    raise TextError("a number that is infinite or beyond 1e300")
        if not below:
            return
        level = below
    raise TextError(_TOO_DEEP)


def _words(error: Exception) -> str:
    """An error in words, without the file's name: that is told beside it."""
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return shown(str(error), 200)
