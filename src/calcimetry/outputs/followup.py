"""A follow-up written out: the files of its contract (docs/followup.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from calcimetry import report
from calcimetry.atomic import AtomicFolder
from calcimetry.exchange import csv_text
from calcimetry.exchange.followup import LINEAGE_COLUMNS, followup_document, lineage_rows
from calcimetry.followup import FollowUp
from calcimetry.report.followup import chapter
from calcimetry.report.followup_figures import figures

FILES = (
    "lineage.csv", "followup.json", "report.html", "timeline.svg", "lineages.svg", "crops.svg",
)  # fmt: skip
"""Everything that a follow-up may write; what an older run left is replaced."""


def write_followup(found: FollowUp, out: str | Path, *, force: bool = False) -> dict[str, Any]:
    """Write a follow-up into a folder, as `calcimetry follow` does; returns its document.

    Nothing appears in `out` unless all of it was written. Raises OutputError as
    `calcimetry.write` does.
    """
    with AtomicFolder(Path(out), force=force, ours=FILES) as folder:
        return fill(found, folder)


def fill(found: FollowUp, folder: AtomicFolder) -> dict[str, Any]:
    """Write every file of a follow-up into an open output folder."""
    facts = followup_document(found)
    drawings = figures(facts, [visit.pictures for visit in found.visits])
    last = found.visits[-1]
    chapters = {"followup": chapter(facts, drawings)}
    page = report.render(last.facts, last.pictures, chapters=chapters)
    folder.write("lineage.csv", csv_text(lineage_rows(facts), LINEAGE_COLUMNS))
    folder.write("followup.json", json.dumps(facts, indent=1, allow_nan=False) + "\n")
    folder.write("report.html", page)
    for name, svg in drawings.items():
        folder.write(name, svg)
    return facts
