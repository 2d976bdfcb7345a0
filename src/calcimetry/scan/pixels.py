"""Pixels of DICOM slices, straight into one int16 volume of HU.

Uncompressed pixels are viewed in the file's bytes and written once, rescaled, where they
belong; nothing the size of the volume is made beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import groupby
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from calcimetry.errors import InputError
from calcimetry.scan import tags as t
from calcimetry.scan.facts import rescale_of
from calcimetry.scan.header import EXPLICIT_BE, UNCOMPRESSED, Header, quiet_pydicom
from calcimetry.scan.slices import Slice, u16

AIR_HU = -1024
# A declared padding value that would be tissue is a mistake in the file (0 in files whose
# intercept is 0, where it is water): only values outside this range are taken for padding.
TISSUE_HU = (-900.0, 3071.0)
_INT16 = np.iinfo(np.int16)

Plane = NDArray[np.int16]


def fill(volume: NDArray[np.int16], slices: Sequence[Slice], jobs: int = 1) -> dict[str, str]:
    """Write the HU of `slices` into `volume`, a (column, row, slice) view.

    Returns the SHA-256 of each file by its name. Raises InputError.
    """
    by_file = [
        (header, list(group))
        for header, group in groupby(
            sorted(enumerate(slices), key=lambda pair: (str(pair[1].path), pair[1].frame)),
            key=lambda pair: pair[1].header,
        )
    ]

    def one(task: tuple[Header, list[tuple[int, Slice]]]) -> tuple[str, str]:
        header, members = task
        raw = _read(header.path)
        for (k, piece), plane in zip(members, planes(raw, [s for _, s in members]), strict=True):
            to_hu(plane, piece, volume[:, :, k].T)
        return str(header.path), hashlib.sha256(raw).hexdigest()

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool, quiet_pydicom():
        return dict(pool.map(one, by_file))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            "UNREADABLE_FILE",
            found=error.strerror or type(error).__name__,
            expected="a file that can be read",
            where=path.name,
            remedy="check the file's permissions and the disk",
        ) from error


def planes(raw: bytes, slices: Sequence[Slice]) -> Iterable[NDArray[np.integer]]:
    """Stored values of one file's slices, each (rows, columns)."""
    header = slices[0].header
    if header.syntax in UNCOMPRESSED and header.pixel_start is not None and header.pixel_start >= 0:
        return [_native(raw, piece) for piece in slices]
    return _decoded(raw, slices)


def _native(raw: bytes, piece: Slice) -> NDArray[np.integer]:
    dtype = _stored_type(piece)
    count = piece.rows * piece.columns
    assert piece.header.pixel_start is not None
    start = piece.header.pixel_start + piece.frame * count * dtype.itemsize
    if start + count * dtype.itemsize > len(raw):
        raise truncated(piece, len(raw))
    return np.frombuffer(raw, dtype, count, start).reshape(piece.rows, piece.columns)


def truncated(piece: Slice, size: int) -> InputError:
    wanted = piece.rows * piece.columns * (u16(piece.elements, t.BITS_ALLOCATED, 16) // 8)
    return InputError(
        "TRUNCATED_FILE",
        found=f"a file of {size} bytes, shorter than its {piece.rows} x {piece.columns} pixels",
        expected=f"{wanted} bytes of pixels",
        where=piece.name,
        remedy="copy or export the file again",
    )


def _stored_type(piece: Slice) -> np.dtype[np.integer]:
    size = u16(piece.elements, t.BITS_ALLOCATED, 16) // 8
    order = ">" if piece.header.syntax == EXPLICIT_BE else "<"
    sign = "i" if u16(piece.elements, t.PIXEL_REPRESENTATION) else "u"
    return np.dtype(f"{order}{sign}{size}")


def _decoded(raw: bytes, slices: Sequence[Slice]) -> list[NDArray[np.integer]]:
    header = slices[0].header
    try:
        data = pydicom.dcmread(BytesIO(raw), force=True)
        data.pixel_array_options(raw=True)
        array = data.pixel_array
    except (RuntimeError, ValueError, AttributeError, NotImplementedError, EOFError, KeyError) as e:
        raise undecodable(header, e) from e
    stack = array if array.ndim == 3 else array[np.newaxis]
    return [stack[piece.frame] for piece in slices]


def undecodable(header: Header, error: Exception) -> InputError:
    uid = pydicom.uid.UID(header.syntax)
    return InputError(
        "CANNOT_DECODE",
        found=f"pixels in {uid.name} ({uid}) that could not be decoded: "
        f"{str(error).splitlines()[0] if str(error) else type(error).__name__}",
        expected="whole pixel data, in a syntax with an installed plug-in",
        where=header.path.name,
        remedy="export the series uncompressed (Explicit VR Little Endian), or copy it again",
    )


def to_hu(plane: NDArray[np.integer], piece: Slice, out: Plane) -> None:
    """Rescale stored values into `out`, rounded and clipped to int16, padding to air."""
    padding = _padding(plane, piece)
    values = _unused_bits_off(plane, piece)
    slope, intercept = rescale_of(piece.elements)
    low, high = _limits(values, piece, slope, intercept)
    if slope == 1 and intercept == int(intercept) and low >= _INT16.min and high <= _INT16.max:
        np.add(values, np.int16(intercept), out=out, casting="unsafe", dtype=np.int16)
    else:
        real = values.astype(np.float64) * slope + intercept
        np.rint(real, out=real)
        np.clip(real, _INT16.min, _INT16.max, out=real)
        np.copyto(out, real, casting="unsafe")
    if padding is not None:
        out[padding] = AIR_HU


def _limits(
    values: NDArray[np.integer], piece: Slice, slope: float, intercept: float
) -> tuple[float, float]:
    bits = u16(piece.elements, t.BITS_STORED, 16)
    if u16(piece.elements, t.PIXEL_REPRESENTATION):
        ends = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    else:
        ends = (0, 2**bits - 1)
    if bits >= 15:
        ends = (int(values.min()), int(values.max()))
    return ends[0] * slope + intercept, ends[1] * slope + intercept


def _unused_bits_off(plane: NDArray[np.integer], piece: Slice) -> NDArray[np.integer]:
    """Without the bits above BitsStored, which old files use for overlays (PS3.5 8.1.1)."""
    bits = u16(piece.elements, t.BITS_STORED, 16)
    spare = plane.dtype.itemsize * 8 - bits
    if spare <= 0 or piece.header.syntax not in UNCOMPRESSED:
        return plane
    return (plane << spare) >> spare


def _padding(plane: NDArray[np.integer], piece: Slice) -> NDArray[np.bool_] | None:
    if t.PADDING not in piece.elements:
        return None
    signed = bool(u16(piece.elements, t.PIXEL_REPRESENTATION))
    first = _short(piece.elements[t.PADDING], signed)
    last = _short(piece.elements.get(t.PADDING_LIMIT, piece.elements[t.PADDING]), signed)
    slope, intercept = rescale_of(piece.elements)
    if any(TISSUE_HU[0] < value * slope + intercept < TISSUE_HU[1] for value in (first, last)):
        return None
    inside: NDArray[np.bool_] = (plane >= min(first, last)) & (plane <= max(first, last))
    return inside


def _short(value: bytes, signed: bool) -> int:
    return int.from_bytes(value[:2], "little", signed=signed)
