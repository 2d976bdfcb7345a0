"""The way back from a document to the examination that it was made from.

What a document does not hold are voxels, landmarks and crops: see `load` for a whole folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from calcimetry.edits.codec import edits_from_json
from calcimetry.plan import Plan
from calcimetry.records import (
    Acquisition,
    Calibration,
    Deposit,
    Estimate,
    Examination,
    Flag,
    Form,
    Frame,
    Kind,
    Likeness,
    OtherObject,
    Place,
    Provenance,
    Quantity,
    Rule,
    Runs,
    Severity,
    StoredGrid,
    Total,
    Totals,
)
from calcimetry.scan.grid import stored_grid

Row = Mapping[str, Any]
Voxels = Mapping[int, Runs]


def parse(
    document: Row, deposits: Voxels | None = None, objects: Voxels | None = None
) -> Examination:
    """An examination from its document, which must hold what its schema says (`check`).

    deposits, objects : runs by number. A deposit without any has empty runs, another object None
    """
    frame = _frame(document["scan"])
    nothing = Runs(frame.shape, *(np.zeros(0, np.int32) for _ in range(3)))
    own, others = deposits or {}, objects or {}
    return Examination(
        frame=frame,
        acquisition=_acquisition(document["scan"], document["input"]["sop_instance_uids"]),
        provenance=_provenance(document["input"]),
        plan=_plan(document["plan"]),
        calibration=_calibration(document["calibration"]),
        listed=tuple(
            _deposit(row, own.get(row["deposit"], nothing)) for row in document["deposits"]
        ),
        objects=tuple(_object(row, others.get(row["object"])) for row in document["objects"]),
        totals=_totals(document["totals"]),
        flags=_flags(document["flags"]),
        timings=dict(document.get("timings_s") or {}),
        versions=dict(document["software"]),
        created=document["created"],
        anatomy=dict(document.get("anatomy") or {}),
        site=document.get("site"),
        edits=edits_from_json(document.get("edits") or []),
        subject=document.get("subject"),
        visit=document.get("visit"),
    )


def _frame(scan: Row) -> Frame:
    k, j, i = scan["shape_zyx"]
    affine = np.array(scan["stored_affine_ijk_to_lps_mm"], np.float64)
    shape = tuple(scan["stored_shape_ijk"])
    if "stored_axes_zyx" in scan:
        flipped = tuple(scan["stored_flipped_zyx"])
        stored = StoredGrid(shape, affine, tuple(scan["stored_axes_zyx"]), flipped)
    else:  # before schema version 1.3; reading decides by the affine
        stored = stored_grid(shape, affine)
    return Frame((k, j, i), np.array(scan["affine_ijk_to_lps_mm"], np.float64), stored)


def _acquisition(scan: Row, instances: Iterable[str]) -> Acquisition:
    known: dict[str, Any] = {f.name: scan[f.name] for f in fields(Acquisition) if f.name in scan}
    known["image_type"] = tuple(scan.get("image_type") or ())
    return Acquisition(**known, sop_instance_uids=tuple(instances))


def _provenance(given: Row) -> Provenance:
    passed = tuple(given["series_passed_over"])
    return Provenance(given["form"], given["files"], given["sha256_of_files"], passed)


def _plan(given: Row) -> Plan:
    """The plan; parameters that only other versions know are left out."""
    plan = Plan()
    for section, values in plan.as_dict().items():
        part = getattr(plan, section)
        known = {name: given.get(section, {}).get(name, own) for name, own in values.items()}
        plan = replace(plan, **{section: replace(part, **known)})
    return plan


def _calibration(given: Row) -> Calibration:
    known = {f.name: given[f.name] for f in fields(Calibration) if f.name in given}
    slopes = given.get("per_slice")
    known |= {
        "flags": _flags(given["flags"]),
        "per_slice": None if slopes is None else tuple(slopes),
    }
    return Calibration(**known)


def _deposit(row: Row, runs: Runs) -> Deposit:
    return Deposit(
        number=row["deposit"],
        uid=row["uid"],
        kind=Kind(row["kind"]),
        confidence=row["confidence"],
        reason=row["reason"],
        rule=_rule(row),
        runs=runs,
        centroid_mm=_position(row),
        slices=(row["slice_first"], row["slice_last"]),
        place=Place(**{f.name: row.get(f.name) for f in fields(Place)}),
        form=Form(
            row["shape"],
            row["diameter_mm"],
            row["long_axis_mm"],
            row["short_axis_mm"],
            dict(row.get("shape_numbers") or {}),
        ),
        quantity=_quantity(row),
        flags=_flags(row["flags"]),
        likeness=_likeness(row),
        group=row.get("group"),
    )


_ESTIMATES = ("mass_mg", "volume_mm3", "density_mg_cm3")


def _quantity(row: Row) -> Quantity:
    plain = {f.name: row[f.name] for f in fields(Quantity) if f.name in row}
    plain |= {name: _estimate(row, name) for name in _ESTIMATES}
    for name in ("relative_error", "density_shares"):
        plain[name] = dict(row.get(name) or {})
    return Quantity(**{**plain, "flags": ()})


def _object(row: Row, runs: Runs | None) -> OtherObject:
    return OtherObject(
        number=row["object"],
        kind=Kind(row["kind"]),
        reason=row["reason"],
        rule=_rule(row),
        confidence=row["confidence"],
        volume_mm3=row["volume_mm3"],
        mass_mg=row["mass_mg"],
        centroid_mm=_position(row),
        runs=runs,
        likeness=_likeness(row),
        group=row.get("group"),
    )


def _totals(given: Row) -> Totals:
    def parts(key: str) -> dict[str, Total]:
        return {name: _total(total) for name, total in given[key].items()}

    return Totals(
        _total(given["overall"]),
        parts("by_region"),
        parts("by_tissue"),
        given.get("unlisted"),
        given.get("unlisted_mass_mg"),
    )


def _total(given: Row) -> Total:
    def sum_of(name: str) -> Estimate:
        return Estimate(**given.get(name) or {})  # before schema 1.3 some sums are not known

    return Total(
        given["count"],
        given["uncertain"],
        sum_of("mass_mg"),
        sum_of("volume_mm3"),
        given["agatston"],
        given.get("sure"),
        sum_of("sure_mass_mg"),
        sum_of("uncertain_mass_mg"),
        given.get("groups"),
    )


def _rule(row: Row) -> Rule | None:
    """The finder's rule; None in documents before 1.3, and for codes of later versions."""
    code = row.get("rule")
    return Rule(code) if code in set(Rule) else None


def _likeness(row: Row) -> Likeness | None:
    """What it looks like; None in documents before 1.4, and for codes of later versions."""
    code = row.get("likeness")
    return Likeness(code) if code in set(Likeness) else None


def _estimate(row: Row, name: str) -> Estimate:
    return Estimate(row[name], row[f"{name}_low"], row[f"{name}_high"])


def _position(row: Row) -> tuple[float, float, float]:
    return row["x_mm"], row["y_mm"], row["z_mm"]


def _flags(given: Iterable[Row]) -> tuple[Flag, ...]:
    return tuple(Flag(f["code"], f["text"], Severity(f["severity"])) for f in given)
