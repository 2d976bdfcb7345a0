"""The real scanner: a QRM cardiac phantom on a Canon Aquilion ONE, read from its archive."""

from __future__ import annotations

import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calcimetry.plan import Plan
from calcimetry.quantity import calibrate, quantify
from calcimetry.records import Calibration, Finding, Kind, Quantity, Scan
from calcimetry.runs import find_runs, object_runs, objects_of
from calcimetry.scan import read

ARCHIVE = Path(__file__).parents[3] / "shared/data/phantom/qrm_canon_large_rep1_dicom.tar.xz"


@dataclass(frozen=True, slots=True)
class Insert:
    """name; where it lies, LPS mm (x, y, z); true mass and volume; published Agatston."""

    name: str
    at_mm: tuple[float, float, float]
    mass_mg: float
    volume_mm3: float
    agatston: float | None


# Positions: read off the scan. Truth: cylinders of equal length and diameter, makers' densities.
INSERTS = (
    Insert("5 mm, 800", (-40.7, 1.5, 600.9), 78.5, 98.17, 396.0),
    Insert("5 mm, 400", (13.7, -32.5, 600.9), 39.3, 98.17, 237.0),
    Insert("5 mm, 200", (17.2, 31.4, 600.9), 19.6, 98.17, 137.0),
    Insert("3 mm, 800", (-28.2, 1.6, 600.9), 17.0, 21.21, 89.0),
    Insert("3 mm, 400", (8.3, -21.4, 600.9), 8.5, 21.21, 70.0),
    Insert("3 mm, 200", (10.6, 21.0, 600.9), 4.2, 21.21, 22.0),
    Insert("1 mm, 800", (-16.0, 1.2, 600.9), 0.6, 0.785, None),
    Insert("1 mm, 400", (3.1, -10.4, 600.9), 0.3, 0.785, None),
    Insert("1 mm, 200", (4.4, 10.6, 600.9), 0.2, 0.785, None),
)
PUBLISHED_INTEGRATED = (71.9, 36.5, 25.6, 14.4, 9.0, 2.5)
PUBLISHED_130 = (94.3, 49.4, 25.2, 21.4, 11.0, 4.7)


def load() -> Scan:
    """The scan, read as any DICOM folder is."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(ARCHIVE) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # 3.11.4 and later
            archive.extractall(folder)
        return read(folder)


def measured() -> tuple[Calibration, list[tuple[Insert, Quantity | None]]]:
    """What is measured of each insert; None where nothing was found within 3 mm of it.

    Every dense object of 3 voxels and 4 mm3 is handed over, as a finder would; those at the
    inserts as deposits.
    """
    scan = load()
    plan = Plan().changed("quantity", {"agatston_profile": "canon"})
    calibration = calibrate(scan, plan)
    found = objects_of(scan.hu, find_runs(scan.hu, 130.0))
    big = [n for n in range(len(found)) if found.voxels[n] >= 3]
    centres = np.array([scan.to_lps(found.centroid[n]) for n in big])
    runs = object_runs(found)
    nearest = {}
    for insert in INSERTS:
        away = np.linalg.norm(centres - np.array(insert.at_mm), axis=1)
        if away.min() < 3.0:
            nearest[int(np.argmin(away))] = insert.name
    findings = [
        Finding(runs[n], Kind.DEPOSIT if k in nearest else Kind.EXTERNAL, "", 1.0)
        for k, n in enumerate(big)
    ]
    quantities = quantify(scan, findings, calibration, plan, jobs=2)
    by_name = {name: quantities[k] for k, name in nearest.items()}
    return calibration, [(insert, by_name.get(insert.name)) for insert in INSERTS]
