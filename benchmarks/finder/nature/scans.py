"""The real scans: what each shows, and whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.finder.natural import CLEAN

THIGH = "thigh and hip"
LIMBS = {
    1: THIGH, 2: "pelvis", 3: THIGH, 5: "shoulder", 7: "pelvis", 11: "pelvis", 13: "knee",
    15: THIGH, 17: "knee", 18: "pelvis", 19: "hand", 21: THIGH, 22: THIGH, 23: THIGH, 25: "calf",
    26: THIGH, 29: THIGH, 30: THIGH, 31: THIGH, 32: THIGH, 33: THIGH, 35: THIGH, 37: "chest wall",
    41: THIGH, 43: THIGH, 45: THIGH, 47: "knee", 49: "ankle and foot", 50: THIGH, 51: "knee",
}  # fmt: skip
"""The part of the body of each limb scan; `thigh and hip` where its notes say no more."""

MORE = {
    "neck_tcga-thca_1.5mm": "neck",
    "head_cptac-lscc_3mm": "head",
    "chest_cptac-pda_3mm": "chest",
    "abdomen-pelvis_tcga-ov_3mm": "abdomen",
    "chest_cmb-crc_lungkernel_2.5mm": "chest",
    "chest_rider-pilot_0.8mm": "chest",
    "chest_acrin-flt13_4mm": "chest",
    "spine-lumbar_taichi_sag3mm": "spine",
    "spine-lumbar_taichi_cor3mm": "spine",
}
TRUNKS = {
    "chest_lidc0314_1.5mm": "chest",
    "abdomen_crlm1004_1.5mm": "abdomen",
    "abdomen_crlm1006_1.5mm": "abdomen",
    "head_1.5mm": "head",
}
FETCHED = {"chest_ct": "chest", "aorta_cta": "aorta with stent"}
"""What `get-trunks` brings."""

SAME_PATIENT = {"spine-lumbar_taichi_sag3mm": "spine", "spine-lumbar_taichi_cor3mm": "spine"}


@dataclass(frozen=True, slots=True)
class Case:
    """One real scan.

    group : "limbs", "more" (the nine of `more/`) or "trunks"
    clean : nothing dense but bone was seen in it
    """

    name: str
    path: Path
    group: str
    region: str
    clean: bool = False

    @property
    def patient(self) -> str:
        """Whose scan it is: what is fitted without a case is fitted without its patient's."""
        return SAME_PATIENT.get(self.name, self.name)


def cases(data: Path, trunks: Path | None) -> Iterator[Case]:
    """Every scan of the data folder, and of the folder that `get-trunks` filled."""
    for number, region in LIMBS.items():
        name = f"STS_{number:03d}"
        yield Case(name, data / "limbs" / f"{name}_CT.nii.gz", "limbs", region, name in CLEAN)
    for name, region in MORE.items():
        yield Case(name, data / "more" / f"{name}.nii.gz", "more", region)
    for name, region in TRUNKS.items():
        yield Case(name, data / "trunks" / f"{name}.nii.gz", "trunks", region)
    yield Case("abdomen_j2k", data / "abdomen_j2k", "trunks", "abdomen")
    if trunks is not None:
        for name, region in FETCHED.items():
            yield Case(name, trunks / f"{name}.nii.gz", "trunks", region)
