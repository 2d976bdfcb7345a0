"""From findings to quantities: mass, volume, density and score of each, and their total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calcimetry.plan import Plan
from calcimetry.quantity import agatston
from calcimetry.quantity.calibration import slopes_of
from calcimetry.quantity.crop import LabelledRuns, crop_around, flooded, label_runs
from calcimetry.quantity.density import density_classes, mineral
from calcimetry.quantity.flags import FlagInputs, flags_of
from calcimetry.quantity.integral import Integral, IntegrationMargins, integrate
from calcimetry.quantity.mass import Mass, Scale, mass_of
from calcimetry.quantity.noise import Noise, noise_of
from calcimetry.quantity.point_spread import PointSpread, point_spread_of
from calcimetry.quantity.volume import VolumeEstimate, estimate_volume
from calcimetry.quantity.voxel_sums import voxel_sums
from calcimetry.records import LISTED, Calibration, Estimate, Finding, Flag, Quantity, Scan
from calcimetry.statistics import Z95
from calcimetry.threads import Jobs, each

FILE_CEILING_HU = 3071  # of 12-bit CT
_SOFT_TISSUE_HU = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class MeasurementContext:
    """All of a scan that every deposit's measurement needs."""

    scan: Scan
    plan: Plan
    calibration: Calibration
    blur: PointSpread
    noise: Noise
    labelled_runs: LabelledRuns
    margins: IntegrationMargins
    profile: agatston.Profile
    withheld: Flag | None

    @property
    def ceiling(self) -> int:
        """The HU at and above which a voxel may be denser than it reads."""
        return min(self.scan.acquisition.hu_ceiling or FILE_CEILING_HU, FILE_CEILING_HU)

    @property
    def reach_mm(self) -> float:
        """How far around a deposit its measurement looks: shell and rim, with the blur's reach."""
        return self.margins.shell_mm + max(self.margins.rim_mm, 4.0 * self.blur.in_plane) + 2.0

    def with_objects(self, findings: Sequence[Finding]) -> MeasurementContext:
        """The same scan with other objects in it."""
        return replace(self, labelled_runs=label_runs(findings, self.scan.hu.shape))


def context_of(
    scan: Scan,
    findings: Sequence[Finding],
    calibration: Calibration,
    plan: Plan,
    noise: Noise | None = None,
) -> MeasurementContext:
    """Measure the scan's blur and noise, and lay out what is dense where."""
    part = plan.quantity
    margins = IntegrationMargins(
        part.rim_mm, part.shell_mm, part.cut_sd_voxels, part.border_sd_mm, part.border_sd_share
    )
    profile = agatston.PROFILES[part.agatston_profile]
    return MeasurementContext(
        scan=scan,
        plan=plan,
        calibration=calibration,
        blur=point_spread_of(scan, plan),
        noise=noise or noise_of(scan),
        labelled_runs=label_runs(findings, scan.hu.shape),
        margins=margins,
        profile=profile,
        withheld=agatston.withheld(profile, scan.acquisition, scan.spacing[0]),
    )


def quantify(
    scan: Scan,
    findings: Sequence[Finding],
    calibration: Calibration,
    plan: Plan,
    *,
    noise: Noise | None = None,
    jobs: Jobs = 1,
) -> tuple[Quantity, ...]:
    """One quantity per finding, in their order.

    Findings of kind deposit and uncertain are measured in full, in a box of their own; the
    others get voxel volume and a plain mass over 50 HU, without intervals. All dense objects
    of the scan should be among the findings: they are kept out of each other's background,
    and share the blur between them. `noise` is the scan's, where it is known already.
    """
    others = [finding for finding in findings if finding.kind not in LISTED]
    plain = _plain(scan, others, calibration, jobs)
    if len(others) == len(findings):
        return tuple(plain)
    context = context_of(scan, findings, calibration, plan, noise)
    listed = [(n, f) for n, f in enumerate(findings, start=1) if f.kind in LISTED]
    full = iter(each(lambda item: measure_deposit(context, item[1], item[0]), listed, jobs))
    rest = iter(plain)
    return tuple(next(full if finding.kind in LISTED else rest) for finding in findings)


def _plain(
    scan: Scan, findings: Sequence[Finding], calibration: Calibration, jobs: Jobs
) -> list[Quantity]:
    """Voxel volume and a plain mass of each, all summed in one pass over their runs."""
    slopes = slopes_of(calibration, 0, len(scan.hu))
    sums = voxel_sums(scan.hu, [finding.runs for finding in findings], slopes, jobs=jobs)
    voxel = scan.voxel_mm3
    volume = sums.voxels * voxel
    excess = sums.total - _SOFT_TISSUE_HU * sums.voxels
    mass = np.maximum(0.0, sums.slope * excess * voxel / 1000.0)
    rows = (mass, volume, 1000.0 * mass / volume, sums.dense * voxel, sums.total / sums.voxels)
    return [
        Quantity(
            mass_mg=Estimate(milligrams),
            volume_mm3=Estimate(size),
            density_mg_cm3=Estimate(density),
            volume_130_mm3=dense,
            mean_hu=mean,
            max_hu=peak,
            agatston=None,
            agatston_profile=None,
        )
        for milligrams, size, density, dense, mean, peak in zip(
            *(row.tolist() for row in (*rows, sums.peak)), strict=True
        )
    ]


def measure_deposit(context: MeasurementContext, finding: Finding, number: int) -> Quantity:
    """The full quantity of finding `number` (1..) of a context."""
    plan = context.plan.quantity
    wide = crop_around(context.scan, finding.runs, number, context.labelled_runs, context.reach_mm)
    part = integrate(wide, context.blur, context.noise, context.margins)
    crop, size = part.crop, estimate_volume(part, context.blur)
    slopes = slopes_of(context.calibration, crop.box[0].start, crop.box[0].stop)
    counts = crop.own.sum(axis=(1, 2))
    slope = float((slopes * counts).sum() / counts.sum())
    scale = Scale(slope, plan.matrix_hu + context.calibration.water_hu)
    mass = mass_of(part, size, scale, context.noise, plan)
    own = crop.hu[crop.own]
    at_ceiling = int((own >= context.ceiling).sum())
    inputs = FlagInputs(
        crop.extent, part, size, mass, at_ceiling, context.scan.hu.shape, context.withheld
    )
    density = mineral(own, np.repeat(slopes, counts), scale.matrix_hu)
    quantity = Quantity(
        mass_mg=mass.estimate(context.calibration.relative_sd),
        volume_mm3=_volume(size),
        density_mg_cm3=_density(mass, size, context.calibration.relative_sd),
        volume_130_mm3=float(_dense(part, 130.0).sum() * crop.voxel_mm3),
        mean_hu=float(own.mean()),
        max_hu=int(own.max()),
        agatston=None if context.withheld else _score(context, part),
        agatston_profile=context.profile.name,
        background_hu=mass.background_hu,
        relative_error=mass.relative(context.calibration.relative_sd),
        peak_mg_cm3=max(0.0, slope * (size.plateau + mass.background_hu - scale.matrix_hu)),
        detection_limit_mg=mass.limit_mg,
        ceiling_voxels=at_ceiling,
        density_shares=_shares(density, crop.voxel_mm3),
        flags=flags_of(inputs),
    )
    return _open_upper_bound(quantity) if at_ceiling else quantity


def _shares(density: NDArray[np.float32], voxel_mm3: float) -> dict[str, float]:
    """The share of the mass in each class of density; none where there is no mass."""
    classes = density_classes(density, voxel_mm3)
    whole = sum(part.mass_mg for part in classes)
    return {part.name: part.mass_mg / whole for part in classes} if whole > 0 else {}


def _open_upper_bound(quantity: Quantity) -> Quantity:
    """With clipped voxels the upper confidence bounds of mass and density are unknown."""
    return replace(
        quantity,
        mass_mg=replace(quantity.mass_mg, high=None),
        density_mg_cm3=replace(quantity.density_mg_cm3, high=None),
    )


def _volume(size: VolumeEstimate) -> Estimate:
    """Log-normal: a volume's error is a factor."""
    spread = float(np.exp(Z95 * size.sd / size.volume_mm3))
    return Estimate(size.volume_mm3, size.volume_mm3 / spread, size.volume_mm3 * spread)


def _density(mass: Mass, size: VolumeEstimate, calibration_sd: float) -> Estimate:
    """Mass over volume; their errors are taken as independent, which is not less than true."""
    if mass.mg <= 0:
        return Estimate()
    density = 1000.0 * mass.mg / size.volume_mm3
    parts = (mass.additive_sd / mass.mg, size.sd / size.volume_mm3, calibration_sd)
    half = Z95 * density * float(np.sqrt(sum(sd * sd for sd in parts)))
    return Estimate(density, max(0.0, density - half), density + half)


def _dense(part: Integral, threshold: float) -> NDArray[np.bool_]:
    """The deposit's voxels at a threshold, also those that its own mask did not reach."""
    crop = part.crop
    domain = crop.own | ((part.weights > 0.5) & ~crop.other)
    dense = domain & (crop.hu >= threshold)
    return flooded(dense & crop.own, dense)


def _score(context: MeasurementContext, part: Integral) -> float:
    kvp = context.scan.acquisition.kvp or 120.0
    dense = _dense(part, float(agatston.weight_starts(kvp)[0]))
    return agatston.score(part.crop.hu, dense, part.crop.spacing, context.profile, kvp)
