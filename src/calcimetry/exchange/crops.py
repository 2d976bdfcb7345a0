"""crops.npz: the images about deposits that touch bone, for follow-up (docs/outputs.md).

Two visits' cuts of a deposit from bone differ by more than it grows; what was gained is measured
on the difference of the images, which must be at hand for that.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.exchange.archive import packed
from calcimetry.records import Acquisition, Box, Examination, Scan, Source, StoredGrid
from calcimetry.runs import box_of, crop

MARGIN_MM = 14.0
UNKNOWN_HU = -32768  # of a voxel that was not kept


def crop_bytes(exam: Examination) -> bytes:
    """HU of a box about each deposit whose cut from bone has an error."""
    boxes = [
        crop(box_of(d.runs), d.runs.shape, MARGIN_MM, exam.scan.spacing)
        for d in exam.deposits
        if d.quantity.relative_error.get("segmentation", 0.0) > 0
    ]
    return packed_crops(exam.scan.hu, boxes)


def packed_crops(hu: NDArray[np.int16], boxes: list[Box]) -> bytes:
    ends = [[end for side in box for end in (side.start, side.stop)] for box in boxes]
    values = [hu[box].ravel() for box in boxes]
    flat = np.concatenate(values) if values else np.zeros(0, np.int16)
    return packed([("box", np.array(ends, np.int32).reshape(-1, 6)), ("hu", flat)])


def saved_crops(folder: Path, facts: Mapping[str, Any]) -> Scan | None:
    """A scan that shows what `folder`/crops.npz holds, UNKNOWN_HU elsewhere; None for nothing.

    facts : those of the scan in the examination's document
    """
    try:
        with (
            (folder / "crops.npz").open("rb") as file,
            np.load(file, allow_pickle=False) as archive,
        ):
            boxes, flat = archive["box"], archive["hu"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    if not len(boxes):
        return None
    hu = np.full(facts["shape_zyx"], UNKNOWN_HU, np.int16)
    at = 0
    for ends in boxes.tolist():
        part = hu[tuple(slice(a, b) for a, b in zip(ends[::2], ends[1::2], strict=True))]
        part[...] = flat[at : at + part.size].reshape(part.shape)
        at += part.size
    affine = np.array(facts["affine_ijk_to_lps_mm"], np.float64)
    shape = hu.shape[2], hu.shape[1], hu.shape[0]
    return Scan(hu, affine, Acquisition(), StoredGrid(shape, affine), Source("", "array"))
