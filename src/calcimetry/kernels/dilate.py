"""Voxels within a distance of a mask, without a distance map.

Along x the distance to the nearest voxel of the mask is counted; a voxel is within reach when,
in some row that is (dz, dy) away, that count is at most what a ball leaves there. The answer
is that of a Euclidean distance map compared with the reach, to the last bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.types import ZERO, Plane, Vector, Volume

_FAR = 255  # of counts along x; no reach is so long


def dilated_mm(
    mask: NDArray[np.bool_], steps: tuple[float, float, float], reach: float
) -> NDArray[np.bool_]:
    """Voxels whose distance to the mask is at most `reach`: bool (z, y, x).

    mask : bool (z, y, x)
    steps : length of a voxel along (z, y, x), in the unit of `reach`; less than 255 along x
    """
    found: Volume[np.uint8] = np.zeros(mask.shape, np.uint8)
    margin = int(reach / steps[0]) + 1, int(reach / steps[1]) + 1, int(reach / steps[2]) + 1
    _reach(read_only(mask, np.bool_), ball_widths(steps, margin, reach), found)
    return found.view(np.bool_)


def ball_widths(
    steps: tuple[float, float, float], margin: tuple[int, int, int], reach: float
) -> Plane[np.int64]:
    """How many voxels along x are within reach at each step (dz, dy); -1 where none is.

    margin : the most steps along (z, y, x) that are looked at
    """
    z, y, x = (np.arange(n + 1) * step for n, step in zip(margin, steps, strict=True))
    far = np.sqrt((z**2)[:, None, None] + (y**2)[None, :, None] + (x**2)[None, None, :])
    return np.ascontiguousarray((far <= reach).sum(axis=2) - 1)


@kernel
def _reach(mask: Volume[np.bool_], widths: Plane[np.int64], found: Volume[np.uint8]) -> None:
    depth, height, width = mask.shape
    gap = np.empty((depth, height * width), np.uint8)
    held = np.zeros(height + 1, np.bool_)
    lines = found.reshape(depth, height * width)
    for z in range(depth):
        for y in range(height):
            held[y] = False
            for x in range(width):
                held[y] |= mask[z, y, x]
            if held[y]:
                _along(mask[z, y], gap[z, y * width : (y + 1) * width])
        end = ZERO
        for y in range(height + 1):
            if held[y]:
                continue
            if end < y:
                _spread(gap[z], (z, end, y), width, widths, lines)
            end = y + 1


@inner
def _spread(
    gap: Vector[np.uint8],
    rows: tuple[int, int, int],
    width: int,
    widths: Plane[np.int64],
    lines: Plane[np.uint8],
) -> None:
    """From rows that follow each other in a slice to all that they reach."""
    z, first, end = rows
    height = gap.size // width
    for other in range(max(0, z - len(widths) + 1), min(len(lines), z + len(widths))):
        wide = widths[abs(other - z)]
        for by in range(1 - len(wide), len(wide)):
            low, high = max(0, first + by), min(height, end + by)
            if wide[abs(by)] >= 0 and low < high:
                line = gap[(low - by) * width : (high - by) * width]
                _merge(lines[other, low * width : high * width], line, np.uint8(wide[abs(by)]))


@inner
def _merge(line: Vector[np.uint8], gap: Vector[np.uint8], most: np.uint8) -> None:
    for x in range(len(line)):
        line[x] |= gap[x] <= most


@inner
def _along(mask: Vector[np.bool_], gap: Vector[np.uint8]) -> None:
    """Voxels to the nearest that is set, up to 255."""
    far = _FAR
    for x in range(len(mask)):
        far = 0 if mask[x] else min(far + 1, _FAR)
        gap[x] = far
    far = _FAR
    for x in range(len(mask) - 1, -1, -1):
        far = 0 if mask[x] else min(far + 1, _FAR)
        gap[x] = min(gap[x], far)
