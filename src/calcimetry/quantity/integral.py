"""The integrated excess of one deposit: HU over background, summed over it and its rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from calcimetry.kernels.compiled import kernel, read_only
from calcimetry.kernels.dilate import dilated_mm
from calcimetry.kernels.order import median_of_counts, quantile
from calcimetry.kernels.types import Vector, Volume
from calcimetry.quantity.background import Background, background_of
from calcimetry.quantity.crop import Crop, narrowed
from calcimetry.quantity.deblend import deblend_weights, reblurred
from calcimetry.quantity.noise import Noise
from calcimetry.quantity.point_spread import PointSpread
from calcimetry.records import Box

AIR_HU = -250.0
DENSE_HU = 130.0
_CORNER = float(np.sqrt(3.0))  # distance of corner neighbours, voxels


@dataclass(frozen=True, slots=True, eq=False)
class Integral:
    """Sums are HU times voxels.

    total : sum of weights times excess
    crop : as much of the crop as has weight, and a voxel around it
    weights : float32 (z, y, x) on it, the deposit's share of each voxel; 0 beyond its rim
    voxels : sum of the weights
    excess : float32 (z, y, x) on it, HU over background
    background : the background, on all of the crop
    level : HU of the background, mean over the deposit
    noise, segmentation, border : 1 SD of total by cause; that of the background's level is
        ``background.sd`` times the sum of weights
    contact : whether another dense object is within reach of the blur
    captured : share of the deposit's blurred signal that lies where it could be collected;
        below 1 where air (or skin) is within reach of the blur
    rim_mm : how far beyond the mask was collected
    """

    total: float
    crop: Crop
    weights: NDArray[np.float32]
    voxels: float
    excess: NDArray[np.float32]
    background: Background
    level: float
    noise: float
    segmentation: float
    border: float
    contact: bool
    captured: float
    rim_mm: float


@dataclass(frozen=True, slots=True)
class IntegrationMargins:
    """Numbers that the plan sets; see `QuantityPlan`. `rim_mm` 0: from the point spread."""

    rim_mm: float = 0.0
    shell_mm: float = 4.0
    cut_sd_voxels: float = 0.9
    border_sd_mm: float = 0.1
    border_sd_share: float = 0.025


def integrate(crop: Crop, blur: PointSpread, noise: Noise, margins: IntegrationMargins) -> Integral:
    """Integrate one deposit over its mask and a rim around it."""
    rim = margins.rim_mm if margins.rim_mm > 0 else rim_of(crop, blur)
    steps = _steps(crop.spacing, rim)
    near = dilated_mm(crop.own, steps, rim)
    reach = 2.0 * blur.in_plane + 0.25 * (crop.spacing[1] + crop.spacing[2])
    short = _steps(crop.spacing, reach)
    air = dilated_mm(crop.hu < AIR_HU, short, reach)
    beside = dilated_mm(crop.other, short, reach)
    shell = dilated_mm(crop.own, steps, rim + margins.shell_mm) & ~near & ~air & ~beside
    shell &= crop.hu < DENSE_HU
    correlated = max(1.0, float(noise.correlation.sum()))
    background = background_of(crop.hu, shell, crop.spacing, noise.sd, correlated)
    whole = crop.hu - background.field
    clipped = bool((near & air & ~crop.own).any())
    contact = bool((beside & near).any())
    shared = (near & ~air | crop.own).astype(np.float32)
    if contact:
        shared *= deblend_weights(whole, crop.own, crop.other, blur.sigma(crop.spacing))
    # Beyond a voxel around the rim nothing has weight: from here on, no more than that.
    part = _grown(crop.own_box, crop.own.shape, steps, rim)
    core = narrowed(crop, part)
    weights, excess = np.ascontiguousarray(shared[part]), np.ascontiguousarray(whole[part])
    field = np.ascontiguousarray(background.field[part])
    return Integral(
        total=float(np.sum(weights * excess, dtype=np.float64)),
        crop=core,
        weights=weights,
        voxels=float(shared.sum()),
        excess=excess,
        background=background,
        level=_level(background.field, field, weights, excess),
        noise=noise.sd_of_sum(weights),
        segmentation=_segmentation(core, weights, excess, margins) if contact else 0.0,
        border=_border(background.step, field, weights, core, margins),
        contact=contact,
        captured=_captured(crop, whole, part, weights, blur) if clipped else 1.0,
        rim_mm=rim,
    )


def _grown(box: Box, shape: tuple[int, ...], steps: tuple[float, ...], rim_mm: float) -> Box:
    """A box with its rim and a voxel more."""
    z, y, x = (
        slice(
            max(0, side.start - int(rim_mm / step) - 1),
            min(size, side.stop + int(rim_mm / step) + 1),
        )
        for side, size, step in zip(box, shape, steps, strict=True)
    )
    return z, y, x


def _level(
    whole: NDArray[np.float32],
    field: NDArray[np.float32],
    weights: NDArray[np.float32],
    excess: NDArray[np.float32],
) -> float:
    """The background's mean over the deposit, by its signal; over the crop where there is none.

    whole : the background on all of the crop; field : where weights and excess lie
    """
    signal, total = _signal(field, weights, excess)
    little = 1e-6  # of every voxel
    everywhere = float(np.sum(whole, dtype=np.float64))
    return float((total + little * everywhere) / (signal + little * whole.size))


def _captured(
    crop: Crop,
    excess: NDArray[np.float32],
    part: Box,
    weights: NDArray[np.float32],
    blur: PointSpread,
) -> float:
    """Of a sharpened and again blurred deposit, what lies inside the region."""
    sigma = blur.sigma(crop.spacing)
    whole = reblurred(excess, crop.own, sigma)
    kept = float(whole[part][weights > 0].sum()) / max(float(whole.sum()), 1e-6)
    return min(max(kept, 0.5), 1.0)


def rim_of(crop: Crop, blur: PointSpread) -> float:
    """How far beyond the mask the blur must be collected, mm.

    2.4 SD of the point spread beyond the true edge. The mask's edge lies at the level t
    between background and peak, which is ``-Phi^-1(t)`` SD outside the true edge: far out
    for dense deposits, inside it for faint ones.
    """
    edge, top = _contrast(crop.hu, crop.own)
    level = min(max(edge / max(top, 1.0), 0.05), 0.95)
    sigma = blur.in_plane if blur.measured else 1.25 * blur.in_plane
    reach = min(max(2.4 + float(special.ndtri(level)), 1.0), 4.0)
    return reach * sigma + 0.25 * (crop.spacing[1] + crop.spacing[2])


def _steps(spacing: tuple[float, float, float], reach_mm: float) -> tuple[float, float, float]:
    """Voxel lengths, mm, where a step over thick slices counts as half the reach at most.

    A deposit may end inside the next slice however far away that slice's centre is.
    """
    z, y, x = (min(s, 0.5 * reach_mm) for s in spacing)
    return z, y, x


def _border(
    step: float,
    field: NDArray[np.float32],
    weights: NDArray[np.float32],
    crop: Crop,
    margins: IntegrationMargins,
) -> float:
    """1 SD of the sum because the border of two tissues may run a little elsewhere.

    Moving a border of area A by d moves ``A d step`` of HU x mm3; the area is the integral
    of the gradient of the share of one tissue.
    """
    if step == 0.0 or min(weights.shape) < 2:
        return 0.0
    area = float(_steepness(field, weights, np.array(crop.spacing))) / step
    across = float(np.cbrt(6.0 / np.pi * crop.own.sum() * crop.voxel_mm3))
    moved = margins.border_sd_mm + margins.border_sd_share * across
    return area * moved * step


def _segmentation(
    crop: Crop,
    weights: NDArray[np.float32],
    excess: NDArray[np.float32],
    margins: IntegrationMargins,
) -> float:
    """1 SD of the sum because the cut between touching objects may lie elsewhere.

    One voxel further, the deposit would lose its own share of the voxels along the contact,
    or win the other's; the cut is known to `cut_sd_voxels` of that.
    """
    mine = crop.own & dilated_mm(crop.other, (1.0, 1.0, 1.0), _CORNER)
    theirs = crop.other & dilated_mm(crop.own, (1.0, 1.0, 1.0), _CORNER)
    lost = float(np.sum((weights * np.abs(excess))[mine]))
    won = float(np.sum(((1 - weights) * np.abs(excess))[theirs]))
    return margins.cut_sd_voxels * 0.5 * (lost + won)


def _contrast(hu: NDArray[np.float32], own: NDArray[np.bool_]) -> tuple[float, float]:
    """The 10th and the 95th percentile of a mask's HU, over the median of the tissue around."""
    inside = np.sort(hu[own])
    around = _median_around(read_only(hu, np.float32), read_only(own, np.bool_))
    background = 40.0 if np.isnan(around) else around
    return quantile(inside, 0.1) - background, quantile(inside, 0.95) - background


@kernel
def _median_around(hu: Volume[np.float32], own: Volume[np.bool_]) -> float:
    """The median of soft tissue's HU beyond a mask; not a number where there is none."""
    first, size, total = int(AIR_HU) + 1, int(DENSE_HU) - int(AIR_HU) - 1, 0
    counts = np.zeros(size, np.int64)
    for z in range(hu.shape[0]):
        for y in range(hu.shape[1]):
            for x in range(hu.shape[2]):
                if not own[z, y, x] and AIR_HU < hu[z, y, x] < DENSE_HU:
                    counts[int(hu[z, y, x]) - first] += 1
                    total += 1
    return first + median_of_counts(counts, total) if total else np.nan


@kernel
def _signal(
    field: Volume[np.float32], weights: Volume[np.float32], excess: Volume[np.float32]
) -> tuple[float, float]:
    """The sum of what is over the background, and of the background by that."""
    flat, weight, level = field.reshape(-1), weights.reshape(-1), excess.reshape(-1)
    whole, total = 0.0, 0.0
    for v in range(flat.size):
        signal = np.float64(weight[v] * max(level[v], np.float32(0)))
        whole += signal
        total += signal * flat[v]
    return whole, total


@kernel
def _steepness(
    field: Volume[np.float32], weights: Volume[np.float32], spacing: Vector[np.float64]
) -> float:
    """Sum over voxels of weight times the length of the gradient; one-sided at the borders."""
    total = 0.0
    at = np.zeros(3, np.int64)
    for z in range(field.shape[0]):
        for y in range(field.shape[1]):
            for x in range(field.shape[2]):
                if weights[z, y, x] == 0:
                    continue
                square = 0.0
                for axis in range(3):
                    at[0], at[1], at[2] = z, y, x
                    high = min(at[axis] + 1, field.shape[axis] - 1)
                    low = max(at[axis] - 1, 0)
                    at[axis] = high
                    above = np.float64(field[at[0], at[1], at[2]])
                    at[axis] = low
                    slope = above - field[at[0], at[1], at[2]]
                    slope /= (high - low) * spacing[axis]
                    square += slope * slope
                total += np.sqrt(square) * weights[z, y, x]
    return total
