"""A second generator of deposits and a second painter, to evaluate what learned from the first.

It shares no drawing code with `shapes`: metaballs, thresholded lattice noise, agglomerates
left by random walks, plates through random control points, and walls of metaballs. The
painter bins jittered points on a grid of thirds of a voxel, blurs that, and sharpens as an
edge-enhancing kernel does. Never train with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.phantom.insertion import Laid, confine, lay_out
from calcimetry.phantom.spec import Imaging, Placement
from calcimetry.phantom.truth import Painted, Truth
from calcimetry.records import Scan

Cells = NDArray[np.float32]
_FINE = 3  # cells of the painter's grid along each edge of a voxel


class Make(StrEnum):
    """How an independent deposit is made."""

    METABALLS = "metaballs"
    LATTICE = "lattice"
    AGGLOMERATE = "agglomerate"
    PLATE = "plate"
    WALL = "wall"


def draw_independent(
    make: Make | str, diameter_mm: float, rng: np.random.Generator, step_mm: float
) -> Cells:
    """One deposit: float32 (z, y, x) relative density on a cubic grid, cropped tight.

    Drawn freely, then scaled so that its longest side is about `diameter_mm`.
    """
    cells = max(int(round(diameter_mm / step_mm)), 3)  # noqa: RUF046
    shape = _MAKERS[Make(make)](cells, rng)
    held = np.argwhere(shape > 0)
    if not len(held):
        return np.ones((1, 1, 1), np.float32)
    low, high = held.min(0), held.max(0) + 1
    tight = shape[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    return np.ascontiguousarray(tight, dtype=np.float32)


def _field(n: int, rng: np.random.Generator) -> Cells:
    """Sum of Gaussian balls strung along a short random walk; about 1 inside."""
    axis = np.arange(n, dtype=np.float32) - (n - 1) / 2
    total = np.zeros((n, n, n), np.float32)
    centre = np.zeros(3)
    for _ in range(int(rng.integers(2, 8))):
        width = n * rng.uniform(0.09, 0.18)
        bells = [np.exp(-(((axis - c) / width) ** 2) / 2) for c in centre]
        total += bells[0][:, None, None] * bells[1][None, :, None] * bells[2][None, None, :]
        centre = np.clip(centre + rng.normal(size=3) * n * 0.13, -0.27 * n, 0.27 * n)
    return total


def _metaballs(n: int, rng: np.random.Generator) -> Cells:
    field = _field(n, rng)
    level = rng.uniform(0.35, 0.6)
    return np.asarray(
        (field > level) * np.minimum(0.6 + 0.4 * field / level, 1.4), dtype=np.float32
    )


def _wall(n: int, rng: np.random.Generator) -> Cells:
    field = _field(n, rng)
    level = rng.uniform(0.3, 0.45)
    core = rng.choice([0.0, 0.3])
    wall = (field > level) & (field < level + rng.uniform(0.25, 0.5))
    return wall + np.float32(core) * ((field >= level) & ~wall)


def _lattice(n: int, rng: np.random.Generator) -> Cells:
    total = np.zeros((n, n, n), np.float32)
    for octave, knots in enumerate((4, 7, 12)):
        lattice = rng.random((knots, knots, knots), dtype=np.float32)
        fine = ndimage.zoom(lattice, n / knots, order=1, mode="nearest", grid_mode=True)
        total += 0.6**octave * (fine[:n, :n, :n] - 0.5)
    axis = np.linspace(-1, 1, n, dtype=np.float32) ** 2
    radius = np.sqrt(axis[:, None, None] + axis[None, :, None] + axis[None, None, :])
    inside = 0.55 + 0.9 * total - radius * rng.uniform(0.6, 0.9)
    return np.asarray((inside > 0) * np.clip(0.5 + 2.5 * inside, 0, 1.4), dtype=np.float32)


def _agglomerate(n: int, rng: np.random.Generator) -> Cells:
    counts = np.zeros((n, n, n), np.float32)
    steps = rng.normal(size=(int(rng.integers(8, 30)), 3)) * n * 0.09
    path = np.clip(np.cumsum(steps, axis=0) + n / 2, 0.12 * n, 0.88 * n).astype(int)
    np.add.at(counts, tuple(path.T), 1.0)
    grains = ndimage.maximum_filter(counts, footprint=_ball(max(n * rng.uniform(0.05, 0.11), 1.0)))
    return np.asarray(np.minimum(0.55 + 0.25 * grains, 1.4) * (grains > 0), np.float32)


def _ball(radius: float) -> NDArray[np.bool_]:
    r = int(np.ceil(radius))
    z, y, x = np.ogrid[-r : r + 1, -r : r + 1, -r : r + 1]
    return np.asarray(z * z + y * y + x * x <= radius * radius)


def _plate(n: int, rng: np.random.Generator) -> Cells:
    height = rng.uniform(0.3, 0.7, (4, 4))
    surface = ndimage.zoom(height, n / 4, order=3, mode="nearest", grid_mode=True)[:n, :n] * n
    half = max(n * rng.uniform(0.03, 0.09), 0.9)
    thick = half * (0.6 + 0.8 * ndimage.zoom(rng.random((5, 5)), n / 5, order=1)[:n, :n])
    plate = np.abs(np.arange(n)[:, None, None] - surface) < thick
    plate &= ndimage.zoom(rng.random((5, 5)), n / 5, order=1)[:n, :n] > rng.uniform(0.1, 0.4)
    turned = np.moveaxis(plate, 0, int(rng.integers(3)))
    return np.asarray(turned.astype(np.float32), dtype=np.float32)


_MAKERS: dict[Make, Callable[[int, np.random.Generator], Cells]] = {
    Make.METABALLS: _metaballs,
    Make.LATTICE: _lattice,
    Make.AGGLOMERATE: _agglomerate,
    Make.PLATE: _plate,
    Make.WALL: _wall,
}


@dataclass(frozen=True, slots=True)
class Sharp:
    """The second painter's kernel: (1 + boost) narrow - boost wide, of unit sum.

    texture_hu : SD of white noise added where deposit fills the voxel
    """

    boost: float = 0.35
    wide: float = 2.2
    texture_hu: float = 8.0


def insert_independent(
    scan: Scan,
    placements: Sequence[Placement],
    rng: np.random.Generator | int = 0,
    imaging: Imaging | None = None,
    sharp: Sharp | None = None,
) -> tuple[Scan, Truth]:
    """As `insertion.insert`, by the second painter; same truth, other look."""
    look, kernel = imaging or Imaging(), sharp or Sharp()
    generator = np.random.default_rng(rng)
    hu = scan.hu.copy()
    into = replace(scan, hu=hu)
    done = (_paint(into, place, generator, look, kernel) for place in placements)
    return into, Truth.of((item for item in done if item is not None), hu.shape)


def _paint(
    scan: Scan, place: Placement, rng: np.random.Generator, look: Imaging, kernel: Sharp
) -> Painted | None:
    wider = replace(look, fwhm_mm=(look.fwhm_mm[0] * kernel.wide, look.fwhm_mm[1] * kernel.wide))
    work = lay_out(scan, place, wider)
    if any(part.start >= part.stop for part in work.box):
        return None
    crop = scan.hu[work.box].astype(np.float32)
    touches = place.touches_bone
    if place.confine:
        touches = confine(work, ndimage.median_filter(crop, 3))
        if not work.shape.any():
            return None
    points, share = _points(work, rng), np.float32(np.prod(work.pitch))
    plain = _bin(points, work.filled * share, crop.shape)
    filled = _blurred(plain, scan, look, kernel)
    mineral = _blurred(_bin(points, work.shape * share, crop.shape), scan, look, kernel)
    under = np.where(crop > 150, np.float32(look.matrix_hu), np.maximum(crop, -150))
    noise = rng.standard_normal(crop.shape, dtype=np.float32) * np.float32(kernel.texture_hu)
    gain = mineral * np.float32(place.density_mg_cm3 * look.hu_per_mg_cm3)
    result = crop + np.clip(filled, 0, 1) * (look.matrix_hu - under + noise) + gain
    scan.hu[work.box] = np.rint(np.clip(result, -1024, look.ceiling_hu))
    drawn = (work.shape, work.filled, work.start, work.pitch)
    fractions = (_coarse(plain), np.clip(filled, 0, 1).astype(np.float32))
    return Painted.of(scan, replace(place, touches_bone=touches), work.box, drawn, fractions)


def _points(work: Laid, rng: np.random.Generator) -> NDArray[np.intp]:
    """Each cell's fine-grid index (3, cells) within the box, jittered inside the cell."""
    cells = np.indices(work.shape.shape).reshape(3, -1).T
    jitter = rng.random(cells.shape) - 0.5
    at = work.start + (cells + jitter) * work.pitch - [part.start for part in work.box]
    return np.asarray(np.floor((at + 0.5) * _FINE).astype(np.intp).T)


def _bin(points: NDArray[np.intp], values: Cells, shape: tuple[int, ...]) -> Cells:
    """Values summed on the fine grid; cells outside the box are lost."""
    fine = tuple(n * _FINE for n in shape)
    held = np.all([(p >= 0) & (p < n) for p, n in zip(points, fine, strict=True)], axis=0)
    flat = np.ravel_multi_index(tuple(points[:, held]), fine)
    weights = values.ravel()[held]
    binned = np.bincount(flat, weights=weights, minlength=int(np.prod(fine)))
    return np.asarray(binned.reshape(fine), dtype=np.float32)


def _blurred(binned: Cells, scan: Scan, look: Imaging, kernel: Sharp) -> Cells:
    through, in_plane = look.fwhm_mm
    sigma = np.array([through, in_plane, in_plane]) / 2.3548 / np.array(scan.spacing) * _FINE
    narrow = ndimage.gaussian_filter(binned, sigma, mode="constant")
    wide = ndimage.gaussian_filter(binned, sigma * kernel.wide, mode="constant")
    return _coarse((1 + kernel.boost) * narrow - kernel.boost * wide)


def _coarse(fine: Cells) -> Cells:
    shape = [n for size in fine.shape for n in (size // _FINE, _FINE)]
    return np.asarray(fine.reshape(shape).sum(axis=(1, 3, 5)), dtype=np.float32)
