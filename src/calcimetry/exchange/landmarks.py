"""landmarks.npz: what a later visit is laid over this one by (docs/outputs.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.exchange.archive import DAMAGED, packed
from calcimetry.records import Landmarks, SoftTissue

STEP_MM = 0.05


def landmark_bytes(marks: Landmarks | None) -> bytes:
    """Landmarks as a compressed NumPy archive; steps of 0.05 mm from an origin."""
    bone, skin = (np.zeros((0, 3)),) * 2 if marks is None else (marks.bone, marks.skin)
    every = np.concatenate([bone, skin]).astype(np.float64)
    origin = (every.min(axis=0) + every.max(axis=0)) / 2 if len(every) else np.zeros(3)
    return packed(
        [
            ("bone", _steps(bone, origin)),
            ("skin", _steps(skin, origin)),
            ("origin_mm", origin),
            ("step_mm", np.array(STEP_MM)),
            *_soft(marks),
        ]
    )


def _soft(marks: Landmarks | None) -> list[tuple[str, NDArray[Any]]]:
    if marks is None or marks.soft is None:
        return []
    return [("soft", marks.soft.code), ("soft_affine_mm", marks.soft.affine)]


def saved_landmarks(folder: Path) -> Landmarks | None:
    """The landmarks in `folder`/landmarks.npz; None where there are none or they are damaged."""
    try:
        with (
            (folder / "landmarks.npz").open("rb") as file,
            np.load(file, allow_pickle=False) as archive,
        ):
            origin, step = archive["origin_mm"], float(archive["step_mm"])
            bone, skin = (
                (archive[name] * step + origin).astype(np.float32) for name in ("bone", "skin")
            )
            parts = (archive["soft"], archive["soft_affine_mm"]) if "soft" in archive else None
    except DAMAGED:
        return None
    return Landmarks(bone, skin, SoftTissue(*parts) if parts else None)


def _steps(
    points: NDArray[np.float32] | NDArray[np.float64], origin: NDArray[np.float64]
) -> NDArray[np.int16]:
    # 32767 steps reach 1.6 m from the middle: more than any scan.
    return np.rint((points - origin) / STEP_MM).astype(np.int16)
