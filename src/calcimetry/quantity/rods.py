"""Calibration rods in the scan: found, measured, and turned into a slope.

The densest rod is sought first: in several slices running, at one place, a round and even
disc of the right size. Its companions are sought on straight lines from it, at the spacing
of the phantom, where the HU of all rods together is linear in their density. What is found
must agree with the kVp table within 35 %, or it is not taken for a phantom.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.quantity.disc import DENSE_HU, dense_parts, measured_discs
from calcimetry.records import Calibration, Flag, Scan
from calcimetry.threads import Jobs, over_chunks

_COARSE_MM = 1.5
_MOST_LINES = 60
_WATER = (-40.0, 80.0)  # HU of the least dense rod, at a glance
_BEND = 25.0  # HU that a rod may lie off the line through the first and the last
_FEWEST_SLICES = 2
_SHORTEST_MM = 5.0
_STRAY_MM = 0.8  # that a rod's middle moves from slice to slice
_FAR_FROM_TABLE = 0.35
_WITHIN_SCAN_SD = 0.015  # of c, by place and size: 1-9 % from small to large phantom
_TURN = np.deg2rad(np.arange(0.0, 360.0, 3.0))


@dataclass(frozen=True, slots=True)
class Phantom:
    """One entry of rods.toml."""

    name: str
    densities: tuple[float, ...]
    diameter_mm: tuple[float, float]
    spacing_mm: tuple[float, float]
    densities_sd: float
    embedded: bool
    verified: bool
    source: str


@dataclass(frozen=True, slots=True)
class Disc:
    """A round, even, dense disc. Centre in voxels (z, y, x), diameter mm, mean and SD in HU."""

    z: int
    y: float
    x: float
    diameter: float
    mean: float
    sd: float


@cache
def phantoms() -> tuple[Phantom, ...]:
    """All phantoms that are known."""
    table = tomllib.loads(files("calcimetry.quantity").joinpath("rods.toml").read_text("utf-8"))
    return tuple(
        Phantom(
            entry["name"],
            tuple(entry["densities"]),
            tuple(entry["diameter_mm"]),
            tuple(entry["spacing_mm"]),
            entry["densities_sd"],
            entry["embedded"],
            entry["verified"],
            entry["source"],
        )
        for entry in table["phantom"]
    )


def from_rods(
    scan: Scan, expected: float, noise_sd: float, *, jobs: Jobs = 1
) -> Calibration | None:
    """A calibration from rods in the scan, or None.

    expected : c of the kVp table, mg/cm3 per HU
    noise_sd : HU
    jobs : threads
    """
    discs = _all_discs(scan, noise_sd, jobs)
    for phantom in phantoms():
        for chain in _chains(scan, discs, phantom):
            found = _measured(scan, chain, phantom, noise_sd)
            if found is not None and abs(found[0] / expected - 1.0) < _FAR_FROM_TABLE:
                return _calibration(scan, phantom, chain, found)
    return None


def _all_discs(scan: Scan, noise_sd: float, jobs: Jobs = 1) -> list[Disc]:
    """Discs of a rod's size wherever a rod could be, in order of slices.

    A rod lies in every n-th slice, with n the least slices of one: all discs of these are
    measured. From slice to slice they are followed both ways as long as a disc lies over a
    disc; nothing else can be a rod, and is passed over.
    """
    depth, most_sd = scan.hu.shape[0], 1.5 * noise_sd + 4.0
    every = max(_FEWEST_SLICES, int(np.ceil(_SHORTEST_MM / scan.spacing[0])))
    boxes: dict[int, NDArray[np.int64]] = {}
    found: dict[tuple[int, int], Disc] = {}

    def look(z: int, beside: Disc | None = None) -> list[Disc]:
        if z not in boxes:
            boxes[z] = _boxes(scan, z)
        numbers = range(len(boxes[z])) if beside is None else _near(scan, boxes[z], beside)
        numbers = [n for n in numbers if (z, n) not in found]
        discs = _discs(scan, z, boxes[z][numbers], most_sd)
        new = {
            (z, n): disc
            for n, disc in zip(numbers, discs, strict=True)
            if _fits_any(disc) and (beside is None or _moved(scan, disc, beside) < _STRAY_MM)
        }
        found.update(new)
        return list(new.values())

    def stretch(first: int, end: int) -> None:
        for n in range(first, end):
            look(n * every)

    over_chunks(stretch, -(-depth // every), jobs, size=4)
    waiting = list(found.values())
    while waiting:
        disc = waiting.pop()
        for z in (disc.z - 1, disc.z + 1):
            if 0 <= z < depth:
                waiting += look(z, disc)
    return [found[place] for place in sorted(found)]


def _fits_any(disc: Disc) -> bool:
    return any(low <= disc.diameter <= high for low, high in _sizes())


@cache
def _sizes() -> tuple[tuple[float, ...], ...]:
    return tuple(phantom.diameter_mm for phantom in phantoms())


def _moved(scan: Scan, one: Disc, other: Disc) -> float:
    """How far apart the middles of two discs lie in the slice, mm."""
    _, dy, dx = scan.spacing
    return float(np.hypot((one.y - other.y) * dy, (one.x - other.x) * dx))


def _calibration(
    scan: Scan,
    phantom: Phantom,
    chain: Sequence[Disc],
    found: tuple[float, float, NDArray[np.float64]],
) -> Calibration:
    slope, sd, hu = found
    rods = ", ".join(
        f"{d:g} mg/cm3 at {h:.1f} HU" for d, h in zip(phantom.densities, hu, strict=True)
    )
    detail = f"{phantom.name}, slices {chain[0].z}-{chain[-1].z}: {rods}"
    relative = float(np.sqrt(sd**2 + phantom.densities_sd**2 + _WITHIN_SCAN_SD**2))
    flags: tuple[Flag, ...] = ()
    if not phantom.verified:
        text = f"{phantom.name}: rods recognised from a table not verified on a scan"
        flags = (Flag("ROD_TABLE_UNVERIFIED", text),)
        relative = float(np.hypot(relative, 0.03))
    water = float(np.polyval(np.polyfit(phantom.densities, hu, 1), 0.0))
    slopes = _along_z(scan, chain, slope) if phantom.embedded else None
    return Calibration(slope, relative, "rods", detail, flags, slopes, water)


def _along_z(scan: Scan, chain: Sequence[Disc], slope: float) -> tuple[float, ...]:
    """c of each slice, by what the uniform material around the rods reads there.

    Scatter and hardening correction move a scanner's scale by a factor on (HU + 1000) from
    place to place; the same factor is on the HU of mineral.
    """
    _, dy, dx = scan.spacing
    y, x, diameter = np.mean([[d.y, d.x, d.diameter] for d in chain], axis=0)
    reach = 3.0 * diameter
    rows = slice(max(0, int(y - reach / dy)), int(y + reach / dy) + 1)
    columns = slice(max(0, int(x - reach / dx)), int(x + reach / dx) + 1)
    at_rods = range(chain[0].z, chain[-1].z + 1)
    level = np.array([_uniform_level(plane[rows, columns]) for plane in scan.hu])
    here = float(np.mean(level[at_rods.start : at_rods.stop]))
    same = np.abs(level - here) < 30.0  # elsewhere the material ends
    factor = np.where(same, (1000.0 + here) / np.maximum(1000.0 + level, 1.0), 1.0)
    return tuple(float(c) for c in slope * factor)


def _uniform_level(plane: NDArray[np.int16]) -> float:
    """The HU that most of a plane's soft voxels have; -1000 where there are few."""
    soft = plane[(plane > -100) & (plane < DENSE_HU)]
    return float(np.median(soft)) if soft.size > 0.3 * plane.size else -1000.0


def _boxes(scan: Scan, z: int) -> NDArray[np.int64]:
    """Where in a slice discs of 8-40 mm may lie: see `measured_discs`; with 6 mm around."""
    step = np.array(scan.spacing[1:])
    every = max(1, round(_COARSE_MM / scan.spacing[2]))
    parts = dense_parts(scan.hu[z], every, 50.0 / (every * every * step.prod()))
    size = (parts[:, 1::2] - parts[:, ::2]) * every * step
    ratio = size[:, 0] / size[:, 1]
    fit = ((size > 6.0) & (size < 42.0)).all(axis=1) & (ratio > 0.7) & (ratio < 1.4)
    extra = (6.0 / step).astype(np.int64) + every
    low = np.maximum(parts[fit, ::2] * every - extra, 0)
    high = np.minimum(parts[fit, 1::2] * every + extra, scan.hu.shape[1:])
    return np.stack([low, high], axis=2).reshape(-1, 4)


def _near(scan: Scan, boxes: NDArray[np.int64], disc: Disc) -> list[int]:
    """The boxes that may hold a disc over another."""
    middle, stray = np.array([disc.y, disc.x]), _STRAY_MM / np.array(scan.spacing[1:])
    inside = (boxes[:, ::2] - stray <= middle) & (middle <= boxes[:, 1::2] + stray)
    return [int(n) for n in np.flatnonzero(inside.all(axis=1))]


def _discs(scan: Scan, z: int, boxes: NDArray[np.int64], most_sd: float) -> list[Disc]:
    """The discs of a slice's boxes; of diameter 0 where there is none."""
    found = measured_discs(scan.hu[z], boxes, scan.spacing[1:], most_sd)
    return [Disc(z, *values) for values in found.tolist()]


def _chains(scan: Scan, discs: Sequence[Disc], phantom: Phantom) -> list[list[Disc]]:
    """Discs of the right size at one place in slices running."""
    dz = scan.spacing[0]
    low, high = phantom.diameter_mm
    chains: list[list[Disc]] = []
    for disc in discs:
        if not low <= disc.diameter <= high:
            continue
        for chain in chains:
            last = chain[-1]
            if disc.z == last.z + 1 and _moved(scan, disc, last) < _STRAY_MM:
                chain.append(disc)
                break
        else:
            chains.append([disc])
    full = [_inner(chain) for chain in chains]
    return [c for c in full if len(c) >= _FEWEST_SLICES and len(c) * dz >= _SHORTEST_MM]


def _inner(chain: list[Disc]) -> list[Disc]:
    """The stretch of a rod that its ends do not thin out: within 4 % of its densest slice.

    Where it thins out slowly (the end of the whole phantom is near), one slice more goes.
    """
    top = max(disc.mean for disc in chain)
    level = [n for n, disc in enumerate(chain) if disc.mean > 0.96 * top]
    first, last = level[0], level[-1]
    if last - first > 2:
        first += first > 0
        last -= last < len(chain) - 1
    return chain[first : last + 1]


def _measured(
    scan: Scan, chain: Sequence[Disc], phantom: Phantom, noise_sd: float
) -> tuple[float, float, NDArray[np.float64]] | None:
    """Slope, its relative SD, and the rods' HU, of the best line of companions."""
    planes = scan.hu[chain[0].z : chain[-1].z + 1]
    seed = np.mean([[disc.y, disc.x, disc.diameter] for disc in chain], axis=0)
    radius = 0.35 * float(seed[2])
    best: tuple[float, NDArray[np.float64]] | None = None
    for step_mm in _promising(scan, planes, seed, phantom):
        line = _line(scan, planes, seed, step_mm, phantom, 1.5 * noise_sd + 4.0)
        misfit = None if line is None else _misfit(phantom, *line)
        if line is not None and misfit is not None and (best is None or misfit < best[0]):
            best = misfit, line[0]
    if best is None:
        return None
    densities = np.array(phantom.densities)
    fit = np.polyfit(best[1], densities, 1)
    repeat = float(np.std([disc.mean for disc in chain])) / max(float(np.ptp(best[1])), 1.0)
    count = np.pi * (radius / scan.spacing[1]) ** 2 * len(chain)
    random = 3.0 * noise_sd / np.sqrt(count) / max(float(np.ptp(best[1])), 1.0)
    return float(fit[0]), float(np.hypot(repeat / np.sqrt(len(chain)), random)), best[1]


def _promising(
    scan: Scan, planes: NDArray[np.int16], seed: NDArray[np.float64], phantom: Phantom
) -> NDArray[np.float64]:
    """Steps (y, x) mm from rod to rod whose smoothed centres could be the phantom; the best 60.

    A glance at one smoothed plane, so that not every line needs its discs measured.
    """
    _, dy, dx = scan.spacing
    radius = 0.5 * float(seed[2])
    low = max(phantom.spacing_mm[0], 1.02 * float(seed[2]))
    lengths = np.arange(low, phantom.spacing_mm[1] + 0.25, 0.5)
    length, turn = (grid.ravel() for grid in np.meshgrid(lengths, _TURN))
    steps = np.stack([length * np.sin(turn), length * np.cos(turn)], axis=1)
    rods = np.arange(len(phantom.densities))[::-1, None]
    y = np.round(seed[0] + rods * steps[:, 0] / dy).astype(np.intp)
    x = np.round(seed[1] + rods * steps[:, 1] / dx).astype(np.intp)
    inside = (y >= 0) & (y < planes.shape[1]) & (x >= 0) & (x < planes.shape[2])
    steps, y, x = (part[..., inside.all(axis=0)] for part in (steps.T, y, x))
    density = np.array(phantom.densities)
    sd = 0.4 * radius / dy, 0.4 * radius / dx
    # Next to the seed first: most lines are out by that, and few reach far.
    beside = (density[-2] - density[0]) / (density[-1] - density[0])
    rest = _smoothed(planes, y[-2], x[-2], sd) - beside * _smoothed(planes, y[-1], x[-1], sd)
    bend = _BEND + 1.0  # so that rounding puts none out
    able = (rest > (1 - beside) * _WATER[0] - bend) & (rest < (1 - beside) * _WATER[1] + bend)
    steps, y, x = steps[:, able], y[:, able], x[:, able]
    hu = _smoothed(planes, y, x, sd).astype(np.float64)  # (rods, lines), from the least dense
    slope = (hu[-1] - hu[0]) / (density[-1] - density[0])
    worst = np.abs(hu - hu[0] - slope * (density - density[0])[:, None]).max(axis=0)
    good = (hu[0] > _WATER[0]) & (hu[0] < _WATER[1]) & (slope > 0.7) & (worst < _BEND)
    order = np.argsort(np.where(good, worst + 0.1 * np.abs(hu[0]), np.inf))[:_MOST_LINES]
    return np.asarray(steps.T[order[good[order]]])


def _smoothed(
    planes: NDArray[np.int16], y: NDArray[np.intp], x: NDArray[np.intp], sd: tuple[float, float]
) -> NDArray[np.float32]:
    """Some pixels of the mean plane, Gaussian smoothed; worked out only where these lie."""
    if not y.size:
        return np.zeros(y.shape, np.float32)
    reach = [int(np.ceil(4.0 * s)) + 1 for s in sd]  # SciPy's ends at 4 SD
    low = [max(0, int(part.min()) - far) for part, far in zip((y, x), reach, strict=True)]
    high = [int(part.max()) + far + 1 for part, far in zip((y, x), reach, strict=True)]
    near = planes[:, low[0] : high[0], low[1] : high[1]]
    smooth = ndimage.gaussian_filter(near.mean(axis=0, dtype=np.float32), sd)
    return np.asarray(smooth[y - low[0], x - low[1]])


def _line(
    scan: Scan,
    planes: NDArray[np.int16],
    seed: NDArray[np.float64],
    step_mm: NDArray[np.float64],
    phantom: Phantom,
    most_sd: float,
) -> tuple[NDArray[np.float64], float] | None:
    """Means of the rods on a line from the seed, the least dense first, and that one's rim.

    None where a rod is not even, or as dense as the one before it: then it is no phantom.
    """
    _, dy, dx = scan.spacing
    radius = 0.5 * float(seed[2])
    means: list[float] = []
    for n in range(len(phantom.densities)):
        y = seed[0] + n * step_mm[0] / dy
        x = seed[1] + n * step_mm[1] / dx
        patch = _patch(planes, y, x, (1.35 * radius / dy, 1.35 * radius / dx))
        if patch is None:
            return None
        values, rows, columns = patch
        distance = np.hypot((rows - y) * dy, (columns - x) * dx)
        inside = values[:, distance < 0.7 * radius]
        means.append(float(inside.mean()))
        if (n and means[n] >= means[n - 1]) or float(inside.std()) > most_sd:
            return None
    rim = (distance > 1.1 * radius) & (distance < 1.25 * radius)
    return np.array(means[::-1]), float(np.median(values[:, rim]))


def _patch(
    planes: NDArray[np.int16], y: float, x: float, reach: tuple[float, float]
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp]] | None:
    low = int(y - reach[0]), int(x - reach[1])
    high = int(y + reach[0]) + 2, int(x + reach[1]) + 2
    if min(low) < 0 or high[0] > planes.shape[1] or high[1] > planes.shape[2]:
        return None
    rows, columns = np.ogrid[low[0] : high[0], low[1] : high[1]]
    near = planes[:, low[0] : high[0], low[1] : high[1]].astype(np.float32)
    return near, rows, columns


def _misfit(phantom: Phantom, means: NDArray[np.float64], rim: float) -> float | None:
    """How badly a line of even rods, each denser than the last, fits; None if it cannot be it.

    HU is linear in density (3 rods and more); water reads -20 to 60 HU and, alone with one
    dense rod, must stand out from what is around it by 8 HU.
    """
    densities = np.array(phantom.densities)
    fit = np.polyfit(densities, means, 1)
    if not -20.0 < fit[1] < 60.0:
        return None
    if len(means) > 2:
        worst = float(np.abs(np.polyval(fit, densities) - means).max())
        return worst if worst < 6.0 else None
    return float(means[0] - rim) if means[0] < rim - 8.0 else None
