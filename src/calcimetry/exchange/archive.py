"""Arrays in one compressed file that NumPy reads; equal arrays give equal bytes.

What is read is bounded before it is unpacked: a file of some kilobytes can say that it holds
10^11 rows, or swell a thousandfold.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.exchange.check import DamagedError, read_file

_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_MOST_PACKED = 2**31  # bytes of the file


def packed(arrays: Iterable[tuple[str, NDArray[Any]]]) -> bytes:
    """A NumPy archive (.npz) of named arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in arrays:
            # A fixed date, so that the bytes follow from the arrays alone.
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, values, allow_pickle=False)
            archive.writestr(entry, buffer.getvalue())
    return out.getvalue()


class Archive:
    """The arrays of a file by name, each unpacked when it is asked for.

    Raises FileNotFoundError, and DamagedError for all that is wrong with what is there.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(read_file(path, _MOST_PACKED)))
        except FileNotFoundError:
            raise
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise DamagedError(f"no archive of arrays: {error}") from error
        self._entries: Mapping[str, zipfile.ZipInfo] = {
            entry.filename: entry for entry in self._zip.infolist()
        }

    def __contains__(self, name: str) -> bool:
        return f"{name}.npy" in self._entries

    def read(self, name: str, kind: str, shape: tuple[int | None, ...], most: int) -> NDArray[Any]:
        """One array.

        kind : its dtype as NumPy writes it ("int16"), or "U" for texts
        shape : its shape, None where any length is one
        most : bytes that it may take
        """
        entry = self._entries.get(f"{name}.npy")
        if entry is None:
            raise DamagedError(f"no array '{name}'")
        try:
            with self._zip.open(entry) as stream:
                return _array(stream, entry.file_size, name, (kind, shape, most))
        except DamagedError:
            raise
        except Exception as error:  # zipfile, zlib, NumPy and the tokenizer raise a dozen kinds
            raise DamagedError(f"array '{name}' cannot be unpacked: {error}") from error


def _array(
    stream: Any, stated: int, name: str, wanted: tuple[str, tuple[int | None, ...], int]
) -> NDArray[Any]:
    kind, shape, most = wanted
    reader = _READERS.get(np.lib.format.read_magic(stream))
    if reader is None:
        raise DamagedError(f"array '{name}' has a header of another version")
    found, by_column, dtype = reader(stream)
    if dtype.hasobject or not (dtype.kind == "U" if kind == "U" else dtype == np.dtype(kind)):
        raise DamagedError(f"array '{name}' holds {str(dtype)[:40]}, not {kind}")
    fits = len(found) == len(shape) and all(
        b is None or a == b for a, b in zip(found, shape, strict=True)
    )
    if not fits or min(found, default=0) < 0:
        raise DamagedError(f"array '{name}' has the shape {str(found)[:80]}")
    size = math.prod(found) * dtype.itemsize
    if size > most or size > stated:
        raise DamagedError(f"array '{name}' would take {size} bytes; {min(most, stated)} may be")
    values = np.frombuffer(_read(stream, size, name), dtype, math.prod(found))
    return values.reshape(found, order="F" if by_column else "C")


def _read(stream: Any, size: int, name: str) -> bytearray:
    """All bytes of an array and not one more: at the end of the entry its sum is compared."""
    content = bytearray(stream.read(size))  # arrays over bytes could not be written to
    if len(content) != size or stream.read(1):
        raise DamagedError(f"array '{name}' has another length than it says")
    return content
