"""Internal reference: the patient's own fat and the air tell the energy, the energy tells c.

Experimental. Fat reads ``1000 (rho mu_fat / mu_water - 1)`` HU, which rises with energy; the
energy at which that is what the scan's fat reads gives c of a monoenergetic beam. Ten HU of
fat, which is how far patients and reconstructions differ, move c by about a tenth: the error
is taken as +-25 % (95 %).
"""

from __future__ import annotations

import numpy as np

from calcimetry.quantity.kvp_table import slope_at_kev
from calcimetry.records import Calibration, Flag, Scan
from calcimetry.statistics import Z95

_KEV = np.array([40.0, 50.0, 60.0, 80.0, 100.0])
# NIST XCOM, cm2/g, adipose tissue (ICRU-44) and water.
_ADIPOSE = np.array([0.2396, 0.2123, 0.1974, 0.1800, 0.1688])
_WATER = np.array([0.2683, 0.2269, 0.2059, 0.1837, 0.1707])
_ADIPOSE_DENSITY = 0.95  # g/cm3, ICRU-44
_FAT_HU = (-150, -50)
_FEWEST_VOXELS = 20_000
_RELATIVE_SD = 0.25 / Z95


def from_tissue(scan: Scan) -> Calibration | None:
    """A calibration from fat and air; None where the scan shows too little fat."""
    sample = scan.hu[:: max(1, scan.hu.shape[0] // 40), ::2, ::2]
    counts = np.bincount(sample.ravel().astype(np.int64) + 2048, minlength=8192).astype(float)
    fat = counts[_FAT_HU[0] + 2048 : _FAT_HU[1] + 2048]
    if fat.sum() < _FEWEST_VOXELS:
        return None
    smooth = np.convolve(fat, np.ones(11) / 11.0, mode="same")
    mode = _FAT_HU[0] + int(np.argmax(smooth))
    near_air = slice(-1080 + 2048, -940 + 2048)
    air = float(np.average(np.arange(-1080, -940), weights=counts[near_air] + 1e-9))
    hu = -1000.0 + (mode - air) * 1000.0 / -air  # air at -1000, water stays at 0
    expected = 1000.0 * (_ADIPOSE_DENSITY * _ADIPOSE / _WATER - 1.0)
    kev = float(np.interp(hu, expected, _KEV))
    detail = f"fat at {hu:.0f} HU, as at {kev:.0f} keV"
    flag = Flag("CALIBRATION_EXPERIMENTAL", "calibrated from fat and air: experimental, +-25 %")
    return Calibration(slope_at_kev(kev), _RELATIVE_SD, "internal", detail, (flag,))
