"""Rows as an Arrow table, with typed columns and their units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from calcimetry.escape import page_text
from calcimetry.records.rows import (
    DEPOSIT_COLUMNS,
    INTEGER,
    REAL,
    TEXT,
    TRUTH,
    deposit_rows,
    flat,
    unit_of,
)

if TYPE_CHECKING:
    from calcimetry.records.examination import Examination

_TYPES = {INTEGER: pa.int64(), REAL: pa.float64(), TEXT: pa.string(), TRUTH: pa.bool_()}


def table_of(exam: Examination, *, identify: bool = False) -> pa.Table:
    """Listed objects of an examination: what deposits.parquet holds."""
    return arrow_table(deposit_rows(exam, identify=identify), DEPOSIT_COLUMNS)


def arrow_table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pa.Table:
    """Rows as a table, with typed columns even when there are no rows.

    columns : what each holds, by name; a unit that a name ends with is the field's metadata
        ``unit``
    """
    listed = [{name: _typed(row.get(name)) for name in columns} for row in rows]
    schema = pa.schema([_field(name, kind) for name, kind in columns.items()])
    return pa.Table.from_pylist(listed, schema=schema)


def _field(name: str, kind: str) -> pa.Field:
    unit = unit_of(name)
    return pa.field(name, _TYPES[kind], metadata=None if unit is None else {"unit": unit})


def _typed(value: Any) -> Any:
    value = flat(value)
    return page_text(value) if isinstance(value, str) else value  # UTF-8 must hold it
