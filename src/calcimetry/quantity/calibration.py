"""The calibration ladder: from HU above background to mg of hydroxyapatite per cm3.

Rods in the scan > the user's own > internal reference (only when the plan asks) > table by
tube voltage and body size.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.anatomy import Body, water_equivalent_diameter
from calcimetry.errors import UsageError
from calcimetry.plan import Plan
from calcimetry.quantity import kvp_table
from calcimetry.quantity.internal_reference import from_tissue
from calcimetry.quantity.noise import Noise, noise_of
from calcimetry.quantity.rods import from_rods
from calcimetry.records import Calibration, Flag, Scan
from calcimetry.statistics import Z95
from calcimetry.threads import Jobs

_NUMBER = re.compile(r"^(?:c\s*=\s*)?([0-9]*\.?[0-9]+)(?:\s*(?:\+-|±)\s*([0-9]*\.?[0-9]+))?$")
_ASSUMED_KVP = 120.0
_TYPICAL_PATH_MM = 160.0
_SMOOTH_MM = 15.0


def calibrate(
    scan: Scan,
    plan: Plan,
    *,
    body: Body | None = None,
    user: str | float | None = None,
    noise: Noise | None = None,
    jobs: Jobs = 1,
) -> Calibration:
    """The best calibration that this scan allows.

    Parameters
    ----------
    scan : the scan
    plan : `plan.quantity.calibration` chooses the rung, and says how far each is trusted
    body : the patient, for the path through water; without it, all that is over -300 HU
    user : the user's own slope: ``0.764``, ``"c=0.764"`` or ``"c=0.764+-0.02"`` (1 SD),
        mg HA per cm3 for each HU
    noise : the scan's, where it is known already
    jobs : threads

    Raises
    ------
    UsageError : `user` is not such a number, or not between 0.2 and 2
    """
    own = None if user is None else user_calibration(user, plan)
    chosen = plan.quantity.calibration
    if own is not None and chosen == "user":
        return own
    from_table = _of_table(scan, plan, body)
    if chosen in ("auto", "rods"):
        sd = (noise or noise_of(scan)).sd
        found = from_rods(scan, from_table.mg_cm3_per_hu, sd, jobs=jobs)
        if found is not None:
            return found if own is None else _over(found, own)
    if own is not None:
        return own
    if chosen == "internal":
        inside = from_tissue(scan)
        if inside is not None:
            return inside
    return from_table


def _over(rods: Calibration, own: Calibration) -> Calibration:
    """Rods in the scan come before the user's number; that is said, with the way round it."""
    text = (
        f"rods in the scan give c = {rods.mg_cm3_per_hu:.4g}; the user's {own.mg_cm3_per_hu:.4g} "
        "was not used (plan: quantity.calibration = 'user' uses it)"
    )
    return replace(rods, flags=(*rods.flags, Flag("USER_CALIBRATION_UNUSED", text)))


def user_calibration(user: str | float, plan: Plan) -> Calibration:
    """The user's own slope, as `calibrate` takes it. Raises UsageError CALIBRATION_BAD."""
    match = _NUMBER.match(str(user).strip())
    slope = float(match[1]) if match else 0.0
    if not match or not 0.2 <= slope <= 2.0:
        raise UsageError(
            "CALIBRATION_BAD",
            found=f"'{user}'",
            expected="c=NUMBER between 0.2 and 2, mg/cm3 of HA per HU",
            where="--calibration",
            remedy="give the slope of your own phantom, such as c=0.764",
        )
    sd = float(match[2]) / slope if match[2] else plan.quantity.user_calibration_sd
    return Calibration(slope, sd, "user", f"c = {slope:g} mg/cm3 per HU, given by the user")


def _of_table(scan: Scan, plan: Plan, body: Body | None) -> Calibration:
    """The table's slope for each slice, by the scan's tube voltage or photon energy."""
    facts = scan.acquisition
    if facts.kev is not None:
        slope = kvp_table.slope_at_kev(float(np.clip(facts.kev, *kvp_table.KEV_RANGE)))
        sd = plan.quantity.table_spread / Z95
        return Calibration(slope, sd, "table", f"monoenergetic image at {facts.kev:g} keV")
    kvp = float(np.clip(facts.kvp or _ASSUMED_KVP, *kvp_table.KVP_RANGE))
    flags = _doubts(facts.kvp, plan)
    spread = plan.quantity.unknown_kvp_spread if flags else plan.quantity.table_spread
    paths = water_path_mm(scan, body)
    slopes = kvp_table.slope_at(kvp, paths)
    middle = float(np.median(slopes))
    detail = f"table: {kvp:g} kVp, water path {np.median(paths):.0f} mm (median over slices)"
    per_slice = tuple(float(c) for c in slopes)
    return Calibration(middle, spread / Z95, "table", detail, flags, per_slice)


def _doubts(kvp: float | None, plan: Plan) -> tuple[Flag, ...]:
    spread = f"calibration +-{plan.quantity.unknown_kvp_spread:.0%}"
    low, high = kvp_table.KVP_RANGE
    if kvp is None:
        text = f"tube voltage unknown: {_ASSUMED_KVP:g} kVp assumed, {spread}"
        return (Flag("KVP_UNKNOWN", text),)
    if not low <= kvp <= high:
        text = f"{kvp:g} kVp is outside the table ({low:g}-{high:g} kVp): {spread}"
        return (Flag("KVP_OUTSIDE_TABLE", text),)
    return ()


def water_path_mm(scan: Scan, body: Body | None = None) -> NDArray[np.float64]:
    """Water-equivalent diameter of each slice (AAPM Report 220), smoothed over 30 mm.

    Slices without a body take the median of those with one; without any, 160 mm.
    """
    path = _plain_path(scan) if body is None else water_equivalent_diameter(scan, body)
    found = np.isfinite(path) & (path > 10.0)
    if not found.any():
        return np.full(scan.hu.shape[0], _TYPICAL_PATH_MM)
    filled = np.where(found, path, np.median(path[found]))
    return np.asarray(
        ndimage.gaussian_filter1d(filled, _SMOOTH_MM / scan.spacing[0], mode="nearest")
    )


def _plain_path(scan: Scan) -> NDArray[np.float64]:
    _, y, x = scan.spacing
    area = np.zeros(scan.hu.shape[0])
    for k, plane in enumerate(scan.hu[:, ::2, ::2]):
        inside = plane[plane > -300]
        area[k] = np.sum(np.maximum(inside / 1000.0 + 1.0, 0.0)) * 4.0 * x * y
    return np.asarray(2.0 * np.sqrt(area / np.pi))


def slopes_of(calibration: Calibration, first: int, end: int) -> NDArray[np.float64]:
    """c of the slices from `first` to before `end`: float64 (end - first,)."""
    if calibration.per_slice is None:
        return np.full(end - first, calibration.mg_cm3_per_hu)
    return np.array(calibration.per_slice[first:end])


def hu_threshold(calibration: Calibration, mg_cm3: float, tissue_hu: float = 40.0) -> float:
    """The HU of soft tissue that holds this density of mineral, mg HA per cm3."""
    return tissue_hu + mg_cm3 / calibration.mg_cm3_per_hu
