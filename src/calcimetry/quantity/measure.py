"""From findings to quantities: mass, volume, density and score of each, and their total."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from calcimetry.plan import Plan
from calcimetry.quantity import agatston
from calcimetry.quantity.calibration import slope_of
from calcimetry.quantity.crop import Crop, Index, cut, index, values
from calcimetry.records import Calibration, Estimate, Finding, Kind, Quantity, Scan

_MEASURED = (Kind.DEPOSIT, Kind.UNCERTAIN)
_SOFT_TISSUE_HU = 50.0
_Z = 1.959964


def quantify(
    scan: Scan,
    findings: Sequence[Finding],
    calibration: Calibration,
    plan: Plan,
    *,
    jobs: int = 1,
) -> tuple[Quantity, ...]:
    """One quantity per finding, in their order.

    Findings of kind deposit and uncertain are measured in full, in a box of their own; the
    others get voxel volume and a plain mass over 50 HU, without intervals. All dense objects
    of the scan should be among the findings: they are kept out of each other's background.
    """
    everything = index(findings)

    def one(item: tuple[int, Finding]) -> Quantity:
        number, finding = item
        if finding.kind not in _MEASURED:
            return _plain(scan, finding, calibration)
        return _measured(scan, finding, number, everything, calibration, plan)

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return tuple(pool.map(one, enumerate(findings, start=1)))


def _plain(scan: Scan, finding: Finding, calibration: Calibration) -> Quantity:
    hu = values(scan.hu, finding.runs)
    c = slope_of(calibration, np.unique(finding.runs.row // scan.hu.shape[1]))
    excess = float(np.sum(hu - _SOFT_TISSUE_HU))
    volume = len(hu) * scan.voxel_mm3
    mass = max(0.0, c * excess * scan.voxel_mm3 / 1000.0)
    return Quantity(
        mass_mg=Estimate(mass),
        volume_mm3=Estimate(volume),
        density_mg_cm3=Estimate(1000.0 * mass / volume),
        volume_130_mm3=float((hu >= 130).sum() * scan.voxel_mm3),
        mean_hu=float(hu.mean()),
        max_hu=int(hu.max()),
        agatston=None,
        agatston_profile=None,
    )


def _measured(
    scan: Scan,
    finding: Finding,
    number: int,
    everything: Index,
    calibration: Calibration,
    plan: Plan,
) -> Quantity:
    crop = cut(scan, finding.runs, number, everything, 9.0)
    c = slope_of(calibration, crop.box[0].start + np.nonzero(crop.own)[0])
    distance = ndimage.distance_transform_edt(~crop.own, sampling=crop.spacing)
    region = crop.own | ((distance <= 2.5) & ~crop.other)
    shell = (distance > 3.0) & ~crop.other & (crop.hu < 130) & (crop.hu > -250)
    background = float(np.median(crop.hu[shell])) if shell.sum() > 10 else _SOFT_TISSUE_HU
    spread = float(crop.hu[shell].std()) if shell.sum() > 10 else 20.0
    unit = c * crop.voxel_mm3 / 1000.0
    mass = max(0.0, unit * float((crop.hu[region] - background).sum()))
    noise = unit * spread * np.sqrt(8.0 * region.sum())
    error = float(np.hypot(noise, mass * calibration.relative_sd))
    half = background + 0.5 * (np.percentile(crop.hu[crop.own], 95) - background)
    volume = max(1, int((crop.own & (crop.hu >= half)).sum())) * crop.voxel_mm3
    definition = agatston.profile(plan.quantity.agatston_profile)
    flag = agatston.withheld(definition, scan.acquisition, scan.spacing[0])
    own = crop.hu[crop.own]
    return Quantity(
        mass_mg=_around(mass, error),
        volume_mm3=_around(volume, 0.15 * volume),
        density_mg_cm3=_around(1000.0 * mass / volume, 150.0 * mass / volume),
        volume_130_mm3=float((own >= 130).sum() * crop.voxel_mm3),
        mean_hu=float(own.mean()),
        max_hu=int(own.max()),
        agatston=None if flag else _score(scan, crop, definition),
        agatston_profile=definition.name,
        background_hu=background,
        relative_error={"calibration": calibration.relative_sd},
        flags=(flag,) if flag else (),
    )


def _score(scan: Scan, crop: Crop, definition: agatston.Profile) -> float:
    return agatston.score(
        crop.hu, crop.own, crop.spacing, definition, scan.acquisition.kvp or 120.0
    )


def _around(value: float, sd: float) -> Estimate:
    return Estimate(value, max(0.0, value - _Z * sd), value + _Z * sd)


@dataclass(frozen=True, slots=True)
class Sums:
    """Totals over deposits, with their 95 % intervals."""

    mass_mg: Estimate
    volume_mm3: Estimate


def total(quantities: Sequence[Quantity], calibration: Calibration) -> Sums:
    """Total mass and volume of deposits.

    All masses share one calibration, so its error adds up; the other errors are
    independent: ``var = sum(m_i^2 e_i^2) + (rel * sum(m_i))^2``.
    """
    mass = sum(q.mass_mg.value or 0.0 for q in quantities)
    own = sum((_half_width(q.mass_mg) / _Z) ** 2 for q in quantities)
    shared = sum((calibration.relative_sd * (q.mass_mg.value or 0.0)) ** 2 for q in quantities)
    error = np.sqrt(max(0.0, own - shared) + (calibration.relative_sd * mass) ** 2)
    volume = sum(q.volume_mm3.value or 0.0 for q in quantities)
    spread = np.sqrt(sum((_half_width(q.volume_mm3) / _Z) ** 2 for q in quantities))
    return Sums(_around(mass, float(error)), _around(volume, float(spread)))


def _half_width(estimate: Estimate) -> float:
    if estimate.value is None or estimate.high is None:
        return 0.0
    return estimate.high - estimate.value
