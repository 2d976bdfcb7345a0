"""objects.npz: the voxels of every dense object, deposits and all others, as runs.

A corrected examination is measured again from these: whose blur a deposit shares, what is bone
beside it and what was left out are not in the label map.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.exchange.archive import Archive, packed
from calcimetry.exchange.check import DamagedError, damaged
from calcimetry.records import Examination, Runs

_MOST_RUNS = 2**28
_COLUMNS = ("row", "start", "stop")


def voxel_bytes(exam: Examination, labels: bytes) -> bytes:
    """Runs of all objects as a NumPy archive.

    labels : the label map (labels.nii.gz) that is written beside it. Its checksum is kept, so
        that one that another program changed is not passed over in silence

    `row` (``z * shape[1] + y``), `start` and `stop` (one past the last x) are int32 per run;
    `number` is that of the deposit, or minus that of the other object.
    """
    numbered = [(deposit.number, deposit.runs) for deposit in exam.listed]
    numbered += [(-item.number, item.runs) for item in exam.objects if item.runs is not None]
    runs = [part for _, part in numbered]
    number = np.repeat([n for n, _ in numbered], [len(part) for part in runs]).astype(np.int32)
    return packed(
        [
            ("shape", np.array(exam.frame.shape, np.int64)),
            *((name, _joined(runs, name)) for name in _COLUMNS),
            ("number", number),
            ("skeleton", np.array(exam.skeleton, np.int32)),
            ("uid", np.array([deposit.uid for deposit in exam.listed], np.str_)),
            ("labels_crc32", np.array(checksum(labels), np.uint32)),
        ]
    )


def checksum(packed_labels: bytes) -> int:
    """The CRC-32 of what a gzip file holds, from its end (RFC 1952, 2.3.1)."""
    return int(struct.unpack("<I", packed_labels[-8:-4])[0]) if len(packed_labels) >= 18 else 0


def _joined(runs: Sequence[Runs], name: str) -> NDArray[np.int32]:
    columns = [getattr(part, name) for part in runs]
    return np.concatenate(columns) if columns else np.zeros(0, np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Voxels:
    """Runs of deposits and of other objects by number; skeleton : as in `Examination`."""

    deposits: dict[int, Runs]
    objects: dict[int, Runs]
    skeleton: tuple[int, ...] = ()


def saved_voxels(folder: Path, document: Mapping[str, Any]) -> Voxels | None:
    """What `folder`/objects.npz holds; None where the file is missing.

    document : the examination's, whose grid and objects they must have

    Raises InputError EXAM_DAMAGED, also where labels.nii.gz is not what was written with it.
    """
    path = folder / "objects.npz"
    try:
        archive = Archive(path)
        found = _read(archive, document)
        stated = int(archive.read("labels_crc32", "uint32", (), 1024))
    except FileNotFoundError:
        return None
    except DamagedError as error:
        raise damaged(path, str(error)) from error
    _check_labels(folder / "labels.nii.gz", stated)
    return found


def _check_labels(path: Path, stated: int) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(18)
            file.seek(-8, 2)
            tail = file.read()
    except (OSError, ValueError):
        return  # the voxels are known without it
    if checksum(head + tail) != stated:
        raise damaged(path, "a label map that was changed after the scan was measured")


def _read(archive: Archive, document: Mapping[str, Any]) -> Voxels:
    shape = tuple(document["scan"]["shape_zyx"])
    if tuple(archive.read("shape", "int64", (3,), 1024).tolist()) != shape:
        raise DamagedError("the objects of another grid")
    uids = archive.read("uid", "U", (len(document["deposits"]),), 2**28).tolist()
    if uids != [row["uid"] for row in document["deposits"]]:
        raise DamagedError("the objects of another examination")
    number = archive.read("number", "int32", (None,), 4 * _MOST_RUNS)
    length = (len(number),)
    row, start, stop = (archive.read(c, "int32", length, 4 * _MOST_RUNS) for c in _COLUMNS)
    if (row < 0).any() or (row >= shape[0] * shape[1]).any():
        raise DamagedError("voxels that are not in the scan")
    if (start < 0).any() or (stop > shape[2]).any() or (start >= stop).any():
        raise DamagedError("voxels that are not in the scan")
    found = _by_number(number, Runs(shape, row, start, stop), document)
    skeleton = archive.read("skeleton", "int32", (None,), 4 * _MOST_RUNS).tolist()
    if not {*found.deposits, *(-n for n in found.objects)}.issuperset(skeleton):
        raise DamagedError("bones that are no objects")
    return replace(found, skeleton=tuple(skeleton))


def _by_number(number: NDArray[np.int32], runs: Runs, document: Mapping[str, Any]) -> Voxels:
    ends = np.flatnonzero(np.diff(number, prepend=0, append=0)) if len(number) else np.zeros(1, int)
    bounds = list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
    numbers = [int(number[first]) for first, _ in bounds]
    if len(set(numbers)) != len(numbers):
        raise DamagedError("an object in two pieces")
    deposits: dict[int, Runs] = {}
    objects: dict[int, Runs] = {}
    for n, (first, end) in zip(numbers, bounds, strict=True):
        part = Runs(runs.shape, *(getattr(runs, c)[first:end] for c in _COLUMNS))
        if not _in_raster_order(part):
            raise DamagedError("voxels out of order")
        (deposits if n > 0 else objects)[abs(n)] = part
    if set(deposits) != {row["deposit"] for row in document["deposits"]}:
        raise DamagedError("other deposits than the document's")
    if not set(objects) <= {row["object"] for row in document["objects"]}:
        raise DamagedError("other objects than the document's")
    return Voxels(deposits, objects)


def _in_raster_order(runs: Runs) -> bool:
    """Rows rise, and in a row no run touches the one before."""
    later, same = np.diff(runs.row) > 0, np.diff(runs.row) == 0
    apart = runs.start[1:] > runs.stop[:-1]
    return bool((later | (same & apart)).all())
