"""NIfTI files (.nii, .nii.gz; versions 1 and 2) to a scan.

The file is inflated once, straight into the array that becomes the scan where its type
allows. Axes: NIfTI's affine maps (i, j, k) to RAS millimetres; here it becomes LPS.
Header: https://nifti.nimh.nih.gov/nifti-1 and nifti-2.
"""

from __future__ import annotations

import errno
import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from calcimetry.errors import GeometryError, InputError
from calcimetry.records import Acquisition, Flag, Scan, Source, StoredGrid
from calcimetry.scan.acquisition import shared_flags
from calcimetry.scan.array import empty_volume, scan_of, write_hu
from calcimetry.scan.flags import flag
from calcimetry.scan.grid import MIN_SLICES, stored_grid
from calcimetry.scan.memory import bytes_free, check_room
from calcimetry.scan.nifti.affine import placement
from calcimetry.scan.quiet import quiet_libraries

GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib: the largest window, with gzip header and checksum
_PIECE = 1 << 16  # makes 68 MB at most, whatever is in the file
_FARTHEST_VOXELS = 1 << 28  # bytes of header extensions before the voxels, at most
_INTERCEPT = 1e6
_SLOPES = (1e-6, 1e4)  # of stored values to HU; what lies outside is a damaged header
_MOST_INFLATED = 1100  # deflate makes at most 1032 bytes of one


_HEADER_ERRORS = (
    *(HeaderDataError, ImageFileError, WrapStructError),
    *(zlib.error, ValueError, OverflowError, KeyError),
)


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Stored values (i, j, k) of a NIfTI file, not yet scaled."""

    values: NDArray[np.generic]
    affine: NDArray[np.float64]
    slope: float
    intercept: float
    flags: tuple[Flag, ...]


def read_nifti(path: Path, kvp: float | None) -> Scan:
    """The scan in a NIfTI file. Raises InputError, GeometryError."""
    raw = _bytes(path)
    digest = hashlib.sha256(raw).hexdigest()
    volume = _volume(raw, path.name)
    del raw
    grid = stored_grid(volume.values.shape, volume.affine)
    hu, not_finite = _hu(volume, grid)
    acquisition = Acquisition(kvp=kvp)
    flags = (flag("NIFTI_HEADER"), *volume.flags, *shared_flags(acquisition, volume.affine))
    if not_finite:
        flags += (flag("NOT_FINITE", f"{not_finite} voxels"),)
    source = Source(str(path), "nifti", {path.name: digest})
    return scan_of(hu, grid, acquisition, source, flags)


def read_volume(path: Path) -> Volume:
    """One 3-D volume of any size, not taken for CT: stored values, scaling and affine.

    Raises InputError, GeometryError, OSError; what the file would inflate to is known and
    bounded before it does.
    """
    return _volume(_bytes(path), path.name, least=1)


def _bytes(path: Path) -> bytes:
    size = path.stat().st_size
    if not path.is_file():
        raise OSError(errno.EINVAL, "not a file (a folder, a pipe or a device)")
    _check_free(size, path.name)
    raw = path.read_bytes()
    if not raw:
        raise _bad("EMPTY_FILE", "a file of 0 bytes", path.name)
    return raw


def _check_free(size: int, name: str) -> None:
    free = bytes_free()
    if free is not None and size > free:
        found = f"{size / 1e9:.1f} GB; {free / 1e9:.1f} GB of memory are free"
        raise _bad("TOO_BIG", found, name, "a volume that fits in memory")


def _bad(code: str, found: str, name: str, expected: str = "a NIfTI volume of CT") -> InputError:
    return InputError(
        code,
        found=found,
        expected=expected,
        where=name,
        remedy="check the file, or convert the DICOM series again",
    )


def _volume(raw: bytes, name: str, least: int = MIN_SLICES) -> Volume:
    try:
        with quiet_libraries():
            header, pixdim = _header(_inflate_head(raw))
    except _HEADER_ERRORS as error:
        raise _bad("BAD_NIFTI", f"a header that cannot be read ({error})", name) from error
    shape = _shape(header, name, least)
    affine, flags = placement(header, pixdim, shape, name)
    slope, intercept = _scaling(header, name)
    values = _values(raw, header, shape, name)
    return Volume(values, affine, slope, intercept, flags)


def _inflate_head(raw: bytes) -> bytes:
    if raw[:2] != GZIP:
        return raw[:1024]
    return zlib.decompressobj(_GZIP_WINDOW).decompress(raw, 1024)


def _header(head: bytes) -> tuple[nib.Nifti1Header, NDArray[np.float64]]:
    """The header, and pixdim as it stands: the library's check sets zeros to 1."""
    size = int.from_bytes(head[:4], "little")
    two = 540 in (size, int.from_bytes(head[:4], "big"))
    kind = nib.Nifti2Header if two else nib.Nifti1Header
    header = kind.from_fileobj(io.BytesIO(head), check=True)
    if bytes(header["magic"].tobytes()[:3]) not in (b"n+1", b"n+2"):
        raise HeaderDataError("not a single-file NIfTI (.hdr/.img pairs are not read)")
    as_stored = kind.from_fileobj(io.BytesIO(head), check=False)
    return header, np.array(as_stored["pixdim"][1:4], dtype=np.float64)


def _shape(header: nib.Nifti1Header, name: str, least: int) -> tuple[int, int, int]:
    shape = header.get_data_shape()
    if header.get_data_dtype().fields is not None or header.get_data_dtype().kind not in "iuf":
        raise _bad("NOT_CT", f"voxels of type {header.get_data_dtype()}, not numbers", name)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise _bad("NOT_ONE_VOLUME", f"an image of shape {shape}", name, "one 3-D volume")
    if min(shape) < least:
        raise GeometryError(
            "TOO_FEW_SLICES",
            found=f"a volume of {' x '.join(map(str, shape))} voxels",
            expected=f"at least {least} along every axis",
            where=name,
            remedy="give the whole volume",
        )
    return int(shape[0]), int(shape[1]), int(shape[2])


def _scaling(header: nib.Nifti1Header, name: str) -> tuple[float, float]:
    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError as error:
        raise _bad("BAD_NIFTI", f"scaling that cannot be used ({error})", name) from error
    if slope is None:
        return 1.0, 0.0
    if not _SLOPES[0] <= abs(slope) <= _SLOPES[1] or abs(intercept or 0.0) > _INTERCEPT:
        found = f"a slope of {slope:g} and an intercept of {intercept or 0.0:g}"
        raise _bad("BAD_NIFTI", found, name, "scaling to Hounsfield units")
    return float(slope), float(intercept or 0.0)


def _values(
    raw: bytes, header: nib.Nifti1Header, shape: tuple[int, int, int], name: str
) -> NDArray[np.generic]:
    dtype = header.get_data_dtype()
    start = _start(header, name)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size > len(raw) * (_MOST_INFLATED if raw[:2] == GZIP else 1):
        raise _bad("TRUNCATED_FILE", f"{len(raw)} bytes for {size} bytes of voxels", name)
    check_room(shape, name)
    _check_free(size, name)
    buffer = np.empty(size, np.uint8)
    try:
        filled = _inflate(raw, start, buffer) if raw[:2] == GZIP else _copy(raw, start, buffer)
    except zlib.error as error:
        raise _bad("BROKEN_FILE", f"compressed data that is damaged ({error})", name) from error
    if filled < size:
        raise _bad("TRUNCATED_FILE", f"{filled} bytes of voxels, {size} needed", name)
    _check_rest(raw, start + size, shape[0] * shape[1] * dtype.itemsize, name)
    values: NDArray[np.generic] = buffer.view(dtype).reshape(shape, order="F")
    return values


def _start(header: nib.Nifti1Header, name: str) -> int:
    """The byte where the voxels begin; a smaller one than the format allows is not meant."""
    offset = float(header["vox_offset"])
    if not 0 <= offset <= _FARTHEST_VOXELS:
        raise _bad("BAD_NIFTI", f"voxels that begin at byte {offset:g}", name)
    return max(int(offset), int(header.single_vox_offset))


def _check_rest(raw: bytes, end: int, plane: int, name: str) -> None:
    """Refuse a file with a slice or more beyond its voxels: it has another shape than it says.

    end : where the voxels end, inflated; plane : bytes of a slice. Of a gzip file whose members
    are several the last four bytes, which state its size (RFC 1952), speak of one alone: then
    they are too small to say anything.
    """
    size = int.from_bytes(raw[-4:], "little") if raw[:2] == GZIP else len(raw)
    if size - end >= plane:
        found = f"{size - end} bytes beyond the voxels that the header states"
        raise _bad("BAD_NIFTI", found, name, "a header that states all voxels")


def _copy(raw: bytes, start: int, buffer: NDArray[np.uint8]) -> int:
    part = np.frombuffer(raw, np.uint8)[start : start + len(buffer)]
    buffer[: len(part)] = part
    return len(part)


def _inflate(raw: bytes, start: int, buffer: NDArray[np.uint8]) -> int:
    """Inflate past `start` bytes into `buffer`, in pieces, so that no second copy exists."""
    target, source = buffer.data, memoryview(raw)
    filled, skip, position = 0, start, 0
    stream, begun = zlib.decompressobj(_GZIP_WINDOW), False
    while filled < len(target) and position < len(source):
        piece = stream.decompress(source[position : position + _PIECE])
        position += _PIECE
        begun = True
        body = memoryview(piece)[skip:]
        skip = max(0, skip - len(piece))
        take = min(len(body), len(target) - filled)
        target[filled : filled + take] = body[:take]
        filled += take
        if stream.eof:  # the file may be several gzip members, one after the other
            position = min(position, len(source)) - len(stream.unused_data)
            stream, begun = zlib.decompressobj(_GZIP_WINDOW), False
    if begun and position < len(source):  # the checksum may lie in the piece that follows
        stream.decompress(source[position : position + _PIECE], 1)
    return filled


def _hu(volume: Volume, grid: StoredGrid) -> tuple[NDArray[np.int16], int]:
    """int16 (z, y, x), and how many voxels were no number; slab by slab."""
    plain = volume.slope == 1 and volume.intercept == 0
    if plain and volume.values.dtype == np.dtype(np.int16):
        return _turned(volume.values.view(np.int16), grid), 0
    stored = grid.to_scan(volume.values)
    hu = empty_volume(stored.shape, "NIfTI")
    lost = 0
    for z in range(len(stored)):
        lost += write_hu(stored[z], hu[z], volume.slope, volume.intercept)
    return hu, lost


def _turned(values: NDArray[np.int16], grid: StoredGrid) -> NDArray[np.int16]:
    """In the scan's axes; flips are made in place, only swapped axes need a second array."""
    if grid.axes != (2, 1, 0):
        return np.ascontiguousarray(grid.to_scan(values))
    hu = values.T
    flip_z, flip_y, flip_x = grid.flipped
    for z in range(len(hu) // 2 if flip_z else 0):
        hu[[z, -1 - z]] = hu[[-1 - z, z]]
    if flip_y or flip_x:
        for plane in hu:
            plane[...] = plane[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    return hu
