"""All kernels compiled ahead, so that the first scan does not pay for it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy import find_body
from calcimetry.examine import measure
from calcimetry.plan import Plan
from calcimetry.quantity import calibrate, quantify
from calcimetry.records import Acquisition, Finding, Kind, Scan
from calcimetry.runs import dense_objects, difference, intersect, object_runs, to_labels

_NODULES = ((30, 48, 66), 6.0), ((30, 48, 24), 4.0), ((30, 12, 48), 2.0), ((30, 88, 48), 3.0)


def warm() -> None:
    """Compile, or load from the cache, every kernel that reading and measuring use.

    Less than a minute cold and a second from the cache, once for each version and user.
    Where the package cannot be written the kernels are kept in the user's cache folder. The
    compiler runs one thread; so a process of its own compiles what quantities need.
    """
    nowhere = subprocess.DEVNULL
    quantities = "from calcimetry.warm import warm_quantities; warm_quantities()"
    with subprocess.Popen([sys.executable, "-c", quantities], stdout=nowhere, stderr=nowhere):
        _warm_runs()
    # The process has ended; had it failed, its kernels would be compiled here.
    warm_quantities()
    measure(limb()[0], jobs=1)


def _warm_runs() -> None:
    """What single deposits, labels and follow-up need of runs, beyond what a measure does."""
    scan, nodules = limb()
    found = object_runs(dense_objects(scan.hu, 200))
    for operation in (intersect, difference):
        operation(found[0], found[-1])
    for dtype in (np.uint8, np.uint16, np.int32):
        to_labels(nodules.shape, found, dtype)
    measure(scan, jobs=1)


def warm_quantities() -> None:
    """Quantities of nodules and bone as they were drawn: all that may be asked of a deposit."""
    scan, nodules = limb()
    drawn = (~nodules, Kind.BONE), (nodules, Kind.DEPOSIT)
    findings = [
        Finding(runs, kind, "drawn", 1.0)
        for mask, kind in drawn
        for runs in object_runs(dense_objects(np.where(mask, scan.hu, 0).astype(np.int16), 200))
    ]
    plan = Plan()
    quantify(scan, findings, calibrate(scan, plan, body=find_body(scan)), plan)


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
