"""How much a lineage changed, with its interval, and whether that is more than error.

Ratios are judged on a logarithmic scale, so that exchanging the visits only turns the sign.
Errors of noise and background are independent from visit to visit; those of segmentation are
partly the same where both were scanned alike, because one deposit is cut from one bone twice;
what is assumed of the soft tissue between crystals is the same on both and cancels; so does the
calibration's error on one scanner, but for its drift. A change is called when it passes the
repeatability coefficient for that mass and is beyond its own error in that direction (95 %,
one-sided: a direction is called).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcimetry.followup.comparability import Comparability
from calcimetry.followup.repeatability import Repeatability
from calcimetry.followup.summed_mass import SummedMass
from calcimetry.records import Estimate
from calcimetry.statistics import Z95, Z95_ONE_SIDED

_LEAST_DAYS = 30  # between visits, for a rate per year to mean anything
YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Change:
    """From one visit to another.

    mass_pct, volume_pct, density_pct : with 95 % intervals; None without a first visit's value
    mass_mg : difference with interval
    called : more than error explains; limit_pct : what a growth must exceed to be called
    density : "hardened", "softened", "same", or None where unknown
    doubling_days : time to twice the mass (negative: to half), for called changes
    pct_per_year, mg_per_year : None for visits less than 30 days apart or without dates
    """

    mass_pct: Estimate
    mass_mg: Estimate
    volume_pct: Estimate
    density_pct: Estimate
    called: bool
    limit_pct: float | None
    density: str | None
    doubling_days: float | None = None
    pct_per_year: float | None = None
    mg_per_year: float | None = None


UNKNOWN = Change(Estimate(), Estimate(), Estimate(), Estimate(), False, None, None)
"""Of what cannot be compared, or was withheld."""


def error_of_ratio(first: SummedMass, second: SummedMass, alike: float) -> float:
    """1 SD of the logarithm of two masses' ratio, without the calibration's; inf for none."""
    sd = _mass_sd(first, second, 0.0, alike)
    return float("inf") if sd is None else sd


def change(
    first: SummedMass,
    second: SummedMass,
    comparability: Comparability,
    repeatability: Repeatability,
    days: float | None,
    by_image: tuple[SummedMass, SummedMass] | None = None,
) -> Change:
    """The change between two amounts of the same thing.

    by_image : the masses that the change of mass is taken from, where these are others (those that
        the difference of the images gives)
    """
    shared = _calibration_sd(first, second, comparability, repeatability)
    alike = repeatability.same_cut_of(comparability.widened)
    a, b = by_image or (first, second)
    mass_sd = _mass_sd(a, b, shared, alike)
    called, limit = _called(a, b, mass_sd, repeatability, comparability.widened)
    return Change(
        mass_pct=_percent(_log(a.mass_mg, b.mass_mg), _whole_sd(a, b, mass_sd)),
        mass_mg=_difference(a, b, shared, alike),
        volume_pct=_percent(*_volume(first, second)),
        density_pct=_percent(*_density(first, second, shared, alike)),
        called=called,
        limit_pct=limit,
        density=_hardness(first, second, (shared, alike), repeatability, comparability.widened),
        **_rates(a, b, called, days),
    )


def _calibration_sd(
    first: SummedMass,
    second: SummedMass,
    comparability: Comparability,
    repeatability: Repeatability,
) -> float:
    """1 SD of the ratio of the two calibrations."""
    if comparability.same_calibration:
        return repeatability.drift_sd
    return float(np.hypot(first.calibration_sd, second.calibration_sd))


def _log(first: float | None, second: float | None) -> float | None:
    return float(np.log(second / first)) if first and second else None


def _log_sd(
    first: float | None, first_sd: float, second: float | None, second_sd: float, shared: float
) -> float | None:
    if not first or not second:
        return None
    return float(np.sqrt((first_sd / first) ** 2 + (second_sd / second) ** 2 + shared**2))


def _mass_sd(first: SummedMass, second: SummedMass, shared: float, alike: float) -> float | None:
    """1 SD of the logarithm of the masses' ratio; `alike`: correlation of the two cuts."""
    a, b = first.mass_mg, second.mass_mg
    alone = _log_sd(a, first.mass_sd_mg, b, second.mass_sd_mg, shared)
    if alone is None or not a or not b:
        return None
    cuts = first.cut_sd_mg / a, second.cut_sd_mg / b
    return float(np.sqrt(alone**2 + cuts[0] ** 2 + cuts[1] ** 2 - 2 * alike * cuts[0] * cuts[1]))


def _whole_sd(first: SummedMass, second: SummedMass, sd: float | None) -> float | None:
    """1 SD of the logarithm of the ratio, with what scales both masses alike.

    That widens the interval, but not what a change must exceed: scaled, none is still none.
    """
    ratio = _log(first.mass_mg, second.mass_mg)
    if sd is None or ratio is None or not first.mass_mg:
        return sd
    return float(np.hypot(sd, ratio * first.scale_sd_mg / first.mass_mg))


def _percent(log_ratio: float | None, sd: float | None) -> Estimate:
    if log_ratio is None or sd is None:
        return Estimate()
    low, high = log_ratio - Z95 * sd, log_ratio + Z95 * sd
    return Estimate(*(100.0 * float(np.expm1(min(v, 20.0))) for v in (log_ratio, low, high)))


def _difference(first: SummedMass, second: SummedMass, shared: float, alike: float) -> Estimate:
    if first.mass_mg is None or second.mass_mg is None:
        return Estimate()
    value = second.mass_mg - first.mass_mg
    common = shared * min(first.mass_mg, second.mass_mg)
    alone = max(first.calibration_sd, second.calibration_sd) * abs(value)
    cuts = first.cut_sd_mg**2 + second.cut_sd_mg**2 - 2 * alike * first.cut_sd_mg * second.cut_sd_mg
    own = first.mass_sd_mg**2 + second.mass_sd_mg**2 + cuts
    sd = float(np.sqrt(own + common**2 + alone**2))
    return Estimate(value, value - Z95 * sd, value + Z95 * sd)


def _volume(first: SummedMass, second: SummedMass) -> tuple[float | None, float | None]:
    sds = first.volume_sd_mm3, second.volume_sd_mm3
    sd = _log_sd(first.volume_mm3, sds[0], second.volume_mm3, sds[1], 0.0)
    return _log(first.volume_mm3, second.volume_mm3), sd


def _density(
    first: SummedMass, second: SummedMass, shared: float, alike: float
) -> tuple[float | None, float | None]:
    mass = _mass_sd(first, second, shared, alike)
    _, volume = _volume(first, second)
    if mass is None or volume is None:
        return None, None
    return _log(first.density, second.density), float(np.hypot(mass, volume))


def _hardness(
    first: SummedMass,
    second: SummedMass,
    errors: tuple[float, float],
    repeatability: Repeatability,
    widened: float,
) -> str | None:
    ratio, sd = _density(first, second, *errors)
    if (
        ratio is None
        or sd is None
        or min(first.mass_mg or 0.0, second.mass_mg or 0.0) < (repeatability.points[0][0])
    ):
        return None  # of what is that small, no density is resolved
    if abs(ratio) <= max(repeatability.density + widened, Z95 * sd):
        return "same"
    return "hardened" if ratio > 0 else "softened"


def _called(
    first: SummedMass,
    second: SummedMass,
    sd: float | None,
    repeatability: Repeatability,
    widened: float,
) -> tuple[bool, float | None]:
    """Whether the change is called, and the growth that would be, %."""
    a, b = first.mass_mg, second.mass_mg
    if a is None or b is None or max(a, b) < repeatability.never_below_mg:
        return False, None
    ratio = _log(a, b)
    if ratio is None or sd is None:
        # Nothing on one visit: what is there must be more than error makes at that mass.
        mass, error = max(a, b), first.alone_sd_mg if a else second.alone_sd_mg
        bound = max(repeatability.coefficient(mass) * mass, Z95_ONE_SIDED * error)
        return mass > bound * (1 + widened), None
    mean = max((a + b) / 2, 1e-6)
    limit = max(repeatability.coefficient(mean) + widened, Z95_ONE_SIDED * sd)
    return abs(ratio) > limit, 100.0 * float(np.expm1(min(limit, 20.0)))


def _rates(
    first: SummedMass, second: SummedMass, called: bool, days: float | None
) -> dict[str, Any]:
    a, b = first.mass_mg, second.mass_mg
    if days is None or days < _LEAST_DAYS or a is None or b is None:
        return {}
    ratio = _log(a, b)
    per_year = None if ratio is None else 100.0 * float(np.expm1(min(ratio * YEAR / days, 20.0)))
    doubling = days * float(np.log(2)) / ratio if called and ratio else None
    return {
        "doubling_days": doubling,
        "pct_per_year": per_year,
        "mg_per_year": (b - a) * YEAR / days,
    }


def scored(values: Sequence[tuple[float, float]], coefficient: float) -> list[str]:
    """Pairs of a reader's scores by a percent rule: progressive, stable or improved."""
    out = []
    for before, after in values:
        if before <= 0:
            out.append("progressive" if after > 0 else "stable")
            continue
        part = (after - before) / before
        out.append(
            "progressive" if part > coefficient else "improved" if part < -coefficient else "stable"
        )
    return out
