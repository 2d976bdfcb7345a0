"""Reads the header of one DICOM file: the few elements that are wanted, as raw bytes.

Files in the little-endian syntaxes (nearly all, compressed and deflated ones too) are walked
by `elements`, over the top level only, because turning every element into an object costs more
time than reading the pixels. Big endian and functional groups go to pydicom.

No file can make this read or inflate more than `MOST_HEADER`. Layout of files: PS3.10
section 7.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.elements import (
    UNDEFINED,
    BrokenFileError,
    NeedMoreError,
    OddError,
    Walked,
    file_meta,
    is_explicit,
    walk,
)
from calcimetry.scan.dicom.inflate import inflated
from calcimetry.scan.dicom.values import number_of

__all__ = ["UNDEFINED", "BrokenFileError", "Header", "NotDicomError", "read_header"]

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
GE_PRIVATE = "1.2.840.113619.5.2"
"""GE's DLX syntax: the header is implicit VR little endian, the pixels are big endian."""
UNCOMPRESSED = frozenset({IMPLICIT_LE, EXPLICIT_LE, DEFLATED_LE, EXPLICIT_BE, GE_PRIVATE})

MOST_HEADER = 1 << 26
"""Bytes before the pixels: an enhanced CT of 5,000 frames has some 10 MB of them."""
# Most headers end within the first; a header with large private values needs the second.
_CHUNKS = (1 << 15, 1 << 20, MOST_HEADER)
_ENDLESS = 1 << 62


class NotDicomError(Exception):
    """The file is no DICOM file at all; the caller decides whether that matters."""


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """Elements of one file. Values are little-endian bytes as stored.

    pixel_start : where the pixel data's value starts in the file, in a deflated one in its
        inflated data set; None when it has no pixel data
    pixel_length : its length in bytes; `UNDEFINED` for encapsulated pixels
    frames : flattened functional groups, one mapping for each frame; empty for classic files
    """

    path: Path
    size: int
    syntax: str
    elements: Mapping[int, bytes]
    pixel_start: int | None
    pixel_length: int
    frames: tuple[Mapping[int, bytes], ...] = ()


def read_header(path: Path) -> Header:
    """The header of one DICOM file; it must be a regular file, others can block for ever.

    Raises NotDicomError, BrokenFileError, or OSError.
    """
    size = path.stat().st_size
    if not size:
        raise NotDicomError  # also the files of /proc, some of which block when they are read
    with path.open("rb") as file:
        for limit in _CHUNKS:
            try:
                return _checked(_header(path, file, size, limit))
            except NeedMoreError:
                if size <= limit:
                    raise BrokenFileError("it ends inside its header") from None
            except OddError:
                from calcimetry.scan.dicom.pydicom_header import ask_pydicom  # noqa: PLC0415 - see there

                return _checked(ask_pydicom(path, size))
    raise _too_long()


def _checked(header: Header) -> Header:
    """Every object names its kind, and every image its size: without both, it went astray."""
    kinds = (t.SOP_CLASS, t.MEDIA_SOP_CLASS, t.MODALITY, t.ROWS)
    if not any(header.elements.get(tag) for tag in kinds):
        raise BrokenFileError("it holds no image and names no other kind of object")
    stated = _text(header.elements.get(t.FRAMES, b""))
    if header.frames and number_of(stated) not in (None, len(header.frames)):
        raise BrokenFileError(
            f"it states {stated} frames and describes {len(header.frames)} of them"
        )
    return header


def _header(path: Path, file: BinaryIO, size: int, limit: int) -> Header:
    """From the file's first `limit` bytes. Raises NeedMoreError where these do not do."""
    file.seek(0)
    chunk = file.read(limit)
    meta, start = file_meta(chunk, _preamble(chunk))
    syntax = _text(meta.get(t.TRANSFER_SYNTAX, b""))
    if syntax == EXPLICIT_BE:
        raise OddError
    if syntax == DEFLATED_LE:
        return _deflated(path, file, size, meta, start)
    return _parsed(path, size, meta, chunk, start, size)


def _deflated(path: Path, file: BinaryIO, size: int, meta: dict[int, bytes], start: int) -> Header:
    """Of a data set that is deflated from `start` on, inflated as far as its header goes."""
    for limit in _CHUNKS:
        file.seek(start)
        try:
            data, whole = inflated(file, limit)
            return _parsed(path, size, meta, data, 0, len(data) if whole else _ENDLESS)
        except NeedMoreError:
            if whole:
                raise BrokenFileError("it ends inside its header") from None
        except (OddError, zlib.error):
            # pydicom, which is asked about what is odd, would inflate it without bound.
            raise BrokenFileError("its deflated data set is damaged") from None
    raise _too_long()


def _too_long() -> BrokenFileError:
    return BrokenFileError(f"its header does not end within {MOST_HEADER >> 20} MB")


def _parsed(
    path: Path, size: int, meta: dict[int, bytes], chunk: bytes, start: int, end: int
) -> Header:
    """The header whose data set begins in a chunk at `start` and would end at `end`."""
    syntax = _text(meta.get(t.TRANSFER_SYNTAX, b""))
    explicit = is_explicit(chunk, start, syntax not in (IMPLICIT_LE, GE_PRIVATE))
    syntax = syntax or (EXPLICIT_LE if explicit else IMPLICIT_LE)
    found = Walked()
    try:
        walk(chunk, start, end, explicit, found)
    except NeedMoreError:
        if len(chunk) < MOST_HEADER or not _is_other(found.elements):
            raise
        return Header(path, size, syntax, meta | found.elements, None, 0)
    frames: tuple[Mapping[int, bytes], ...] = ()
    if found.elements.keys() & {t.SHARED_GROUPS, t.PER_FRAME_GROUPS}:
        from calcimetry.scan.dicom.pydicom_header import grouped  # noqa: PLC0415 - see there

        found.elements, frames = grouped(chunk[start : found.end], explicit)
    elements = meta | found.elements
    return Header(path, size, syntax, elements, found.pixel_start, found.pixel_length, frames)


def _is_other(elements: Mapping[int, bytes]) -> bool:
    """Whether this is an object without images (they may be long), by what comes first."""
    modality = _text(elements.get(t.MODALITY, b""))
    return bool(modality) and modality != "CT"


def _preamble(chunk: bytes) -> int:
    """Where the first element starts; old files lack the preamble (PS3.10 7.1)."""
    if chunk[128:132] == b"DICM":
        return 132
    if len(chunk) > 8 and chunk[:2] in (b"\x08\x00", b"\x02\x00") and chunk[3] == 0:
        return 0
    raise NotDicomError


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")
