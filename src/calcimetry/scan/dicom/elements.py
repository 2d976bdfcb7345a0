"""Walks the elements of a DICOM data set over its top level, and keeps those that are wanted.

Nothing is read into memory beyond the bytes at hand, nothing recurses, and no length that a
file states is trusted further than the file goes.

Layout of elements: DICOM PS3.5 section 7.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.values import BINARY, usual

UNDEFINED = 0xFFFFFFFF
DEEPEST = 100
"""Sequences in sequences: the deepest objects of the standard (structured reports) reach some
tens; damage and attacks reach any depth."""
LONGEST_VALUE = 1 << 20
"""Of a wanted element; the longest real ones are lists of some hundred characters."""

_LONG_VR = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV"}) | frozenset(
    {b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_SHORT_VR = frozenset({b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL"}) | frozenset(
    {b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
_ODD = t.U16 | t.F64
_PIXELS = frozenset({0x7FE00010, 0x7FE00008, 0x7FE00009})
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_IMPLICIT = struct.Struct("<HHI")
_EXPLICIT = struct.Struct("<HH2sH")
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")


class BrokenFileError(Exception):
    """The file is DICOM, or claims to be, and ends or goes wrong inside its header."""


class NeedMoreError(Exception):
    """The part of the file at hand ends before the header does."""


class OddError(Exception):
    """Something this walk does not handle; pydicom is asked instead."""


@dataclass(slots=True, eq=False)
class Walked:
    """What a walk found, filled as it goes.

    end : where the pixel data's element starts, or where the data set ends
    pixel_start : where the pixel data's value starts; None when there is none
    pixel_length : its length in bytes; `UNDEFINED` for encapsulated pixels
    """

    elements: dict[int, bytes] = field(default_factory=dict)
    end: int = 0
    pixel_start: int | None = None
    pixel_length: int = 0


def file_meta(chunk: bytes, pos: int) -> tuple[dict[int, bytes], int]:
    """The wanted elements of the file meta group at `pos`, and where it ends."""
    found: dict[int, bytes] = {}
    while pos + 8 <= len(chunk) and _U16.unpack_from(chunk, pos)[0] == 2:
        tag, start, length, _ = element(chunk, pos, True)
        if tag in (t.TRANSFER_SYNTAX, t.MEDIA_SOP_CLASS):
            found[tag] = chunk[start : start + length]
        pos = start + length
    return found, pos


def is_explicit(chunk: bytes, pos: int, declared: bool) -> bool:
    """Whether the element at `pos` states its VR, whatever the file's meta group declares.

    Two capitals where the VR would stand are one: as a length, they would be over 16 kB.
    """
    vr = chunk[pos + 4 : pos + 6]
    if len(vr) < 2:
        return declared
    return _is_vr(vr)


def _is_vr(vr: bytes) -> bool:
    return 0x40 < vr[0] < 0x5B and 0x40 < vr[1] < 0x5B


def walk(chunk: bytes, pos: int, size: int, explicit: bool, found: Walked) -> None:
    """Fill `found` from the data set at `pos`, up to its pixels.

    Raises NeedMoreError, OddError, BrokenFileError.
    """
    while pos < size:
        tag, start, length, vr = element(chunk, pos, explicit)
        if tag in _PIXELS:
            found.end, found.pixel_length = pos, length
            found.pixel_start = start if tag == t.PIXEL_DATA else None
            return
        if length == UNDEFINED:
            end = _skip_sequence(chunk, start, explicit and vr != b"UN")
            if tag in t.WANTED:
                found.elements[tag] = chunk[start : end - 8]
            pos = end
            continue
        pos = start + length
        if tag in t.WANTED:
            if pos > len(chunk) or length > LONGEST_VALUE:
                pos = _check_length(tag, pos, length)
            value = chunk[start:pos]
            # Text under a VR of text, nearly all of them, is as it should be.
            odd = vr in BINARY or (tag in _ODD and vr)
            found.elements[tag] = usual(tag, vr, value) if odd else value
        pos = start + length
    if pos > size:
        raise BrokenFileError("it ends inside its header")
    found.end = pos


def _check_length(tag: int, end: int, length: int) -> int:
    """Where a long value is left off. Raises NeedMoreError, BrokenFileError."""
    if tag in t.SEQUENCES:
        return end - max(0, length - LONGEST_VALUE)
    if length > LONGEST_VALUE:
        raise BrokenFileError("a short element of its header is longer than 1 MB")
    raise NeedMoreError


def element(chunk: bytes, pos: int, explicit: bool) -> tuple[int, int, int, bytes]:
    """The tag at `pos`, where its value starts, how long that is, and its VR if stated.

    Under an explicit syntax, an element without a VR is read as an implicit one.
    """
    try:
        if explicit:
            group, number, vr, length = _EXPLICIT.unpack_from(chunk, pos)
            if vr in _LONG_VR:
                length = _U32.unpack_from(chunk, pos + 8)[0]
                return group << 16 | number, pos + 12, length, vr
            if vr in _SHORT_VR or (group != 0xFFFE and _is_vr(vr)):
                return group << 16 | number, pos + 8, length, vr
        group, number, length = _IMPLICIT.unpack_from(chunk, pos)
    except struct.error:
        raise NeedMoreError from None
    return group << 16 | number, pos + 8, length, b""


def _skip_sequence(chunk: bytes, pos: int, explicit: bool) -> int:
    """Past a sequence of undefined length whose first item starts at `pos`."""
    # What is open, outermost first: for each, whether its elements state their VR, and
    # whether it is an item (of elements) or a sequence (of items).
    opened = [(explicit, False)]
    while opened:
        explicit, is_item = opened[-1]
        tag, start, length, vr = element(chunk, pos, explicit)
        pos = start
        if tag == (_ITEM_END if is_item else _SEQUENCE_END):
            opened.pop()
        elif not is_item and tag != _ITEM:
            raise OddError
        elif length != UNDEFINED:
            pos = start + length
        elif len(opened) >= 2 * DEEPEST:
            raise BrokenFileError(f"its sequences are nested more than {DEEPEST} deep")
        elif is_item:
            opened.append((explicit and vr != b"UN", False))
        else:
            opened.append((explicit, True))
    return pos
