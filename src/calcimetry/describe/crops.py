"""The images about deposits that touch bone, which follow-up measures a change on.

Two visits' cuts of a deposit from bone differ by more than it grows; what was gained is measured
on the difference of the images, which must be at hand for that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calcimetry.records import Crops, Deposit, Frame, Scan
from calcimetry.runs import box_of, crop

MARGIN_MM = 14.0
UNKNOWN_HU = -32768  # of a voxel that was not kept


def crops_about(scan: Scan, deposits: Sequence[Deposit]) -> Crops | None:
    """HU of a box about each deposit whose cut from bone has an error; None where none has."""
    kept = [d for d in deposits if d.quantity.relative_error.get("segmentation", 0.0) > 0]
    if not kept:
        return None
    boxes = [crop(box_of(d.runs), d.runs.shape, MARGIN_MM, scan.spacing) for d in kept]
    ends = [[end for side in box for end in (side.start, side.stop)] for box in boxes]
    hu = np.concatenate([scan.hu[box].ravel() for box in boxes])
    return Crops(np.array(ends, np.int32), hu, tuple(d.uid for d in kept))


def laid_out(crops: Crops, frame: Frame) -> Scan:
    """A scan of the smallest part of the frame that holds all boxes, UNKNOWN_HU between them."""
    low, high = crops.box[:, ::2].astype(np.int64), crops.box[:, 1::2].astype(np.int64)
    first = low.min(axis=0)
    hu = np.full(tuple((high.max(axis=0) - first).tolist()), UNKNOWN_HU, np.int16)
    at = 0
    for start, stop in zip((low - first).tolist(), (high - first).tolist(), strict=True):
        part = hu[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
        part[...] = crops.hu[at : at + part.size].reshape(part.shape)
        at += part.size
    affine = frame.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ first[::-1]
    return Scan.of(hu, affine)
