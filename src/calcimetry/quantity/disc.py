"""A round, even, dense disc in one slice: what a calibration rod looks like, measured."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.runs._jit import kernel

DENSE_HU = 130.0
_SMOOTH_MM = 1.0  # 1 SD
_CUT = 4.0  # SD at which the smoothing ends
_NONE = (0.0, 0.0, 0.0, 0.0, 0.0)

Mask = NDArray[np.bool_]


def opened(mask: Mask) -> Mask:
    """A mask (y, x) without what is thinner than three pixels: a cross must fit."""
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = (
        mask[1:-1, 1:-1] & (mask[:-2, 1:-1] & mask[2:, 1:-1]) & (mask[1:-1, :-2] & mask[1:-1, 2:])
    )
    out = inner.copy()
    out[1:] |= inner[:-1]
    out[:-1] |= inner[1:]
    out[:, 1:] |= inner[:, :-1]
    out[:, :-1] |= inner[:, 1:]
    return out


def measured_disc(
    plane: NDArray[np.int16], spacing: tuple[float, float]
) -> tuple[float, float, float, float, float] | None:
    """The disc in the middle of a plane, cut at half its height; None if it is not round.

    plane : HU (y, x), its middle in the disc; spacing : (y, x) mm
    Returns centre y and x in pixels, diameter mm, mean and SD of its core in HU.
    """
    taps = _taps(_SMOOTH_MM / spacing[0]), _taps(_SMOOTH_MM / spacing[1])
    found: tuple[float, float, float, float, float] = _disc(
        np.ascontiguousarray(plane, np.int16), *taps, *spacing
    )
    return found if found[2] > 0 else None


def _taps(sd: float) -> NDArray[np.float64]:
    """Weights of a Gaussian from the middle outwards."""
    reach = int(_CUT * sd + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    return np.asarray(weights[reach:] / weights.sum())


@kernel
def _disc(plane: Any, taps_y: Any, taps_x: Any, dy: Any, dx: Any) -> Any:
    smooth = _smoothed(_smoothed(plane.astype(np.float32), taps_y).T.copy(), taps_x).T.copy()
    height, width = plane.shape
    middle = (height // 2, width // 2)
    if smooth[middle] < DENSE_HU:
        return _NONE
    count, y, x = _part(smooth, middle)
    reach = np.sqrt(count * dy * dx / np.pi)
    far = np.empty(plane.shape)
    total, square, inner = 0.0, 0.0, 0
    rim = np.empty(plane.size)
    outer = 0
    for row in range(height):
        for column in range(width):
            far[row, column] = np.hypot((row - y) * dy, (column - x) * dx)
            value = np.float64(plane[row, column])
            if far[row, column] < 0.7 * reach:
                total += value
                square += value * value
                inner += 1
            elif 1.25 * reach < far[row, column] < 1.6 * reach:
                rim[outer] = value
                outer += 1
    if inner < 20 or outer == 0:
        return _NONE
    mean = total / inner
    half = 0.5 * (mean + np.median(rim[:outer]))
    radius = _round_radius(smooth, far, half, 1.25 * reach, dy * dx)
    spread = np.sqrt(max(square / inner - mean * mean, 0.0))
    return y, x, 2.0 * radius, mean, spread


@kernel
def _round_radius(smooth: Any, far: Any, half: Any, most: Any, pixel: Any) -> Any:
    """The radius of what is over `half`; 0 where that is not a disc to 8 % of its pixels."""
    count = 0
    for p in range(far.size):
        count += smooth.flat[p] >= half and far.flat[p] < most
    radius = np.sqrt(count * pixel / np.pi)
    other = 0
    for p in range(far.size):
        within = smooth.flat[p] >= half and far.flat[p] < most
        other += within != (far.flat[p] < radius)
    return 0.0 if other > 0.08 * count else radius


@kernel
def _smoothed(plane: Any, taps: Any) -> Any:
    """Along the first axis; beyond its ends the plane is mirrored."""
    length, width = plane.shape
    out = np.empty(plane.shape, np.float32)
    line = np.empty(width)
    for row in range(length):
        for column in range(width):
            line[column] = plane[row, column] * taps[0]
        for k in range(1, len(taps)):
            low, high = plane[_mirrored(row - k, length)], plane[_mirrored(row + k, length)]
            for column in range(width):
                line[column] += (np.float64(low[column]) + high[column]) * taps[k]
        out[row] = line
    return out


@kernel
def _mirrored(place: Any, length: Any) -> Any:
    while place < 0 or place >= length:
        place = -1 - place if place < 0 else 2 * length - 1 - place
    return place


@kernel
def _part(smooth: Any, seed: Any) -> Any:
    """Pixels of the dense part that holds the seed, by faces, and their mean row and column."""
    height, width = smooth.shape
    seen = np.zeros(smooth.shape, np.bool_)
    waiting = np.empty(smooth.size, np.int64)
    waiting[0] = seed[0] * width + seed[1]
    seen[seed] = True
    held, done, y, x = 1, 0, 0.0, 0.0
    while done < held:
        row, column = waiting[done] // width, waiting[done] % width
        done += 1
        y += row
        x += column
        for way in range(4):
            down, right = row + (way == 0) - (way == 1), column + (way == 2) - (way == 3)
            if 0 <= down < height and 0 <= right < width and not seen[down, right]:
                seen[down, right] = True
                if smooth[down, right] >= DENSE_HU:
                    waiting[held] = down * width + right
                    held += 1
    return held, y / held, x / held
