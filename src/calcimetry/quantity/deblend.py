"""Deblending: whose signal is it where a deposit meets bone or another dense object?

The blurred signal of touching objects is partitioned by Richardson-Lucy deconvolution
(Richardson 1972, doi 10.1364/JOSA.62.000055; Lucy 1974, doi 10.1086/111605) confined to their
masks, a region-based partial-volume correction. All are deconvolved together, each object is
then blurred by itself, and a voxel's excess is divided in proportion to what each puts there.
Spill-in from bone is thereby left out and spill-out into bone taken back, and the weights of
touching objects add up to one.

A crop is laid out as one line of numbers (`kernels.lines`). Few rows hold anything of the masks;
blur is worked out in those that it can reach, and no others.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.blur import gaussian_taps
from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.lines import Layout, Line, empty_line, from_line, layout_of, to_line
from calcimetry.kernels.types import ONE, ZERO, Plane, Real, Volume

Sigma = tuple[float, float, float]
Lines = tuple[Line, Line, Line]
"""One for each axis (z, y, x): the weights of a blur, or what it leaves behind on its way."""
Rows = tuple[Plane[np.int64], Plane[np.int64], Plane[np.int64]]
"""Begin and end (n, 2) on the line of the rows that blur along x, y and z works in."""

_ROUNDS = 8
_CUT = 3.0  # SD at which the point spread ends


def deblend_weights(
    excess: NDArray[np.float32],
    own: NDArray[np.bool_],
    other: NDArray[np.bool_],
    sigma: Sigma,
) -> NDArray[np.float32]:
    """The deposit's weight in each voxel, 0-1: its share of the voxel's excess.

    excess : float32 (z, y, x), HU over background
    own, other : bool, masks that do not overlap
    sigma : point spread, in voxels
    """
    whole, part = _deblend(*_floats(excess, own | other, own), _taps(sigma), _ROUNDS)
    return np.asarray(part / np.maximum(whole, np.float32(1e-3)), np.float32)


def reblurred(
    excess: NDArray[np.float32], own: NDArray[np.bool_], sigma: Sigma
) -> NDArray[np.float32]:
    """The deposit's own signal: its excess deconvolved inside its mask, and blurred again."""
    lone, _ = _deblend(*_floats(excess, own, own), _taps(sigma), _ROUNDS)
    return lone


def _floats(
    excess: NDArray[np.float32], support: NDArray[np.bool_], own: NDArray[np.bool_]
) -> tuple[Volume[np.float32], Volume[np.float32], Volume[np.float32]]:
    """As the kernel takes them: it is compiled once for volumes and masks alike."""
    kind = np.float32
    return read_only(excess, kind), read_only(support, kind), read_only(own, kind)


@cache
def _taps(sigma: Sigma) -> Lines:
    """For each axis the kernel's weights from the middle outwards, at least two of them."""
    z, y, x = (_kernel_of(sd) for sd in sigma)
    return z, y, x


def _kernel_of(sd: float) -> NDArray[np.float32]:
    half = gaussian_taps(sd, _CUT)
    return read_only(np.pad(half, (0, int(len(half) == 1))), np.float32)


@kernel
def _deblend(
    excess: Volume[np.float32],
    support: Volume[np.float32],
    own: Volume[np.float32],
    taps: Lines,
    rounds: int,
) -> tuple[Volume[np.float32], Volume[np.float32]]:
    """What the excess comes to that is sharpened within `support` and blurred again; and of
    that, what comes from `own`. Masks hold 0 and 1."""
    shape = excess.shape
    layout = layout_of(shape, (len(taps[0]) - 1, len(taps[1]) - 1, len(taps[2]) - 1))
    rows = _rows(support, taps, layout)
    deep = shape[0]
    lines = (empty_line(deep, layout), empty_line(deep, layout), empty_line(deep, layout))
    work = (empty_line(deep, layout), empty_line(deep, layout), empty_line(deep, layout))
    _sharpen(excess, support, taps, layout, rows, rounds, lines, work)
    sharp, level, _ = lines
    _outwards(sharp, taps, layout, rows, work)
    whole = from_line(work[2], layout, shape)
    to_line(own, layout, level)
    _times(sharp, level)
    _outwards(level, taps, layout, rows, work)
    return whole, from_line(work[2], layout, shape)


@inner
def _sharpen(
    excess: Volume[np.float32],
    support: Volume[np.float32],
    taps: Lines,
    layout: Layout,
    rows: Rows,
    rounds: int,
    lines: Lines,
    work: Lines,
) -> None:
    """Richardson-Lucy estimate of the excess before blur, into the first line; 0 outside the
    support. The other lines are worked in: none is set but in the rows."""
    nothing, one = np.float32(0), np.float32(1)
    estimate, level, ratio = lines
    to_line(excess, layout, level)
    to_line(support, layout, estimate)
    for v in range(level.size):
        estimate[v] *= max(level[v], one)
        level[v] = max(level[v], nothing)
    seen = work[2]
    for _ in range(rounds):
        _outwards(estimate, taps, layout, rows, work)
        for n in range(len(rows[2])):
            begin, end = rows[2][n, 0], rows[2][n, 1]
            _over(level[begin:end], seen[begin:end], ratio[begin:end])
        _inwards(ratio, taps, layout, rows, work)
        for n in range(len(rows[0])):
            begin, end = rows[0][n, 0], rows[0][n, 1]
            _times(seen[begin:end], estimate[begin:end])


@inner
def _over(level: Line, seen: Line, ratio: Line) -> None:
    for v in range(ratio.size):
        ratio[v] = level[v] / max(seen[v], np.float32(1))


@inner
def _times(factor: Line, estimate: Line) -> None:
    for v in range(estimate.size):
        estimate[v] *= factor[v]


@inner
def _outwards(line: Line, taps: Lines, layout: Layout, rows: Rows, work: Lines) -> None:
    """Blur of what lies in the rows of the masks, in all that it reaches: into `work[2]`."""
    plane, row, _ = layout
    _along(line, ONE, taps[2], rows[0], work[0])
    _along(work[0], row, taps[1], rows[1], work[1])
    _along(work[1], plane, taps[0], rows[2], work[2])


@inner
def _inwards(line: Line, taps: Lines, layout: Layout, rows: Rows, work: Lines) -> None:
    """Blur of what lies around the masks, in the rows of the masks: into `work[2]`."""
    plane, row, _ = layout
    _along(line, plane, taps[0], rows[1], work[1])
    _along(work[1], row, taps[1], rows[0], work[0])
    _along(work[0], ONE, taps[2], rows[0], work[2])


@inner
def _along(line: Line, step: int, taps: Line, rows: Plane[np.int64], out: Line) -> None:
    """Blur along one axis; two taps at a time on either side, the first with the middle.

    Three taps, which most scans have, are taken in one go.
    """
    for n in range(len(rows)):
        begin, end = rows[n, 0], rows[n, 1]
        into, middle = out[begin:end], line[begin:end]
        a, b = line[begin - step : end - step], line[begin + step : end + step]
        if len(taps) == 3:
            by = 2 * step
            c, d = line[begin - by : end - by], line[begin + by : end + by]
            _three_taps(middle, a, b, c, d, taps, into)
            continue
        _first(middle, a, b, taps[0], taps[1], into)
        for k in range(2, len(taps), 2):
            by, on = k * step, (k + 1) * step
            a, b = line[begin - by : end - by], line[begin + by : end + by]
            if k + 1 == len(taps):
                _add_one(a, b, taps[k], into)
                continue
            c, d = line[begin - on : end - on], line[begin + on : end + on]
            _add(a, b, c, d, taps[k], taps[k + 1], into)


@inner
def _three_taps(middle: Line, a: Line, b: Line, c: Line, d: Line, taps: Line, out: Line) -> None:
    weight, beside, further = taps[0], taps[1], taps[2]
    for v in range(out.size):
        out[v] = middle[v] * weight + (a[v] + b[v]) * beside + (c[v] + d[v]) * further


@inner
def _first(middle: Line, a: Line, b: Line, weight: Real, beside: Real, out: Line) -> None:
    for v in range(out.size):
        out[v] = middle[v] * weight + (a[v] + b[v]) * beside


@inner
def _add(a: Line, b: Line, c: Line, d: Line, weight: Real, further: Real, out: Line) -> None:
    for v in range(out.size):
        out[v] += (a[v] + b[v]) * weight + (c[v] + d[v]) * further


@inner
def _add_one(a: Line, b: Line, weight: Real, out: Line) -> None:
    for v in range(out.size):
        out[v] += (a[v] + b[v]) * weight


@inner
def _rows(mask: Volume[np.float32], taps: Lines, layout: Layout) -> Rows:
    """Where on the line the rows lie that hold some of the mask, those that blur along y
    reaches from them, and those that it reaches along z from these: each (n, 2)."""
    depth, height, width = mask.shape
    held = np.zeros((depth, height), np.uint8)
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                if mask[z, y, x] != 0:
                    held[z, y] = 1
                    break
    beside = _grown(held, ZERO, len(taps[1]) - 1)
    reached = _grown(beside, len(taps[0]) - 1, ZERO)
    return (
        _stretches(held, layout, width),
        _stretches(beside, layout, width),
        _stretches(reached, layout, width),
    )


@inner
def _grown(held: Plane[np.uint8], up: int, across: int) -> Plane[np.uint8]:
    """Grown along z and y by so many rows."""
    depth, height = held.shape
    grown = np.zeros((depth, height), np.uint8)
    for z in range(depth):
        for y in range(height):
            if held[z, y]:
                for k in range(max(0, z - up), min(depth, z + up + 1)):
                    for j in range(max(0, y - across), min(height, y + across + 1)):
                        grown[k, j] = 1
    return grown


@inner
def _stretches(rows: Plane[np.uint8], layout: Layout, width: int) -> Plane[np.int64]:
    """Begin and end on the line of rows that are set; such as follow each other are one."""
    plane, row, ahead = layout
    found = np.empty((rows.size, 2), np.int64)
    count = 0
    for z in range(rows.shape[0]):
        for y in range(rows.shape[1]):
            if not rows[z, y]:
                continue
            begin = ahead + z * plane + y * row
            if y == 0 or not rows[z, y - 1]:
                found[count, 0] = begin
                count += 1
            found[count - 1, 1] = begin + width
    return found[:count]
