"""Examinations made by hand, small and quick, for the report's tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

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
    OtherObject,
    Place,
    Provenance,
    Quantity,
    Rule,
    Runs,
    Scan,
    Severity,
    Source,
    Tier,
    Total,
    Totals,
)
from calcimetry.report import pictures
from calcimetry.runs import voxels_of

SPACING = (2.5, 0.8, 0.8)
NOTHING = Estimate()


def make_scan(shape: tuple[int, int, int] = (40, 150, 170), **facts: Any) -> Scan:
    """A trunk of soft tissue with one bone, on a thin table."""
    _, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    hu = np.full(shape, -1000, dtype=np.int16)
    middle = (shape[1] * 0.45, shape[2] * 0.5)
    radius = ((y - middle[0]) / (shape[1] * 0.38)) ** 2 + ((x - middle[1]) / (shape[2] * 0.42)) ** 2
    hu[np.broadcast_to(radius < 1, shape)] = 45
    hu[:, -6:-4, :] = -180  # a table
    hu[np.broadcast_to((y - middle[0]) ** 2 + (x - middle[1]) ** 2 < 90, shape)] = 900
    affine = np.diag([SPACING[2], SPACING[1], SPACING[0], 1.0])
    affine[:3, 3] = (-60.0, -50.0, 300.0)
    acquisition = Acquisition(
        kvp=120.0, manufacturer="Maker", model="One", date="2026-11-23", **facts
    )
    source = Source("x", "nifti", {"x.nii": "ab" * 32})
    return Scan(hu, Frame.of(shape, affine), acquisition, source)


def block(shape: tuple[int, int, int], corner: tuple[int, int, int], size: Any) -> Runs:
    """A box of voxels as runs."""
    z, y, x = corner
    rows = [(z + dz) * shape[1] + y + dy for dz in range(size[0]) for dy in range(size[1])]
    row = np.array(rows, dtype=np.int32)
    start = np.full(len(row), x, dtype=np.int32)
    return Runs(shape, row, start, start + np.int32(size[2]))


def around(value: float | None, share: float) -> Estimate:
    """An interval of a share to either side."""
    if value is None:
        return NOTHING
    return Estimate(value, value * (1 - share), value * (1 + share))


def make_deposit(scan: Scan, number: int, corner: tuple[int, int, int], **changes: Any) -> Deposit:
    """A box-shaped deposit, bright in the scan too."""
    size = changes.pop("size", (2, 5, 5))
    withheld = changes.pop("withheld", False)
    runs = block(scan.hu.shape, corner, size)
    box = tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))
    scan.hu[box] = 700
    volume = runs.voxels * scan.voxel_mm3
    mass = None if withheld else volume * 0.4321
    centre = np.array(corner) + (np.array(size) - 1) / 2
    quantity = Quantity(
        mass_mg=around(mass, 0.18),
        volume_mm3=NOTHING if withheld else around(volume, 0.1),
        density_mg_cm3=NOTHING if withheld else around(432.1, 0.12),
        volume_130_mm3=volume * 1.3,
        mean_hu=612.345,
        max_hu=901,
        agatston=None if withheld else volume / 3,
        agatston_profile=None if withheld else "classic",
        background_hu=44.4,
        relative_error={"calibration": 0.0765, "noise": 0.0123},
    )
    place = Place("subcutis", "right", "forearm", "upper limb", 6.2, 14.1, "radius", "wrist", 52.0)
    values: dict[str, Any] = {
        "kind": Kind.DEPOSIT,
        "confidence": 0.9312,
        "reason": "isolated dense object in soft tissue",
        "rule": Rule.ISOLATED,
        "place": place,
        "form": Form("nodule", 5.4321, 6.789, 3.21),
        "flags": (Flag("CEILING", "Voxels at the ceiling.", Severity.WITHHELD),) * withheld,
    }
    return Deposit(
        number=number,
        uid=f"2.25.{number}",
        runs=runs,
        centroid_mm=tuple(float(v) for v in scan.to_lps(centre)),  # type: ignore[arg-type]
        slices=(corner[0], corner[0] + size[0] - 1),
        quantity=quantity,
        **(values | changes),
    )


def total_of(deposits: list[Deposit]) -> Total:
    """The sum of some deposits; withheld when one is."""
    counted = [d for d in deposits if d.kind is Kind.DEPOSIT]
    sure = [d for d in counted if d.tier is Tier.SURE]
    doubted = [d for d in deposits if d.kind is not Kind.DEPOSIT]
    masses = [d.quantity.mass_mg.value for d in counted]
    volumes = [d.quantity.volume_mm3.value for d in counted]
    known = None not in masses and bool(counted)
    volume = sum(v for v in volumes if v is not None) if known else None
    return Total(
        len(counted),
        len(doubted),
        around(mass_of(counted) if counted else None, 0.16),
        around(volume, 0.08),
        12.5 if known else None,
        len(sure),
        around(mass_of(sure), 0.16),
        around(mass_of(doubted), 0.5),
    )


def mass_of(deposits: list[Deposit]) -> float | None:
    """Their mass; None where that of one is withheld."""
    masses = [d.quantity.mass_mg.value for d in deposits]
    return None if None in masses else sum(m for m in masses if m is not None)


def make_exam(scan: Scan, deposits: list[Deposit], **changes: Any) -> Examination:
    """An examination of these deposits, with a few objects left out."""
    objects = tuple(
        OtherObject(k + 1, kind, f"reason {k}", None, confidence, 40.0 + k, None, (0.0, 0.0, 320.0))
        for k, (kind, confidence) in enumerate([(Kind.BONE, 0.99), (Kind.VESSEL, 0.55)])
    )
    totals = Totals(
        total_of(deposits),
        {"upper limb": total_of(deposits)} if deposits else {},
        {"subcutis": total_of(deposits)} if deposits else {},
    )
    values: dict[str, Any] = {
        "plan": Plan(),
        "calibration": Calibration(0.7612, 0.15, "table", "120 kVp"),
        "objects": objects,
        "flags": (Flag("THICK_SLICES", "Slices are 2.5 mm thick."),),
    }
    return Examination(
        frame=scan.frame,
        acquisition=scan.acquisition,
        provenance=Provenance.of(scan.source),
        created="2026-11-23T10:00:00+00:00",
        listed=tuple(deposits),
        totals=totals,
        timings={"finding": 0.1},
        versions={"calcimetry": "0.1.0", "numpy": "2.0"},
        **(values | changes),
    )


def scan_for(exam: Examination) -> Scan:
    """The scan of an examination made here: each deposit is bright in it."""
    hu = make_scan(exam.frame.shape).hu
    for deposit in exam.listed:
        hu[tuple(voxels_of(deposit.runs).T)] = 700
    return Scan(hu, exam.frame, exam.acquisition, Source("x", "nifti", {"x.nii": "ab" * 32}))


def seen(exam: Examination) -> dict[str, bytes]:
    """The pictures of an examination made here."""
    return pictures(exam, scan_for(exam))


def corners(count: int, shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Places on a lattice inside the trunk."""
    rng = np.random.default_rng(7)
    low, high = np.array([2, 30, 40]), np.array(shape) - [5, 60, 40]
    found = rng.integers(low, high, size=(count, 3))
    return [tuple(int(v) for v in corner) for corner in found]  # type: ignore[misc]


@pytest.fixture(scope="session")
def exam_with() -> Callable[..., Examination]:
    """Makes an examination of `count` deposits, every fifth of them doubtful."""

    def make(count: int, **changes: Any) -> Examination:
        scan = make_scan(**changes.pop("facts", {}))
        sizes = [(1 + k % 3, 2 + k % 4, 3 + k % 6) for k in range(count)]
        per_deposit = changes.pop("per_deposit", {})
        deposits = [
            make_deposit(
                scan,
                k + 1,
                corner,
                **{"size": sizes[k], "kind": Kind.UNCERTAIN if k % 5 == 4 else Kind.DEPOSIT}
                | per_deposit,
            )
            for k, corner in enumerate(corners(count, scan.hu.shape))
        ]
        return make_exam(scan, deposits, **changes)

    return make
