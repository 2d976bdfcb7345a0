"""The records that rooms hand to each other. Frozen; they know their geometry and how to show
themselves (`words`, `table`, `plot`), and judge nothing.

Axes and units, everywhere: arrays are ``(z, y, x)``; an affine maps the column vector
``(i, j, k, 1)`` = (x index, y index, z index) to LPS millimetres (DICOM PS3.3 C.7.6.2.1.1);
lengths mm, volumes mm3, masses mg of hydroxyapatite (HA), densities mg HA per cm3.
Unknown is ``None``, never 0.
"""

from calcimetry.records.basics import (
    LISTED,
    SURE_CONFIDENCE,
    Box,
    Estimate,
    Flag,
    Kind,
    Likeness,
    Rule,
    Severity,
    Tier,
)
from calcimetry.records.deposit import Deposit, Form, OtherObject, Place, Quantity
from calcimetry.records.examination import Calibration, Examination, Total, Totals
from calcimetry.records.kept import Crops, Landmarks, SoftTissue
from calcimetry.records.plain import RESEARCH_USE
from calcimetry.records.runs import Finding, Objects, Runs
from calcimetry.records.scan import Acquisition, Frame, Provenance, Scan, Source, StoredGrid, turned

__all__ = [
    "LISTED",
    "RESEARCH_USE",
    "SURE_CONFIDENCE",
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
    "Likeness",
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
    "Tier",
    "Total",
    "Totals",
    "turned",
]
