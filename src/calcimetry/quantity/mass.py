"""Mass of one deposit with its error by cause, and whether it is there at all.

``m = c v [ sum(w e) - (V / v) (M - B) ]`` with c the calibration, v the voxel's volume, w the
deposit's share of a voxel, e its HU over background, V the deposit's volume, M the HU of the
soft tissue between its mineral and B the background. The second term takes out what the
deposit's own soft tissue adds where it lies in fat. See docs/quantity.md for the derivation
of each error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcimetry.plan import QuantityPlan
from calcimetry.quantity.integral import Integral
from calcimetry.quantity.noise import Noise
from calcimetry.quantity.volume import VolumeEstimate
from calcimetry.records import Estimate
from calcimetry.statistics import Z95

_Z_FOUND = 1.644854  # of a deposit at the detection limit, 5 % are missed


@dataclass(frozen=True, slots=True)
class Scale:
    """slope : c, mg/cm3 per HU, at this deposit; matrix_hu : what its soft tissue reads."""

    slope: float
    matrix_hu: float


@dataclass(frozen=True, slots=True)
class Mass:
    """mg : may be negative here; `estimate` never is
    errors : 1 SD, mg, by cause, without the calibration
    critical_mg : at and below this a mass is not told from none
    limit_mg : a deposit of this mass is found 19 times in 20
    background_hu : mean over the deposit
    """

    mg: float
    errors: dict[str, float]
    critical_mg: float
    limit_mg: float
    background_hu: float

    @property
    def additive_sd(self) -> float:
        """1 SD of all but the calibration, mg."""
        return float(np.sqrt(sum(sd * sd for sd in self.errors.values())))

    def estimate(self, calibration_sd: float) -> Estimate:
        """Value and 95 % interval, neither below 0."""
        value = max(0.0, self.mg)
        half = Z95 * float(np.hypot(self.additive_sd, value * calibration_sd))
        low = max(0.0, value - half) if self.found else 0.0
        return Estimate(value, low, value + half)

    @property
    def found(self) -> bool:
        """Whether the mass is told from none."""
        return self.mg > self.critical_mg

    def relative(self, calibration_sd: float) -> dict[str, float]:
        """1 SD over the mass, by cause; of a mass of 0, nothing but the calibration's."""
        shares = {cause: sd / self.mg for cause, sd in self.errors.items()} if self.mg > 0 else {}
        return shares | {"calibration": calibration_sd}


def mass_of(
    part: Integral, size: VolumeEstimate, scale: Scale, noise: Noise, plan: QuantityPlan
) -> Mass:
    """Mass of an integrated deposit."""
    background = part.level
    unit = scale.slope / 1000.0  # mg for each HU x mm3
    voxel = part.crop.voxel_mm3
    contrast = scale.matrix_hu - background
    mg = unit * (voxel * part.total / part.captured - size.volume_mm3 * contrast)
    region = voxel * part.voxels
    beyond = abs(region - size.volume_mm3)
    level, uneven = part.background.sd * beyond, part.background.uneven * beyond
    sd = _local_sd(part, noise)
    local = part.noise * sd / noise.sd
    errors = {
        "noise": unit * voxel * local,
        "background": unit * float(np.linalg.norm((max(level, uneven), part.border))),
        "segmentation": unit * voxel * float(np.hypot(part.segmentation, _lost(part))),
        "matrix": unit * float(np.hypot(size.volume_mm3 * plan.matrix_sd_hu, contrast * size.sd)),
    }
    nothing = unit * float(np.linalg.norm((voxel * local, level, part.border)))
    peak = (float(part.crop.hu[part.crop.own].max()) - background) / sd
    critical, limit = _limits(mg, nothing, peak, plan)
    return Mass(mg, errors, critical, limit, background)


def _limits(mg: float, nothing: float, peak: float, plan: QuantityPlan) -> tuple[float, float]:
    """Critical mass and detection limit, mg.

    A place chosen beforehand needs a sum of `zero_test_z` SD of nothing (Currie). But a
    threshold picks the highest of all noise in the scan, so the sum or the peak must also
    stand out from everything that was looked at: `zero_test_look` SD. For a deposit of this
    shape, peak and mass go together, which turns a peak of so many SD into a mass.
    """
    look = plan.zero_test_look
    by_peak = mg / peak if mg > 0 and peak > 0 else np.inf  # mg for each SD of peak
    critical = max(plan.zero_test_z * nothing, look * min(nothing, by_peak))
    most = (look + _Z_FOUND) * min(nothing, by_peak)
    return critical, max((plan.zero_test_z + _Z_FOUND) * nothing, most)


def _local_sd(part: Integral, noise: Noise) -> float:
    """Noise around this deposit; the scan's where too little is in sight to tell."""
    scatter = part.background.scatter
    if part.background.voxels < 200:
        return noise.sd
    most = 1.5 * noise.sd if part.background.step else np.inf
    return float(min(max(scatter, 0.5 * noise.sd), most))


def _lost(part: Integral) -> float:
    """Half of what was put back for blur that was cut off, as 1 SD."""
    return 0.5 * abs(part.total) * (1.0 / part.captured - 1.0)
