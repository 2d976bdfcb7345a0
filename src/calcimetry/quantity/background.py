"""What would be there without the deposit: a HU for every voxel of it and its rim.

One tissue around: the trimmed mean of a shell beyond the rim. Two (fat and muscle, say): a
border is fitted through the shell (logistic, quadratic in position) and continued through
the deposit; each side has its own level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.runs._jit import kernel

_LEAST_STEP_HU = 45.0
_LEAST_SHARE = 0.04
_FEWEST_VOXELS = 30
_MOST_VOXELS = 4000
_RIDGE = 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """field : float32 (z, y, x), HU of each voxel without the deposit
    levels : HU of the tissues around, one or two
    sd : 1 SD of the mean of `field` over the deposit, where tissues do not meet
    step : HU from one tissue to the other, 0 for one tissue
    border : float32 (z, y, x), p (1 - p) with p the share of the denser tissue
    scatter : SD of the shell about the model
    voxels : in the shell
    """

    field: NDArray[np.float32]
    levels: tuple[float, ...]
    sd: float
    step: float
    border: NDArray[np.float32] | None
    scatter: float
    voxels: int


def background_of(
    hu: NDArray[np.float32],
    shell: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    noise_sd: float,
) -> Background:
    """The background of one crop.

    hu : float32 (z, y, x)
    shell : bool, voxels of soft tissue around the deposit, beyond the reach of its blur and
        of other dense objects
    noise_sd : HU, to tell two tissues from noise
    """
    where = np.argwhere(shell)
    if len(where) < _FEWEST_VOXELS:
        return _assumed(hu.shape)
    inside = hu[shell]
    low, high, share = _otsu(inside)
    step = max(_LEAST_STEP_HU, 2.9 * noise_sd)
    if high - low > step and _LEAST_SHARE < share < 1 - _LEAST_SHARE:
        return _two(hu, where, inside, spacing, (low, high))
    return _one(hu, where, inside, noise_sd)


def _assumed(shape: tuple[int, ...]) -> Background:
    """Too little soft tissue is in sight: 40 HU, as likely fat as muscle."""
    return Background(np.full(shape, 40.0, np.float32), (), 50.0, 0.0, None, 50.0, 0)


def _one(
    hu: NDArray[np.float32],
    where: NDArray[np.intp],
    inside: NDArray[np.float32],
    noise_sd: float,
) -> Background:
    keep = _kept(inside, noise_sd)
    level = float(inside[keep].mean())
    sd = _sector_sd(where[keep], inside[keep] - level)
    scatter = float(inside[keep].std())
    field = np.full(hu.shape, level, np.float32)
    return Background(field, (level,), sd, 0.0, None, scatter, int(keep.sum()))


def _kept(values: NDArray[np.float32], noise_sd: float) -> NDArray[np.bool_]:
    """Within 3 robust SD of the median."""
    middle = np.median(values)
    spread = max(1.4826 * float(np.median(np.abs(values - middle))), 0.5 * noise_sd, 1.0)
    return np.asarray(np.abs(values - middle) <= 3.0 * spread)


def _sector_sd(where: NDArray[np.intp], residual: NDArray[np.float32]) -> float:
    """1 SD of the shell's mean, from how the means of its eight octants differ.

    Catches noise, streaks and uneven tissue alike, however they are correlated.
    """
    side = where > where.mean(axis=0)
    octant = side @ np.array([4, 2, 1])
    count = np.bincount(octant, minlength=8)
    total = np.bincount(octant, weights=residual, minlength=8)
    good = count >= 5
    if good.sum() < 3:
        return float(residual.std())
    means = total[good] / count[good]
    return float(np.std(means, ddof=1) / np.sqrt(good.sum()))


def _otsu(values: NDArray[np.float32]) -> tuple[float, float, float]:
    """Means of the two classes that Otsu's threshold makes, and the share of the upper."""
    ordered = np.sort(values.astype(np.float64))
    n = len(ordered)
    sums = np.cumsum(ordered)
    k = np.arange(1, n)
    low, high = sums[:-1] / k, (sums[-1] - sums[:-1]) / (n - k)
    best = int(np.argmax(k * (n - k) * (high - low) ** 2))
    return float(low[best]), float(high[best]), 1.0 - (best + 1) / n


def _two(
    hu: NDArray[np.float32],
    where: NDArray[np.intp],
    inside: NDArray[np.float32],
    spacing: tuple[float, float, float],
    levels: tuple[float, float],
) -> Background:
    low, high = levels
    every = max(1, len(where) // _MOST_VOXELS)
    centre = where.mean(axis=0)
    scale = np.abs(where - centre).max(axis=0).max() * max(spacing)
    design = _quadratic((where[::every] - centre) * np.array(spacing) / scale)
    target = np.clip((inside[::every] - low) / (high - low), 0.0, 1.0)
    weights = _logistic(design, target.astype(np.float64))
    share = np.empty(hu.shape, np.float32)
    _shares(centre, np.array(spacing) / scale, weights, share)
    at = share[tuple(where.T)]
    low, high = _levels(inside, at)
    field = (low + (high - low) * share).astype(np.float32)
    residual = inside - field[tuple(where.T)]
    sd = _sector_sd(where, residual)
    border = (share * (1 - share)).astype(np.float32)
    scatter = float(residual.std())
    return Background(field, (low, high), sd, high - low, border, scatter, len(where))


def _levels(inside: NDArray[np.float32], share: NDArray[np.float32]) -> tuple[float, float]:
    """Least squares of ``low (1 - p) + high p`` over the shell."""
    design = np.stack([1.0 - share, share], axis=1).astype(np.float64)
    fit = np.linalg.lstsq(design, inside.astype(np.float64), rcond=None)[0]
    return float(fit[0]), float(fit[1])


def _quadratic(at: NDArray[np.float64]) -> NDArray[np.float64]:
    z, y, x = at.T
    return np.stack([np.ones_like(z), z, y, x, z * z, y * y, x * x, z * y, z * x, y * x], axis=1)


def _probability(design: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30.0, 30.0))))


def _logistic(design: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ridge logistic regression by Newton's method; curvature is held back more than slope."""
    ridge = np.array([1e-6, *[_RIDGE] * 3, *[10 * _RIDGE] * 6]) * len(target) * 0.01
    weights = np.zeros(design.shape[1])
    for _ in range(15):
        p = _probability(design, weights)
        gradient = design.T @ (target - p) - ridge * weights
        spread = np.maximum(p * (1 - p), 1e-4)
        step = np.linalg.solve(design.T @ (design * spread[:, None]) + np.diag(ridge), gradient)
        weights = weights + np.clip(step, -8.0, 8.0)
        if np.abs(step).max() < 1e-3:
            break
    return np.asarray(weights)


@kernel
def _shares(centre: Any, unit: Any, weights: Any, out: Any) -> None:
    """The share of the denser tissue in every voxel; `_probability` of `_quadratic` on a grid."""
    for k in range(out.shape[0]):
        z = (k - centre[0]) * unit[0]
        for j in range(out.shape[1]):
            y = (j - centre[1]) * unit[1]
            fixed = weights[0] + weights[1] * z + weights[2] * y
            fixed += weights[4] * z * z + weights[5] * y * y + weights[7] * z * y
            slope = weights[3] + weights[8] * z + weights[9] * y
            for i in range(out.shape[2]):
                x = (i - centre[2]) * unit[2]
                level = fixed + (slope + weights[6] * x) * x
                out[k, j, i] = 1.0 / (1.0 + np.exp(-min(max(level, -30.0), 30.0)))
