"""An examination from the folder that `calcimetry measure` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.arguments import check_path
from calcimetry.errors import InputError
from calcimetry.exchange.check import damaged
from calcimetry.exchange.crops import saved_crops
from calcimetry.exchange.labels import saved_labels
from calcimetry.exchange.landmarks import saved_landmarks
from calcimetry.exchange.parse import parse
from calcimetry.exchange.saved import saved_document, saved_pictures
from calcimetry.exchange.voxels import Voxels, saved_voxels
from calcimetry.records import Examination, Runs

ORIGINAL = "original"
"""The folder, in that of a corrected examination, which holds what it was made of."""


def load(path: str | Path) -> Examination:
    """The examination that stands in a folder, whole: written again it gives the same files.

    path : the folder; or an examination.json by itself, which holds all but the voxels

    Folders of older versions are taken as they are: before schema version 1.3 the voxels of what
    was left out were not kept, and `OtherObject.runs` is None.

    Raises InputError: NOT_AN_EXAMINATION, SCHEMA_MISMATCH, EXAM_DAMAGED, NO_LABELS; UsageError
    BAD_ARGUMENT for what is no path.
    """
    check_path(path, "a path to an examination's folder", "path")
    folder = Path(path)
    document = saved_document(folder)
    if not folder.is_dir():
        return parse(document)
    voxels = saved_voxels(folder, document) or Voxels(_labelled(folder, document), {})
    marks = saved_landmarks(folder)
    before = _original(folder / ORIGINAL) if document.get("edits") else None
    return replace(
        _parsed(document, voxels),
        landmarks=marks,
        crops=saved_crops(folder, document),
        pictures=saved_pictures(folder),
        # An edit moves no landmark: the original's are those of the folder.
        original=None if before is None else replace(before, landmarks=marks),
    )


def _parsed(document: Mapping[str, Any], voxels: Voxels) -> Examination:
    exam = parse(document, voxels.deposits, voxels.objects)
    return replace(exam, skeleton=voxels.skeleton)


def _original(folder: Path) -> Examination:
    """What a corrected examination was made of: its document and its objects' voxels."""
    document = saved_document(folder)
    voxels = saved_voxels(folder, document)
    if voxels is None:
        raise damaged(folder / "objects.npz", "no such file")
    return _parsed(document, voxels)


def _labelled(folder: Path, document: Mapping[str, Any]) -> dict[int, Runs]:
    """Runs of the deposits in labels.nii.gz, for folders without objects.npz."""
    try:
        labels, _ = saved_labels(folder, document)
    except FileNotFoundError as error:
        raise InputError(
            "NO_LABELS",
            found="neither objects.npz nor labels.nii.gz",
            expected="a folder as `calcimetry measure` writes it",
            where=str(folder),
            remedy="copy the folder again, or measure the scan again",
        ) from error
    return runs_of_labels(parse(document).frame.stored.to_scan(labels))


def runs_of_labels(labels: NDArray[Any]) -> dict[int, Runs]:
    """The runs of each number above 0 in a (z, y, x) volume of labels."""
    depth, height, width = labels.shape
    flat = np.flatnonzero(labels)
    if not len(flat):
        return {}
    number = labels[tuple(np.unravel_index(flat, labels.shape))].astype(np.int64)
    row = flat // width
    joins = (np.diff(flat) == 1) & (np.diff(number) == 0) & (np.diff(row) == 0)
    first = np.concatenate([[0], np.flatnonzero(~joins) + 1])
    last = np.concatenate([first[1:] - 1, [len(flat) - 1]])
    columns = row[first], flat[first] % width, flat[last] % width + 1
    found = {}
    for n in np.unique(number).tolist():
        own = number[first] == n
        found[n] = Runs((depth, height, width), *(c[own].astype(np.int32) for c in columns))
    return found
