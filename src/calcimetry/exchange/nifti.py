"""A volume as a NIfTI-1 file. By hand: 348 bytes of header, where nibabel takes a fifth of a
second to import, and brings pydicom, which takes more, along (tested to be nibabel's bytes).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADER = np.dtype(
    [
        *(("sizeof_hdr", "<i4"), ("unused_1", "V36"), ("dim", "<i2", 8), ("unused_2", "V14")),
        *(("datatype", "<i2"), ("bitpix", "<i2"), ("slice_start", "<i2"), ("pixdim", "<f4", 8)),
        *(("vox_offset", "<f4"), ("scl_slope", "<f4"), ("scl_inter", "<f4"), ("unused_3", "V3")),
        *(("xyzt_units", "u1"), ("unused_4", "V128"), ("qform_code", "<i2"), ("sform_code", "<i2")),
        *(("quatern", "<f4", 3), ("qoffset", "<f4", 3), ("srow", "<f4", (3, 4))),
        *(("intent_name", "V16"), ("magic", "S4"), ("extension", "V4")),
    ]
)
_DATATYPES = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16, "uint16": 512}
_MM, _SCANNER = 2, 1


def nifti_file(
    volume: NDArray[Any], sform: NDArray[np.float64], qform: NDArray[np.float64]
) -> bytes:
    """The bytes of a .nii file.

    volume : (i, j, k) as stored; uint8, uint16, int16, int32 or float32
    sform, qform : voxels to RAS mm, (4, 4); the second with right angles, at most mirrored
    """
    kind, size = volume.dtype.newbyteorder("="), np.linalg.norm(qform[:3, :3], axis=0)
    turn = qform[:3, :3] / size
    mirrored = np.linalg.det(turn) < 0
    header = np.zeros((), _HEADER)
    header["sizeof_hdr"], header["vox_offset"], header["magic"] = 348, _HEADER.itemsize, b"n+1"
    header["dim"] = 3, *volume.shape, 1, 1, 1, 1
    header["datatype"], header["bitpix"] = _DATATYPES[kind.name], 8 * kind.itemsize
    header["pixdim"] = -1 if mirrored else 1, *size, 1, 1, 1, 1
    header["scl_slope"], header["xyzt_units"] = 1, _MM
    header["qform_code"] = header["sform_code"] = _SCANNER
    header["quatern"] = _quaternion(turn * [1, 1, -1 if mirrored else 1])[1:]
    header["qoffset"], header["srow"] = qform[:3, 3], sform[:3]
    stored = volume.astype(kind.newbyteorder("<"), copy=False)
    return header.tobytes() + stored.tobytes(order="F")


def _quaternion(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """(w, x, y, z) of a rotation (3, 3), w not below 0 (Bar-Itzhack 2000, doi 10.2514/2.4654)."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = turn
    below = np.array(
        [
            [xx - yy - zz, 0.0, 0.0, 0.0],
            [yx + xy, yy - xx - zz, 0.0, 0.0],
            [zx + xz, zy + yz, zz - xx - yy, 0.0],
            [zy - yz, xz - zx, yx - xy, xx + yy + zz],
        ]
    )
    _, vectors = np.linalg.eigh(below / 3.0)  # reads what is below the diagonal
    x, y, z, w = vectors[:, -1]
    found = np.array([w, x, y, z])
    return -found if w < 0 else found
