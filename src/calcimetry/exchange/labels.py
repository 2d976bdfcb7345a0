"""labels.nii.gz: deposit numbers on the grid of the input, with its affine.

The sform is that affine to the last digit. Programs on ITK (3D Slicer, ITK-SNAP, SimpleITK)
hold right angles only, and open a sheared sform (gantry tilt) only where a qform stands beside
it, which they then read. It has the slices' own axes, and the third at right angles to them:
so the same programs lay out the tilted DICOM series, and voxels meet voxels.
"""

from __future__ import annotations

import gzip
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Examination
from calcimetry.runs import to_labels

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # NIfTI's world is RAS


def label_volume(exam: Examination) -> NDArray[Any]:
    """Deposit numbers, (z, y, x) of the scan; uint8 where they fit, else uint16."""
    parts = [deposit.runs for deposit in exam.deposits]
    dtype = np.uint8 if len(parts) < 256 else np.uint16
    return to_labels(exam.scan.hu.shape, parts, dtype=dtype)


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


def nifti_bytes(exam: Examination) -> bytes:
    """The label map as a gzipped NIfTI-1 file on the stored grid of the scan."""
    stored = exam.scan.stored
    volume = stored.from_scan(label_volume(exam))
    image = nib.Nifti1Image(volume, _LPS_TO_RAS @ stored.affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(_upright(image.affine, stored.axes[0]), code="scanner", strip_shears=False)
    image.set_sform(_LPS_TO_RAS @ stored.affine, code="scanner")
    # Level 1 and no time stamp: labels are nearly all zeros, and equal runs give equal files.
    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)
