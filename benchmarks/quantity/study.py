"""The phantom study: random deposits, each measured, each with its truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scenes import Scene, Setting, random_setting, scene

from calcimetry.plan import Plan
from calcimetry.quantity import quantify
from calcimetry.records import Calibration, Finding, Kind, Quantity
from calcimetry.runs import find_runs, objects_of, runs_of_object

AS_CUT = Plan().changed("quantity", {"cut_sd_voxels": 0.25})
"""The plan, but for the error of the cut on bone: the one drawn here is smaller than a finder's."""

TABLE_SD = Plan().quantity.table_spread / 1.959964


@dataclass(frozen=True, slots=True)
class Row:
    """One deposit: its setting, truth, and what was measured; None where nothing was found."""

    setting: dict[str, Any]
    spacing: tuple[float, float, float]
    truth_mg: float
    truth_mm3: float
    mass: tuple[float, float, float] | None
    volume: tuple[float, float, float] | None
    density: tuple[float, float, float] | None
    volume_130: float | None
    doubted: tuple[float, float, float] | None  # mass with a calibration off by its stated SD
    mass_130: float | None  # the usual way: c * sum(HU) over voxels of 130 HU and more


def measure(case: Scene) -> Row:
    """Quantify a scene with its exact calibration, and with one that is off."""
    setting = asdict(case.setting)
    spacing = case.scan.spacing
    if not case.findings:
        empty = (None,) * 6
        return Row(setting, spacing, case.mass_mg, case.volume_mm3, *empty)
    exact = _quantity(case, case.slope, 0.0)
    off = 1.0 + TABLE_SD * np.random.default_rng([case.setting.seed, 9]).standard_normal()
    doubted = _quantity(case, case.slope * off, TABLE_SD)
    usual = case.slope / 1000 * exact.mean_hu * case.findings[0].runs.voxels * case.scan.voxel_mm3
    return Row(
        setting,
        spacing,
        case.mass_mg,
        case.volume_mm3,
        _triple(exact.mass_mg),
        _triple(exact.volume_mm3),
        _triple(exact.density_mg_cm3),
        exact.volume_130_mm3,
        _triple(doubted.mass_mg),
        usual,
    )


def _quantity(case: Scene, slope: float, sd: float) -> Quantity:
    return quantify(case.scan, case.findings, Calibration(slope, sd, "user"), AS_CUT)[0]


def _triple(estimate: Any) -> tuple[float, float, float]:
    top = np.inf if estimate.high is None else estimate.high
    return (estimate.value or 0.0), (estimate.low or 0.0), top


def one(seed: int) -> Row:
    """Draw and measure the deposit of a seed."""
    return measure(scene(random_setting(seed)))


def study(seeds: Sequence[int], jobs: int = 2) -> list[Row]:
    """Rows of all seeds, in order."""
    return _spread(one, seeds, jobs)


def _spread(work: Callable[[Any], Any], items: Sequence[Any], jobs: int) -> list[Any]:
    if jobs == 1:
        return [work(item) for item in items]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(work, items, chunksize=4))


def sphere(slice_factor: int, phase: int, noise: float = 5.0) -> Row:
    """An 8 mm sphere of 500 HU over muscle, at one slice spacing and phase of the grid."""
    setting = Setting(
        seed=1000 * slice_factor + phase,
        family="ball",
        diameter=8.0,
        density=(500.0 - 40.0 + 50.0) * 0.654,
        place="muscle",
        slice_factor=slice_factor,
        noise=noise,
        matrix=40.0,
    )
    return measure(scene(setting))


def specks(seed: int) -> tuple[int, int, int]:
    """Noise alone: dense objects that a finder would list, and those called more than none."""
    rng = np.random.default_rng([seed, 3])
    setting = replace(
        random_setting(seed),
        place=str(rng.choice(["fat", "muscle"])),
        diameter=4.0,
        family="ellipsoid",
        density=0.0,
        matrix=50.0,
        noise=float(rng.choice([28.0, 35.0, 42.0])),
    )
    scan = scene(replace(setting, matrix=50.0 if setting.place == "muscle" else -100.0)).scan
    found = objects_of(scan.hu, find_runs(scan.hu, 130.0))
    keep = [
        n + 1
        for n in range(len(found))
        if found.voxels[n] >= 3 and found.voxels[n] * scan.voxel_mm3 >= 4.0
    ]
    findings = [Finding(runs_of_object(found, n), Kind.UNCERTAIN, "noise", 0.5) for n in keep]
    if not findings:
        return 0, 0, 0
    exact = Calibration(0.7, 0.0, "user")
    measured = quantify(scan, findings, exact, Plan())
    real = sum(not any(f.code == "BELOW_DETECTION" for f in q.flags) for q in measured)
    apart = sum(q.mass_mg.low is not None and q.mass_mg.low > 0 for q in measured)
    return len(findings), real, apart


def spheres(factors: Sequence[int], phases: Sequence[int], jobs: int = 2) -> list[Row]:
    """The sphere at all slice spacings and phases."""
    return _spread(_sphere, [(k, n) for k in factors for n in phases], jobs)


def _sphere(of: tuple[int, int]) -> Row:
    return sphere(*of)


def null(seeds: Sequence[int], jobs: int = 2) -> list[tuple[int, int, int]]:
    """The zero test's counts on noise alone."""
    return _spread(specks, seeds, jobs)
