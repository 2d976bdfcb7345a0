"""The compute core: dense voxels as run lengths.

Dense voxels are 1-3 % of a scan. They are found in one streaming read and kept as
stretches along rows (`records.Runs`); objects, sums, sets and crops are then made from
the runs alone. A volume is made from runs only where a file format wants one.
"""

from calcimetry.runs.algebra import (
    difference,
    intersect,
    object_runs,
    runs_of_object,
    select,
    split_by_label,
    take,
    union,
    union_all,
)
from calcimetry.runs.components import (
    dense_objects,
    label_components,
    object_statistics,
    objects_of,
)
from calcimetry.runs.find import find_runs, from_mask, threshold_within
from calcimetry.runs.grid import box_of, crop, paint, to_labels, to_mask, voxels_of
from calcimetry.runs.voxels import (
    RunTable,
    concatenated,
    in_order,
    keep_voxels,
    merge_labelled,
    sample_voxels,
)

__all__ = [
    "RunTable",
    "box_of",
    "concatenated",
    "crop",
    "dense_objects",
    "difference",
    "find_runs",
    "from_mask",
    "in_order",
    "intersect",
    "keep_voxels",
    "label_components",
    "merge_labelled",
    "object_runs",
    "object_statistics",
    "objects_of",
    "paint",
    "runs_of_object",
    "sample_voxels",
    "select",
    "split_by_label",
    "take",
    "threshold_within",
    "to_labels",
    "to_mask",
    "union",
    "union_all",
    "voxels_of",
]
