from __future__ import annotations

import csv
import io

import pyarrow.parquet as pq

from calcimetry.exchange import DEPOSIT_COLUMNS, csv_text, parquet_bytes

ROW = {
    "deposit": 1,
    "uid": "2.25.1",
    "kind": "deposit",
    "mass_mg": 12.5,
    "touches_bone": False,
    "side": None,
    "site": 'hand, "left"',
    "flags": [{"code": "A"}, {"code": "B"}],
}


def test_unknown_is_an_empty_cell_and_a_null():
    row = next(csv.DictReader(io.StringIO(csv_text([ROW], DEPOSIT_COLUMNS))))
    assert list(row) == list(DEPOSIT_COLUMNS)
    assert row["side"] == ""
    assert row["skin_depth_mm"] == ""
    assert row["site"] == 'hand, "left"'
    assert row["touches_bone"] == "false"
    assert row["flags"] == "A;B"
    again = pq.read_table(io.BytesIO(parquet_bytes([ROW], DEPOSIT_COLUMNS))).to_pylist()[0]
    assert again["side"] is None
    assert again["mass_mg"] == 12.5
    assert again["touches_bone"] is False


def test_no_rows_still_have_columns_of_their_types():
    table = pq.read_table(io.BytesIO(parquet_bytes([], DEPOSIT_COLUMNS)))
    assert table.num_rows == 0
    assert table.column_names == list(DEPOSIT_COLUMNS)
    assert str(table.schema.field("mass_mg").type) == "double"
    assert csv_text([], DEPOSIT_COLUMNS) == ",".join(DEPOSIT_COLUMNS) + "\n"
