"""landmarks.npz: what a later visit is laid over this one by (docs/outputs.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.exchange.archive import Archive, packed
from calcimetry.exchange.check import DamagedError, check_affine, damaged
from calcimetry.records import Landmarks, SoftTissue

STEP_MM = 0.05
_FARTHEST_MM = 1e5  # of a scan's middle from its origin
_MOST_BYTES = 2**28  # of an array: a whole body's soft tissue takes half


def landmark_bytes(marks: Landmarks | None) -> bytes:
    """Landmarks as a compressed NumPy archive; steps of 0.05 mm from an origin."""
    bone, skin = (np.zeros((0, 3)),) * 2 if marks is None else (marks.bone, marks.skin)
    steps = [np.rint(np.asarray(points, np.float64) / STEP_MM) for points in (bone, skin)]
    every = np.concatenate(steps)
    # Whole steps, so that landmarks that were read are written as the same bytes.
    middle = np.floor((every.min(axis=0) + every.max(axis=0)) / 2) if len(every) else np.zeros(3)
    # 32767 steps reach 1.6 m from the middle: more than any scan.
    return packed(
        [
            ("bone", (steps[0] - middle).astype(np.int16)),
            ("skin", (steps[1] - middle).astype(np.int16)),
            ("origin_mm", middle * STEP_MM),
            ("step_mm", np.array(STEP_MM)),
            *_soft(marks),
        ]
    )


def _soft(marks: Landmarks | None) -> list[tuple[str, NDArray[Any]]]:
    if marks is None or marks.soft is None:
        return []
    return [("soft", marks.soft.code), ("soft_affine_mm", marks.soft.affine)]


def saved_landmarks(folder: Path) -> Landmarks | None:
    """The landmarks in `folder`/landmarks.npz; None where there are none.

    Raises InputError EXAM_DAMAGED.
    """
    path = folder / "landmarks.npz"
    try:
        return _read(Archive(path))
    except FileNotFoundError:
        return None
    except DamagedError as error:
        raise damaged(path, str(error)) from error


def _read(archive: Archive) -> Landmarks:
    origin = archive.read("origin_mm", "float64", (3,), 1024)
    step = float(archive.read("step_mm", "float64", (), 1024))
    if not (np.abs(origin) < _FARTHEST_MM).all() or not 0 < step <= 1:
        raise DamagedError("an origin or a step that is none")
    bone, skin = (
        (archive.read(name, "int16", (None, 3), _MOST_BYTES) * step + origin).astype(np.float32)
        for name in ("bone", "skin")
    )
    if "soft" not in archive:
        return Landmarks(bone, skin, None)
    affine = archive.read("soft_affine_mm", "float64", (4, 4), 1024)
    check_affine(affine, "soft_affine_mm")
    code = archive.read("soft", "uint8", (None, None, None), _MOST_BYTES)
    return Landmarks(bone, skin, SoftTissue(code, affine))
