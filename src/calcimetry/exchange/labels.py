"""labels.nii.gz: deposit numbers on the grid of the input, with its affine.

The sform is that affine to the last digit. Programs on ITK (3D Slicer, ITK-SNAP, SimpleITK)
hold right angles only, and open a sheared sform (gantry tilt) only where a qform stands beside
it, which they then read. It has the slices' own axes, and the third at right angles to them:
so the same programs lay out the tilted DICOM series, and voxels meet voxels.
"""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.exchange.check import DamagedError, check_affine, damaged, read_file
from calcimetry.exchange.nifti import nifti_file
from calcimetry.nifti import lps_of_ras, ras_of_lps
from calcimetry.records import Examination
from calcimetry.runs import to_labels
from calcimetry.scan.memory import check_room

_HEADER_BYTES = 2**16  # with extensions that other programs add
_NEAR_MM = 0.05  # within which the affine is the document's: a header keeps single floats


def label_volume(exam: Examination) -> NDArray[Any]:
    """Deposit numbers, (z, y, x) of the scan; uint8 where they fit, else uint16."""
    parts = [deposit.runs for deposit in exam.deposits]
    dtype = np.uint8 if len(parts) < 256 else np.uint16
    return to_labels(exam.frame.shape, parts, dtype=dtype)


def _upright(affine: NDArray[np.float64], slices: int) -> NDArray[np.float64]:
    """The affine (4, 4) with right angles: in-plane axes and spacings kept, slices set upright.

    slices : the stored axis that runs across the slices
    """
    result = np.array(affine, dtype=np.float64)
    first, second = (axis for axis in range(3) if axis != slices)
    lengths = np.linalg.norm(result[:3, :3], axis=0)
    one = result[:3, first] / lengths[first]
    two = result[:3, second] - (result[:3, second] @ one) * one
    normal = np.cross(one, two / np.linalg.norm(two))
    towards = np.sign(normal @ result[:3, slices])
    result[:3, second] = two / np.linalg.norm(two) * lengths[second]
    result[:3, slices] = normal * towards * lengths[slices]
    return result


def _across(exam: Examination) -> int:
    """The stored axis that runs across the slices: of DICOM the last one, whatever the plane;
    of other files, which do not say, that along the body."""
    return 2 if exam.provenance.form == "dicom" else exam.frame.stored.axes[0]


def nifti_bytes(exam: Examination) -> bytes:
    """The label map as a gzipped NIfTI-1 file on the stored grid of the scan."""
    stored = exam.frame.stored
    volume = stored.from_scan(label_volume(exam))
    affine = ras_of_lps(stored.affine)
    content = nifti_file(volume, affine, _upright(affine, _across(exam)))
    # Level 1 and no time stamp: labels are nearly all zeros, and equal runs give equal files.
    return gzip.compress(content, compresslevel=1, mtime=0)


def saved_labels(
    folder: Path, document: Mapping[str, Any]
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The label map in `folder`/labels.nii.gz: numbers (i, j, k), and its affine to LPS mm.

    document : the examination's, whose grid and deposits the map must have

    Raises FileNotFoundError, and InputError EXAM_DAMAGED.
    """
    path, scan = folder / "labels.nii.gz", document["scan"]
    shape = tuple(scan["stored_shape_ijk"])
    check_room(shape, str(path))
    try:
        values, ras = _read(path, shape)
        affine = lps_of_ras(ras)
        check_affine(affine, "the affine")
        stated = np.array(scan["stored_affine_ijk_to_lps_mm"])
        corners = np.array([[*corner, 1] for corner in np.ndindex(2, 2, 2)]) * [*shape, 1]
        if np.abs(corners @ (affine - stated).T).max() > _NEAR_MM:
            raise DamagedError("another affine than the document's")
        known = {row["deposit"] for row in document["deposits"]}
        if set(np.unique(values[values != 0]).tolist()) != known:
            raise DamagedError("other numbers than the document's deposits")
    except DamagedError as error:
        raise damaged(path, str(error)) from error
    return values, affine


def _read(path: Path, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Voxels of that shape, and the affine; no more is unpacked than they take."""
    import nibabel as nib  # writing does without it (nifti.py)
    from nibabel.imageglobals import LoggingOutputSuppressor

    packed = read_file(path, _HEADER_BYTES + 8 * math.prod(shape))
    try:
        # It logs what it mends of a header; what matters of that is refused here.
        with LoggingOutputSuppressor(), gzip.open(io.BytesIO(packed)) as file:
            head = file.read(348)
            dtype = nib.Nifti1Header(head).get_data_dtype()
            if dtype.kind not in "iuf":
                raise DamagedError("voxels that are no numbers")
            most = _HEADER_BYTES + dtype.itemsize * math.prod(shape)
            content = head + file.read(most)
            if file.read(1):
                raise DamagedError("more than its voxels take")
        with LoggingOutputSuppressor():
            image = nib.Nifti1Image.from_bytes(content)
        if image.shape != shape:
            raise DamagedError(f"the shape {image.shape}, where the document has {shape}")
        return np.asarray(image.dataobj), image.affine
    except DamagedError:
        raise
    except Exception as error:  # nibabel has no root of what damaged headers raise
        raise DamagedError(f"no label map: {error}") from error
