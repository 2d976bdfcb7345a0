"""Kinds against an anatomy label map that the finder was not shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from calcimetry.anatomy import LabelMap
from calcimetry.describe.evidence import samples, structure_of
from calcimetry.records import Finding, Kind, Scan

LISTED = (Kind.DEPOSIT, Kind.UNCERTAIN, Kind.VESSEL, Kind.BONE, Kind.CONTRAST, Kind.METAL)


@dataclass(slots=True)
class Row:
    """Findings in structures of one kind: how many, and mm3, by the kind they were given."""

    count: Counter[Kind] = field(default_factory=Counter)
    mm3: Counter[Kind] = field(default_factory=Counter)


def confusion(scan: Scan, labels: LabelMap, findings: Iterable[Finding]) -> dict[str, Row]:
    """By what the label map says most of a finding lies in; noise and outside left out."""
    rows: dict[str, Row] = {}
    for finding in findings:
        if finding.kind in (Kind.NOISE, Kind.EXTERNAL):
            continue
        points, _ = samples([finding.runs], scan.hu.shape)
        structure = structure_of(scan, labels, points)
        row = rows.setdefault(structure.kind if structure else "none", Row())
        row.count[finding.kind] += 1
        row.mm3[finding.kind] += round(finding.runs.voxels * scan.voxel_mm3)
    return rows


def table(rows: Mapping[str, Row]) -> str:
    head = ["lies in, by the label map", *(f"called {kind}: n (mm3)" for kind in LISTED)]
    lines = [head, ["---"] * len(head)]
    for name in sorted(rows):
        row = rows[name]
        lines.append(
            [name, *(f"{row.count[k]} ({row.mm3[k]})" if row.count[k] else "-" for k in LISTED)]
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
