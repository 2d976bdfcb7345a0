"""Values of DICOM elements: numbers by DICOM's own grammar, and those under an odd VR.

Python's `float` takes what DICOM does not know (`1_0`, `nan`, `inf`, digits of other
scripts), and a damaged file then gives a number where it should give none.
Grammar of DS and IS: PS3.5 section 6.2.
"""

from __future__ import annotations

import math
import re
import struct
from functools import lru_cache

from calcimetry.scan.dicom import tags as t

LONGEST = 1024  # bytes; ImageOrientationPatient has six numbers of 16 letters at most
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WITH_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
"""Either a decimal comma or one between thousands: not read, because the two are 1000 apart."""

_BINARY = dict(
    zip(
        (b"US", b"SS", b"UL", b"SL", b"UV", b"SV", b"FL", b"FD", b"OF", b"OD"),
        "HhIiQqfdfd",
        strict=True,
    )
)
BINARY = frozenset(_BINARY)
_RAW = frozenset({b"OB", b"OW", b"UN", b"SQ"})
_SHORT = _RAW | {b"US", b"SS"}
_NO_SHORT = b"\xff\xff"
"""For an unsigned short that cannot be read: no element that the reader looks at may be it,
so that an unreadable value is refused and not taken for one that is missing."""


def number_of(part: str) -> float | None:
    """The number that one value of a DS or IS element states; None when it is none.

    A decimal comma, which programs write that follow the user's language, is read as a
    point, unless it may stand between thousands (one to three digits before it, the first
    not 0, and three after).
    """
    word = part.strip(" \0")
    if _WITH_COMMA.fullmatch(word) and not _THOUSANDS.fullmatch(word):
        word = word.replace(",", ".")
    if not _NUMBER.fullmatch(word):
        return None
    number = float(word)
    return number if math.isfinite(number) else None


def numbers_of(value: bytes) -> tuple[float, ...]:
    """The numbers of a DS or IS element, empty ones left out; none when one of them is none.

    None of an element longer than any that is looked at, which would fill the memory.
    """
    return _numbers_of(value) if len(value) <= LONGEST else ()


@lru_cache(maxsize=4096)
def _numbers_of(value: bytes) -> tuple[float, ...]:
    parts = value.decode("latin-1").split("\\")
    found = [number_of(part) for part in parts if part.strip(" \0")]
    return tuple(v for v in found if v is not None) if None not in found else ()


def usual(tag: int, vr: bytes, value: bytes) -> bytes:
    """A value as its usual VR would hold it, little-endian, whatever VR the file gives it.

    Shorts stay or become two bytes, doubles eight; anything else becomes text.
    """
    if tag in t.U16:
        return value if vr in _SHORT else _short(_numbers(vr, value))
    if tag in t.F64:
        return value if vr in _RAW or vr == b"FD" else _double(_numbers(vr, value))
    if vr in _BINARY and tag not in t.SEQUENCES:
        return "\\".join(f"{v:.12g}" for v in _numbers(vr, value)).encode()
    return value


def _numbers(vr: bytes, value: bytes) -> tuple[float, ...]:
    """Numbers under any VR; empty when they are none."""
    if (kind := _BINARY.get(vr)) is not None:
        count = len(value) // struct.calcsize(kind)
        return struct.unpack_from(f"<{count}{kind}", value)
    return numbers_of(value)


def _short(numbers: tuple[float, ...]) -> bytes:
    if not numbers or numbers[0] != numbers[0] // 1 or not -0x8000 <= numbers[0] <= 0xFFFF:
        return _NO_SHORT
    return (int(numbers[0]) & 0xFFFF).to_bytes(2, "little")


def _double(numbers: tuple[float, ...]) -> bytes:
    return struct.pack("<d", numbers[0] if numbers else float("nan"))
