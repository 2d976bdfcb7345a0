"""Round, even, dense discs in one slice: what calibration rods look like, measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.blur import gaussian_taps
from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.order import median_of_whole
from calcimetry.kernels.types import Integer, Plane, Vector

DENSE_HU = 130.0
_DENSE = np.int16(DENSE_HU)
_SMOOTH_MM = 1.0  # 1 SD
_CUT = 4.0  # SD at which the smoothing ends
_NONE = (0.0, 0.0, 0.0, 0.0, 0.0)


def dense_parts(plane: NDArray[np.int16], every: int, least: float = 0.0) -> NDArray[np.int64]:
    """Connected dense parts of a slice after opening with a cross of three coarse pixels.

    plane : HU (y, x), of which every `every`-th pixel is looked at, both ways
    least : dense coarse pixels below which nothing is sought

    Returns a row per part, connected by faces, in raster order: first row, one past the last,
    first column and one past the last, in coarse pixels.
    """
    boxes: NDArray[np.int64] = _dense_parts(read_only(plane, np.int16), every, least)
    return boxes


def measured_discs(
    plane: NDArray[np.int16],
    boxes: NDArray[np.int64],
    spacing: tuple[float, float],
    most_sd: float,
) -> NDArray[np.float64]:
    """The disc in the middle of each box of a plane, cut at half its height.

    plane : HU (y, x); boxes : (n, 4), first row, one past the last, first column, one past
    the last; spacing : (y, x) mm; most_sd : HU in a disc's core, below which it is even

    Returns (n, 5): centre y and x in pixels of the plane, diameter mm, mean and SD of the core
    in HU; a diameter of 0 where the box has no round and even disc in its middle.
    """
    if not len(boxes):  # as in most scans: the kernel need not even be loaded
        return np.empty((0, 5))
    taps = (
        gaussian_taps(_SMOOTH_MM / spacing[0], _CUT),
        gaussian_taps(_SMOOTH_MM / spacing[1], _CUT),
    )
    found: NDArray[np.float64] = _discs(
        read_only(plane, np.int16), read_only(boxes, np.int64), taps, spacing, most_sd
    )
    return found


@kernel
def _dense_parts(plane: Plane[np.int16], every: int, least: float) -> Plane[np.int64]:
    """The coarse plane lies in a frame one pixel wide, where nothing is dense."""
    height, width = (plane.shape[0] - 1) // every + 3, (plane.shape[1] - 1) // every + 3
    dense, room = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    held = np.zeros(height, np.int64)
    for row in range(1, height - 1):
        held[row] = _dense(plane[(row - 1) * every], every, dense[row, 1 : width - 1])
    total = 0
    for row in range(height):
        total += held[row]
    if total < least:
        return np.empty((0, 4), np.int64)
    for row in range(1, height - 1):
        if min(held[row - 1], held[row], held[row + 1]):
            _thick(dense[row - 1 : row + 2], room[row - 1 : row + 2])
    return _boxes(room, held)


@inner
def _dense(line: Vector[np.int16], every: int, out: Vector[np.uint8]) -> int:
    count = 0
    for n in range(out.size):
        out[n] = line[n * every] >= _DENSE
        count += out[n]
    return count


@inner
def _thick(dense: Plane[np.uint8], room: Plane[np.uint8]) -> None:
    """Of three rows, the crosses around what has a dense pixel on every side."""
    above, line, below, width = dense[0], dense[1], dense[2], dense.shape[1]
    for n in range(1, width - 1):
        if line[n] & above[n] & below[n] & line[n - 1] & line[n + 1]:
            room[0, n] = room[2, n] = 1
            room[1, n - 1] = room[1, n] = room[1, n + 1] = 1


@inner
def _boxes(room: Plane[np.uint8], held: Vector[np.int64]) -> Plane[np.int64]:
    """Of the parts of what lies in a frame; `room` is emptied. held : 0 for rows without any."""
    boxes = np.empty((room.size // 2 + 1, 4), np.int64)
    flat, width, parts = room.ravel(), np.int32(room.shape[1]), 0
    waiting = np.empty(room.size, np.int32)
    for row in range(room.shape[0]):
        if not held[row]:
            continue
        for column in range(width):
            if not room[row, column]:
                continue
            top, bottom, left, right = row, row, column, column
            waiting[0], count = row * width + column, 1
            room[row, column] = 0
            while count:
                count -= 1
                at = waiting[count]
                y = at // width
                x = at - y * width
                top, bottom = min(top, y), max(bottom, y)
                left, right = min(left, x), max(right, x)
                for beside in (at - width, at + width, at - 1, at + 1):
                    if flat[beside]:
                        flat[beside] = 0
                        waiting[count] = beside
                        count += 1
            box = boxes[parts]
            box[0], box[1], box[2], box[3] = top - 1, bottom, left - 1, right
            parts += 1
    return boxes[:parts].copy()


@kernel
def _discs(
    plane: Plane[np.int16],
    boxes: Plane[np.int64],
    taps: tuple[Vector[np.float64], Vector[np.float64]],
    spacing: tuple[float, float],
    most_sd: float,
) -> Plane[np.float64]:
    found = np.empty((len(boxes), 5))
    for n in range(len(boxes)):
        top, bottom, left, right = boxes[n, 0], boxes[n, 1], boxes[n, 2], boxes[n, 3]
        part = plane[top:bottom, left:right]
        y, x, diameter, mean, sd = _disc(part, taps, spacing, most_sd)
        found[n, 0], found[n, 1], found[n, 2] = top + y, left + x, diameter
        found[n, 3], found[n, 4] = mean, sd
    return found


@inner
def _disc(
    plane: Plane[np.int16],
    taps: tuple[Vector[np.float64], Vector[np.float64]],
    spacing: tuple[float, float],
    most_sd: float,
) -> tuple[float, float, float, float, float]:
    smooth = _along_rows(_along_columns(plane, taps[0]), taps[1])
    height, width = plane.shape
    middle = (height // 2, width // 2)
    if smooth[middle] < DENSE_HU:
        return _NONE
    count, y, x = _part(smooth, middle)
    pixel = spacing[0] * spacing[1]
    reach = np.sqrt(count * pixel / np.pi)
    far = np.empty(plane.shape)
    total, square, inner = 0.0, 0.0, 0
    rim = np.empty(plane.size)
    outer = 0
    for row in range(height):
        for column in range(width):
            far[row, column] = np.hypot((row - y) * spacing[0], (column - x) * spacing[1])
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
    spread = np.sqrt(max(square / inner - mean * mean, 0.0))
    if spread >= most_sd:
        return _NONE
    half = 0.5 * (mean + median_of_whole(rim, outer))
    radius = _round_radius(smooth, far, half, 1.25 * reach, pixel)
    return y, x, 2.0 * radius, mean, spread


@inner
def _round_radius(
    smooth: Plane[np.float32], far: Plane[np.float64], half: float, most: float, pixel: float
) -> float:
    """The radius of what is over `half`; 0 where that is not a disc to 8 % of its pixels."""
    level, away = smooth.reshape(-1), far.reshape(-1)
    count: Integer = 0
    for p in range(far.size):
        count += level[p] >= half and away[p] < most
    radius = np.sqrt(count * pixel / np.pi)
    other = 0
    for p in range(far.size):
        within = level[p] >= half and away[p] < most
        other += within != (away[p] < radius)
    return 0.0 if other > 0.08 * count else radius


@inner
def _along_columns(plane: Plane[np.int16], taps: Vector[np.float64]) -> Plane[np.float32]:
    """Smoothed along y; beyond its ends the plane is mirrored."""
    length, width = plane.shape
    out, line = np.empty(plane.shape, np.float32), np.empty(width)
    for row in range(length):
        for column in range(width):
            line[column] = np.float32(plane[row, column]) * taps[0]
        for k in range(1, len(taps)):
            low, high = plane[_mirrored(row - k, length)], plane[_mirrored(row + k, length)]
            for column in range(width):
                line[column] += (np.float64(low[column]) + np.float64(high[column])) * taps[k]
        for column in range(width):
            out[row, column] = line[column]
    return out


@inner
def _along_rows(plane: Plane[np.float32], taps: Vector[np.float64]) -> Plane[np.float32]:
    """Smoothed along x; beyond its ends the plane is mirrored."""
    length, width = plane.shape
    reach = len(taps) - 1
    out, line, wide = (
        np.empty(plane.shape, np.float32),
        np.empty(width),
        np.empty(width + 2 * reach),
    )
    for row in range(length):
        for column in range(width):
            wide[reach + column] = plane[row, column]
        for k in range(1, reach + 1):
            wide[reach - k] = plane[row, _mirrored(-k, width)]
            wide[reach + width - 1 + k] = plane[row, _mirrored(width - 1 + k, width)]
        for column in range(width):
            line[column] = wide[reach + column] * taps[0]
        for k in range(1, reach + 1):
            low, high = wide[reach - k : reach - k + width], wide[reach + k : reach + k + width]
            for column in range(width):
                line[column] += (low[column] + high[column]) * taps[k]
        for column in range(width):
            out[row, column] = line[column]
    return out


@inner
def _mirrored(place: int, length: int) -> int:
    while place < 0 or place >= length:
        place = -1 - place if place < 0 else 2 * length - 1 - place
    return place


@inner
def _part(smooth: Plane[np.float32], seed: tuple[int, int]) -> tuple[int, float, float]:
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
