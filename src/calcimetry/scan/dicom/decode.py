"""Compressed pixels decoded, by pydicom and its plug-ins. Imported for compressed scans only."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from io import BytesIO
from typing import Any

import pydicom
from numpy.typing import NDArray
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID

from calcimetry.errors import InputError
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.codecs import PLUGIN, named
from calcimetry.scan.dicom.codestream import sizes
from calcimetry.scan.dicom.header import Header
from calcimetry.scan.dicom.slices import u16

_DECODER_ERRORS = (
    *(RuntimeError, ValueError, AttributeError, NotImplementedError),
    *(EOFError, KeyError, TypeError, IndexError, OverflowError),
    *(BytesLengthException, InvalidDicomError, struct.error, zlib.error),
)


def decode(raw: bytes, header: Header, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Planes (rows, columns) of stored values. Raises InputError CANNOT_DECODE."""
    _hush_gdcm()
    _check_sizes(raw, header)
    try:
        data = pydicom.dcmread(BytesIO(raw), force=True)
        plugin = named(PLUGIN, header.syntax)[0]
        yield from iter_pixels(data, indices=frames, raw=True, decoding_plugin=plugin)
    except _DECODER_ERRORS as error:
        raise undecodable(header, error) from error


def _check_sizes(raw: bytes, header: Header) -> None:
    """No codestream states another size than the header: room is made for what it states."""
    rows, columns = (u16(header.elements, tag) for tag in (t.ROWS, t.COLUMNS))
    for size in sizes(raw, header.pixel_start or 0):
        if size != (rows, columns, 1):
            raise undecodable(
                header,
                ValueError(
                    f"{size[0]} x {size[1]} x {size[2]} values, where the header says "
                    f"{rows} x {columns}"
                ),
            )


@cache
def _hush_gdcm() -> None:
    """gdcm writes about damaged pixels to the terminal; the error that follows says it."""
    import gdcm  # noqa: PLC0415 - only compressed scans need it

    for off in (gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff, gdcm.Trace.DebugOff):
        off()


def undecodable(header: Header, error: Exception) -> InputError:
    uid = UID(header.syntax)
    needed = named(PLUGIN, header.syntax)[1] or "none known"
    return InputError(
        "CANNOT_DECODE",
        found=f"pixels that could not be decoded: {(str(error) or repr(error)).splitlines()[0]}",
        expected=f"whole pixel data in {uid.name} ({uid}); plug-in: {needed}",
        where=header.path.name,
        remedy="copy the file again, or export the series uncompressed (Explicit VR Little Endian)",
    )
