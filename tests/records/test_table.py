"""`exam.table()` is deposits.parquet, with units."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calcimetry.exchange import DEPOSIT_COLUMNS, csv_text, deposit_rows, parquet_bytes
from calcimetry.records import Provenance
from calcimetry.records.rows import unit_of
from drawn import deposit, examination

UNITS = {
    "mass_mg": "mg", "mass_mg_low": "mg", "volume_mm3_high": "mm3", "density_mg_cm3": "mg/cm3",
    "peak_mg_cm3": "mg/cm3", "mean_hu": "HU", "x_mm": "mm", "volume_130_mm3": "mm3",
    "skin_depth_mm": "mm", "ceiling_voxels": "voxels", "detection_limit_mg": "mg",
}  # fmt: skip
UNITLESS = ("deposit", "confidence", "agatston", "kind", "slice_first", "scan_uid", "date")


def exam():
    listed = [deposit(1, mass_mg=3.5, uid="2.25.1"), deposit(2, kind="uncertain")]
    given = {"provenance": Provenance("nifti", 1, "a"), "subject": "P017", "visit": "v1"}
    return examination(listed, **given)


def test_it_is_the_parquet_file_and_the_csv():
    own = exam()
    rows = deposit_rows(own)
    written = pq.read_table(io.BytesIO(parquet_bytes(rows, DEPOSIT_COLUMNS)))
    table = own.table()
    assert table.equals(written, check_metadata=True)
    assert table.column("tier").to_pylist() == ["sure", "uncertain"]
    assert table.column("subject").to_pylist() == ["P017", "P017"]
    assert set(table.column("scan_uid").to_pylist()) == {own.scan_uid}
    assert (
        csv_text(rows, DEPOSIT_COLUMNS)
        .splitlines()[1]
        .endswith(f"{own.scan_uid},,,2026-11-01,P017,v1")
    )


@pytest.mark.parametrize("name", [*UNITS, *UNITLESS])
def test_units_stand_with_the_columns(name):
    field = exam().table().schema.field(name)
    unit = UNITS.get(name)
    assert unit_of(name) == unit
    assert field.metadata == (None if unit is None else {b"unit": unit.encode()})


def test_columns_keep_their_types_without_rows():
    table = examination().table()
    assert table.num_rows == 0
    assert table.schema.field("deposit").type == pa.int64()
    assert table.schema == exam().table().schema
