"""What places are told from, together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calcimetry.anatomy.body import Body
from calcimetry.anatomy.bone import Skeleton
from calcimetry.anatomy.labelmap import LabelMap, covers, read_labelmap
from calcimetry.errors import InputError
from calcimetry.records import Scan


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """What a deposit lies in, under and beside; `labels` where the user gave a label map."""

    body: Body
    skeleton: Skeleton
    labels: LabelMap | None = None


def labels_of(scan: Scan, path: Path) -> LabelMap:
    """A user's label map of this scan; InputError when it shares no point with it."""
    labels = read_labelmap(path)
    steps = [np.linspace(0, n - 1, 9) for n in scan.hu.shape]
    points = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    if not covers(labels, scan.to_lps(points)).any():
        raise InputError(
            "LABELMAP_ELSEWHERE",
            found="a label map that shares no point with the scan",
            expected="the same patient coordinates as the scan's",
            where=str(path),
            remedy="give the label map that was made from this scan",
        )
    return labels
