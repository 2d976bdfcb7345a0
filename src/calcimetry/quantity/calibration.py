"""The calibration ladder: from HU above background to mg of hydroxyapatite per cm3.

rods in the scan > the user's own > internal reference (only when the plan asks) > table.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.errors import UsageError
from calcimetry.plan import Plan
from calcimetry.quantity import table
from calcimetry.records import Calibration, Flag, Scan

_NORMAL_95 = 1.959964
_NUMBER = re.compile(r"^(?:c\s*=\s*)?([0-9]*\.?[0-9]+)(?:\s*(?:\+-|±)\s*([0-9]*\.?[0-9]+))?$")


def calibrate(
    scan: Scan,
    plan: Plan,
    *,
    body: NDArray[np.bool_] | None = None,
    user: str | float | None = None,
) -> Calibration:
    """The best calibration that this scan allows.

    Parameters
    ----------
    scan : the scan
    plan : `plan.quantity` sets the doubt of each rung
    body : bool (z, y, x), the patient; without it, what is denser than -300 HU
    user : the user's own slope: ``0.764``, ``"c=0.764"`` or ``"c=0.764+-0.02"`` (1 SD),
        mg HA per cm3 for each HU

    Raises
    ------
    UsageError : `user` is not such a number, or not between 0.2 and 2
    """
    if user is not None:
        return _of_user(user, plan)
    return _of_table(scan, plan, body)


def _of_user(user: str | float, plan: Plan) -> Calibration:
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


def _of_table(scan: Scan, plan: Plan, body: NDArray[np.bool_] | None) -> Calibration:
    acquisition = scan.acquisition
    spread = plan.quantity.table_spread
    if acquisition.kev is not None:
        slope = table.slope_at_kev(float(np.clip(acquisition.kev, *table.KEV_RANGE)))
        detail = f"virtual monoenergetic image, {acquisition.kev:g} keV"
        return Calibration(slope, spread / _NORMAL_95, "table", detail)
    flags: tuple[Flag, ...] = ()
    kvp = acquisition.kvp
    if kvp is None:
        kvp, spread = 120.0, plan.quantity.unknown_kvp_spread
        text = f"tube voltage unknown: 120 kVp assumed, calibration +-{spread:.0%}"
        flags = (Flag("KVP_UNKNOWN", text),)
    elif not table.KVP_RANGE[0] <= kvp <= table.KVP_RANGE[1]:
        spread = plan.quantity.unknown_kvp_spread
        text = f"{kvp:g} kVp is outside the table (70-150 kVp): calibration +-{spread:.0%}"
        flags = (Flag("KVP_OUTSIDE_TABLE", text),)
    paths = water_path_mm(scan, body)
    slopes = table.slope_at(float(np.clip(kvp, *table.KVP_RANGE)), paths)
    detail = f"table: {kvp:g} kVp, water path {np.median(paths):.0f} mm (median over slices)"
    per_slice = tuple(float(c) for c in slopes)
    median = float(np.median(slopes))
    return Calibration(median, spread / _NORMAL_95, "table", detail, flags, per_slice)


def water_path_mm(scan: Scan, body: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Water-equivalent diameter of each slice, mm (AAPM Report 220), smoothed over 30 mm.

    Slices without a body take the median of those with one; without any, 160 mm.
    """
    z, y, x = scan.spacing
    area = np.zeros(scan.hu.shape[0])
    for k, plane in enumerate(scan.hu):
        inside = plane > -300 if body is None else body[k]
        area[k] = np.sum(np.maximum(plane[inside], -1000) / 1000.0 + 1.0) * x * y
    found = area > 100.0
    if not found.any():
        return np.full(len(area), 160.0)
    path = 2.0 * np.sqrt(np.where(found, area, np.median(area[found])) / np.pi)
    return np.asarray(ndimage.gaussian_filter1d(path, 15.0 / z, mode="nearest"))


def slope_of(calibration: Calibration, slices: NDArray[np.intp]) -> float:
    """c for voxels that lie on these slices (one entry per voxel or per slice)."""
    if calibration.per_slice is None:
        return calibration.mg_cm3_per_hu
    return float(np.asarray(calibration.per_slice)[slices].mean())


def hu_threshold(calibration: Calibration, mg_cm3: float, tissue_hu: float = 40.0) -> float:
    """The HU of soft tissue that holds this density of mineral."""
    return tissue_hu + mg_cm3 / calibration.mg_cm3_per_hu
