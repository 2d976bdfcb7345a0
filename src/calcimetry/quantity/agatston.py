"""Agatston scores by named definition.

Per slice, in-plane components of voxels at or above a threshold; each scores its area in
mm2 times a weight 1-4 by its largest HU (Agatston 1990, doi 10.1016/0735-1097(90)90282-T).
Makers differ in the smallest area that counts (FQM, PMC8360117). At other tube voltages
threshold and weights follow one table (Graeni 2018, doi 10.1093/ehjci/jey019), so that a
voxel is never counted at one threshold and weighted at another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.records import Acquisition, Flag, Severity

_KVP = np.array([70.0, 80.0, 100.0, 120.0, 135.0])
_STARTS = np.array(
    [
        [207.0, 318.0, 477.0, 636.0],
        [177.0, 271.0, 408.0, 544.0],
        [145.0, 222.0, 334.0, 446.0],
        # The table prints 199/299/399 for "above"; the classic weights start at 200/300/400.
        [130.0, 200.0, 300.0, 400.0],
        [119.0, 183.0, 274.0, 364.0],
    ]
)
_THICK = "-3mm"
_PLAIN_SPACING_MM = (2.4, 3.6)
_SCALED_SPACING_MM = (0.0, 5.5)
_KVP_RANGE = (70.0, 140.0)


@dataclass(frozen=True, slots=True)
class Profile:
    """One definition. `scaled`: times slice spacing over 3 mm."""

    name: str
    smallest_mm2: float = 0.0
    smallest_pixels: int = 1
    scaled: bool = False


PROFILES = {
    profile.name: profile
    for maker in (
        Profile("classic", smallest_mm2=1.0),
        Profile("ge", smallest_mm2=1.0),
        Profile("siemens"),
        Profile("philips", smallest_mm2=0.5),
        Profile("canon", smallest_pixels=3),
    )
    for profile in (maker, replace(maker, name=maker.name + _THICK, scaled=True))
}
"""By the names that the plan knows (`plan.AGATSTON_PROFILES`)."""


def weight_starts(kvp: float) -> NDArray[np.float64]:
    """HU at which weights 1, 2, 3 and 4 start, rounded, between the table's voltages linear.

    Above 135 kVp the last stretch is continued (to 140 kVp).
    """
    last = _STARTS[-1] + (_STARTS[-1] - _STARTS[-2]) / 15.0 * max(0.0, kvp - 135.0)
    starts = [np.interp(kvp, _KVP, column) for column in _STARTS.T]
    return np.asarray(np.round(last if kvp > 135.0 else starts))


def withheld(definition: Profile, acquisition: Acquisition, spacing_z: float) -> Flag | None:
    """Why the score would mean nothing on this scan; None where it does mean something."""
    low, high = _SCALED_SPACING_MM if definition.scaled else _PLAIN_SPACING_MM
    if acquisition.kev is not None:
        return _withheld("AGATSTON_KEV", "virtual monoenergetic images have no Agatston scale")
    if acquisition.kvp is None:
        return _withheld("AGATSTON_KVP_UNKNOWN", "Agatston needs the tube voltage")
    if not _KVP_RANGE[0] <= acquisition.kvp <= _KVP_RANGE[1]:
        text = f"no Agatston weights at {acquisition.kvp:g} kVp (70-140 kVp)"
        return _withheld("AGATSTON_KVP", text)
    if not low <= spacing_z <= high:
        text = f"Agatston is defined for 3 mm slices; these are {spacing_z:.2f} mm apart"
        return _withheld("AGATSTON_SPACING", text)
    return None


def _withheld(code: str, text: str) -> Flag:
    return Flag(code, text, Severity.WITHHELD)


def score(
    hu: NDArray[np.float32],
    domain: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    definition: Profile,
    kvp: float,
) -> float:
    """The score of one deposit.

    hu, domain : (z, y, x); voxels of the domain at or above the threshold are scored
    spacing : (z, y, x) mm
    """
    starts = weight_starts(kvp)
    pixel = spacing[1] * spacing[2]
    least = max(definition.smallest_pixels, int(np.ceil(definition.smallest_mm2 / pixel - 1e-9)))
    dense = domain & (hu >= starts[0])
    total = 0.0
    for plane, values in zip(dense, hu, strict=True):
        labels, count = ndimage.label(plane)  # 4-connected
        if not count:
            continue
        sizes = np.bincount(labels.ravel())[1:]
        peaks = ndimage.maximum(values, labels, np.arange(1, count + 1))
        weights = np.searchsorted(starts, peaks, side="right")
        total += float(np.sum(sizes * pixel * weights * (sizes >= least)))
    return total * (spacing[0] / 3.0 if definition.scaled else 1.0)
