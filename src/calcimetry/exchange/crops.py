"""crops.npz: the images about deposits that touch bone, for follow-up (docs/outputs.md).

Two visits' cuts of a deposit from bone differ by more than it grows; what was gained is measured
on the difference of the images, which must be at hand for that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.exchange.archive import Archive, packed
from calcimetry.exchange.check import DamagedError, damaged
from calcimetry.records import Acquisition, Box, Examination, Scan, Source, StoredGrid
from calcimetry.runs import box_of, crop
from calcimetry.scan.memory import check_room

MARGIN_MM = 14.0
_MOST_BOXES, _MOST_BYTES = 1_000_000, 2**31
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

    document : the examination's; None comes back where the file is missing or holds no boxes

    Raises InputError: EXAM_DAMAGED, also for the images of another examination; TOO_BIG.
    """
    facts, known = document["scan"], {row["uid"] for row in document["deposits"]}
    path = folder / "crops.npz"
    try:
        boxes, flat = _read(Archive(path), known, tuple(facts["shape_zyx"]))
        if not len(boxes):
            return None
        hu, first = _laid_out(boxes, flat, path)
    except FileNotFoundError:
        return None
    except DamagedError as error:
        raise damaged(path, str(error)) from error
    affine = np.array(facts["affine_ijk_to_lps_mm"], np.float64)
    affine[:3, 3] += affine[:3, :3] @ first[::-1]
    shape = hu.shape[2], hu.shape[1], hu.shape[0]
    return Scan(hu, affine, Acquisition(), StoredGrid(shape, affine), Source("", "array"))


def _read(
    archive: Archive, known: set[str], shape: tuple[int, ...]
) -> tuple[NDArray[np.int32], NDArray[np.int16]]:
    """Boxes that lie in the scan, and their voxels one after the other."""
    boxes = archive.read("box", "int32", (None, 6), _MOST_BOXES * 24)
    uids = archive.read("uid", "U", (len(boxes),), _MOST_BOXES * 4 * 64)
    if not known.issuperset(uids.tolist()):
        raise DamagedError("images of another examination's deposits")
    low, high = boxes[:, ::2].astype(np.int64), boxes[:, 1::2].astype(np.int64)
    if (low < 0).any() or (high > shape).any() or (low >= high).any():
        raise DamagedError("boxes that are not in the scan")
    voxels = sum(math.prod(sides) for sides in (high - low).tolist())
    return boxes, archive.read("hu", "int16", (voxels,), _MOST_BYTES)


def _laid_out(
    boxes: NDArray[np.int32], flat: NDArray[np.int16], path: Path
) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Boxes in the smallest part of the scan that holds all, and its first voxel (z, y, x)."""
    low, high = boxes[:, ::2].astype(np.int64), boxes[:, 1::2].astype(np.int64)
    first = low.min(axis=0)
    extent = tuple((high.max(axis=0) - first).tolist())
    check_room(extent, str(path))
    hu = np.full(extent, UNKNOWN_HU, np.int16)
    at = 0
    for start, stop in zip((low - first).tolist(), (high - first).tolist(), strict=True):
        part = hu[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
        part[...] = flat[at : at + part.size].reshape(part.shape)
        at += part.size
    return hu, first
