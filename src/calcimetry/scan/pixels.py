"""Pixels of DICOM slices, straight into one int16 volume of HU.

Uncompressed pixels are viewed in the file's bytes and written once, rescaled, where they
belong; nothing the size of the volume is made beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.errors import InputError
from calcimetry.scan import tags as t
from calcimetry.scan.codecs import Decode, decoder
from calcimetry.scan.facts import bits_of, rescale_of
from calcimetry.scan.header import EXPLICIT_BE, UNCOMPRESSED, Header, quiet_libraries
from calcimetry.scan.slices import Slice, u16
from calcimetry.threads import each

AIR_HU = -1024
# A declared padding value that would be tissue is a mistake in the file (0 in files whose
# intercept is 0, where it is water): only values outside this range are taken for padding.
TISSUE_HU = (-900.0, 3071.0)
_INT16 = np.iinfo(np.int16)

Plane = NDArray[np.int16]


def fill(volume: NDArray[np.int16], slices: Sequence[Slice], jobs: int = 1) -> dict[str, str]:
    """Write the HU of `slices` into `volume`, a (column, row, slice) view.

    Returns the SHA-256 of each file by its path. Raises InputError.
    """
    tasks = _by_file(slices)
    with quiet_libraries(), decoder(slices[0].header, len(slices), jobs) as decode:

        def one(task: list[tuple[int, Slice]]) -> tuple[str, str]:
            path = task[0][1].path
            raw = _read(path)
            stored = planes(raw, [piece for _, piece in task], decode)
            for (k, piece), plane in zip(task, stored, strict=True):
                to_hu(plane, piece, volume[:, :, k].T)
            return str(path), hashlib.sha256(raw).hexdigest()

        return dict(each(one, tasks, jobs))


def _by_file(slices: Sequence[Slice]) -> list[list[tuple[int, Slice]]]:
    """Slices with their number in the stack, those of one file together, in frame order."""
    files: dict[Path, list[tuple[int, Slice]]] = {}
    for k, piece in enumerate(slices):
        files.setdefault(piece.path, []).append((k, piece))
    return [sorted(members, key=lambda pair: pair[1].frame) for members in files.values()]


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


def planes(raw: bytes, slices: Sequence[Slice], decode: Decode) -> Iterable[NDArray[Any]]:
    """Stored values of one file's slices, each (rows, columns)."""
    header = slices[0].header
    if is_native(header):
        return (_native(raw, piece) for piece in slices)
    return _checked(decode(raw, header, [piece.frame for piece in slices]), slices)


def is_native(header: Header) -> bool:
    """Whether the pixels lie in the file as they are."""
    return header.syntax in UNCOMPRESSED and (header.pixel_start or -1) >= 0


def is_whole(piece: Slice) -> bool:
    """Whether the file is long enough for its pixels; compressed ones show when decoded."""
    header = piece.header
    if not is_native(header):
        return True
    size = piece.rows * piece.columns * stored_type(piece).itemsize
    return (header.pixel_start or 0) + (piece.frame + 1) * size <= header.size


def _checked(stored: Iterable[NDArray[Any]], slices: Sequence[Slice]) -> Iterator[NDArray[Any]]:
    for plane, piece in zip(stored, slices, strict=True):
        if plane.shape != (piece.rows, piece.columns):
            raise InputError(
                "CANNOT_DECODE",
                found=f"an image of {plane.shape} pixels after decoding",
                expected=f"{piece.rows} x {piece.columns}, as its header says",
                where=piece.name,
                remedy="export the series again",
            )
        yield plane


def _native(raw: bytes, piece: Slice) -> NDArray[Any]:
    dtype = stored_type(piece)
    count = piece.rows * piece.columns
    start = (piece.header.pixel_start or 0) + piece.frame * count * dtype.itemsize
    return np.frombuffer(raw, dtype, count, start).reshape(piece.rows, piece.columns)


def stored_type(piece: Slice) -> np.dtype[Any]:
    """The type of stored values."""
    size = u16(piece.elements, t.BITS_ALLOCATED, 16) // 8
    order = ">" if piece.header.syntax == EXPLICIT_BE else "<"
    sign = "i" if u16(piece.elements, t.PIXEL_REPRESENTATION) else "u"
    return np.dtype(f"{order}{sign}{size}")


def to_hu(plane: NDArray[Any], piece: Slice, out: Plane) -> None:
    """Rescale stored values into `out`, rounded and clipped to int16, padding to air."""
    padding = _padding(plane, piece)
    values = _unused_bits_off(plane, piece, out)
    slope, intercept = rescale_of(piece.elements)
    if slope == 1 and intercept == int(intercept) and _fits(values, piece, int(intercept)):
        if values.dtype.itemsize == 2 and values.dtype.isnative:
            values = values.view(np.int16)  # the same sums, and nothing to convert
        np.add(values, np.int16(intercept), out=out, casting="unsafe", dtype=np.int16)
    else:
        real = values.astype(np.float64) * slope + intercept
        np.rint(real, out=real)
        np.clip(real, _INT16.min, _INT16.max, out=real)
        np.copyto(out, real, casting="unsafe")
    if padding is not None:
        out[padding] = AIR_HU


def _fits(values: NDArray[Any], piece: Slice, intercept: int) -> bool:
    """Whether HU cannot leave int16: by the pixel format, else by the values themselves."""
    if not _INT16.min <= intercept <= _INT16.max:
        return False
    bits = bits_of(piece.elements)
    signed = bool(u16(piece.elements, t.PIXEL_REPRESENTATION))
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if _INT16.min <= low + intercept and high + intercept <= _INT16.max:
        return True
    low, high = int(values.min()), int(values.max())
    return bool(_INT16.min <= low + intercept and high + intercept <= _INT16.max)


def _unused_bits_off(plane: NDArray[Any], piece: Slice, room: Plane) -> NDArray[Any]:
    """Without the bits above BitsStored, which old files use for overlays (PS3.5 8.1.1).

    room : of the plane's shape, written over where it serves for the values
    """
    bits = bits_of(piece.elements)
    spare = plane.dtype.itemsize * 8 - bits
    if spare <= 0 or piece.header.syntax not in UNCOMPRESSED:
        return plane
    if plane.dtype.itemsize != room.dtype.itemsize:
        return (plane << spare) >> spare
    values = room.view(plane.dtype.newbyteorder("="))
    np.left_shift(plane, spare, out=values)
    np.right_shift(values, spare, out=values)
    return values


def _padding(plane: NDArray[Any], piece: Slice) -> NDArray[np.bool_] | None:
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
