"""crops.npz: the images about deposits that touch bone, for follow-up (docs/outputs.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from calcimetry.exchange.archive import Archive, packed
from calcimetry.exchange.check import DamagedError, damaged
from calcimetry.records import Crops
from calcimetry.scan.memory import check_room

_MOST_BOXES, _MOST_BYTES = 1_000_000, 2**31


def crop_bytes(crops: Crops | None) -> bytes:
    """Boxes of a scan as a compressed NumPy archive, with the UIDs that tell whose they are."""
    if crops is None:
        crops = Crops(np.zeros((0, 6), np.int32), np.zeros(0, np.int16), ())
    return packed([("box", crops.box), ("hu", crops.hu), ("uid", np.array(crops.uids, np.str_))])


def saved_crops(folder: Path, document: Mapping[str, Any]) -> Crops | None:
    """What `folder`/crops.npz holds; None where the file is missing or holds no boxes.

    document : the examination's

    Raises InputError: EXAM_DAMAGED, also for the images of another examination.
    """
    facts, known = document["scan"], {row["uid"] for row in document["deposits"]}
    path = folder / "crops.npz"
    try:
        return _read(Archive(path), known, tuple(facts["shape_zyx"]))
    except FileNotFoundError:
        return None
    except DamagedError as error:
        raise damaged(path, str(error)) from error


def _read(archive: Archive, known: set[str], shape: tuple[int, ...]) -> Crops | None:
    """Boxes that lie in the scan, and their voxels one after the other."""
    boxes = archive.read("box", "int32", (None, 6), _MOST_BOXES * 24)
    uids = archive.read("uid", "U", (len(boxes),), _MOST_BOXES * 4 * 64)
    if not known.issuperset(uids.tolist()):
        raise DamagedError("images of another examination's deposits")
    low, high = boxes[:, ::2].astype(np.int64), boxes[:, 1::2].astype(np.int64)
    if (low < 0).any() or (high > shape).any() or (low >= high).any():
        raise DamagedError("boxes that are not in the scan")
    if len(boxes):  # follow-up lays them out in the part of the scan that holds all
        check_room(tuple((high.max(axis=0) - low.min(axis=0)).tolist()), "crops.npz")
    voxels = sum(math.prod(sides) for sides in (high - low).tolist())
    hu = archive.read("hu", "int16", (voxels,), _MOST_BYTES)
    return Crops(boxes, hu, tuple(uids.tolist())) if len(boxes) else None
