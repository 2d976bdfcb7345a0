"""Headers that `header` does not walk itself, big endian ones and functional groups: by pydicom.

A module of its own, imported when such a file is met: pydicom takes a third of a second to
import, with all that it imports for pixels, and most scans do not need it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset

from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.elements import (
    BrokenFileError,
    NeedMoreError,
    OddError,
    element,
    is_explicit,
)
from calcimetry.scan.dicom.header import EXPLICIT_BE, IMPLICIT_LE, Header
from calcimetry.scan.dicom.values import usual
from calcimetry.scan.quiet import quiet_libraries

# What pydicom raises on damaged files.
_PYDICOM_ERRORS = (
    *(InvalidDicomError, EOFError, ValueError, KeyError, OverflowError, NotImplementedError),
    *(BytesLengthException, AttributeError, TypeError, IndexError, struct.error, zlib.error),
    *(OddError, NeedMoreError, RecursionError),
)


def grouped(
    data: bytes, explicit: bool
) -> tuple[dict[int, bytes], tuple[Mapping[int, bytes], ...]]:
    """Elements and frames of a data set with functional groups."""
    with quiet_libraries():
        try:
            parsed = read_dataset(BytesIO(data), not explicit, True)
            elements = _raw(parsed)
            return elements, _frames(parsed, elements)
        except _PYDICOM_ERRORS as error:
            raise BrokenFileError("its header is damaged") from error


def ask_pydicom(path: Path, size: int) -> Header:
    with quiet_libraries(), path.open("rb") as file:
        try:
            data = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            meta = data.file_meta
            syntax = str(meta.get("TransferSyntaxUID", IMPLICIT_LE))
            pixel, length = _pixel_element(file, syntax)
            elements = _raw(data, syntax == EXPLICIT_BE)
            frames = _frames(data, elements)
            elements[t.MEDIA_SOP_CLASS] = _shown(meta.get("MediaStorageSOPClassUID", ""))
        except _PYDICOM_ERRORS as error:
            raise BrokenFileError("its header is damaged") from error
    return Header(path, size, syntax, elements, pixel, length, frames)


def _pixel_element(file: BinaryIO, syntax: str) -> tuple[int | None, int]:
    """pydicom leaves the file at the element on which it stopped."""
    here = file.tell()
    head = file.read(12)
    if len(head) < 8:
        return None, 0
    if syntax == EXPLICIT_BE:
        if len(head) < 12 or head[:4] != b"\x7f\xe0\x00\x10":
            return None, 0
        return here + 12, int(struct.unpack(">I", head[8:12])[0])
    tag, start, length, _ = element(head, 0, is_explicit(head, 0, True))
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
    item = data.get_item(tag)
    value = item.value
    if isinstance(value, bytes):
        numeric = tag in t.U16 or tag in t.F64
        turned = value[::-1] if big_endian and numeric else value
        return usual(tag, (item.VR or "").encode(), turned) if item.VR else turned
    if tag in t.U16 or tag in t.F64:
        return usual(tag, b"DS", _shown(value))
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
    for part in item:
        if part.VR == "SQ":
            for inner in part.value:
                found |= _raw(inner)
                found |= {tag: _shown(inner[tag].value) for tag in t.FRAME_ONLY if tag in inner}
    for frame_tag, classic in t.CLASSIC_NAME.items():
        if frame_tag in found:
            found[classic] = found.pop(frame_tag)
    return found
