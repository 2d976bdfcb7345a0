"""Which CTs the weights are made from, who is kept out, and on whose terms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

Volume = NDArray[np.int16]

LIMB_TERMS = (
    "IBSI validation set, from TCIA Soft-tissue-Sarcoma (Vallieres 2015, "
    "doi 10.1088/0031-9155/60/14/5471); CC BY 3.0"
)
TRAIN_LIMBS = (1, 2, 5, 13, 17, 18, 19, 21, 22, 25, 30, 31, 32, 33, 35, 47)
VALIDATE_LIMBS = (26, 50)
TEST_LIMBS = (3, 7, 11, 15, 23, 29, 37, 41, 43, 45, 49, 51)
UNSURE_LIMBS = (1, 2, 13, 18, 21, 22, 25, 31, 32, 35)
"""Limbs whose soft tissue holds small natural calcium: vessel, phlebolith or neither is sure."""


@dataclass(frozen=True, slots=True)
class Case:
    """One CT: its file, its part in the split, and its terms of use.

    unsure : small isolated natural foci are kept out of the loss
    """

    name: str
    path: Path
    part: str  # "train", "validate" or "test"
    terms: str
    unsure: bool = False


def cases(data: Path) -> tuple[Case, ...]:
    """The CTs of a data folder laid out as ``limbs/`` and ``trunks/``, split by patient."""
    limbs = tuple(
        Case(f"STS_{n:03d}", _limb(data, n), part, LIMB_TERMS, n in UNSURE_LIMBS)
        for part, numbers in (
            ("train", TRAIN_LIMBS),
            ("validate", VALIDATE_LIMBS),
            ("test", TEST_LIMBS),
        )
        for n in numbers
    )
    trunks = (
        Case("crlm1004", data / "trunks/abdomen_crlm1004_1.5mm.nii.gz", "train", _CRLM),
        Case("crlm1006", data / "trunks/abdomen_crlm1006_1.5mm.nii.gz", "test", _CRLM),
        Case("lidc0314", data / "trunks/chest_lidc0314_1.5mm.nii.gz", "train", _LIDC),
        # The licence of these images is not stated: they may judge the weights, not make them.
        Case("head", data / "trunks/head_1.5mm.nii.gz", "test", "dicom2stl 0.5.0"),
    )
    return tuple(case for case in limbs + trunks if case.path.exists())


_CRLM = "TCIA Colorectal-Liver-Metastases by way of mirp; CC BY 4.0"
_LIDC = "TCIA LIDC-IDRI; CC BY 3.0"


def _limb(data: Path, number: int) -> Path:
    return data / "limbs" / f"STS_{number:03d}_CT.nii.gz"


def read(path: Path) -> tuple[Volume, tuple[float, float, float]]:
    """HU (z, y, x), z feet to head, y front to back, x right to left; and spacing, mm."""
    image = nib.load(path)  # type: ignore[attr-defined]
    turn = orientations.ornt_transform(
        orientations.io_orientation(image.affine), orientations.axcodes2ornt(("L", "P", "S"))
    )
    image = image.as_reoriented(turn)
    hu = np.clip(np.asarray(image.dataobj), -1024, 3071).astype(np.int16)
    x, y, z = (float(size) for size in image.header.get_zooms()[:3])
    return np.ascontiguousarray(hu.transpose(2, 1, 0)), (z, y, x)
