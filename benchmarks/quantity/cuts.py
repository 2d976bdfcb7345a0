"""Mass on bone when the finder, not the truth, cuts: deposits painted onto real limbs' bones.

The limbs are those that the weights never saw. c is exact, so that what is left is noise,
background, matrix and the cut; the error of the cut is scaled (`quantity.cut_sd_voxels`) until
the intervals hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.finder.study import judged
from numpy.typing import NDArray

from calcimetry.phantom.insertion import insert
from calcimetry.phantom.placement import Mix, candidate_sites, random_placements
from calcimetry.phantom.spec import Imaging
from calcimetry.phantom.truth import Painted, Truth
from calcimetry.plan import Plan
from calcimetry.quantity import quantify
from calcimetry.records import Calibration, Finding, Kind, Quantity, Scan
from calcimetry.runs import voxels_of
from calcimetry.scan import read

Z95 = 1.959964
SLOPE = 0.638  # mg/cm3 per HU, painted and known
MIX = Mix(pools={"touching_bone": 1.0}, diameter_mm=(4.0, 20.0), density_mg_cm3=(180.0, 900.0))
LISTED = (Kind.DEPOSIT, Kind.UNCERTAIN)
OWN_SHARE = 0.5
"""A finding belongs to the painted deposit that holds at least this share of its voxels."""

FOUND_SHARE = 0.25
"""A deposit counts as found, and is weighed, when this share of its dense voxels is listed."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One painted deposit on bone. Masses and their SDs in mg; None where it was not found.

    listed : share of its dense voxels that the finder lists
    cut_sd : of the cut between deposit and bone at `quantity.cut_sd_voxels` of the plan
    other_sd : all other causes together
    """

    case: str
    diameter_mm: float
    density_mg_cm3: float
    truth_mg: float
    listed: float
    mass_mg: float | None = None
    cut_sd: float = 0.0
    other_sd: float = 0.0


def limb(path: Path, seed: int, count: int) -> list[Cut]:
    """Paint, find and weigh on one limb."""
    scan = read(path)
    rng = np.random.default_rng([seed, 31])
    placed = random_placements(scan, count, rng, sites=candidate_sites(scan), mix=MIX)
    look = Imaging(
        fwhm_mm=(scan.spacing[0] * 0.6, float(rng.uniform(0.8, 1.6))), hu_per_mg_cm3=1 / SLOPE
    )
    painted, truth = insert(scan, placed, rng, look)
    return list(weighed(path.name[:7], painted, truth, judged(painted)))


def weighed(case: str, scan: Scan, truth: Truth, findings: Sequence[Finding]) -> Iterator[Cut]:
    """One row for each painted deposit that touches bone and lies in the field."""
    quantities = quantify(scan, findings, Calibration(SLOPE, 0.0, "user"), Plan(), jobs=2)
    whose, dense = _owners(scan, truth.deposits)
    held = np.bincount(dense.ravel(), minlength=len(truth.deposits) + 1)
    listed = np.zeros(len(truth.deposits) + 1, np.int64)
    parts: dict[int, list[Quantity]] = {}
    for finding, quantity in zip(findings, quantities, strict=True):
        if finding.kind not in LISTED:
            continue
        at = tuple(voxels_of(finding.runs).T)
        listed += np.bincount(dense[at], minlength=len(listed))
        owner = np.bincount(whose[at], minlength=len(listed))
        best = int(owner.argmax())
        if best and owner[best] >= OWN_SHARE * owner.sum():
            parts.setdefault(best, []).append(quantity)
    for number, item in enumerate(truth.deposits, 1):
        if item.touches_bone and item.mass_in_field_mg > 0.98 * item.mass_mg and held[number] >= 3:
            yield _row(case, item, listed[number] / held[number], parts.get(number, []))


def _owners(
    scan: Scan, painted: Sequence[Painted]
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """The number (1..) of the deposit that blurs into a voxel, and that which makes it dense."""
    whose, dense = np.zeros(scan.hu.shape, np.uint16), np.zeros(scan.hu.shape, np.uint16)
    for number, item in enumerate(painted, 1):
        whose[item.box][item.imaged > 0.05] = number
        bright = scan.hu[item.box] >= Plan().find.threshold_hu
        dense[item.box][bright & (item.imaged > 0.5)] = number
    return whose, dense


def _row(case: str, item: Painted, listed: float, parts: Sequence[Quantity]) -> Cut:
    facts = (case, item.diameter_mm, item.density_mg_cm3, item.mass_mg, float(listed))
    if listed < FOUND_SHARE or not parts:
        return Cut(*facts)
    mass = sum(q.mass_mg.value or 0.0 for q in parts)
    return Cut(
        *facts, mass, _sd(parts, ("segmentation",)), _sd(parts, ("noise", "background", "matrix"))
    )


def _sd(parts: Sequence[Quantity], causes: Sequence[str]) -> float:
    errors = [
        (q.mass_mg.value or 0.0) * q.relative_error.get(cause, 0.0)
        for q in parts
        for cause in causes
    ]
    return float(np.sqrt(np.sum(np.square(errors))))


def coverage(cuts: Sequence[Cut], cut_sd_voxels: float) -> float:
    """Share of the found whose 95 % interval holds the truth at this error of the cut."""
    factor = cut_sd_voxels / Plan().quantity.cut_sd_voxels
    inside = [
        abs(c.mass_mg - c.truth_mg) <= Z95 * np.hypot(c.cut_sd * factor, c.other_sd)
        for c in cuts
        if c.mass_mg is not None
    ]
    return float(np.mean(inside)) if inside else float("nan")


def needed(cuts: Sequence[Cut], share: float = 0.95) -> float | None:
    """The least `cut_sd_voxels` at which that share is covered; None: none up to 3 does."""
    tried = np.arange(0.05, 3.01, 0.05)
    good = [k for k in tried if coverage(cuts, float(k)) >= share]
    return float(good[0]) if good else None
