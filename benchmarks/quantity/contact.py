"""Mass in contact with bone, object by object: `python -m benchmarks.quantity.contact LIMBS`.

Deposits are painted beside joints of real limbs, found and cut by the finder as it is, and
weighed. Each row has truth, mass and interval, and what the error is made of: a painted scan
less the scan before it is the deposit's own signal, so that every part of a sum is known. c is
exact.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np
from benchmarks.quantity.painted import SLOPE, PaintedScan, painted_scan
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.phantom.truth import Painted
from calcimetry.plan import Plan
from calcimetry.quantity.crop import Crop, crop_around
from calcimetry.quantity.integral import integrate
from calcimetry.quantity.measure import MeasurementContext, context_of, measure_deposit
from calcimetry.records import LISTED, Calibration, Finding, Quantity
from calcimetry.runs import crop as crop_box
from calcimetry.runs import paint, union_all, voxels_of

Z95 = 1.959964
JUDGE_LIMBS = (5, 17, 19, 47, 49, 51)  # shoulder, knees, hand, ankle: never tuned to
OWN_SHARE = 0.5
"""A finding belongs to the painted deposit that holds at least this share of its voxels."""

FOUND_SHARE = 0.25
"""A deposit counts as found, and is weighed, when this share of its dense voxels is listed."""

NEAR_MM = 6.0
MATRIX_HU = 40.0  # of the soft tissue in a painted deposit
SIZES = (3.0, 4.0, 5.0, 6.0, 8.0, 12.0, 20.0)
CAUSES = ("missed", "bone", "background", "rest")


@dataclass(frozen=True, slots=True)
class Row:
    """One painted deposit that was found. Masses in mg.

    place : contact, near (gap to bone under 6 mm) or free
    diameter_mm : of the ball of its volume
    foreign, short : of the mask's voxels, those that the deposit does not make dense; of the
        deposit's dense voxels, those outside the mask
    missed, bone, background, rest : what the mass errs by, over the truth: the deposit's signal
        that was not collected (negative); bone's that was; soft tissue that is not what the
        background says; the deposit's own tissue, and blur put back
    noise_sd ... matrix_sd : 1 SD by cause
    """

    case: str
    generator: str
    family: str
    place: str
    gap_mm: float
    diameter_mm: float
    density_mg_cm3: float
    truth_mg: float
    listed: float
    pieces: int
    mass_mg: float
    low_mg: float
    high_mg: float
    foreign: float
    short: float
    missed: float
    bone: float
    background: float
    rest: float
    noise_sd: float
    background_sd: float
    segmentation_sd: float
    matrix_sd: float

    @property
    def error(self) -> float:
        return self.mass_mg / self.truth_mg - 1.0

    @property
    def holds(self) -> bool:
        return self.low_mg <= self.truth_mg <= self.high_mg

    @property
    def cause(self) -> str:
        """The largest part of the error."""
        return max(CAUSES, key=lambda name: abs(getattr(self, name)))


@dataclass(frozen=True, slots=True, eq=False)
class FoundDeposit:
    """A painted deposit and the numbers (1..) of the findings that are pieces of it.

    listed : share of its dense voxels that the finder lists
    dense : bool (z, y, x), on the item's box, the voxels that it makes dense
    """

    painted: PaintedScan
    context: MeasurementContext
    item: Painted
    numbers: tuple[int, ...]
    listed: float
    dense: NDArray[np.bool_]

    @property
    def findings(self) -> list[Finding]:
        return [self.painted.findings[number - 1] for number in self.numbers]

    @property
    def crops(self) -> list[Crop]:
        """Each piece with its surroundings, as it is measured."""
        context = self.context
        return [
            crop_around(context.scan, finding.runs, number, context.labelled_runs, context.reach_mm)
            for number, finding in zip(self.numbers, self.findings, strict=True)
        ]


def found_deposits(painted: PaintedScan) -> Iterator[FoundDeposit]:
    """Each painted deposit that lies in the field and was found."""
    scan, deposits = painted.scan, painted.truth.deposits
    context = context_of(scan, painted.findings, Calibration(SLOPE, 0.0, "user"), Plan())
    whose, dense = _owners(painted)
    listed = np.zeros(len(deposits) + 1, np.int64)
    parts: dict[int, list[int]] = {}
    for number, finding in enumerate(painted.findings, 1):
        if finding.kind not in LISTED:
            continue
        at = tuple(voxels_of(finding.runs).T)
        listed += np.bincount(dense[at], minlength=len(listed))
        owner = np.bincount(whose[at], minlength=len(listed))
        best = int(owner.argmax())
        if best and owner[best] >= OWN_SHARE * owner.sum():
            parts.setdefault(best, []).append(number)
    held = np.bincount(dense.ravel(), minlength=len(listed))
    for which, item in enumerate(deposits, 1):
        share = float(listed[which] / max(held[which], 1))
        inside = item.mass_in_field_mg > 0.98 * item.mass_mg and held[which] >= 3
        if inside and share >= FOUND_SHARE and which in parts:
            mine = dense[item.box] == which
            yield FoundDeposit(painted, context, item, tuple(parts[which]), share, mine)


def row_of(found: FoundDeposit) -> Row:
    """What is measured of it, and what the error is made of."""
    item, painted = found.item, found.painted
    pieces = zip(found.findings, found.numbers, strict=True)
    quantities = [measure_deposit(found.context, finding, n) for finding, n in pieces]
    mass = sum(q.mass_mg.value or 0.0 for q in quantities)
    sds = [_sd(quantities, cause) for cause in ("noise", "background", "segmentation", "matrix")]
    low, high = _interval(quantities, mass, float(np.linalg.norm(sds)))
    mask = union_all([finding.runs for finding in found.findings], painted.scan.hu.shape)
    inside = paint(item.box, mask) & found.dense
    gap = _gap_mm(painted, item)
    place = "contact" if item.touches_bone else "near" if gap < NEAR_MM else "free"
    return Row(
        painted.case,
        painted.generator,
        item.family,
        place,
        gap,
        item.diameter_mm,
        item.density_mg_cm3,
        item.mass_mg,
        found.listed,
        len(quantities),
        mass,
        low,
        high,
        float(1.0 - inside.sum() / mask.voxels),
        float(1.0 - inside.sum() / found.dense.sum()),
        *_causes(found, mass),
        *sds,
    )


def _owners(painted: PaintedScan) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """The number (1..) of the deposit that blurs into a voxel, and that which makes it dense."""
    hu = painted.scan.hu
    whose, dense = np.zeros(hu.shape, np.uint16), np.zeros(hu.shape, np.uint16)
    for number, item in enumerate(painted.truth.deposits, 1):
        whose[item.box][item.imaged > 0.05] = number
        bright = hu[item.box] >= Plan().find.threshold_hu
        dense[item.box][bright & (item.imaged > 0.5)] = number
    return whose, dense


def _gap_mm(painted: PaintedScan, item: Painted) -> float:
    """From the deposit to bone; `NEAR_MM` where it is as far and further."""
    box = crop_box(item.box, painted.bone.shape, NEAR_MM, painted.scan.spacing)
    if not painted.bone[box].any():
        return NEAR_MM
    away = ndimage.distance_transform_edt(~painted.bone[box], painted.scan.spacing)
    inner = tuple(
        slice(a.start - b.start, a.stop - b.start) for a, b in zip(item.box, box, strict=True)
    )
    return min(NEAR_MM, float(away[inner][item.imaged > 0.5 * item.imaged.max()].min()))


def _sd(parts: Sequence[Quantity], cause: str) -> float:
    return float(
        np.linalg.norm([(q.mass_mg.value or 0.0) * q.relative_error.get(cause, 0.0) for q in parts])
    )


def _interval(parts: Sequence[Quantity], mass: float, sd: float) -> tuple[float, float]:
    """Of one piece as it is said; of several, their errors taken as independent."""
    if len(parts) > 1:
        return max(0.0, mass - Z95 * sd), mass + Z95 * sd
    (only,) = parts
    return only.mass_mg.low or 0.0, np.inf if only.mass_mg.high is None else only.mass_mg.high


def _causes(found: FoundDeposit, mass: float) -> tuple[float, float, float, float]:
    """What the error is made of, each over the true mass; they add up to it."""
    painted, item, context = found.painted, found.item, found.context
    unit = SLOPE / 1000.0 * painted.scan.voxel_mm3 / item.mass_mg
    collected, bone, soft = 0.0, 0.0, 0.0
    for crop in found.crops:
        part = integrate(crop, context.blur, context.noise, context.margins)
        before = painted.before[part.crop.box].astype(np.float32)
        over = part.weights * (before - (part.crop.hu - part.excess))
        collected += float((part.weights * (part.crop.hu - before)).sum())
        bony = before >= Plan().find.threshold_hu
        bone, soft = bone + float(over[bony].sum()), soft + float(over[~bony].sum())
    missed = unit * (collected - _replaced(painted, item)) - 1.0
    parts = (missed, unit * bone, unit * soft)
    return (*parts, mass / item.mass_mg - 1.0 - sum(parts))


def _replaced(painted: PaintedScan, item: Painted) -> float:
    """HU x voxels by which a deposit's own soft tissue is over what was in its place."""
    under = np.clip(painted.before[item.box].astype(np.float32), -150, MATRIX_HU)
    return float((item.imaged * (MATRIX_HU - under)).sum())


def table(rows: Sequence[Row]) -> str:
    """By place and size: error, what it is made of, coverage and width of the intervals."""
    lines = [
        "| place, mm | n | median abs. error | bias | 90th pct | 95 % covers | half-width "
        "| missed | bone | background | rest |",
        "| --- " * 11 + "|",
    ]
    for place in ("contact", "near", "free"):
        bands = [*pairwise(SIZES), (5.0, 8.0), (SIZES[0], SIZES[-1])]
        for low, high in bands:
            here = [r for r in rows if r.place == place and low <= r.diameter_mm < high]
            if here:
                lines.append(f"| {place} {low:g}-{high:g} " + _line(here))
    return "\n".join(lines)


def _line(rows: Sequence[Row]) -> str:
    error = np.array([r.error for r in rows])
    width = [(r.high_mg - r.low_mg) / 2 / r.truth_mg for r in rows]
    parts = [np.mean(np.abs([getattr(r, name) for r in rows])) for name in CAUSES]
    numbers = [
        str(len(rows)),
        f"{np.median(np.abs(error)):.1%}",
        f"{np.median(error):+.1%}",
        f"{np.quantile(np.abs(error), 0.9):.0%}",
        f"{np.mean([r.holds for r in rows]):.1%}",
        f"{np.median(width):.0%}",
        *(f"{part:.0%}" for part in parts),
    ]
    return "| " + " | ".join(numbers) + " |"


def main() -> None:
    """Print the table; with `--csv` write a row for each object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("limbs", type=Path, help="folder of STS_0NN_CT.nii.gz")
    parser.add_argument("--only", type=int, nargs="+", default=JUDGE_LIMBS)
    parser.add_argument("--generator", choices=("trained", "independent"), default="independent")
    parser.add_argument("--seeds", type=int, nargs="+", default=(101, 102, 103, 104))
    parser.add_argument("--count", type=int, default=60, help="deposits in a scan")
    parser.add_argument("--cache", type=Path, help="keeps painted scans and what was found there")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    made = [
        row
        for seed in options.seeds
        for n in options.only
        for row in map(
            row_of,
            found_deposits(
                painted_scan(
                    options.limbs / f"STS_{n:03d}_CT.nii.gz",
                    options.generator,
                    seed,
                    options.count,
                    options.cache,
                )
            ),
        )
    ]
    print(table(made))
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow([field.name for field in fields(Row)] + ["cause"])
            out.writerows([*astuple(row), row.cause] for row in made)


if __name__ == "__main__":
    main()
