"""Against numbers that others published."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest

from calcimetry.plan import Plan
from calcimetry.quantity import calibrate, quantify
from calcimetry.quantity.table import slope_at
from calcimetry.records import Finding, Kind
from calcimetry.runs import find_runs, objects, parts
from calcimetry.scan import read

ARCHIVE = Path(__file__).parents[3] / "shared/data/phantom/qrm_canon_large_rep1_dicom.tar.xz"

# HU of simulated rods of 25-800 mg/cm3 (MolloiLab/cac-simulation, output_new/calibrations.csv)
RODS = np.array([25.0, 50.0, 100.0, 200.0, 400.0, 800.0])
SIMULATED = {
    80.0: [69.67, 114.38, 201.63, 377.28, 717.38, 1375.27],
    100.0: [63.34, 100.53, 176.08, 325.97, 617.48, 1179.38],
    120.0: [58.07, 92.85, 160.61, 296.90, 561.74, 1072.12],
    135.0: [55.48, 88.85, 153.23, 282.75, 534.12, 1019.65],
}
MEASURED_120 = [0.725, 0.797, 0.816, 0.880, 0.70, 0.71, 0.83, 0.81]  # eight scanners, thorax
MEASURED_80 = [0.51, 0.51, 0.59, 0.56]


@pytest.mark.parametrize("kvp", list(SIMULATED))
def test_table_is_within_its_interval_of_simulated_rods(kvp: float) -> None:
    simulated = np.polyfit(SIMULATED[kvp], RODS, 1)[0]
    assert float(slope_at(kvp, 300.0)) == pytest.approx(simulated, rel=0.15)


@pytest.mark.parametrize(("kvp", "measured"), [(120.0, MEASURED_120), (80.0, MEASURED_80)])
def test_stated_spread_holds_the_scanners(kvp: float, measured: list[float]) -> None:
    table = float(slope_at(kvp, 300.0))
    spread = Plan().quantity.table_spread
    inside = [abs(c / table - 1) <= spread for c in measured]
    assert np.mean(inside) >= 0.95
    assert np.std(measured, ddof=1) / np.mean(measured) == pytest.approx(spread / 1.96, abs=0.012)


@pytest.mark.parametrize(
    ("pure", "background", "density"), [(600.0, 40.0, 400.0), (1100.0, 50.0, 800.0), (300, 0, 200)]
)
def test_integrated_and_volume_fraction_mass_are_one_formula(
    pure: float, background: float, density: float
) -> None:
    """CalciumScoring.jl: V = v (I - N S_bkg) / (S_obj - S_bkg), m = V rho; and voxel by voxel.

    Both equal ``c v sum(HU - S_bkg)`` with c = rho / (S_obj - S_bkg).
    """
    rng = np.random.default_rng(1)
    hu = background + (pure - background) * rng.uniform(0, 1, 200)
    voxel = 0.5**3
    integrated = (hu.sum() - hu.size * background) / (pure - background) * voxel * density / 1000
    fractions = (hu - background) / (pure - background)
    ours = density / (pure - background) * voxel * (hu - background).sum() / 1000
    assert integrated == pytest.approx((fractions * voxel * density / 1000).sum())
    assert integrated == pytest.approx(ours)


# Where the inserts lie (LPS mm, read off the scan); true mg; published Agatston (Canon).
INSERTS = [
    ((-40.7, 1.5, 600.9), 78.5, 396.0),
    ((13.7, -32.5, 600.9), 39.3, 237.0),
    ((17.2, 31.4, 600.9), 19.6, 137.0),
    ((-28.2, 1.6, 600.9), 17.0, 89.0),
    ((8.3, -21.4, 600.9), 8.5, 70.0),
    ((10.6, 21.0, 600.9), 4.2, 22.0),
]


@pytest.mark.integration
@pytest.mark.skipif(not ARCHIVE.exists(), reason=f"{ARCHIVE.name} is not beside the repository")
def test_a_real_scanner(tmp_path: Path) -> None:
    """QRM phantom, Canon: published RMSE 4.1 mg (integrated) and 8.3 mg (130 HU)."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    scan = read(tmp_path)
    plan = Plan().changed("quantity", {"agatston_profile": "canon"})
    calibration = calibrate(scan, plan)
    assert calibration.source == "rods"
    assert calibration.mg_cm3_per_hu == pytest.approx(0.722, rel=0.015)  # published for it
    found = objects(scan.hu, find_runs(scan.hu, 130.0))
    big = [n for n in range(len(found)) if found.voxels[n] >= 3]
    centres = np.array([scan.to_lps(found.centroid[n]) for n in big])
    at = [int(np.linalg.norm(centres - np.array(i[0]), axis=1).argmin()) for i in INSERTS]
    runs = parts(found)
    findings = [
        Finding(runs[n], Kind.DEPOSIT if k in at else Kind.EXTERNAL, "", 1.0)
        for k, n in enumerate(big)
    ]
    quantities = quantify(scan, findings, calibration, plan)
    masses = [quantities[k].mass_mg for k in at]
    truth = np.array([i[1] for i in INSERTS])
    error = np.array([m.value for m in masses]) - truth
    assert np.sqrt(np.mean(error**2)) <= 1.5
    assert sum(m.low <= t <= m.high for m, t in zip(masses, truth, strict=True)) >= 5
    for k, (_, _, published) in zip(at, INSERTS, strict=True):
        assert quantities[k].agatston == pytest.approx(published, rel=0.1)
