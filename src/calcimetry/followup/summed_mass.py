"""What deposits of one visit hold together, with the errors that the other visit shares or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calcimetry.statistics import Z95

_INDEPENDENT, _CUT = ("noise", "background"), ("segmentation",)
_MOST_GAIN = 1.5  # of the middle of two masses: seven times as much, or a seventh


@dataclass(frozen=True, slots=True)
class SummedMass:
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
class ImageGain:
    """What the difference of the images says: mass of the second visit less that of the first.

    sd_mg : 1 SD without the noise of the images, which is that of the amounts
    """

    mg: float
    sd_mg: float


def summed_mass(
    rows: Iterable[Mapping[str, Any]], calibration_sd: float, scale: float
) -> SummedMass:
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
    return SummedMass(mass, volume, own, shared, size, calibration_sd, grain)


def added(amounts: Sequence[SummedMass]) -> SummedMass:
    """The sum of amounts of one visit; their errors are independent, but for the calibration's."""
    masses, volumes = [a.mass_mg for a in amounts], [a.volume_mm3 for a in amounts]
    mass = None if None in masses else float(sum(m for m in masses if m is not None))
    volume = None if None in volumes else float(sum(v for v in volumes if v is not None))
    names = ("mass_sd_mg", "cut_sd_mg", "volume_sd_mm3", "noise_sd_mg", "scale_sd_mg")
    sds = {name: float(np.sqrt(sum(getattr(a, name) ** 2 for a in amounts))) for name in names}
    calibration = max((a.calibration_sd for a in amounts), default=0.0)
    return SummedMass(mass, volume, calibration_sd=calibration, **sds)


def reconcile(
    first: SummedMass, second: SummedMass, gain: ImageGain
) -> tuple[SummedMass, SummedMass] | None:
    """Both visits' masses, constrained to differ by the gain measured on the difference image.

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


def _sd(row: Mapping[str, Any], causes: Sequence[str]) -> float:
    """1 SD of some causes of error, mg; of a mass of 0, what the interval allows."""
    mass, errors = row.get("mass_mg"), row.get("relative_error") or {}
    if mass:
        return float(mass * np.sqrt(sum(float(errors.get(c, 0.0)) ** 2 for c in causes)))
    return float(row.get("mass_mg_high") or 0.0) / Z95


def _volume_sd(row: Mapping[str, Any]) -> float:
    value, high = row.get("volume_mm3"), row.get("volume_mm3_high")
    return float(value * np.log(high / value) / Z95) if value and high else 0.0
