"""Visits of known truth: an elbow scanned twice, and visits drawn as balls of points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calcimetry.examine import measure
from calcimetry.followup.alignment import Alignment
from calcimetry.followup.motion import Cloud, Motion
from calcimetry.followup.visit import Visit
from calcimetry.phantom import DepositSpec, Phantom, PhantomSpec, Pose, Protocol, realise
from calcimetry.plan import Plan
from calcimetry.records import Examination
from calcimetry.report import pictures

RULES = Plan().changed("find", {"finder": "rules"})
FIELD_MM = 200


def ball(centre: Any, mass_mg: float) -> np.ndarray:
    """Points of a ball of 500 mg/cm3, 1 mm apart."""
    radius = (mass_mg * 2 * 3 / (4 * np.pi)) ** (1 / 3)
    line = np.arange(-np.ceil(radius), np.ceil(radius) + 1)
    grid = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)
    return grid[np.linalg.norm(grid, axis=1) <= max(radius, 0.5)] + np.array(centre, float)


def row(number: int, shape: np.ndarray, mass_mg: float, **changes: Any) -> dict[str, Any]:
    volume = 2.0 * mass_mg
    centre = dict(zip(("x_mm", "y_mm", "z_mm"), shape.mean(axis=0), strict=True))
    values = {
        "deposit": number,
        "kind": "deposit",
        "mass_mg": mass_mg,
        "mass_mg_high": mass_mg * 1.2,
        "volume_mm3": volume,
        "volume_mm3_high": volume * 1.1,
        "relative_error": {"noise": 0.02, "background": 0.02, "matrix": 0.03, "calibration": 0.08},
        "flags": [],
        **centre,
    }
    return {**values, **changes}


def visit_with(balls: Mapping[int, tuple[Any, float]], number: int = 1, **facts: Any) -> Visit:
    """A visit whose field is a cube of 200 mm, with balls (centre, mass mg) by number."""
    shapes = {n: ball(*values) for n, values in balls.items()}
    affine = np.eye(4)
    scan = {
        "manufacturer": "Maker", "model": "One", "kvp": 120.0, "kernel": "STANDARD",
        "contrast": False, "laterality": "R", "kev": None, "body_part": "ELBOW",
        "date": f"2026-0{number}-01",
        "spacing_zyx_mm": [1.0, 1.0, 1.0], "shape_zyx": [FIELD_MM] * 3, "series_uid": None,
        "affine_ijk_to_lps_mm": affine.tolist(),
    }  # fmt: skip
    calibration = {"source": "table", "relative_sd": 0.08, "mg_cm3_per_hu": 0.7}
    rows = [row(n, shapes[n], balls[n][1]) for n in balls]
    document = {
        "scan": {**scan, **facts.pop("scan", {})},
        "calibration": {**calibration, **facts.pop("calibration", {})},
        "plan": {"find": {"threshold_hu": 130.0, "threshold_mg_cm3": 0.0}, "quantity": {}},
        "software": {"calcimetry": "0"},
        "deposits": rows,
        "objects": [],
    }
    bone = Cloud(np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0))
    return Visit(number, {**document, **facts}, shapes, bone, bone, {})


def still() -> Alignment:
    """An alignment that moves nothing, from landmarks spread over the field."""
    line = np.arange(5.0, FIELD_MM, 10.0)
    marks = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)
    none = (Motion.none(),)
    flat = np.zeros(len(marks), np.int64)
    return Alignment(marks, flat, flat * 0.5, none, none, 1.0, False)


@pytest.fixture
def unmoved() -> Alignment:
    return still()


@pytest.fixture
def visit() -> Callable[..., Visit]:
    return visit_with


DEPOSITS = (
    DepositSpec("brachialis", "nodule", 9.0, 500.0, 1),
    DepositSpec("forearm muscle", "nodule", 8.0, 600.0, 2),
    DepositSpec("forearm subcutis", "nodule", 6.0, 700.0, 3, (0.0, 0.0, 30.0)),
)
QUICK = Protocol(spacing=(1.25, 1.0, 1.0), table=False)


@pytest.fixture(scope="session")
def elbow() -> Callable[..., Phantom]:
    """elbow(deposits, pose, seed): a scan of the same arm."""

    def make(
        deposits: tuple[DepositSpec, ...] = DEPOSITS,
        pose: Pose | None = None,
        seed: int = 0,
        **protocol: Any,
    ) -> Phantom:
        how = replace(QUICK, **protocol)
        return realise(PhantomSpec("elbow", 3, deposits, how, pose or Pose(), seed))

    return make


def dated(phantom: Phantom, date: str | None, plan: Plan = RULES) -> Examination:
    scan = phantom.scan
    facts = replace(scan.acquisition, date=date)
    exam = measure(replace(scan, acquisition=facts), plan)
    return replace(exam, pictures=pictures(exam, scan))


MOVED = Pose((8.0, -5.0, 12.0), (9.0, -6.0, 4.0))


@pytest.fixture(scope="session")
def twice(elbow: Callable[..., Phantom]) -> tuple[Examination, Examination]:
    """The same arm on two visits: laid down anew, one deposit 60 % heavier, one gone."""
    later = (replace(DEPOSITS[0], diameter_mm=9.0 * 1.6 ** (1 / 3)), DEPOSITS[1])
    return (
        dated(elbow(), "2025-01-01"),
        dated(elbow(later, MOVED, 7), "2026-01-01"),
    )
