"""Deposits as rows of a table: the same values in deposits.csv, Parquet, examination.json and
`Examination.table`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from calcimetry.records.basics import Estimate
from calcimetry.records.deposit import Deposit
from calcimetry.records.plain import flag_rows, rounded
from calcimetry.terms import anatomical, uid

if TYPE_CHECKING:
    from calcimetry.records.examination import Examination

INTEGER, REAL, TEXT, TRUTH = "integer", "real", "text", "truth"

DEPOSIT_COLUMNS: Mapping[str, str] = {
    "deposit": INTEGER,
    "uid": TEXT,
    "group": INTEGER,
    "kind": TEXT,
    "likeness": TEXT,
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
    "tier": TEXT,
    "scan_uid": TEXT,
    "study_uid": TEXT,
    "series_uid": TEXT,
    "date": TEXT,
    "subject": TEXT,
    "visit": TEXT,
}
"""Columns of the deposit table and what each holds. Add, do not rename."""

_UNITS = {
    "_mg_cm3": "mg/cm3",
    "_mm3": "mm3",
    "_mm": "mm",
    "_mg": "mg",
    "_hu": "HU",
    "_voxels": "voxels",
    "_pct": "%",
}


def unit_of(column: str) -> str | None:
    """The unit that a column's name ends with, such as mg/cm3; None for numbers without one."""
    name = column.removesuffix("_low").removesuffix("_high")
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), None)


def deposit_rows(exam: Examination, *, identify: bool = False) -> list[dict[str, Any]]:
    """The deposit table: a row per listed object, which says what scan it is from."""
    scan = scan_columns(exam, identify=identify)
    return [{**deposit_row(deposit, identify=identify), **scan} for deposit in exam.listed]


def scan_columns(exam: Examination, *, identify: bool = False) -> dict[str, str | None]:
    """Which scan a row is from: columns of the deposit table."""
    facts = exam.acquisition
    uids = {"study_uid": facts.study_uid, "series_uid": facts.series_uid}
    return {
        "scan_uid": exam.scan_uid,
        **(uids if identify else {name: uid(value) for name, value in uids.items()}),
        "date": facts.date,
        "subject": exam.subject,
        "visit": exam.visit,
    }


def deposit_row(deposit: Deposit, *, identify: bool = False) -> dict[str, Any]:
    """A listed object as JSON-ready values: a row of deposits.csv and what examination.json adds.

    identify : keep the site as people typed it; else only terms of anatomy stay
    """
    quantity, form, place = deposit.quantity, deposit.form, deposit.place
    if not identify:  # it comes from the scan's Body Part Examined, or from the user's words
        place = replace(place, site=anatomical(place.site))
    row: dict[str, Any] = {
        "deposit": deposit.number,
        "uid": deposit.uid,
        "group": deposit.group,
        "kind": str(deposit.kind),
        "likeness": deposit.likeness and str(deposit.likeness),
        "tier": str(deposit.tier),
        "confidence": deposit.confidence,
        **asdict(place),
        **position(deposit.centroid_mm),
        "slice_first": deposit.slices[0],
        "slice_last": deposit.slices[1],
        **_spread("mass_mg", quantity.mass_mg),
        **_spread("volume_mm3", quantity.volume_mm3),
        "volume_130_mm3": quantity.volume_130_mm3,
        **_spread("density_mg_cm3", quantity.density_mg_cm3),
        "mean_hu": quantity.mean_hu,
        "max_hu": quantity.max_hu,
        "agatston": quantity.agatston,
        "agatston_profile": quantity.agatston_profile,
        "diameter_mm": form.diameter_mm,
        "long_axis_mm": form.long_axis_mm,
        "short_axis_mm": form.short_axis_mm,
        "shape": form.shape,
        "shape_numbers": dict(form.numbers),
        "background_hu": quantity.background_hu,
        "relative_error": dict(quantity.relative_error),
        "peak_mg_cm3": quantity.peak_mg_cm3,
        "detection_limit_mg": quantity.detection_limit_mg,
        "ceiling_voxels": quantity.ceiling_voxels,
        "density_shares": dict(quantity.density_shares),
        "reason": deposit.reason,
        "rule": deposit.rule and str(deposit.rule),
        "flags": flag_rows(dict.fromkeys(deposit.flags)),
    }
    made: dict[str, Any] = rounded(row)
    return made


def position(lps: tuple[float, float, float]) -> dict[str, float]:
    """Columns of a point, LPS mm."""
    return dict(zip(("x_mm", "y_mm", "z_mm"), lps, strict=True))


def _spread(name: str, estimate: Estimate) -> dict[str, float | None]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def flat(value: Any) -> Any:
    """What a cell of a table holds: a list of flags becomes its codes, joined; all else stays."""
    return ";".join(flag["code"] for flag in value) if isinstance(value, list) else value
