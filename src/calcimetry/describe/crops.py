"""The images about deposits that touch bone, which follow-up measures a change on.

Two visits' cuts of a deposit from bone differ by more than it grows; what was gained is measured
on the difference of the images, which must be at hand for that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.dilate import dilated_mm
from calcimetry.records import Crops, Deposit, Frame, Scan
from calcimetry.records.plain import DECIMALS
from calcimetry.runs import box_of, crop, paint

MARGIN_MM = 14.0
UNKNOWN_HU = -32768  # of a voxel that was not kept


def crops_about(
    scan: Scan, deposits: Sequence[Deposit], *, known: Crops | None = None
) -> Crops | None:
    """HU of a box about each deposit whose cut from bone has an error; None where none has.

    known : earlier crops of the scan, taken as they are
    """
    # As documents hold it, so that a loaded examination keeps the same ones.
    errors = [round(d.quantity.relative_error.get("segmentation", 0.0), DECIMALS) for d in deposits]
    kept = [d for d, error in zip(deposits, errors, strict=True) if error > 0]
    if not kept:
        return None
    earlier = {} if known is None else dict(zip(known.uids, _parts(known), strict=True))
    parts = [earlier.get(d.uid) or _about(scan, d) for d in kept]
    ends, values = zip(*parts, strict=True)
    return Crops(np.stack(ends), np.concatenate(values), tuple(d.uid for d in kept))


_Part = tuple[NDArray[np.int32], NDArray[np.int16]]
"""The box of a crop, int32 (6,), and its voxels, flat."""


def _about(scan: Scan, deposit: Deposit) -> _Part:
    runs = deposit.runs
    box = crop(box_of(runs), runs.shape, MARGIN_MM, scan.spacing)
    ends = [end for side in box for end in (side.start, side.stop)]
    # A box's corners lie far from what is in it: without them half of it is left.
    near = dilated_mm(paint(box, runs), scan.spacing, MARGIN_MM)
    return np.array(ends, np.int32), np.where(near, scan.hu[box], np.int16(UNKNOWN_HU)).ravel()


def _parts(crops: Crops) -> list[_Part]:
    """The crops one by one."""
    sides = (crops.box[:, 1::2] - crops.box[:, ::2]).astype(np.int64)
    return list(zip(crops.box, np.split(crops.hu, np.cumsum(sides.prod(axis=1))[:-1]), strict=True))


def laid_out(crops: Crops, frame: Frame) -> Scan:
    """A scan of the smallest part of the frame that holds all boxes, UNKNOWN_HU between them."""
    low, high = crops.box[:, ::2].astype(np.int64), crops.box[:, 1::2].astype(np.int64)
    first = low.min(axis=0)
    hu = np.full(tuple((high.max(axis=0) - first).tolist()), UNKNOWN_HU, np.int16)
    at = 0
    for start, stop in zip((low - first).tolist(), (high - first).tolist(), strict=True):
        part = hu[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
        # Boxes overlap: what one does not show another may.
        np.maximum(part, crops.hu[at : at + part.size].reshape(part.shape), out=part)
        at += part.size
    affine = frame.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ first[::-1]
    return Scan.of(hu, affine)
