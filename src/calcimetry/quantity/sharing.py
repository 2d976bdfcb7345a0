"""Whose signal is it where a deposit meets bone or another dense object?

Both are sharpened together (Richardson-Lucy, each only inside its own mask), then blurred
apart again: a voxel's excess is shared in proportion to what each blurred object puts there.
Spill-in from bone is thereby left out and spill-out into bone taken back, and the shares of
touching objects add up to the whole.

A crop is laid out as one line of numbers, with zeros between rows, between slices and at both
ends, as many as the blur reaches: a step along any axis is then a shift of the line. Few rows
hold anything of the masks; blur is worked out in those that it can reach, and no others.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import kernel, read_only
from calcimetry.kernels.types import Plane, Vector, Volume

Sigma = tuple[float, float, float]
Line = Vector[np.float32]
Lines = tuple[Line, Line, Line]
"""One for each axis (z, y, x): the weights of a blur, or what it leaves behind on its way."""
Rows = tuple[Plane[np.int64], Plane[np.int64], Plane[np.int64]]
"""Begin and end (n, 2) on the line of the rows that blur along x, y and z works in."""
Layout = tuple[int, int, int]
"""Steps along the line for one slice and one row, and the zeros before the first voxel."""

_ROUNDS = 8
_CUT = 3.0  # SD at which the point spread ends


def shares(
    excess: NDArray[np.float32],
    own: NDArray[np.bool_],
    other: NDArray[np.bool_],
    sigma: Sigma,
) -> NDArray[np.float32]:
    """The deposit's share of each voxel's excess, 0-1.

    excess : float32 (z, y, x), HU over background
    own, other : bool, masks that do not overlap
    sigma : point spread, in voxels
    """
    masks = read_only(own, np.bool_), read_only(other, np.bool_)
    return _shares(read_only(excess, np.float32), *masks, _taps(sigma), _ROUNDS)


def spread(
    excess: NDArray[np.float32], own: NDArray[np.bool_], sigma: Sigma
) -> NDArray[np.float32]:
    """What the deposit alone puts where: its excess sharpened inside its mask, and blurred."""
    mask = read_only(own, np.bool_)
    return _spread(read_only(excess, np.float32), mask, _taps(sigma), _ROUNDS)


@cache
def _taps(sigma: Sigma) -> Lines:
    """For each axis the kernel's weights from the middle outwards, at least two of them."""
    z, y, x = (_kernel_of(sd) for sd in sigma)
    return z, y, x


def _kernel_of(sd: float) -> NDArray[np.float32]:
    reach = int(_CUT * sd + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sd, 1e-12)) ** 2)
    half = weights[reach:] / weights.sum()
    return read_only(np.pad(half, (0, int(len(half) == 1))), np.float32)


@kernel
def _shares(
    excess: Volume[np.float32],
    own: Volume[np.bool_],
    other: Volume[np.bool_],
    taps: Lines,
    rounds: int,
) -> Volume[np.float32]:
    layout, support = _layout(excess.shape, taps), own | other
    rows = _rows(support, taps, layout)
    sharp, whole, mine, work = _lines(excess.shape, layout)
    _sharpen(excess, support, taps, layout, rows, rounds, (sharp, whole, mine, work))
    _outwards(sharp, taps, layout, rows, work)
    whole[:] = work[2]
    _set_out(own, layout, mine)
    mine *= sharp
    _outwards(mine, taps, layout, rows, work)
    part = work[2]
    for v in range(part.size):
        part[v] /= max(whole[v], np.float32(1e-3))
    return _taken_back(part, layout, excess.shape)


@kernel
def _spread(
    excess: Volume[np.float32],
    own: Volume[np.bool_],
    taps: Lines,
    rounds: int,
) -> Volume[np.float32]:
    layout = _layout(excess.shape, taps)
    rows = _rows(own, taps, layout)
    lines = _lines(excess.shape, layout)
    _sharpen(excess, own, taps, layout, rows, rounds, lines)
    _outwards(lines[0], taps, layout, rows, lines[3])
    return _taken_back(lines[3][2], layout, excess.shape)


@kernel
def _sharpen(
    excess: Volume[np.float32],
    support: Volume[np.bool_],
    taps: Lines,
    layout: Layout,
    rows: Rows,
    rounds: int,
    lines: tuple[Line, Line, Line, Lines],
) -> None:
    """Richardson-Lucy estimate of the excess before blur, into the first line; 0 outside the
    support. The other lines are worked in: none is set but in the rows."""
    nothing, one = np.float32(0), np.float32(1)
    estimate, level, ratio, work = lines
    _set_out(excess, layout, level)
    _set_out(support, layout, estimate)
    for v in range(level.size):
        estimate[v] *= max(level[v], one)
        level[v] = max(level[v], nothing)
    seen = work[2]
    for _ in range(rounds):
        _outwards(estimate, taps, layout, rows, work)
        for begin, end in rows[2]:
            _over(level[begin:end], seen[begin:end], ratio[begin:end])
        _inwards(ratio, taps, layout, rows, work)
        for begin, end in rows[0]:
            estimate[begin:end] *= seen[begin:end]


@kernel
def _over(level: Line, seen: Line, ratio: Line) -> None:
    for v in range(ratio.size):
        ratio[v] = level[v] / max(seen[v], np.float32(1))


@kernel
def _outwards(
    line: Line,
    taps: Lines,
    layout: Layout,
    rows: Rows,
    work: Lines,
) -> None:
    """Blur of what lies in the rows of the masks, in all that it reaches: into `work[2]`."""
    plane, row, _ = layout
    _along(line, 1, taps[2], rows[0], work[0])
    _along(work[0], row, taps[1], rows[1], work[1])
    _along(work[1], plane, taps[0], rows[2], work[2])


@kernel
def _inwards(
    line: Line,
    taps: Lines,
    layout: Layout,
    rows: Rows,
    work: Lines,
) -> None:
    """Blur of what lies around the masks, in the rows of the masks: into `work[2]`."""
    plane, row, _ = layout
    _along(line, plane, taps[0], rows[1], work[1])
    _along(work[1], row, taps[1], rows[0], work[0])
    _along(work[0], 1, taps[2], rows[0], work[2])


@kernel
def _along(
    line: Line,
    step: int,
    taps: Line,
    rows: Plane[np.int64],
    out: Line,
) -> None:
    """Blur along one axis; two taps at a time on either side, the first with the middle.

    Three taps, which most scans have, are taken in one go.
    """
    for begin, end in rows:
        into, middle = out[begin:end], line[begin:end]
        near = line[begin - step : end - step], line[begin + step : end + step]
        by = 2 * step
        if len(taps) == 3:
            far = line[begin - by : end - by], line[begin + by : end + by]
            _three_taps(middle, near, far, taps, into)
            continue
        _first(middle, near, taps[0], taps[1], into)
        for k in range(2, len(taps), 2):
            by, on = k * step, (k + 1) * step
            near = line[begin - by : end - by], line[begin + by : end + by]
            if k + 1 == len(taps):
                _add_one(near, taps[k], into)
                continue
            far = line[begin - on : end - on], line[begin + on : end + on]
            _add(near, far, taps[k], taps[k + 1], into)


@kernel
def _three_taps(
    middle: Line,
    near: tuple[Line, Line],
    far: tuple[Line, Line],
    taps: Line,
    out: Line,
) -> None:
    (a, b), (c, d) = near, far
    weight, beside, further = taps[0], taps[1], taps[2]
    for v in range(out.size):
        out[v] = middle[v] * weight + (a[v] + b[v]) * beside + (c[v] + d[v]) * further


@kernel
def _first(
    middle: Line,
    near: tuple[Line, Line],
    weight: float,
    beside: float,
    out: Line,
) -> None:
    a, b = near
    for v in range(out.size):
        out[v] = middle[v] * weight + (a[v] + b[v]) * beside


@kernel
def _add(
    near: tuple[Line, Line],
    far: tuple[Line, Line],
    weight: float,
    further: float,
    out: Line,
) -> None:
    (a, b), (c, d) = near, far
    for v in range(out.size):
        out[v] += (a[v] + b[v]) * weight + (c[v] + d[v]) * further


@kernel
def _add_one(near: tuple[Line, Line], weight: float, out: Line) -> None:
    a, b = near
    for v in range(out.size):
        out[v] += (a[v] + b[v]) * weight


@kernel
def _layout(
    shape: tuple[int, int, int],
    taps: Lines,
) -> tuple[int, int, int]:
    """Steps along the line for one slice and one row, and the zeros before the first voxel."""
    row = shape[2] + len(taps[2]) - 1
    plane = row * (shape[1] + len(taps[1]) - 1)
    ahead = max((len(taps[0]) - 1) * plane, (len(taps[1]) - 1) * row, len(taps[2]) - 1)
    return plane, row, ahead


@kernel
def _rows(
    mask: Volume[np.bool_],
    taps: Lines,
    layout: Layout,
) -> Rows:
    """Where on the line the rows lie that hold some of the mask, those that blur along y
    reaches from them, and those that it reaches along z from these: each (n, 2)."""
    held = np.zeros(mask.shape[:2], np.bool_)
    for z in range(mask.shape[0]):
        for y in range(mask.shape[1]):
            held[z, y] = mask[z, y].any()
    beside = _grown(held.T, len(taps[1]) - 1).T
    reached = _grown(beside, len(taps[0]) - 1)
    width = mask.shape[2]
    return (
        _stretches(held, layout, width),
        _stretches(beside, layout, width),
        _stretches(reached, layout, width),
    )


@kernel
def _grown(held: Plane[np.bool_], reach: int) -> Plane[np.bool_]:
    """Grown along the first axis."""
    grown = np.zeros(held.shape, np.bool_)
    for n in range(len(held)):
        for near in range(max(0, n - reach), min(len(held), n + reach + 1)):
            grown[n] |= held[near]
    return grown


@kernel
def _stretches(rows: Plane[np.bool_], layout: Layout, width: int) -> Plane[np.int64]:
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


@kernel
def _lines(shape: tuple[int, int, int], layout: Layout) -> tuple[Line, Line, Line, Lines]:
    """Three lines, and three for `_outwards` and `_inwards`, with nothing on them."""
    plane, _, ahead = layout
    lines = np.zeros((6, shape[0] * plane + 2 * ahead), np.float32)
    return lines[0], lines[1], lines[2], (lines[3], lines[4], lines[5])


@kernel
def _set_out(
    volume: Volume[np.float32] | Volume[np.bool_],
    layout: Layout,
    line: Line,
) -> None:
    plane, row, ahead = layout
    for z in range(volume.shape[0]):
        for y in range(volume.shape[1]):
            begin = ahead + z * plane + y * row
            _copy(volume[z, y], line[begin : begin + volume.shape[2]])


@kernel
def _copy(values: Line | Vector[np.bool_], out: Line) -> None:
    for x in range(out.size):
        out[x] = values[x]


@kernel
def _taken_back(line: Line, layout: Layout, shape: tuple[int, int, int]) -> Volume[np.float32]:
    plane, row, ahead = layout
    volume = np.empty(shape, np.float32)
    for z in range(shape[0]):
        for y in range(shape[1]):
            begin = ahead + z * plane + y * row
            _copy(line[begin : begin + shape[2]], volume[z, y])
    return volume
