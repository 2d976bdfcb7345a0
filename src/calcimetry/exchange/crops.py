"""crops.npz: the images about deposits that touch bone, for follow-up (docs/outputs.md).

Two visits' cuts of a deposit from bone differ by more than it grows; what was gained is measured
on the difference of the images, which must be at hand for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.exchange.archive import DAMAGED, packed
from calcimetry.records import Acquisition, Box, Examination, Scan, Source, StoredGrid
from calcimetry.runs import box_of, crop

MARGIN_MM = 14.0
UNKNOWN_HU = -32768  # of a voxel that was not kept


def crop_bytes(exam: Examination) -> bytes:
    """HU of a box about each deposit whose cut from bone has an error."""
    kept = [d for d in exam.deposits if d.quantity.relative_error.get("segmentation", 0.0) > 0]
    boxes = [crop(box_of(d.runs), d.runs.shape, MARGIN_MM, exam.scan.spacing) for d in kept]
    return packed_crops(exam.scan.hu, boxes, [d.uid for d in kept])


def packed_crops(hu: NDArray[np.int16], boxes: list[Box], uids: list[str]) -> bytes:
    """Boxes of a scan, with the UIDs of the deposits in them, which tell whose they are."""
    ends = [[end for side in box for end in (side.start, side.stop)] for box in boxes]
    values = [hu[box].ravel() for box in boxes]
    flat = np.concatenate(values) if values else np.zeros(0, np.int16)
    boxed = np.array(ends, np.int32).reshape(-1, 6)
    return packed([("box", boxed), ("hu", flat), ("uid", np.array(uids, np.str_))])


def saved_crops(folder: Path, document: Mapping[str, Any]) -> Scan | None:
    """A scan of the part that `folder`/crops.npz shows, UNKNOWN_HU between its boxes.

    document : the examination's; None comes back where the file is missing, damaged, empty or
        another examination's
    """
    facts, known = document["scan"], {row["uid"] for row in document["deposits"]}
    try:
        with (
            (folder / "crops.npz").open("rb") as file,
            np.load(file, allow_pickle=False) as archive,
        ):
            if not len(archive["box"]) or not known.issuperset(archive["uid"].tolist()):
                return None
            hu, first = _laid_out(archive["box"], archive["hu"], tuple(facts["shape_zyx"]))
    except DAMAGED:
        return None
    affine = np.array(facts["affine_ijk_to_lps_mm"], np.float64)
    affine[:3, 3] += affine[:3, :3] @ first[::-1]
    shape = hu.shape[2], hu.shape[1], hu.shape[0]
    return Scan(hu, affine, Acquisition(), StoredGrid(shape, affine), Source("", "array"))


def _laid_out(
    boxes: NDArray[np.int32], flat: NDArray[np.int16], shape: tuple[int, ...]
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Boxes in the smallest part of the scan that holds all, and its first voxel (z, y, x).

    ValueError where they are not in the scan, or hold other than `flat`.
    """
    low, high = boxes[:, ::2].astype(np.int64), boxes[:, 1::2].astype(np.int64)
    if (low < 0).any() or (high > shape).any() or (high - low).prod(axis=1).sum() != flat.size:
        raise ValueError("boxes of another scan")
    first = low.min(axis=0)
    hu = np.full(high.max(axis=0) - first, UNKNOWN_HU, np.int16)
    at = 0
    for start, stop in zip((low - first).tolist(), (high - first).tolist(), strict=True):
        part = hu[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
        part[...] = flat[at : at + part.size].reshape(part.shape)
        at += part.size
    return hu, first
