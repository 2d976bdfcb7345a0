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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calcimetry.followup.compare import Comparability
from calcimetry.followup.repeat import Repeatability
from calcimetry.records import Estimate

Z95 = 1.959964
Z_CALLED = 1.644854
_INDEPENDENT, _CUT = ("noise", "background"), ("segmentation",)
_LEAST_DAYS = 30  # between visits, for a rate per year to mean anything
_MOST_GAIN = 1.5  # of the middle of two masses: seven times as much, or a seventh
YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Amount:
    """What some deposits of one visit hold together.

    mass_mg, volume_mm3 : sums; None where any is withheld, 0 for no deposit
    mass_sd_mg : of the errors that the other visit does not share
    cut_sd_mg : of segmentation, which it may share in part
    volume_sd_mm3 : of the volume
    calibration_sd : 1 SD, as a fraction
    noise_sd_mg : of the noise alone, a part of mass_sd_mg
    scale_sd_mg : of what scales the masses of both visits alike, and makes no change of none
    """

    mass_mg: float | None
    volume_mm3: float | None
    mass_sd_mg: float = 0.0
    cut_sd_mg: float = 0.0
    volume_sd_mm3: float = 0.0
    calibration_sd: float = 0.0
    noise_sd_mg: float = 0.0
    scale_sd_mg: float = 0.0

    @property
    def density(self) -> float | None:
        if not self.mass_mg or not self.volume_mm3:
            return None
        return 1000.0 * self.mass_mg / self.volume_mm3

    @property
    def alone_sd_mg(self) -> float:
        """Of all but the calibration, shared or not."""
        return float(np.hypot(self.mass_sd_mg, self.cut_sd_mg))


@dataclass(frozen=True, slots=True)
class Gain:
    """What the difference of the images says: mass of the second visit less that of the first.

    sd_mg : 1 SD without the noise of the images, which is that of the amounts
    """

    mg: float
    sd_mg: float


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


def amount(rows: Iterable[Mapping[str, Any]], calibration_sd: float, scale: float) -> Amount:
    """The sum over deposits' rows, masses multiplied by `scale`."""
    listed = list(rows)
    masses = [row.get("mass_mg") for row in listed]
    volumes = [row.get("volume_mm3") for row in listed]
    mass = None if None in masses else scale * sum(m for m in masses if m is not None)
    volume = None if None in volumes else float(sum(v for v in volumes if v is not None))
    variance = sum((scale * _sd(row, _INDEPENDENT)) ** 2 for row in listed)
    cut = sum((scale * _sd(row, _CUT)) ** 2 for row in listed if row.get("mass_mg"))
    spread = sum(_volume_sd(row) ** 2 for row in listed)
    noise = sum((scale * _sd(row, ("noise",))) ** 2 for row in listed)
    own, shared, size, grain = (float(np.sqrt(v)) for v in (variance, cut, spread, noise))
    return Amount(mass, volume, own, shared, size, calibration_sd, grain)


def added(amounts: Sequence[Amount]) -> Amount:
    """The sum of amounts of one visit; their errors are independent, but for the calibration's."""
    masses, volumes = [a.mass_mg for a in amounts], [a.volume_mm3 for a in amounts]
    mass = None if None in masses else float(sum(m for m in masses if m is not None))
    volume = None if None in volumes else float(sum(v for v in volumes if v is not None))
    names = ("mass_sd_mg", "cut_sd_mg", "volume_sd_mm3", "noise_sd_mg", "scale_sd_mg")
    sds = {name: float(np.sqrt(sum(getattr(a, name) ** 2 for a in amounts))) for name in names}
    calibration = max((a.calibration_sd for a in amounts), default=0.0)
    return Amount(mass, volume, calibration_sd=calibration, **sds)


def reconciled(first: Amount, second: Amount, gain: Gain) -> tuple[Amount, Amount] | None:
    """Two amounts that differ by what the difference of the images says.

    Their middle is the mean of what either visit makes of it, weighted by its errors, cut from
    bone included; that error is shared, so it scales the difference but makes none. None where
    the gain does not fit between the amounts.
    """
    own = first.mass_mg, second.mass_mg
    if not own[0] or not own[1]:
        return None
    weight = [1.0 / max(part.alone_sd_mg, 1e-6) ** 2 for part in (first, second)]
    middle = float(np.average([own[0] + gain.mg / 2, own[1] - gain.mg / 2], weights=weight))
    if abs(gain.mg) > _MOST_GAIN * middle:
        return None
    masses = middle - gain.mg / 2, middle + gain.mg / 2
    a, b = (
        replace(
            part,
            mass_mg=mass,
            mass_sd_mg=float(np.hypot(part.noise_sd_mg, gain.sd_mg / np.sqrt(2))),
            cut_sd_mg=0.0,
            scale_sd_mg=float(mass / middle / np.sqrt(sum(weight))),
        )
        for part, mass in zip((first, second), masses, strict=True)
    )
    return a, b


def error_of_ratio(first: Amount, second: Amount, alike: float) -> float:
    """1 SD of the logarithm of two masses' ratio, without the calibration's; inf for none."""
    sd = _mass_sd(first, second, 0.0, alike)
    return float("inf") if sd is None else sd


def _sd(row: Mapping[str, Any], causes: Sequence[str]) -> float:
    """1 SD of some causes of error, mg; of a mass of 0, what the interval allows."""
    mass, errors = row.get("mass_mg"), row.get("relative_error") or {}
    if mass:
        return float(mass * np.sqrt(sum(float(errors.get(c, 0.0)) ** 2 for c in causes)))
    return float(row.get("mass_mg_high") or 0.0) / Z95


def _volume_sd(row: Mapping[str, Any]) -> float:
    value, high = row.get("volume_mm3"), row.get("volume_mm3_high")
    return float(value * np.log(high / value) / Z95) if value and high else 0.0


def change(
    first: Amount,
    second: Amount,
    how: Comparability,
    repeatability: Repeatability,
    days: float | None,
    judged: tuple[Amount, Amount] | None = None,
) -> Change:
    """The change between two amounts of the same thing.

    judged : the amounts that the change of mass is taken from, where these are others
    """
    shared = _calibration_sd(first, second, how, repeatability)
    alike = repeatability.same_cut_of(how.widened)
    a, b = judged or (first, second)
    mass_sd = _mass_sd(a, b, shared, alike)
    called, limit = _called(a, b, mass_sd, repeatability, how.widened)
    return Change(
        mass_pct=_percent(_log(a.mass_mg, b.mass_mg), _whole_sd(a, b, mass_sd)),
        mass_mg=_difference(a, b, shared, alike),
        volume_pct=_percent(*_volume(first, second)),
        density_pct=_percent(*_density(first, second, shared, alike)),
        called=called,
        limit_pct=limit,
        density=_hardness(first, second, (shared, alike), repeatability, how.widened),
        **_rates(a, b, called, days),
    )


def _calibration_sd(
    first: Amount, second: Amount, how: Comparability, repeatability: Repeatability
) -> float:
    """1 SD of the ratio of the two calibrations."""
    if how.same_calibration:
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


def _mass_sd(first: Amount, second: Amount, shared: float, alike: float) -> float | None:
    """1 SD of the logarithm of the masses' ratio; `alike`: correlation of the two cuts."""
    a, b = first.mass_mg, second.mass_mg
    alone = _log_sd(a, first.mass_sd_mg, b, second.mass_sd_mg, shared)
    if alone is None or not a or not b:
        return None
    cuts = first.cut_sd_mg / a, second.cut_sd_mg / b
    return float(np.sqrt(alone**2 + cuts[0] ** 2 + cuts[1] ** 2 - 2 * alike * cuts[0] * cuts[1]))


def _whole_sd(first: Amount, second: Amount, sd: float | None) -> float | None:
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


def _difference(first: Amount, second: Amount, shared: float, alike: float) -> Estimate:
    if first.mass_mg is None or second.mass_mg is None:
        return Estimate()
    value = second.mass_mg - first.mass_mg
    common = shared * min(first.mass_mg, second.mass_mg)
    alone = max(first.calibration_sd, second.calibration_sd) * abs(value)
    cuts = first.cut_sd_mg**2 + second.cut_sd_mg**2 - 2 * alike * first.cut_sd_mg * second.cut_sd_mg
    own = first.mass_sd_mg**2 + second.mass_sd_mg**2 + cuts
    sd = float(np.sqrt(own + common**2 + alone**2))
    return Estimate(value, value - Z95 * sd, value + Z95 * sd)


def _volume(first: Amount, second: Amount) -> tuple[float | None, float | None]:
    sds = first.volume_sd_mm3, second.volume_sd_mm3
    sd = _log_sd(first.volume_mm3, sds[0], second.volume_mm3, sds[1], 0.0)
    return _log(first.volume_mm3, second.volume_mm3), sd


def _density(
    first: Amount, second: Amount, shared: float, alike: float
) -> tuple[float | None, float | None]:
    mass = _mass_sd(first, second, shared, alike)
    _, volume = _volume(first, second)
    if mass is None or volume is None:
        return None, None
    return _log(first.density, second.density), float(np.hypot(mass, volume))


def _hardness(
    first: Amount,
    second: Amount,
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
    first: Amount,
    second: Amount,
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
        bound = max(repeatability.coefficient(mass) * mass, Z_CALLED * error)
        return mass > bound * (1 + widened), None
    mean = max((a + b) / 2, 1e-6)
    limit = max(repeatability.coefficient(mean) + widened, Z_CALLED * sd)
    return abs(ratio) > limit, 100.0 * float(np.expm1(min(limit, 20.0)))


def _rates(first: Amount, second: Amount, called: bool, days: float | None) -> dict[str, Any]:
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
