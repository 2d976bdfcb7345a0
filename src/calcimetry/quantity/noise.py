"""Noise of a scan and how it is correlated, and what that does to a sum of voxels.

The variance of ``sum(w * I)`` is ``sd^2 * sum(w * (R * w))`` with R the autocorrelation of
the noise (1 at lag 0) and ``*`` convolution; with white noise this is the familiar
``sd^2 * sum(w^2)``. R is measured in the quietest patches of soft tissue of the same scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.lines import empty_line, layout_of, to_line
from calcimetry.kernels.types import Plane, Real, Stack, Vector, Volume
from calcimetry.records import Scan

_SOFT = (-180, 130)
_PATCH_MM = (9.0, 12.0, 12.0)
_LAG_MM = 3.0
_MOST_PATCHES = 400
_MOST_CORRELATED = 60
_TYPICAL_SD = 15.0
_LEAST_R = 0.015
_LEAST_SD = 0.5  # rounding to whole HU has 0.29


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """sd : HU. correlation : odd-sized (z, y, x), 1 in the middle."""

    sd: float
    correlation: NDArray[np.float64]

    def sd_of_sum(self, weights: NDArray[np.float32], sd: float | None = None) -> float:
        """1 SD of ``sum(weights * HU)``; `sd`: the noise here, if not the scan's."""
        held = read_only(_held(weights), np.float32)
        variance = float(_variance(held, read_only(self.correlation, np.float64)))
        return (self.sd if sd is None else sd) * float(np.sqrt(max(variance, 0.0)))


def noise_of(scan: Scan) -> Noise:
    """Measure the noise of a scan; 15 HU and correlated over 1.5 mm where nothing is fit."""
    size = _patch_shape(scan)
    soft, spread = _residuals(scan, size)
    noisy = np.flatnonzero(spread > _LEAST_SD)
    if not noisy.size:  # a drawing without noise, or nothing to measure it in
        return Noise(_LEAST_SD if len(soft) else _TYPICAL_SD, _typical(scan.spacing))
    spread = spread[noisy]
    quiet = np.argsort(spread)[: max(1, len(noisy) // 4)]
    middle = float(np.median(spread[quiet]))
    # The quietest patches have the least slow noise: correlation is taken from all that are
    # about as quiet, spread evenly.
    even = np.flatnonzero(spread < 1.4 * middle)
    even = even[:: max(1, len(even) // _MOST_CORRELATED)]
    mean = _correlation(soft[noisy[even]], scan.spacing)
    correlation = _mended(mean, int(np.prod(size)))
    return Noise(middle * _favour(correlation, int(np.prod(size))), correlation)


def _favour(correlation: NDArray[np.float64], voxels: int) -> float:
    """What choosing the quietest quarter, and taking each patch's mean off, took from the SD.

    The SD of N voxels varies by ``sqrt(sum(R^2) / 2N)``; the middle of the lowest quarter is
    1.15 of that below the mean. Removing the mean lowers the variance by ``sum(R) / N``.
    """
    varies = np.sqrt(float(np.sum(correlation**2)) / (2.0 * voxels))
    centred = np.sqrt(max(0.5, 1.0 - float(correlation.sum()) / voxels))
    return float(1.0 / (max(0.5, 1.0 - 1.15 * varies) * centred))


def _patch_shape(scan: Scan) -> tuple[int, int, int]:
    sizes = [
        min(n, max(1, int(np.ceil(mm / step))))
        for mm, step, n in zip(_PATCH_MM, scan.spacing, scan.hu.shape, strict=True)
    ]
    return sizes[0], sizes[1], sizes[2]


def _corners(scan: Scan, size: tuple[int, int, int]) -> NDArray[np.intp]:
    """Corners of patches that hold only soft tissue: at most `_MOST_PATCHES`, spread evenly."""
    starts = [
        np.arange(0, n - k + 1, max(1, k // 2)) for n, k in zip(scan.hu.shape, size, strict=True)
    ]
    starts = [a[:: max(1, len(a) // 40)] for a in starts]
    middle = scan.hu[np.ix_(*(a + k // 2 for a, k in zip(starts, size, strict=True)))]
    soft = np.argwhere((middle > _SOFT[0]) & (middle < _SOFT[1]))
    few = soft[:: max(1, len(soft) // _MOST_PATCHES)]
    return np.stack([a[part] for a, part in zip(starts, few.T, strict=True)], axis=1)


def _residuals(
    scan: Scan, size: tuple[int, int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Patches of soft tissue, each less its best plane, (n, z, y, x); and the SD of each."""
    limits = _SOFT[0] - 120, _SOFT[1] + 120
    corners = read_only(_corners(scan, size), np.int64)
    found: tuple[NDArray[np.float64], NDArray[np.float64]] = _flattened(
        read_only(scan.hu, np.int16), corners, size, limits
    )
    return found


def _lags(shape: tuple[int, ...], spacing: tuple[float, float, float]) -> list[int]:
    return [min(n - 1, int(_LAG_MM / step)) for n, step in zip(shape, spacing, strict=True)]


def _correlation(
    residuals: NDArray[np.float64], spacing: tuple[float, float, float]
) -> NDArray[np.float64]:
    """Mean autocorrelation of patches (n, z, y, x) at lags up to `_LAG_MM`.

    Each lag is divided by its number of pairs, each patch by its variance. With as many zeros
    as there are lags, none meets the far end of its patch.
    """
    # NumPy's transform: importing scipy.signal for this alone takes 35 MB.
    shape = residuals.shape[1:]
    lags = _lags(shape, spacing)
    size = [n + lag for n, lag in zip(shape, lags, strict=True)]
    power = np.abs(np.fft.rfftn(residuals, size, axes=(1, 2, 3))) ** 2
    power /= (residuals**2).sum(axis=(1, 2, 3))[:, None, None, None]
    full = np.fft.irfftn(power.mean(axis=0), size, axes=(0, 1, 2))
    by = [np.arange(-lag, lag + 1) for lag in lags]
    z, y, x = (n - np.abs(lag) for n, lag in zip(shape, by, strict=True))
    near = full[np.ix_(*by)] / (z[:, None, None] * y[:, None] * x)
    return np.asarray(near / near[tuple(lags)])


def _mended(correlation: NDArray[np.float64], voxels: int) -> NDArray[np.float64]:
    """Undo what removing each patch's plane took off every lag, and drop what is left below 0.

    A mean of N voxels takes ``S / N`` off every lag, with S the sum of R; a plane has three
    more terms, of which at short lags about as much again is taken. So R is
    ``(r + b) / (1 + b)`` with b = 2 S / N, solved by repetition. Small and negative values
    are set to 0, which can only widen an interval.
    """
    r = correlation
    for _ in range(12):
        b = min(0.3, 2.0 * float(np.where(r > _LEAST_R, r, 0.0).sum()) / voxels)
        r = (correlation + b) / (1.0 + b)
    return np.asarray(np.where(r > _LEAST_R, r, 0.0))


def _held(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The smallest part of a volume that holds all that is not 0."""
    held = weights != 0
    for axis in range(3):
        at = np.flatnonzero(held.any(axis=tuple({0, 1, 2} - {axis})))
        part = slice(at[0], at[-1] + 1) if len(at) else slice(0, 0)
        weights = weights[(slice(None),) * axis + (part,)]
    return weights


def _typical(spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    axes = [np.arange(-int(3 / s), int(3 / s) + 1) * s for s in spacing]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    r = np.exp(-(z * z + y * y + x * x) / (4 * 0.64**2))
    return np.asarray(np.where(r > _LEAST_R, r, 0.0))


@kernel
def _flattened(
    hu: Volume[np.int16],
    corners: Plane[np.int64],
    size: tuple[int, int, int],
    limits: tuple[int, int],
) -> tuple[Stack[np.float64], Vector[np.float64]]:
    """Patches whose HU keep to limits, each less its best plane, and the SD of each."""
    deep, high, wide = size
    flat, spread = np.empty((len(corners), deep, high, wide)), np.empty(len(corners))
    count = 0
    for n in range(len(corners)):
        z, y, x = corners[n, 0], corners[n, 1], corners[n, 2]
        patch = hu[z : z + deep, y : y + high, x : x + wide]
        if _keeps_to(patch, limits[0], limits[1]):
            spread[count] = _less_plane(patch, flat[count])
            count += 1
    return flat[:count], spread[:count]


@inner
def _keeps_to(patch: Volume[np.int16], low: int, high: int) -> bool:
    for z in range(patch.shape[0]):
        for y in range(patch.shape[1]):
            out = False
            for x in range(patch.shape[2]):
                out |= (patch[z, y, x] < low) | (patch[z, y, x] > high)
            if out:
                return False
    return True


@inner
def _less_plane(patch: Volume[np.int16], out: Volume[np.float64]) -> float:
    """Less mean and slopes, which on a full grid do not depend on each other; returns the SD."""
    (deep, high, wide), count = patch.shape, patch.size
    total, by_z, by_y, by_x = 0.0, 0.0, 0.0, 0.0
    for z in range(deep):
        for y in range(high):
            part, along = 0.0, 0.0
            for x in range(wide):
                part += patch[z, y, x]
                along += patch[z, y, x] * (x - 0.5 * (wide - 1))
            total, by_x = total + part, by_x + along
            by_z, by_y = by_z + part * (z - 0.5 * (deep - 1)), by_y + part * (y - 0.5 * (high - 1))
    mean = total / count  # of a length of 1 there is no slope
    by_z, by_y = (
        by_z * 12 / (count * max(deep**2 - 1, 1)),
        by_y * 12 / (count * max(high**2 - 1, 1)),
    )
    by_x = by_x * 12 / (count * max(wide**2 - 1, 1))
    square = 0.0
    for z in range(deep):
        for y in range(high):
            level = mean + by_z * (z - 0.5 * (deep - 1)) + by_y * (y - 0.5 * (high - 1))
            for x in range(wide):
                out[z, y, x] = patch[z, y, x] - level - by_x * (x - 0.5 * (wide - 1))
                square += out[z, y, x] ** 2
    spread: float = np.sqrt(square / count)
    return spread


@kernel
def _variance(weights: Volume[np.float32], correlation: Volume[np.float64]) -> float:
    """``sum(w * (R * w))`` over all lags at which R is not 0; those of half of space, twice.

    The weights are laid out as one line, so that a lag is a shift of it.
    """
    dz, dy, dx = (correlation.shape[0] // 2, correlation.shape[1] // 2, correlation.shape[2] // 2)
    layout = layout_of(weights.shape, (dz, dy, dx))
    line = empty_line(weights.shape[0], layout)
    to_line(weights, layout, line)
    plane, row, middle = layout
    size = line.size - 2 * middle
    spread = np.zeros(size, np.float32)
    _add(np.float32(correlation[dz, dy, dx]), line[middle : middle + size], spread)
    for lag in range(correlation.size // 2):
        z, rest = divmod(lag, correlation.shape[1] * correlation.shape[2])
        y, x = divmod(rest, correlation.shape[2])
        r = correlation[z, y, x] + correlation[-1 - z, -1 - y, -1 - x]
        if r != 0:
            by = middle + (z - dz) * plane + (y - dy) * row + x - dx
            _add(np.float32(r), line[by : by + size], spread)
    total = 0.0
    for v in range(size):
        total += np.float64(spread[v]) * line[middle + v]
    return total


@inner
def _add(weight: Real, line: Vector[np.float32], into: Vector[np.float32]) -> None:
    for v in range(into.size):
        into[v] += weight * line[v]
