"""Reads the header of one DICOM file: the few elements that are wanted, as raw bytes.

Files in the two little-endian syntaxes (nearly all, compressed ones too) are walked here,
over the top level only, because turning every element into an object costs more time than
reading the pixels. Anything else (big endian, deflated, functional groups) goes to pydicom.

Layout of elements: DICOM PS3.5 section 7; of files: PS3.10 section 7.
"""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from calcimetry.scan import tags as t

UNDEFINED = 0xFFFFFFFF
IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
UNCOMPRESSED = frozenset({IMPLICIT_LE, EXPLICIT_LE, DEFLATED_LE, EXPLICIT_BE})

# Most headers end within the first; a header with large private values needs the second.
_CHUNKS = (1 << 15, 1 << 20)
_LONG_VR = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV"}) | frozenset(
    {b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_PIXELS = frozenset({0x7FE00010, 0x7FE00008, 0x7FE00009})
# They log what goes wrong, with tracebacks, before they raise it.
_LOGGERS = ("pydicom", "openjpeg", "pylibjpeg", "jpeg_ls", "nibabel.global")
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_IMPLICIT = struct.Struct("<HHI")
_EXPLICIT = struct.Struct("<HH2sH")
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")


class NotDicomError(Exception):
    """The file is no DICOM file at all; the caller decides whether that matters."""


class BrokenFileError(Exception):
    """The file is DICOM, or claims to be, and ends or goes wrong inside its header."""


class _NeedMoreError(Exception):
    """The part of the file at hand ends before the header does."""


class _OddError(Exception):
    """Something this walk does not handle; pydicom is asked instead."""


# What pydicom raises on damaged files.
_PYDICOM_ERRORS = (
    *(InvalidDicomError, EOFError, ValueError, KeyError, OverflowError, NotImplementedError),
    *(BytesLengthException, AttributeError, TypeError, IndexError, struct.error, zlib.error),
    *(_OddError, _NeedMoreError),
)


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """Elements of one file. Values are little-endian bytes as stored.

    pixel_start : where the pixel data's value starts in the file; None when it has no
        pixel data, -1 when the data set is deflated
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


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Odd values are common in real files and are none of the user's business."""
    before = config.settings.reading_validation_mode
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    config.settings.reading_validation_mode = config.IGNORE
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        config.settings.reading_validation_mode = before
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def read_header(path: Path) -> Header:
    """The header of one DICOM file.

    Raises NotDicomError, BrokenFileError, or OSError.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        for limit in (*_CHUNKS, size):
            chunk = file.read(limit) if limit != size else _whole(file)
            try:
                return _walk(path, size, chunk)
            except _NeedMoreError:
                if len(chunk) >= size:
                    raise BrokenFileError("it ends inside its header") from None
                file.seek(0)
            except _OddError:
                return _ask_pydicom(path, size)
    raise BrokenFileError("it ends inside its header")


def _whole(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _walk(path: Path, size: int, chunk: bytes) -> Header:
    start = _preamble(chunk)
    meta, start = _file_meta(chunk, start)
    syntax = _text(meta.get(t.TRANSFER_SYNTAX, b"")) or _guess_syntax(chunk, start)
    if syntax in (DEFLATED_LE, EXPLICIT_BE):
        raise _OddError
    elements, pixel, length = _elements(chunk, start, size, syntax != IMPLICIT_LE)
    if t.SHARED_GROUPS in elements or t.PER_FRAME_GROUPS in elements:
        raise _OddError
    return Header(path, size, syntax, meta | elements, pixel, length)


def _preamble(chunk: bytes) -> int:
    """Where the first element starts; old files lack the preamble (PS3.10 7.1)."""
    if chunk[128:132] == b"DICM":
        return 132
    if len(chunk) > 8 and chunk[:2] in (b"\x08\x00", b"\x02\x00") and chunk[3] == 0:
        return 0
    raise NotDicomError


def _file_meta(chunk: bytes, pos: int) -> tuple[dict[int, bytes], int]:
    found: dict[int, bytes] = {}
    while pos + 8 <= len(chunk) and _U16.unpack_from(chunk, pos)[0] == 2:
        tag, start, length = _element(chunk, pos, True)
        if tag in (t.TRANSFER_SYNTAX, t.MEDIA_SOP_CLASS):
            found[tag] = chunk[start : start + length]
        pos = start + length
    return found, pos


def _guess_syntax(chunk: bytes, pos: int) -> str:
    vr = chunk[pos + 4 : pos + 6]
    return EXPLICIT_LE if vr.isalpha() and vr.isupper() else IMPLICIT_LE


def _elements(
    chunk: bytes, pos: int, size: int, explicit: bool
) -> tuple[dict[int, bytes], int | None, int]:
    found: dict[int, bytes] = {}
    while pos < size:
        tag, start, length = _element(chunk, pos, explicit)
        if tag in _PIXELS:
            return found, (start if tag == t.PIXEL_DATA else None), length
        if length == UNDEFINED:
            pos = _skip_sequence(chunk, start, explicit and chunk[pos + 4 : pos + 6] != b"UN")
            if tag in t.WANTED:
                found[tag] = chunk[start : pos - 8]
            continue
        if tag in t.WANTED:
            if start + length > len(chunk):
                raise _NeedMoreError
            found[tag] = chunk[start : start + length]
        pos = start + length
    if pos > size:
        raise BrokenFileError("it ends inside its header")
    return found, None, 0


def _element(chunk: bytes, pos: int, explicit: bool) -> tuple[int, int, int]:
    """The tag at `pos`, where its value starts, and how long that is."""
    try:
        if not explicit:
            group, number, length = _IMPLICIT.unpack_from(chunk, pos)
            return group << 16 | number, pos + 8, length
        group, number, vr, length = _EXPLICIT.unpack_from(chunk, pos)
        if group == 0xFFFE:
            return group << 16 | number, pos + 8, _U32.unpack_from(chunk, pos + 4)[0]
        if vr in _LONG_VR:
            return group << 16 | number, pos + 12, _U32.unpack_from(chunk, pos + 8)[0]
    except struct.error:
        raise _NeedMoreError from None
    if not vr.isalpha():
        raise _OddError
    return group << 16 | number, pos + 8, length


def _skip_sequence(chunk: bytes, pos: int, explicit: bool) -> int:
    """Past a sequence of undefined length whose first item starts at `pos`."""
    while True:
        tag, start, length = _element(chunk, pos, explicit)
        if tag == _SEQUENCE_END:
            return start
        if tag != _ITEM:
            raise _OddError
        pos = _skip_item(chunk, start, explicit) if length == UNDEFINED else start + length


def _skip_item(chunk: bytes, pos: int, explicit: bool) -> int:
    while True:
        tag, start, length = _element(chunk, pos, explicit)
        if tag == _ITEM_END:
            return start
        if length == UNDEFINED:
            inner = explicit and chunk[pos + 4 : pos + 6] != b"UN"
            pos = _skip_sequence(chunk, start, inner)
        else:
            pos = start + length


def _ask_pydicom(path: Path, size: int) -> Header:
    with quiet_libraries(), path.open("rb") as file:
        try:
            data = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            meta = data.file_meta
            syntax = str(meta.get("TransferSyntaxUID", IMPLICIT_LE))
            pixel, length = (-1, 0) if syntax == DEFLATED_LE else _pixel_element(file, syntax)
            elements = _raw(data, syntax == EXPLICIT_BE)
            frames = _frames(data, elements)
            elements[t.MEDIA_SOP_CLASS] = _shown(meta.get("MediaStorageSOPClassUID", ""))
        except _PYDICOM_ERRORS as error:
            raise BrokenFileError(f"its header cannot be read ({type(error).__name__})") from error
    return Header(path, size, syntax, elements, pixel, length, frames)


def _pixel_element(file: BinaryIO, syntax: str) -> tuple[int | None, int]:
    """pydicom leaves the file at the element on which it stopped."""
    here = file.tell()
    head = file.read(12)
    if len(head) < 8:
        return None, 0
    if syntax == EXPLICIT_BE:
        if head[:4] != b"\x7f\xe0\x00\x10":
            return None, 0
        return here + 12, int(struct.unpack(">I", head[8:12])[0])
    tag, start, length = _element(head, 0, syntax != IMPLICIT_LE)
    return (here + start, length) if tag == t.PIXEL_DATA else (None, 0)


def _raw(data: Dataset, big_endian: bool = False) -> dict[int, bytes]:
    """The wanted elements of a pydicom data set, sequences flattened one level down."""
    found: dict[int, bytes] = {}
    for tag in t.WANTED:
        if tag in (t.SHARED_GROUPS, t.PER_FRAME_GROUPS) or tag not in data:
            continue
        found[tag] = _as_bytes(data, tag, big_endian)
    return found


def _as_bytes(data: Dataset, tag: int, big_endian: bool) -> bytes:
    value = data.get_item(tag).value
    if isinstance(value, bytes):
        return value[::-1] if big_endian and tag in t.U16 else value
    if isinstance(value, int) and tag in t.U16:
        return (value & 0xFFFF).to_bytes(2, "little")
    return _shown(value)


def _shown(value: object) -> bytes:
    """A value as the text that a classic file would hold."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "\\".join(str(v) for v in value).encode()
    return b"" if value is None else str(value).encode()


def _frames(data: Dataset, elements: Mapping[int, bytes]) -> tuple[Mapping[int, bytes], ...]:
    if t.PER_FRAME_GROUPS not in data:
        return ()
    shared: dict[int, bytes] = {}
    for item in data[t.SHARED_GROUPS].value if t.SHARED_GROUPS in data else ():
        shared |= _flatten(item)
    return tuple(
        {**elements, **shared, **_flatten(item)} for item in data[t.PER_FRAME_GROUPS].value
    )


def _flatten(item: Dataset) -> dict[int, bytes]:
    """A functional groups item as if its macros' elements stood in one flat data set."""
    found: dict[int, bytes] = {}
    for element in item:
        if element.VR == "SQ":
            for inner in element.value:
                found |= _raw(inner)
                found |= {tag: _shown(inner[tag].value) for tag in t.FRAME_ONLY if tag in inner}
    for frame_tag, classic in t.CLASSIC_NAME.items():
        if frame_tag in found:
            found[classic] = found.pop(frame_tag)
    return found


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")


def inflate(path: Path) -> tuple[bytes, Dataset]:
    """The file's bytes, and its data set read whole; for deflated files."""
    raw = path.read_bytes()
    with quiet_libraries():
        return raw, pydicom.dcmread(BytesIO(raw), force=True)
