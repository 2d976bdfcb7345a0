"""All kernels of this room compiled ahead, so that the first scan does not pay for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy import find_body
from calcimetry.describe.diameter import form
from calcimetry.plan import Plan
from calcimetry.quantity.calibration import calibrate
from calcimetry.quantity.measure import quantify
from calcimetry.records import Acquisition, Finding, Kind, Scan
from calcimetry.runs import dense_objects, from_mask, parts

_NODULES = ((30, 48, 66), 6.0), ((30, 48, 24), 4.0), ((30, 12, 48), 2.0), ((30, 88, 48), 3.0)


def warm() -> None:
    """Compile (or load from the cache) every kernel: about half of all there are."""
    scan, nodules = limb()
    bone = dense_objects(np.where(nodules, 0, scan.hu).astype(np.int16), 200)
    deposits = parts(dense_objects(np.where(nodules, scan.hu, 0).astype(np.int16), 200))
    plan = Plan()
    findings = [Finding(runs, Kind.DEPOSIT, "drawn", 1.0) for runs in deposits]
    findings += [Finding(runs, Kind.BONE, "drawn", 1.0) for runs in parts(bone)]
    quantify(scan, findings, calibrate(scan, plan, body=find_body(scan)), plan)
    for runs in [*deposits, from_mask(nodules)]:
        form(scan, runs, shape="round", volume_mm3=1.0, numbers=None)


def limb() -> tuple[Scan, NDArray[np.bool_]]:
    """A limb with a bone, and nodules on it, in fat and at the skin: something for every kernel.

    The mask says which voxels are nodules.
    """
    z, y, x = np.indices((40, 64, 64)) * 1.5
    far = np.hypot(y - 48, x - 48)
    hu = np.where(far < 44, -100, -1000)
    hu[far < 36] = 50
    hu[(far < 14) & (far > 9)] = 900
    nodules = np.zeros(hu.shape, np.bool_)
    for middle, radius in _NODULES:
        away = np.sqrt(sum((a - b) ** 2 for a, b in zip((z, y, x), middle, strict=True)))
        nodules |= away < radius
    hu[nodules] = 500
    hu += np.random.default_rng(0).integers(-15, 16, hu.shape)
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    scan = Scan.of(hu.astype(np.int16), affine, Acquisition(kvp=120.0))
    return scan, nodules
