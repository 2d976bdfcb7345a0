"""An examination written out: the files of the output contract (docs/outputs.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from calcimetry import exchange, report
from calcimetry.arguments import check, check_path
from calcimetry.atomic import AtomicFolder
from calcimetry.exchange import DEPOSIT_COLUMNS, OBJECT_COLUMNS, PICTURES
from calcimetry.records import Examination, Scan

FILES = (
    "deposits.csv",
    "deposits.parquet",
    "objects.csv",
    "objects.npz",
    "labels.nii.gz",
    "anatomy.nii.gz",
    "anatomy.toml",
    "landmarks.npz",
    "crops.npz",
    "examination.json",
    "report.html",
    "report.pdf",
    *(f"pictures/{name}" for name in PICTURES),
)
"""Everything that an examination may write, # for a number; what an older run left is replaced."""


def write(
    exam: Examination,
    out: str | Path,
    *,
    scan: Scan | None = None,
    pdf: bool = False,
    force: bool = False,
    identify: bool = False,
) -> dict[str, Any]:
    """Write an examination into a folder, as `calcimetry measure` does; returns its document.

    scan : what was measured, for the report's pictures; without it they are those that the
        examination was loaded with, if any
    identify : keep what people typed at the scanner, as `exchange.document` says

    Nothing appears in `out` unless all of it was written. Raises OutputError for a folder
    that holds files (without `force`), that cannot be written, or when the disk is full;
    UsageError BAD_ARGUMENT for arguments of another type.
    """
    check(exam, Examination, "an Examination, from measure or load", "exam")
    check(scan, (Scan, type(None)), "a Scan, or None", "scan")
    check_path(out, "a path to a folder", "out")
    with AtomicFolder(Path(out), force=force, ours=FILES) as folder:
        return fill(exam, folder, scan=scan, pdf=pdf, identify=identify)


def fill(
    exam: Examination,
    folder: AtomicFolder,
    *,
    scan: Scan | None = None,
    pdf: bool = False,
    identify: bool = False,
) -> dict[str, Any]:
    """Write every file of an examination into an open output folder."""
    facts = exchange.document(exam, identify=identify)
    rows = exchange.deposit_rows(exam, identify=identify)
    pictures = exam.pictures if scan is None else report.pictures(exam, scan)
    labels = exchange.nifti_bytes(exam)
    page = report.render(facts, pictures)
    files: dict[str, str | bytes] = {
        "deposits.csv": exchange.csv_text(rows, DEPOSIT_COLUMNS),
        "deposits.parquet": exchange.parquet_bytes(rows, DEPOSIT_COLUMNS),
        "objects.csv": exchange.csv_text(facts["objects"], OBJECT_COLUMNS),
        "objects.npz": exchange.voxel_bytes(exam, labels),
        "labels.nii.gz": labels,
        "landmarks.npz": exchange.landmark_bytes(exam.landmarks),
        "crops.npz": exchange.crop_bytes(exam.crops),
        "examination.json": json.dumps(facts, indent=1, allow_nan=False) + "\n",
        "report.html": page,
        **{f"pictures/{name}": png for name, png in pictures.items()},
    }
    if pdf:
        files["report.pdf"] = report.render_pdf(page)
    for name, content in files.items():
        folder.write(name, content)
    return facts
