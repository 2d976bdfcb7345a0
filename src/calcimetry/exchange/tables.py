"""deposits.csv, deposits.parquet and objects.csv. Unknown is an empty cell or a null, never 0."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from calcimetry.escape import cell, page_text

INTEGER, REAL, TEXT, TRUTH = "integer", "real", "text", "truth"

DEPOSIT_COLUMNS: Mapping[str, str] = {
    "deposit": INTEGER,
    "uid": TEXT,
    "kind": TEXT,
    "confidence": REAL,
    "tissue": TEXT,
    "side": TEXT,
    "site": TEXT,
    "region": TEXT,
    "skin_depth_mm": REAL,
    "bone_distance_mm": REAL,
    "nearest_bone": TEXT,
    "nearest_joint": TEXT,
    "joint_distance_mm": REAL,
    "x_mm": REAL,
    "y_mm": REAL,
    "z_mm": REAL,
    "slice_first": INTEGER,
    "slice_last": INTEGER,
    "mass_mg": REAL,
    "mass_mg_low": REAL,
    "mass_mg_high": REAL,
    "volume_mm3": REAL,
    "volume_mm3_low": REAL,
    "volume_mm3_high": REAL,
    "volume_130_mm3": REAL,
    "density_mg_cm3": REAL,
    "density_mg_cm3_low": REAL,
    "density_mg_cm3_high": REAL,
    "mean_hu": REAL,
    "max_hu": INTEGER,
    "agatston": REAL,
    "agatston_profile": TEXT,
    "diameter_mm": REAL,
    "long_axis_mm": REAL,
    "short_axis_mm": REAL,
    "shape": TEXT,
    "touches_bone": TRUTH,
    "flags": TEXT,
    "reason": TEXT,
    "rule": TEXT,
    "peak_mg_cm3": REAL,
    "detection_limit_mg": REAL,
    "ceiling_voxels": INTEGER,
}
"""Columns of the deposit table and what each holds. Add, do not rename."""

OBJECT_COLUMNS: Mapping[str, str] = {
    "object": INTEGER,
    "kind": TEXT,
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
    """The same rows as Parquet, with typed columns even when there are no rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {INTEGER: pa.int64(), REAL: pa.float64(), TEXT: pa.string(), TRUTH: pa.bool_()}
    listed = [{name: _typed(row.get(name)) for name in columns} for row in rows]
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(listed, schema=schema), sink)
    return sink.getvalue()


def _cell(value: Any) -> str:
    value = _flat(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    # By the value's type, not the column's: a number never begins a formula, a text may.
    return cell(value) if isinstance(value, str) else str(value)


def _typed(value: Any) -> Any:
    value = _flat(value)
    return page_text(value) if isinstance(value, str) else value  # UTF-8 must hold it


def _flat(value: Any) -> Any:
    """A list of flags becomes its codes, joined; all else stays."""
    return ";".join(flag["code"] for flag in value) if isinstance(value, list) else value
