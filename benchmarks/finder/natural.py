"""Natural scans: what is truly there, and what is called a deposit and is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from calcimetry.records import Finding, Kind, Scan
from calcimetry.runs import paint

TRUE_HU = 180
CALCIFICATIONS = {
    "STS_003": ((25, 72, 87),),
    "STS_037": ((63, 45, 228),),
    "STS_045": ((57, 114, 98), (62, 120, 88), (63, 109, 112)),
    "STS_049": ((68, 122, 83),),
}
"""True soft-tissue calcifications, by one non-radiologist: middles (z, y, x), in voxels of the
scan as read. Each is the object at TRUE_HU that is nearest to the middle."""

CLEAN = ("STS_015", "STS_017", "STS_023", "STS_026", "STS_029", "STS_033", "STS_041", "STS_043")
"""Limb scans with nothing dense but bone."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A true calcification: how much of it is called deposit, and deposit or uncertain."""

    case: str
    at: tuple[int, int, int]
    volume_mm3: float
    deposit: float
    listed: float


def true_objects(case: str, scan: Scan) -> list[NDArray[np.bool_]]:
    label, _ = ndi.label(scan.hu >= TRUE_HU, np.ones((3, 3, 3)))
    found = []
    for at in CALCIFICATIONS.get(case, ()):
        low = [max(c - 8, 0) for c in at]
        near = label[tuple(slice(a, c + 9) for a, c in zip(low, at, strict=True))]
        place = np.argwhere(near > 0)
        gap = np.linalg.norm((place + low - at) * np.array(scan.spacing), axis=1)
        sizes = np.bincount(near.ravel())
        big = np.array([sizes[near[tuple(p)]] >= 8 for p in place])
        chosen = place[np.flatnonzero(big)[gap[big].argmin()]]
        found.append(label == near[tuple(chosen)])
    return found


def seen(case: str, scan: Scan, findings: Iterable[Finding]) -> list[Seen]:
    whole = tuple(slice(0, n) for n in scan.hu.shape)
    sure, listed = np.zeros(scan.hu.shape, bool), np.zeros(scan.hu.shape, bool)
    for finding in findings:
        if finding.kind in (Kind.DEPOSIT, Kind.UNCERTAIN):
            paint(whole, finding.runs, True, out=listed)  # type: ignore[arg-type]
        if finding.kind is Kind.DEPOSIT:
            paint(whole, finding.runs, True, out=sure)  # type: ignore[arg-type]
    return [
        Seen(case, at, float(mask.sum() * scan.voxel_mm3), sure[mask].mean(), listed[mask].mean())
        for at, mask in zip(CALCIFICATIONS.get(case, ()), true_objects(case, scan), strict=True)
    ]


def kinds(findings: Iterable[Finding]) -> dict[str, int]:
    count: dict[str, int] = {}
    for finding in findings:
        count[str(finding.kind)] = count.get(str(finding.kind), 0) + 1
    return count
