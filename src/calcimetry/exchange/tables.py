"""deposits.csv, deposits.parquet and objects.csv. Unknown is an empty cell or a null, never 0."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from calcimetry.escape import cell
from calcimetry.records.rows import INTEGER, REAL, TEXT, flat

OBJECT_COLUMNS: Mapping[str, str] = {
    "object": INTEGER,
    "group": INTEGER,
    "kind": TEXT,
    "likeness": TEXT,
    "reason": TEXT,
    "rule": TEXT,
    "confidence": REAL,
    "volume_mm3": REAL,
    "mass_mg": REAL,
    "x_mm": REAL,
    "y_mm": REAL,
    "z_mm": REAL,
}


def csv_text(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """Rows of a document's list as CSV (RFC 4180, UTF-8 text, header first).

    Texts that a spreadsheet would take for a formula get an apostrophe (`calcimetry.escape.cell`).
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    return out.getvalue()


def parquet_bytes(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> bytes:
    """The same rows as Parquet: typed columns, even when there are no rows, with their units."""
    import pyarrow.parquet as pq

    from calcimetry.records.table import arrow_table

    sink = io.BytesIO()
    pq.write_table(arrow_table(rows, columns), sink)
    return sink.getvalue()


def _cell(value: Any) -> str:
    value = flat(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    # By the value's type, not the column's: a number never begins a formula, a text may.
    return cell(value) if isinstance(value, str) else str(value)
