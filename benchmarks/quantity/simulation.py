"""The simulation that CalciumScoring.jl was published with: nine rods, 4 kVp, 3 patient sizes.

MolloiLab/cac-simulation (no licence file: nothing of it is copied here) holds 701 slices and
the authors' results. `from_folder` reads a clone of it. `rebuilt` draws the same experiment
anew, from what the paper (doi 10.1117/1.JMI.10.4.043502) and its scripts say: it is our
re-simulation and not their images. Known: phantom 30 x 20, 35 x 25, 40 x 30 cm; inserts of 1,
3, 5 mm and 25-800 mg/cm3 through three 3 mm slices, medium and small ones 10.5 and 17 mm
inside the large; a rod of 10 mm, 200 mg/cm3, in three slices of its own; 0.5 mm pixels; HU of
rods by kVp (their calibrations.csv). Not known, and chosen so that the peer's own methods come
near their published errors: point spread 0.6 mm, noise of 32 HU with the spectrum that filtered
back-projection leaves and a floor below it. No hardening between inserts, no streaks.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from benchmarks.quantity import peers
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.plan import Plan
from calcimetry.quantity import quantify
from calcimetry.records import Calibration, Estimate, Finding, Kind, Quantity
from calcimetry.runs import from_mask
from calcimetry.scan.array import from_array

KVPS = (80, 100, 120, 135)
SIZES = {"small": (300.0, 200.0), "medium": (350.0, 250.0), "large": (400.0, 300.0)}
DENSITIES = {"low": (25.0, 50.0, 100.0), "normal": (200.0, 400.0, 800.0)}
DIAMETERS = {"L": 5.0, "M": 3.0, "S": 1.0}
LEVELS = ("LD", "MD", "HD")
VOLUMES = {"L": 176.625, "M": 63.585, "S": 7.065}  # mm3: 3.14 r^2 x 9 mm, as the authors have it
ROD_MG_CM3 = 200.0

# HU of rods: slope per mg/cm3 and what none would read (their calibrations.csv, fitted).
RODS = {80: (1.6845, 33.8), 100: (1.4406, 32.3), 120: (1.3085, 30.2), 135: (1.2438, 29.2)}

PUBLISHED = {  # paper/results-total-summary.csv, stationary: RMSE in mg
    "normal": {"integrated": 0.677, "volume fraction": 0.609, "Agatston mass": 1.65},
    "low": {"integrated": 0.495, "volume fraction": 0.585, "Agatston mass": 3.509},
}
OURS = "calcimetry"
METHODS = (OURS, "integrated", "volume fraction", "Agatston mass")

_PIXEL, _SLICE, _FINE = 0.5, 3.0, 4
_FWHM, _NOISE, _GRAIN, _FLOOR = 0.6, 32.0, 0.35, 0.5
_ROD_SD = 0.01  # of the slope, by the noise over the rod
_DILATIONS = {"L": 2, "M": 4, "S": 4}  # of the masks, before the peer's Agatston score


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One scan: three slices of the rod, then three of the inserts.

    hu : float64 (6, y, x); masks : by "L_HD" and so on, bool (y, x); centre : (y, x) of the
    heart, where there is no insert, pixels
    """

    kvp: int
    size: str
    density: str
    hu: NDArray[np.float64]
    spacing: tuple[float, float, float]
    masks: Mapping[str, NDArray[np.bool_]]
    centre: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Score:
    """One insert by one method; `inside`: the truth is in the interval (ours only)."""

    kvp: int
    size: str
    density: str
    insert: str
    truth_mg: float
    masses: Mapping[str, float]
    found: bool
    inside: bool


def truth_mg(density: str, insert: str) -> float:
    """Known mass of insert "L_HD" and so on."""
    diameter, level = insert.split("_")
    return VOLUMES[diameter] * DENSITIES[density][LEVELS.index(level)] / 1000.0


def rebuilt(kvp: int, size: str, density: str, seed: int = 0) -> Case:
    """Our re-simulation of one of the 24 scans."""
    rng = np.random.default_rng([seed, kvp, len(size), len(density)])
    shape = (int(SIZES[size][1] / _PIXEL) + 40, int(SIZES[size][0] / _PIXEL) + 40)
    middle = np.array(shape) / 2 + rng.uniform(-0.5, 0.5, 2)
    slope, none = RODS[kvp]
    body = _body(shape, middle, size, none)
    rod, inserts = body.copy(), body.copy()
    _disc(rod, middle, 5.0, none + slope * ROD_MG_CM3)
    masks = {}
    for name, at in _places(middle, rng).items():
        diameter, level = name.split("_")
        hu = none + slope * DENSITIES[density][LEVELS.index(level)]
        _disc(inserts, at, DIAMETERS[diameter] / 2, hu)
        radius = np.ceil(DIAMETERS[diameter] / _PIXEL) / 2 + 1  # the authors' circular masks
        y, x = np.indices(shape)
        masks[name] = np.hypot(y - round(at[0]), x - round(at[1])) <= radius
    sharp = np.stack([rod] * 3 + [inserts] * 3)
    blurred = ndimage.gaussian_filter(sharp, (0, *[_FWHM / 2.3548 / _PIXEL] * 2))
    hu = np.round(blurred + _NOISE * _grain(sharp.shape, rng))
    centre = round(float(middle[0])), round(float(middle[1]))
    return Case(kvp, size, density, hu, (_SLICE, _PIXEL, _PIXEL), masks, centre)


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Unit noise as filtered back-projection leaves it: the ramp's spectrum, blurred."""
    at = np.hypot(np.fft.fftfreq(shape[1])[:, None], np.fft.rfftfreq(shape[2])) / _PIXEL
    passed = (at + _FLOOR) * np.exp(-2 * (np.pi * _GRAIN * at) ** 2)
    white = np.fft.rfft2(rng.standard_normal(shape))
    noise = np.fft.irfft2(white * passed, shape[1:])
    return np.asarray(noise / noise.std())


def _body(shape: tuple[int, int], middle: NDArray[np.float64], size: str, tissue: float):  # type: ignore[no-untyped-def]
    """Thorax of 30 x 20 cm with two lungs, in a ring of fat, in air."""
    y, x = np.indices(shape)
    y, x = (y - middle[0]) * _PIXEL, (x - middle[1]) * _PIXEL
    hu = np.full(shape, -1000.0)
    for (wide, high), value in ((SIZES[size], -80.0), (SIZES["small"], tissue)):
        hu[np.hypot(2 * x / wide, 2 * y / high) < 1] = value
    for side in (-1, 1):
        hu[np.hypot((x - side * 95.0) / 35.0, y / 60.0) < 1] = -750.0
    return hu


def _places(
    middle: NDArray[np.float64], rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Centres of the nine inserts, pixels: one ray for each density."""
    inward = {"L": 0.0, "M": 10.5, "S": 17.0}
    turn = rng.uniform(0, 2 * np.pi)
    rays = [np.array([np.sin(turn + a), np.cos(turn + a)]) for a in np.arange(3) * 2 * np.pi / 3]
    return {
        f"{diameter}_{level}": middle + rays[n] * (35.0 - inward[diameter]) / _PIXEL
        for (n, level), diameter in product(enumerate(LEVELS), DIAMETERS)
    }


def _disc(hu: NDArray[np.float64], at: NDArray[np.float64], radius: float, value: float) -> None:
    """Paint a disc with border pixels in part; radius mm."""
    y, x = np.indices([n * _FINE for n in hu.shape], sparse=True)
    y, x = ((a + 0.5) / _FINE - 0.5 - c for a, c in zip((y, x), at, strict=True))
    inside = (np.hypot(y, x) * _PIXEL < radius).astype(np.float64)
    filled = inside.reshape(hu.shape[0], _FINE, hu.shape[1], _FINE).mean(axis=(1, 3))
    hu += filled * (value - hu)


def everything(folder: Path | None = None) -> Iterator[Case]:
    """All 24 scans: of the clone, or rebuilt."""
    for kvp, size, density in product(KVPS, SIZES, DENSITIES):
        made = rebuilt(kvp, size, density) if folder is None else None
        yield made or from_folder(folder, kvp, size, density)  # type: ignore[arg-type]


def from_folder(folder: Path, kvp: int, size: str, density: str) -> Case:
    """One scan of a clone of MolloiLab/cac-simulation, with the authors' masks.

    Its slices carry one borrowed header, positions included, so they go by file name.
    Raises FileNotFoundError where slices or masks are missing (some stores keep them apart).
    """
    import pydicom

    here = folder / "images_new" / size / density / str(kvp)
    slices = [pydicom.dcmread(here / f"{n}.dcm") for n in range(1, 7)]
    planes = [
        s.pixel_array * float(s.get("RescaleSlope", 1)) + float(s.get("RescaleIntercept", 0))
        for s in slices
    ]
    hu = np.stack(planes).astype(np.float64)
    y, x = (float(v) for v in slices[0].PixelSpacing)
    masks = {
        f"{d}_{level}": _mask(folder / "julia_arrays" / size / f"mask_{d}_{level}.csv")
        for d, level in product(DIAMETERS, LEVELS)
    }
    masks = _turned(masks, hu)
    middles = [np.argwhere(masks[f"L_{level}"]).mean(axis=0) for level in LEVELS]
    centre = np.mean(middles, axis=0).round().astype(int)
    spacing = (float(slices[0].SliceThickness), y, x)
    return Case(kvp, size, density, hu, spacing, masks, (int(centre[0]), int(centre[1])))


def _mask(path: Path) -> NDArray[np.bool_]:
    with path.open(newline="", encoding="utf-8") as file:
        return np.array(
            [[cell in ("true", "1", "1.0") for cell in row] for row in csv.reader(file)]
        )


def _turned(
    masks: dict[str, NDArray[np.bool_]], hu: NDArray[np.float64]
) -> dict[str, NDArray[np.bool_]]:
    """Masks as stored, or transposed (Julia counts columns first): where the insert is."""
    turns = [masks, {name: mask.T for name, mask in masks.items()}]
    fit = [t for t in turns if t["L_HD"].shape == hu.shape[1:]]
    return max(fit, key=lambda t: hu[4][t["L_HD"]].mean())


def score(case: Case, region: str = "known") -> list[Score]:
    """All nine inserts by all methods, in the authors' masks, or in those that 130 HU finds."""
    slope, tissue = _scale(case)
    masks = {name: _region(case, name, region) for name in case.masks}
    peer = {name: _peers(case, name, masks, (slope, tissue)) for name in masks}
    plan = Plan().changed("quantity", {"matrix_hu": round(tissue, 1), "matrix_sd_hu": 2.0})
    ours = _ours(case, masks, slope, plan)
    return [_score(case, name, peer[name], ours.get(name)) for name in case.masks]


def _score(case: Case, name: str, peer: dict[str, float], ours: Quantity | None) -> Score:
    truth = truth_mg(case.density, name)
    mass = ours.mass_mg if ours else Estimate(0.0, 0.0, 0.0)
    return Score(
        case.kvp,
        case.size,
        case.density,
        name,
        truth,
        {OURS: mass.value or 0.0, **peer},
        ours is not None and _found(ours),
        (mass.low or 0.0) <= truth <= (np.inf if mass.high is None else mass.high),
    )


def _found(quantity: Quantity) -> bool:
    return all(flag.code != "BELOW_DETECTION" for flag in quantity.flags)


def _scale(case: Case) -> tuple[float, float]:
    """mg/cm3 per HU from the rod over the tissue at the heart's centre, and that tissue's HU."""
    rod = case.hu[:3, _disc_mask(case, 3.5)].mean()
    tissue = case.hu[3:, _disc_mask(case, 8.0)].mean()
    return float(ROD_MG_CM3 / (rod - tissue)), float(tissue)


def _region(case: Case, name: str, region: str) -> NDArray[np.bool_]:
    """The insert's voxels in its three slices, bool (3, y, x)."""
    known = np.broadcast_to(case.masks[name], (3, *case.masks[name].shape))
    return known if region == "known" else _dilated(known, 2) & (case.hu[3:] >= 130)


def _disc_mask(case: Case, radius_mm: float, at: Sequence[float] | None = None):  # type: ignore[no-untyped-def]
    """A disc in the slice, about the heart's centre or `at` (y, x), pixels."""
    y, x = np.indices(case.hu.shape[1:])
    row, column = case.centre if at is None else at
    return np.hypot(y - row, x - column) * case.spacing[1] < radius_mm


def _peers(
    case: Case, name: str, masks: Mapping[str, NDArray[np.bool_]], scale: tuple[float, float]
) -> dict[str, float]:
    """The three masses as the authors' notebooks call for them.

    Integrated: the mask itself. Volume fraction: large masks dilated once. Background: the mean
    of six dilations around, in three slices; the small inserts' volume fraction takes that of
    the large insert on its ray (their choice). Agatston: over dilated masks, no background.
    """
    volume, voxel, mask = case.hu[3:], float(np.prod(case.spacing)), masks[name]
    slope, tissue = scale
    pure = tissue + ROD_MG_CM3 / slope
    if not mask.any():
        return dict.fromkeys(METHODS[1:], 0.0)
    wide = _dilated(mask, 1) if name.startswith("L") else mask
    large = _dilated(masks["L" + name[1:]], 1)
    beside = _ring(volume, large if name.startswith("S") else wide)
    around = volume[mask], _ring(volume, mask), pure, ROD_MG_CM3, voxel
    filled = volume[wide], beside, pure, ROD_MG_CM3, voxel
    domain = np.where(_dilated(mask, _DILATIONS[name[0]]), volume, 0.0)
    return {
        "integrated": peers.integrated_mass(*around),
        "volume fraction": peers.volume_fraction_mass(*filled),
        "Agatston mass": peers.agatston_mass(domain, case.spacing, slope, case.kvp),
    }


def _dilated(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    return ndimage.binary_dilation(mask, np.ones((1, 3, 3)), times)


def _ring(volume: NDArray[np.float64], mask: NDArray[np.bool_]) -> float:
    return float(volume[_dilated(mask, 6) & ~mask].mean())


def _ours(
    case: Case, masks: Mapping[str, NDArray[np.bool_]], slope: float, plan: Plan
) -> dict[str, Quantity]:
    """Our quantity room on the same masks; none for an empty mask."""
    scan = from_array(case.hu, spacing=case.spacing, kvp=float(case.kvp), name="simulation")
    names = [name for name, mask in masks.items() if mask.any()]
    findings = [_finding(case, masks[name]) for name in names]
    scale = Calibration(slope, _ROD_SD, "rods")
    return dict(zip(names, quantify(scan, findings, scale, plan, jobs=2), strict=True))


def _finding(case: Case, mask: NDArray[np.bool_]) -> Finding:
    """A mask of the three slices of the inserts, on the scan."""
    volume = np.zeros(case.hu.shape, bool)
    volume[3:] = mask
    return Finding(from_mask(volume), Kind.DEPOSIT, "the phantom's insert", 1.0)


def blanks(case: Case) -> tuple[int, int]:
    """Empty places of the three insert sizes across the heart: how many, and called more."""
    opposite = 2 * np.array(case.centre) - np.argwhere(case.masks["M_HD"]).mean(axis=0)
    discs = {d: _disc_mask(case, w / 2 + 0.5, opposite) for d, w in DIAMETERS.items()}
    slope, tissue = _scale(case)
    plan = Plan().changed("quantity", {"matrix_hu": round(tissue, 1)})
    found = [_ours(case, {name: disc}, slope, plan)[name] for name, disc in discs.items()]
    return len(discs), sum(_found(quantity) for quantity in found)


def published_results(folder: Path, method: str) -> list[tuple[str, float, float]]:
    """(density, truth, mass) of the authors' own results: output_new/METHOD/full2.csv."""
    with (folder / "output_new" / method / "full2.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if float(row.get("blur", 0) or 0) == 0]
    return [
        (row["DENSITY"], float(row[f"ground_truth_mass_{s}"]), float(row[f"calculated_mass_{s}"]))
        for row in rows
        for s in ("large", "medium", "small")
    ]
