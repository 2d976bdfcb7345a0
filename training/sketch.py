"""Drawing into a patch what is no deposit: on finer cells, blurred, laid over the HU there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from calcimetry.deposits.resample import GRID_MM
from training.paint import FINE_MM, PATCH, Patch

Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]
_FEWEST = 3  # voxels; fewer teach nothing
_MARGIN = 3  # voxels around what is drawn, which its blur reaches
_SOFT_HU = 60.0
"""What a voxel holds beside a dense mimic: only HU above it count as whose they are."""
_SEEN_HU = 100.0  # below, nothing takes it for mineral
_CEILING_HU = 3071.0
_FILE_AIR_HU = -350
_FAR = np.float32(1e3)
_FWHM = 2.3548  # per standard deviation


@dataclass(eq=False)
class Sketch:
    """Layers over one another on the fine cells of a box; mm from the patch's first voxel.

    low, high : mm, what the box must hold; open : (PATCH,)*3, where it may be painted
    need : the share of it that must lie there
    streaks_hu : of its streaks in its slices; 0 for none
    """

    low: Vector
    high: Vector
    open: Mask
    need: float
    streaks_hu: float = 0.0
    first: NDArray[np.int64] = field(init=False)
    at: tuple[Patch, Patch, Patch] = field(init=False)
    cover: Patch = field(init=False)
    value: Patch = field(init=False)

    def __post_init__(self) -> None:
        low = np.floor(np.asarray(self.low) / GRID_MM).astype(np.int64) - _MARGIN
        high = np.ceil(np.asarray(self.high) / GRID_MM).astype(np.int64) + _MARGIN + 1
        # It may reach beyond the patch, so that what is cut there is not blurred as an end.
        self.first = np.clip(low, -_MARGIN, PATCH)
        count = np.maximum(np.clip(high, 0, PATCH + _MARGIN) - self.first, 1)
        z, y, x = (
            (self.first[k] * GRID_MM + (np.arange(2 * count[k]) - 0.5) * FINE_MM).astype(np.float32)
            for k in range(3)
        )
        self.at = (z[:, None, None], y[None, :, None], x[None, None, :])
        self.cover = np.zeros((z.size, y.size, x.size), np.float32)
        self.value = np.zeros_like(self.cover)

    def fill(
        self,
        distance: Patch,
        hu: float | Patch,
        grain_hu: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        """Lay a solid over what is there; distance in mm, negative inside.

        grain_hu : standard deviation of a texture, of cells: trabeculae are finer than they
        """
        share = np.clip(np.float32(0.5) - distance / np.float32(FINE_MM), 0, 1)
        if rng is not None:
            noise = rng.standard_normal(share.shape, np.float32)
            hu = np.float32(hu) + noise * np.float32(grain_hu)
        self.cover += share * (1 - self.cover)
        self.value += share * (hu - self.value)

    def strand(self, path: Vector, radius: Vector) -> Patch:
        """Distance from balls along a path (n, 3), where that is below 1.5 mm."""
        out = np.full(self.cover.shape, _FAR, np.float32)
        start = self.first * GRID_MM
        for point, size in zip(path, radius, strict=True):
            low = np.floor((point - start - size - 1.5) / FINE_MM).astype(int)
            high = np.ceil((point - start + size + 1.5) / FINE_MM).astype(int) + 2
            box = tuple(
                slice(max(a, 0), max(b, 0))
                for a, b in zip(low.tolist(), high.tolist(), strict=True)
            )
            z, y, x = self.at[0][box[0]], self.at[1][:, box[1]], self.at[2][:, :, box[2]]
            z, y, x = (a - np.float32(p) for a, p in zip((z, y, x), point, strict=True))
            np.minimum(out[box], np.sqrt(z * z + y * y + x * x) - np.float32(size), out=out[box])
        return out

    def paint(self, hu: Patch, fwhm_mm: tuple[float, float, float]) -> Mask | None:
        """Blur by a point spread (z, y, x) and lay over `hu`, in place.

        The voxels that are mostly its own; None, and nothing done, where it does not fit.
        """
        cover, value = self._projected(self.cover, fwhm_mm), self._projected(self.value, fwhm_mm)
        here = tuple(
            slice(max(f, 0), min(f + n, PATCH))
            for f, n in zip(self.first.tolist(), cover.shape, strict=True)
        )
        inner = tuple(
            slice(h.start - f, h.stop - f) for h, f in zip(here, self.first.tolist(), strict=True)
        )
        cover, value, free = np.clip(cover[inner], 0, 1), value[inner], self.open[here]
        solid = cover > 0.25
        if not solid.any() or free[solid].mean() < self.need:
            return None
        cover, value = cover * free, value * free
        rest = hu[here] * (1 - cover)
        own = np.maximum(value - _SOFT_HU * cover, 0)
        others = np.maximum(rest - _SOFT_HU * (1 - cover), 0)
        shown = rest + value
        mine = (cover > 0.5) | ((own / (own + others + 20) > 0.6) & (shown > _SEEN_HU))
        if mine.sum() < _FEWEST:
            return None
        hu[here] = np.minimum(shown, np.maximum(hu[here], _CEILING_HU))
        mask = np.zeros(hu.shape, bool)
        mask[here] = mine
        return mask

    def _projected(self, fine: Patch, fwhm_mm: tuple[float, float, float]) -> Patch:
        z, y, x = (_matrix(n // 2, fwhm) for n, fwhm in zip(fine.shape, fwhm_mm, strict=True))
        return np.asarray(np.tensordot(z, np.matmul(y[None], fine @ x.T), axes=(1, 0)))


def _matrix(count: int, fwhm_mm: float) -> Patch:
    """From fine cells to voxels of a box along one axis (count, 2 count)."""
    away = (np.arange(-2 * count, 2 * count) + 0.5) * FINE_MM
    sigma = fwhm_mm / _FWHM * np.sqrt(2)
    half = GRID_MM / 2
    share = special.erf((away + half) / sigma) - special.erf((away - half) / sigma)
    share = (share * (0.5 / GRID_MM * FINE_MM)).astype(np.float32)
    lag = np.arange(2 * count)[None] - 2 * np.arange(count)[:, None]
    return np.asarray(share[lag + 2 * count - 1])


def streaks(hu: Patch, mask: Mask, most_hu: float, rng: np.random.Generator) -> None:
    """Streaks from metal, in place: rays in its slices, in body only, fading with distance."""
    part = mask.sum(axis=(1, 2))
    held = np.flatnonzero(part)
    centre = np.argwhere(mask).mean(axis=0)
    y, x = np.arange(PATCH)[:, None] - centre[1], np.arange(PATCH)[None] - centre[2]
    angle, far = np.arctan2(y, x), np.hypot(y, x)
    waves = sum(np.cos(int(k) * angle + rng.uniform(0, 6.3)) for k in rng.integers(2, 14, 4))
    rays = (waves * np.exp(-far / rng.uniform(5, 20)) * (most_hu / 2)).astype(np.float32)
    slices = hu[held[0] : held[-1] + 1]
    share = (part[held[0] : held[-1] + 1] / part.max()).astype(np.float32)[:, None, None]
    slices += np.where((slices > _FILE_AIR_HU) & ~mask[held[0] : held[-1] + 1], rays * share, 0)
