"""Pixels of DICOM slices, straight into one int16 volume of HU.

Uncompressed pixels are viewed in the file's bytes and written once, rescaled, where they
belong; nothing the size of the volume is made beside it. Every slice is looked at for values
beyond its declared depth, and sampled for the comparison with its neighbours.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.errors import InputError
from calcimetry.records import Flag
from calcimetry.scan.array import AIR_HU
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.acquisition import bits_of, is_signed, rescale_of
from calcimetry.scan.dicom.bits_stored import Depth, limits, within_depth
from calcimetry.scan.dicom.codecs import Decode, costliest, decoder
from calcimetry.scan.dicom.elements import file_meta
from calcimetry.scan.dicom.header import (
    DEFLATED_LE,
    EXPLICIT_BE,
    GE_PRIVATE,
    UNCOMPRESSED,
    Header,
)
from calcimetry.scan.dicom.inflate import inflated
from calcimetry.scan.dicom.slices import Slice, u16
from calcimetry.scan.flags import flag
from calcimetry.scan.quiet import quiet_libraries
from calcimetry.threads import each

# A declared padding value that would be tissue is a mistake in the file (0 in files whose
# intercept is 0, where it is water): only values outside this range are taken for padding.
TISSUE_HU = (-900.0, 3071.0)
SAMPLES = 48
"""Along the shorter edge of a slice, for the comparison with its neighbours: a hand in a
field of 500 mm still gets some hundred."""
_INT16 = np.iinfo(np.int16)
_PREAMBLE, _META_END = 132, 1 << 16

Plane = NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """What is known of the files after their pixels were read, besides the HU.

    digests : SHA-256 of each file by its path
    depths : how each slice's values kept to the depth that it declares, in order
    samples : (slices, samples), HU at the same places of each slice
    """

    digests: dict[str, str]
    depths: tuple[Depth, ...]
    samples: NDArray[np.int16]


def fill(volume: NDArray[np.int16], slices: Sequence[Slice], jobs: int = 1) -> Filled:
    """Write the HU of `slices` into `volume`, a (column, row, slice) view. Raises InputError."""
    tasks = _by_file(slices)
    every = max(1, min(volume.shape[:2]) // SAMPLES)
    samples = np.empty((len(slices), *volume[::every, ::every, 0].shape), np.int16)
    depths = [Depth.KEPT] * len(slices)
    header = costliest([piece.header for piece in slices])
    with quiet_libraries(), decoder(header, len(slices), jobs) as decode:

        def one(task: list[tuple[int, Slice]]) -> tuple[str, str]:
            path = task[0][1].path
            raw = _read(path)
            stored = planes(raw, [piece for _, piece in task], decode)
            for (k, piece), plane in zip(task, stored, strict=True):
                depths[k] = to_hu(plane, piece, volume[:, :, k].T)
                samples[k] = volume[::every, ::every, k]
            return str(path), hashlib.sha256(raw).hexdigest()

        digests = dict(each(one, tasks, jobs))
    return Filled(digests, tuple(depths), samples.reshape(len(slices), -1))


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
    if not is_native(header):
        return _checked(decode(raw, header, [piece.frame for piece in slices]), slices)
    data = _inflated(raw, slices) if header.syntax == DEFLATED_LE else raw
    return (_native(data, piece) for piece in slices)


def _inflated(raw: bytes, slices: Sequence[Slice]) -> bytes:
    """A deflated file's data set as far as the last of its slices' pixels."""
    file, last = BytesIO(raw), slices[-1]
    file.seek(file_meta(raw[:_META_END], _PREAMBLE if raw[128:132] == b"DICM" else 0)[1])
    needed = (last.header.pixel_start or 0) + pixel_bytes(last, last.frame + 1)
    try:
        data, _ = inflated(file, needed)
    except zlib.error:
        data = b""
    if len(data) < needed:
        raise InputError(
            "TRUNCATED_FILE",
            found="deflated pixels that end early",
            expected="a whole file",
            where=last.name,
            remedy="copy or export the files again",
        )
    return data


def is_native(header: Header) -> bool:
    """Whether the pixels lie in the file as they are."""
    return header.syntax in UNCOMPRESSED and header.pixel_start is not None


def is_whole(piece: Slice) -> bool:
    """Whether the file is long enough for its pixels; compressed ones show when decoded."""
    header = piece.header
    if not is_native(header):
        return True
    needed = pixel_bytes(piece, piece.frame + 1)
    if header.pixel_length < needed:
        return False
    return header.syntax == DEFLATED_LE or (header.pixel_start or 0) + needed <= header.size


def pixel_bytes(piece: Slice, frames: int) -> int:
    """What so many frames take uncompressed."""
    return piece.rows * piece.columns * stored_type(piece).itemsize * frames


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
    order = ">" if piece.header.syntax in (EXPLICIT_BE, GE_PRIVATE) else "<"
    return np.dtype(f"{order}{'i' if is_signed(piece.elements) else 'u'}{size}")


def to_hu(plane: NDArray[Any], piece: Slice, out: Plane) -> Depth:
    """Rescale stored values into `out`, rounded and clipped to int16, padding to air.

    Raises InputError PIXEL_FORMAT where values beyond the declared depth cannot be read.
    """
    padding = _padding(plane, piece)
    bits, signed = bits_of(piece.elements), is_signed(piece.elements)
    values, depth = within_depth(plane, bits, signed, padding)
    moved = u16(piece.elements, t.HIGH_BIT, bits - 1) != bits - 1
    if depth is Depth.UNKNOWN or (depth is not Depth.KEPT and moved):
        raise _beyond(piece, bits)
    if depth is Depth.BEYOND:
        bits = plane.dtype.itemsize * 8
    slope, intercept = rescale_of(piece.elements)
    if slope == 1 and intercept == int(intercept) and _fits(values, bits, signed, int(intercept)):
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
    return depth


def _beyond(piece: Slice, bits: int) -> InputError:
    return InputError(
        "PIXEL_FORMAT",
        found=f"values beyond BitsStored {bits}, of which it cannot be told whether the bits "
        "above are part of them",
        expected="values of at most so many bits",
        where=piece.name,
        remedy="export the series again from the scanner or PACS",
    )


def depth_flags(depths: Sequence[Depth], slices: Sequence[Slice]) -> tuple[Flag, ...]:
    """What was done with values beyond their declared depth.

    Raises InputError PIXEL_FORMAT where one slice speaks for one reading and one for another.
    """
    masked, beyond = depths.count(Depth.MASKED), depths.count(Depth.BEYOND)
    if masked and beyond:
        raise _beyond(slices[depths.index(Depth.BEYOND)], bits_of(slices[0].elements))
    found = [
        flag("BITS_MASKED", f"{masked} slices") if masked else None,
        flag("BEYOND_BITS_STORED", f"{beyond} slices") if beyond else None,
    ]
    return tuple(f for f in found if f is not None)


def ceiling_beyond(slices: Sequence[Slice]) -> int:
    """The largest HU where values are larger than BitsStored says: by the bits allocated."""
    tops = []
    for piece in slices:
        top = limits(stored_type(piece).itemsize * 8, is_signed(piece.elements))[1]
        slope, intercept = rescale_of(piece.elements)
        tops.append(min(round(top * slope + intercept), int(_INT16.max)))
    return min(tops)


def _fits(values: NDArray[Any], bits: int, signed: bool, intercept: int) -> bool:
    """Whether HU cannot leave int16: by the pixel format, else by the values themselves."""
    if not _INT16.min <= intercept <= _INT16.max:
        return False
    low, high = limits(bits, signed)
    if _INT16.min <= low + intercept and high + intercept <= _INT16.max:
        return True
    low, high = int(values.min()), int(values.max())
    return bool(_INT16.min <= low + intercept and high + intercept <= _INT16.max)


def _padding(plane: NDArray[Any], piece: Slice) -> NDArray[np.bool_] | None:
    """Which pixels are padding; None where none are, or what is declared would be tissue."""
    if t.PADDING not in piece.elements:
        return None
    signed = is_signed(piece.elements)
    first = _short(piece.elements[t.PADDING], signed)
    last = _short(piece.elements.get(t.PADDING_LIMIT, piece.elements[t.PADDING]), signed)
    low, high = sorted((first, last))
    slope, intercept = rescale_of(piece.elements)
    dense = low * slope + intercept >= TISSUE_HU[1]
    if not dense and high * slope + intercept > TISSUE_HU[0]:
        return None
    inside: NDArray[np.bool_] = (plane >= low) & (plane <= high)
    # Padding lies around the field; the largest value within it is metal, or a dense deposit.
    edges = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    return inside if not dense or any(edge.any() for edge in edges) else None


def _short(value: bytes, signed: bool) -> int:
    return int.from_bytes(value[:2], "little", signed=signed)
