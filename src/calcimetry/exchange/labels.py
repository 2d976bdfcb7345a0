"""labels.nii.gz: deposit numbers on the grid of the input, with its affine."""

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


def nifti_bytes(exam: Examination) -> bytes:
    """The label map as a gzipped NIfTI-1 file on the stored grid of the scan."""
    stored = exam.scan.stored
    volume = stored.from_scan(label_volume(exam))
    image = nib.Nifti1Image(volume, _LPS_TO_RAS @ stored.affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code="scanner")
    image.set_qform(None, code="unknown")  # a q-form cannot hold a sheared grid
    # Level 1 and no time stamp: labels are nearly all zeros, and equal runs give equal files.
    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)
