"""All kernels compiled ahead, so that the first scan does not pay for it."""

from __future__ import annotations

import numpy as np

from calcimetry import anatomy, runs
from calcimetry.examine import measure
from calcimetry.records import Acquisition, Scan, Source, StoredGrid


def warm() -> None:
    """Compile, or load from the cache, every kernel that reading and measuring use.

    About a minute cold and a second from the cache, once for each version and user. Where the
    package cannot be written the kernels are kept in the user's cache folder.
    """
    runs.warm()
    anatomy.warm()
    measure(_limb())


def _limb() -> Scan:
    """A limb with a bone, nodules on it, in fat and at the skin: something for every kernel."""
    z, y, x = np.indices((40, 64, 64)) * 1.5
    far = np.hypot(y - 48, x - 48)
    hu = np.where(far < 44, -100, -1000)
    hu[far < 36] = 50
    hu[(far < 14) & (far > 9)] = 900
    nodules = ((30, 48, 66), 6.0), ((30, 48, 24), 4.0), ((30, 12, 48), 2.0), ((30, 88, 48), 3.0)
    for middle, radius in nodules:
        away = np.sqrt(sum((a - b) ** 2 for a, b in zip((z, y, x), middle, strict=True)))
        hu[away < radius] = 500
    hu += np.random.default_rng(0).integers(-15, 16, hu.shape)
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    stored = StoredGrid((64, 64, 40), affine)
    return Scan(hu.astype(np.int16), affine, Acquisition(kvp=120.0), stored, Source("", "array"))
