"""Arrays in one compressed file that NumPy reads; equal arrays give equal bytes."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAMAGED = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)
"""What reading an archive raises that is missing, cut short or spoilt."""


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
