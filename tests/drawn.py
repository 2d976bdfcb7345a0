"""Examinations drawn by hand: no finder, no kernels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from calcimetry.plan import Plan
from calcimetry.records import (
    Acquisition,
    Calibration,
    Deposit,
    Estimate,
    Examination,
    Form,
    Frame,
    Kind,
    OtherObject,
    Place,
    Provenance,
    Quantity,
    Rule,
    Runs,
    Tier,
    Total,
    Totals,
)

UNKNOWN = Estimate()
SHAPE = (8, 9, 10)


def runs_of(shape: tuple[int, int, int], *voxels: tuple[int, int, int]) -> Runs:
    """Runs of one voxel each; the voxels (z, y, x) in raster order."""
    z, y, x = np.array(voxels or np.zeros((0, 3)), np.int32).reshape(-1, 3).T
    return Runs(shape, z * np.int32(shape[1]) + y, x, x + np.int32(1))


def deposit(number: int = 1, **row: Any) -> Deposit:
    """A deposit from a row of deposits.csv, everything else unknown."""
    place = {f.name: row[f.name] for f in fields(Place) if f.name in row}
    volume = row.get("volume_mm3")
    return Deposit(
        number=number,
        uid=row.get("uid", f"2.25.{number}"),
        kind=Kind(row.get("kind", "deposit")),
        confidence=row.get("confidence", 0.9),
        reason=row.get("reason", "drawn by hand"),
        rule=row.get("rule", Rule.ISOLATED),
        runs=row.get("runs", runs_of(SHAPE, (1, 1, number % SHAPE[2]))),
        centroid_mm=row.get("centroid_mm", (0.0, 0.0, 0.0)),
        slices=row.get("slices", (0, 0)),
        place=Place(**place),
        form=Form(
            row.get("shape", "nodule"),
            row.get("diameter_mm"),
            row.get("long_axis_mm"),
            row.get("short_axis_mm"),
        ),
        quantity=Quantity(
            mass_mg=Estimate(row.get("mass_mg")),
            volume_mm3=Estimate(volume),
            density_mg_cm3=UNKNOWN,
            volume_130_mm3=volume or 0.0,
            mean_hu=400.0,
            max_hu=700,
            agatston=None,
            agatston_profile=None,
        ),
        flags=row.get("flags", ()),
        likeness=row.get("likeness"),
        group=row.get("group"),
    )


def examination(deposits: Iterable[Deposit] = (), **changes: Any) -> Examination:
    """An examination of these deposits on a small grid.

    date : of the scan; objects : kinds of other objects, or records; all else replaces fields
    """
    listed = tuple(deposits)
    counted = sum(d.kind is Kind.DEPOSIT for d in listed)
    sure = sum(d.tier is Tier.SURE for d in listed)
    total = Total(counted, len(listed) - counted, UNKNOWN, UNKNOWN, None, sure)
    frame = changes.pop("frame", None) or Frame.of(SHAPE, np.eye(4))
    values: Mapping[str, Any] = {
        "frame": frame,
        "acquisition": Acquisition(date=changes.pop("date", "2026-11-01")),
        "provenance": Provenance("array"),
        "plan": Plan(),
        "calibration": Calibration(0.76, 0.15, "table"),
        "objects": tuple(map(other, range(1, 99), changes.pop("objects", ()))),
        "totals": Totals(total, {}, {}),
        "flags": (),
        "timings": {},
        "versions": {"calcimetry": "0"},
        "created": "2026-11-28T00:00:00+00:00",
    }
    return Examination(listed=listed, **(dict(values) | changes))


def other(number: int, kind: Any) -> OtherObject:
    """A left-out object of a kind."""
    if isinstance(kind, OtherObject):
        return kind
    return OtherObject(number, Kind(kind), "drawn by hand", None, 0.9, 40.0, None, (0.0, 0.0, 0.0))
