"""The records that rooms hand to each other. Frozen, plain, without behaviour beyond geometry.

Axes and units, everywhere: arrays are ``(z, y, x)``; an affine maps the column vector
``(i, j, k, 1)`` = (x index, y index, z index) to LPS millimetres (DICOM PS3.3 C.7.6.2.1.1);
lengths mm, volumes mm3, masses mg of hydroxyapatite (HA), densities mg HA per cm3.
Unknown is ``None``, never 0.
"""

from calcimetry.records.basics import LISTED, Box, Estimate, Flag, Kind, Rule, Severity
from calcimetry.records.examination import (
    Calibration,
    Crops,
    Deposit,
    Examination,
    Form,
    Landmarks,
    OtherObject,
    Place,
    Quantity,
    SoftTissue,
    Total,
    Totals,
)
from calcimetry.records.runs import Finding, Objects, Runs
from calcimetry.records.scan import Acquisition, Frame, Provenance, Scan, Source, StoredGrid, turned

__all__ = [
    "LISTED",
    "Acquisition",
    "Box",
    "Calibration",
    "Crops",
    "Deposit",
    "Estimate",
    "Examination",
    "Finding",
    "Flag",
    "Form",
    "Frame",
    "Kind",
    "Landmarks",
    "Objects",
    "OtherObject",
    "Place",
    "Provenance",
    "Quantity",
    "Rule",
    "Runs",
    "Scan",
    "Severity",
    "SoftTissue",
    "Source",
    "StoredGrid",
    "Total",
    "Totals",
    "turned",
]
