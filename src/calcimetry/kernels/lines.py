"""Volumes laid out as one line of numbers, with zeros between rows, slices and at both ends.

With as many zeros as a blur or a lag reaches, a step along any axis is a shift of the line: its
loops are long, and no border needs care.
"""

from __future__ import annotations

import numpy as np

from calcimetry.kernels.compiled import inner
from calcimetry.kernels.types import Vector, Volume

Line = Vector[np.float32]
Layout = tuple[int, int, int]
"""Steps along the line for one slice and one row, and the zeros before the first voxel."""


@inner
def layout_of(shape: tuple[int, int, int], reach: tuple[int, int, int]) -> Layout:
    """Of a volume (z, y, x) with room for so many voxels more along each axis."""
    row = shape[2] + reach[2]
    plane = row * (shape[1] + reach[1])
    return plane, row, reach[0] * plane + reach[1] * row + reach[2]


@inner
def empty_line(depth: int, layout: Layout) -> Line:
    """A line of zeros for a volume of `depth` slices."""
    return np.zeros(depth * layout[0] + 2 * layout[2], np.float32)


@inner
def to_line(volume: Volume[np.float32], layout: Layout, line: Line) -> None:
    """Put a volume on a line."""
    plane, row, ahead = layout
    for z in range(volume.shape[0]):
        for y in range(volume.shape[1]):
            begin = ahead + z * plane + y * row
            _copy(volume[z, y], line[begin : begin + volume.shape[2]])


@inner
def from_line(line: Line, layout: Layout, shape: tuple[int, int, int]) -> Volume[np.float32]:
    """What lies on a line as a volume."""
    plane, row, ahead = layout
    volume = np.empty(shape, np.float32)
    for z in range(shape[0]):
        for y in range(shape[1]):
            begin = ahead + z * plane + y * row
            _copy(line[begin : begin + shape[2]], volume[z, y])
    return volume


@inner
def _copy(values: Line, out: Line) -> None:
    for x in range(out.size):
        out[x] = values[x]
