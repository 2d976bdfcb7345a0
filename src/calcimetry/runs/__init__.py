"""The compute core: dense voxels as run lengths.

Dense voxels are 1-3 % of a scan. They are found in one streaming read and kept as
stretches along rows (`records.Runs`); objects, sums, sets and crops are then made from
the runs alone. A volume is made from runs only where a file format wants one.
"""

from calcimetry.runs.algebra import (
    difference,
    intersect,
    joined,
    part,
    parts,
    select,
    split,
    taken,
    union,
)
from calcimetry.runs.components import connect, dense_objects, objects, tabulate
from calcimetry.runs.find import find_runs, from_mask, threshold_within
from calcimetry.runs.grid import box_of, crop, paint, to_labels, to_mask, voxels_of
from calcimetry.runs.voxels import Pile, in_order, kept, piled, sampled, stacked

__all__ = [
    "Pile",
    "box_of",
    "connect",
    "crop",
    "dense_objects",
    "difference",
    "find_runs",
    "from_mask",
    "in_order",
    "intersect",
    "joined",
    "kept",
    "objects",
    "paint",
    "part",
    "parts",
    "piled",
    "sampled",
    "select",
    "split",
    "stacked",
    "tabulate",
    "taken",
    "threshold_within",
    "to_labels",
    "to_mask",
    "union",
    "voxels_of",
]
