"""Voxels within a distance of a mask, without a distance map.

Along x the distance to the nearest voxel of the mask is counted; a voxel is within reach when,
in some row that is (dz, dy) away, that count is at most what a ball leaves there. The answer
is that of a Euclidean distance map compared with the reach, to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.runs._jit import frozen, kernel

_FAR = 255  # of counts along x; no reach is so long


def within(
    mask: NDArray[np.bool_], steps: tuple[float, float, float], reach: float
) -> NDArray[np.bool_]:
    """Voxels whose distance to the mask is at most `reach`: bool (z, y, x).

    mask : bool (z, y, x)
    steps : length of a voxel along (z, y, x), in the unit of `reach`; less than 255 along x
    """
    z, y, x = (
        (np.arange(min(int(reach / step) + 1, n - 1) + 1) * step) ** 2
        for step, n in zip(steps, mask.shape, strict=True)
    )
    far = np.sqrt(z[:, None, None] + y[None, :, None] + x[None, None, :])
    widths = np.minimum((far <= reach).sum(axis=2) - 1, _FAR - 1)
    found = np.zeros(mask.shape, np.uint8)
    _reach(frozen(mask, np.bool_), np.ascontiguousarray(widths), found)
    return found.view(np.bool_)


@kernel
def _reach(mask: Any, widths: Any, found: Any) -> None:
    depth, height = mask.shape[:2]
    gap = np.empty(mask.shape, np.uint8)
    held = np.empty((depth, height), np.bool_)
    for z in range(depth):
        for y in range(height):
            held[z, y] = _along(mask[z, y], gap[z, y])
    for z in range(depth):
        for y in range(height):
            line = found[z, y]
            for other_z in range(max(0, z - len(widths) + 1), min(depth, z + len(widths))):
                wide = widths[abs(other_z - z)]
                for other_y in range(max(0, y - len(wide) + 1), min(height, y + len(wide))):
                    most = wide[abs(other_y - y)]
                    if most >= 0 and held[other_z, other_y]:
                        _merge(line, gap[other_z, other_y], np.uint8(most))


@kernel
def _merge(line: Any, gap: Any, most: Any) -> None:
    for x in range(len(line)):
        line[x] |= gap[x] <= most


@kernel
def _along(mask: Any, gap: Any) -> Any:
    """Voxels to the nearest that is set, up to 255; whether there is any."""
    far = _FAR
    held = False
    for x in range(len(mask)):
        far = 0 if mask[x] else min(far + 1, _FAR)
        gap[x] = far
        held |= mask[x]
    far = _FAR
    for x in range(len(mask) - 1, -1, -1):
        far = 0 if mask[x] else min(far + 1, _FAR)
        gap[x] = min(gap[x], far)
    return held
