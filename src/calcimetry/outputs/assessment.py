"""An assessment written out: the files of its contract (docs/clinic.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calcimetry import report
from calcimetry.atomic import AtomicFolder
from calcimetry.clinic import Assessment, assessment_document
from calcimetry.exchange import document
from calcimetry.records import Examination
from calcimetry.report.assessment import chapter

FILES = ("assessment.json", "report.html")
"""Everything that an assessment may write; what an older run left is replaced."""


def write_assessment(
    assessment: Assessment,
    out: str | Path,
    *,
    exam: Examination | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Write an assessment into a folder, as `calcimetry assess` does; returns its document.

    exam : the examination that was assessed; with it report.html is written, its report with the
        assessment as a chapter and with the pictures that it was loaded with

    Nothing appears in `out` unless all of it was written. Raises OutputError as
    `calcimetry.write` does.
    """
    shown = None if exam is None else (document(exam), exam.pictures)
    with AtomicFolder(Path(out), force=force, ours=FILES) as folder:
        return fill(assessment, folder, shown)


def fill(
    assessment: Assessment,
    folder: AtomicFolder,
    shown: tuple[Mapping[str, Any], Mapping[str, bytes]] | None = None,
) -> dict[str, Any]:
    """Write every file of an assessment into an open output folder.

    shown : document and pictures of the examination whose report gets the chapter
    """
    assessed = assessment_document(assessment)
    folder.write("assessment.json", json.dumps(assessed, indent=1, allow_nan=False) + "\n")
    if shown is not None:
        page = report.render(*shown, chapters={"clinic": chapter(assessed)})
        folder.write("report.html", page)
    return assessed
