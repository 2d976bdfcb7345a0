"""Calibration rods: even cylinders of one round section, which nothing in a body is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.deposits.reasons import Verdict
from calcimetry.describe.evidence import Evidence
from calcimetry.records import LISTED, Kind, Rule, Runs, Scan
from calcimetry.runs import box_of, paint

NARROWEST_MM, WIDEST_MM = 8.0, 40.0
"""Diameters of rods. Inserts that stand for deposits are of 5 mm and less (QRM, cardiac)."""

SHORTEST_MM = 10.0
TILTED_MM = 20.0  # by which the box of a tilted rod is wider than the rod
SAME_SECTION = 0.1  # how far areas may lie from their median, as a fraction of it
MOSTLY = 0.6  # of an object's slices: blur and flat ends take one or two at each end
FEWEST_SLICES = 3
ROUND = 0.97  # a disc has 1, an ellipse of axes 4:5 0.976, a square 0.955
STRAY_MM = 0.8  # of the sections' middles from a straight line
RIM_MM = 2.5  # blurred: left out where evenness is asked for
FEWEST_WITHIN = 30  # voxels within the rim
BLOOD_HU = 330.0  # contrast medium in vessels stays below
TYPICAL_NOISE_HU = 20.0  # where it could not be measured


def mark_rods(
    scan: Scan,
    pieces: Sequence[Runs],
    verdicts: Sequence[Verdict | None],
    evidence: Sequence[Evidence],
) -> list[Verdict | None]:
    """The verdicts, but what is open (None) or would be listed and is a rod is none of the
    body's."""
    return [
        Verdict(Kind.EXTERNAL, Rule.ROD, 0.9)
        if (verdict is None or verdict.kind in LISTED) and is_rod(scan, runs, _noise_hu(seen))
        else verdict
        for runs, verdict, seen in zip(pieces, verdicts, evidence, strict=True)
    ]


def _noise_hu(evidence: Evidence) -> float:
    around = evidence.surroundings
    return (around.noise_hu if around else None) or TYPICAL_NOISE_HU


def is_rod(scan: Scan, runs: Runs, noise_hu: float) -> bool:
    """Whether an object is an even cylinder along any of the scan's axes.

    noise_hu : 1 SD of the noise around it
    """
    box = box_of(runs)
    lengths = sorted(
        (side.stop - side.start) * step for side, step in zip(box, scan.spacing, strict=True)
    )
    if lengths[0] < NARROWEST_MM or lengths[2] < SHORTEST_MM or lengths[1] > WIDEST_MM + TILTED_MM:
        return False  # by its box alone: the big pools and bones of a scan are many voxels
    mask, hu = paint(box, runs), scan.hu[box]
    for axis in range(3):
        rest = [k for k in range(3) if k != axis]
        pixel = np.array(scan.spacing)[rest]
        sections, values = np.moveaxis(mask, axis, 0), np.moveaxis(hu, axis, 0)
        same = _of_one_section(sections, pixel, scan.spacing[axis])
        if same is None or not _is_even(sections[same], values[same], pixel, noise_hu):
            continue
        cut = box[axis].start == 0 and box[axis].stop == scan.hu.shape[axis]
        # Through the whole field run vessels with contrast medium, too.
        return not cut or bool(values[same][sections[same]].mean() >= BLOOD_HU)
    return False


def _of_one_section(
    sections: NDArray[np.bool_], pixel: NDArray[np.float64], step: float
) -> NDArray[np.bool_] | None:
    """Which sections (n, rows, columns) are the same disc, one behind the other; None where these
    are too few, or no rod's.

    pixel : edges along (rows, columns), mm
    step : from section to section, mm
    """
    area = sections.sum(axis=(1, 2)) * pixel.prod()
    median = float(np.median(area))
    same: NDArray[np.bool_] = np.abs(area - median) <= SAME_SECTION * median
    diameter = 2.0 * np.sqrt(median / np.pi)
    most = max(MOSTLY * len(same), FEWEST_SLICES, SHORTEST_MM / step)
    if same.sum() < most or not NARROWEST_MM <= diameter <= WIDEST_MM:
        return None
    at = np.flatnonzero(same)
    middles, rounds = zip(*(_disc(sections[k], pixel) for k in at), strict=True)
    line = np.stack([np.ones(len(at)), at - at.mean()], axis=1)
    stray = np.stack(middles) - line @ np.linalg.lstsq(line, np.stack(middles), rcond=None)[0]
    straight = np.linalg.norm(stray, axis=1).max() <= STRAY_MM
    return same if straight and min(rounds) >= ROUND else None


def _disc(
    section: NDArray[np.bool_], pixel: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """The middle of a section, mm, and how nearly it is a disc: 1, by its second moment."""
    points = np.argwhere(section) * pixel
    middle = points.mean(axis=0)
    # A pixel adds its own extent: without it a small disc would seem too compact.
    moment = ((points - middle) ** 2).sum(axis=1).mean() + (pixel**2).sum() / 12.0
    return middle, float(len(points) * pixel.prod() / (2.0 * np.pi * moment))


def _is_even(
    sections: NDArray[np.bool_],
    hu: NDArray[np.int16],
    pixel: NDArray[np.float64],
    noise_hu: float,
) -> bool:
    """Whether HU within the rim differ by no more than noise does, in each section by itself."""
    within = []
    for section, values in zip(sections, hu, strict=True):
        deep = ndimage.distance_transform_edt(np.pad(section, 1), sampling=pixel)[1:-1, 1:-1]
        inner = values[deep > RIM_MM].astype(np.float64)
        within.append(inner - inner.mean() if len(inner) else inner)
    left = np.concatenate(within)
    # As where rods are sought for a calibration (quantity.rods).
    return len(left) >= FEWEST_WITHIN and float(left.std()) <= 1.5 * noise_hu + 4.0
