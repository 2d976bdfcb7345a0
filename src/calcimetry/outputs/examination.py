"""An examination written out: the files of the output contract (docs/outputs.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calcimetry import exchange, report
from calcimetry.atomic import AtomicFolder
from calcimetry.exchange import DEPOSIT_COLUMNS, OBJECT_COLUMNS, PICTURES
from calcimetry.outputs import exporters
from calcimetry.records import Examination, Scan

ANATOMY = ("anatomy.nii.gz", "anatomy.toml")
"""A label map that a segmenter made, and what its numbers mean."""

FILES = (
    "deposits.csv",
    "deposits.parquet",
    "objects.csv",
    "objects.npz",
    "labels.nii.gz",
    *ANATOMY,
    "landmarks.npz",
    "crops.npz",
    "examination.json",
    "report.html",
    "report.pdf",
    "original/examination.json",
    "original/objects.npz",
    *(f"pictures/{name}" for name in PICTURES),
    *exporters.FILES,
)
"""Everything that an examination may write, # for a number, * for any name; what an older run left
is replaced."""


def write(
    exam: Examination,
    out: str | Path,
    *,
    scan: Scan | None = None,
    pdf: bool = False,
    force: bool = False,
    identify: bool = False,
    export: Sequence[str] = (),
) -> dict[str, Any]:
    """Write an examination into a folder, as `calcimetry measure` does; returns its document.

    scan : what was measured, for the report's pictures; without it they are those that the
        examination was loaded with, if any
    identify : keep what people typed at the scanner, as `exchange.document` says
    export : names of exporters (plug-ins), whose files are written to ``exports/``

    Nothing appears in `out` unless all of it was written. Raises OutputError for a folder
    that holds files (without `force`), that cannot be written, or when the disk is full;
    EXPORTER_UNKNOWN and PLUGIN_FAILED as `outputs.exporters.exported` does.
    """
    with AtomicFolder(Path(out), force=force, ours=FILES) as folder:
        return fill(exam, folder, scan=scan, pdf=pdf, identify=identify, export=export)


def fill(
    exam: Examination,
    folder: AtomicFolder,
    *,
    scan: Scan | None = None,
    anatomy: Path | None = None,
    pdf: bool = False,
    identify: bool = False,
    export: Sequence[str] = (),
) -> dict[str, Any]:
    """Write every file of an examination into an open output folder.

    anatomy : the folder in which a segmenter left its label map, to be kept with the rest
    """
    facts = exchange.document(exam, identify=identify)
    pictures = exam.pictures if scan is None else report.pictures(exam, scan)
    labels = exchange.nifti_bytes(exam)
    page = report.render(facts, pictures)
    files: dict[str, str | bytes] = {
        "deposits.csv": exchange.csv_text(facts["deposits"], DEPOSIT_COLUMNS),
        "deposits.parquet": exchange.parquet_bytes(facts["deposits"], DEPOSIT_COLUMNS),
        "objects.csv": exchange.csv_text(facts["objects"], OBJECT_COLUMNS),
        "objects.npz": exchange.voxel_bytes(exam, labels),
        "labels.nii.gz": labels,
        "landmarks.npz": exchange.landmark_bytes(exam.landmarks),
        "crops.npz": exchange.crop_bytes(exam.crops),
        "examination.json": _json(facts),
        "report.html": page,
        **{f"pictures/{name}": png for name, png in pictures.items()},
    }
    if anatomy is not None:
        files |= {name: (anatomy / name).read_bytes() for name in ANATOMY}
    if pdf:
        files["report.pdf"] = report.render_pdf(page)
    if exam.original is not None:
        facts_before = exchange.document(exam.original, identify=identify)
        files["original/examination.json"] = _json(facts_before)
        files["original/objects.npz"] = exchange.voxel_bytes(exam.original, b"")
    files |= exporters.exported(export, exam, scan)
    for name, content in files.items():
        folder.write(name, content)
    return facts


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
