"""Local background: the HU each voxel would have without the deposit.

It is taken from an annulus (shell) of soft tissue beyond the deposit's rim. One tissue around:
the trimmed mean of the shell. Two (fat and muscle, say): a border is fitted
through the shell (logistic, quadratic in position) and continued through the deposit; each side
has its own level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.types import Plane, Vector, Volume

_LEAST_STEP_HU = 45.0
_LEAST_SHARE = 0.04
_FEWEST_VOXELS = 30
_MOST_VOXELS = 4000
_RIDGE = 1e-2
_ROUNDS = 15
_POWERS = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 0, 0], [0, 2, 0], [0, 0, 2], [1, 1, 0],
     [1, 0, 1], [0, 1, 1]]
)  # fmt: skip
"""Of z, y and x, in each term of a border."""

_EXP = 1.0 / np.cumprod([1.0, *range(1, 13)])[::-1]  # Taylor, up to half of ln 2: exact
_INTEGER = 1.5 * 2.0**52  # added to a double, it leaves the nearest whole number in its last bits


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """field : float32 (z, y, x), HU of each voxel without the deposit
    levels : HU of the tissues around, one or two
    sd : 1 SD of the shell's mean about `field`, where tissues do not meet
    uneven : 1 SD of what the tissue in the deposit's place may differ from the shell's mean, as
        the shell's octants differ from one another beyond their noise
    step : HU from one tissue to the other, 0 for one tissue
    scatter : SD of the shell about the model
    voxels : in the shell
    """

    field: NDArray[np.float32]
    levels: tuple[float, ...]
    sd: float
    uneven: float
    step: float
    scatter: float
    voxels: int


def background_of(
    hu: NDArray[np.float32],
    shell: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    noise_sd: float,
    correlated: float = 1.0,
) -> Background:
    """The background of one crop.

    hu : float32 (z, y, x)
    shell : bool, voxels of soft tissue around the deposit, beyond the reach of its blur and
        of other dense objects
    noise_sd : HU, to tell two tissues from noise
    correlated : how many voxels' noise varies as one
    """
    noise = noise_sd * float(np.sqrt(correlated))
    where, inside = np.argwhere(shell), hu[shell]
    if len(where) < _FEWEST_VOXELS:
        return _assumed(hu.shape)
    low, high, share = _otsu(inside)
    step = max(_LEAST_STEP_HU, 2.9 * noise_sd)
    if high - low > step and _LEAST_SHARE < share < 1 - _LEAST_SHARE:
        return _two(hu.shape, where, inside, spacing, (low, high), noise)
    return _one(hu.shape, where, inside, noise_sd, noise)


def _assumed(shape: tuple[int, ...]) -> Background:
    """Too little soft tissue is in sight: 40 HU, as likely fat as muscle."""
    return Background(np.full(shape, 40.0, np.float32), (), 50.0, 0.0, 0.0, 50.0, 0)


def _one(
    shape: tuple[int, ...],
    where: NDArray[np.int64],
    inside: NDArray[np.float32],
    noise_sd: float,
    noise: float,
) -> Background:
    keep = _kept(inside, noise_sd)
    where, inside = where[keep], inside[keep]
    level = float(inside.mean())
    sd, uneven = _sector_sd(where, inside - np.float32(level), noise)
    field = np.full(shape, level, np.float32)
    return Background(field, (level,), sd, uneven, 0.0, float(inside.std()), len(inside))


def _kept(values: NDArray[np.float32], noise_sd: float) -> NDArray[np.bool_]:
    """Within 3 robust SD of the median."""
    middle = np.median(values)
    spread = max(1.4826 * float(np.median(np.abs(values - middle))), 0.5 * noise_sd, 1.0)
    return np.asarray(np.abs(values - middle) <= 3.0 * spread)


def _two(
    shape: tuple[int, ...],
    where: NDArray[np.int64],
    inside: NDArray[np.float32],
    spacing: tuple[float, float, float],
    levels: tuple[float, float],
    noise: float,
) -> Background:
    centre, unit = _centred(where, spacing)
    low, step = np.float32(levels[0]), np.float32(levels[1] - levels[0])
    few = slice(None, None, max(1, len(where) // _MOST_VOXELS))
    at = np.ascontiguousarray(((where[few] - centre) * unit).T)
    target = np.clip((inside[few] - low) / step, np.float32(0), np.float32(1)).astype(np.float64)
    field: Volume[np.float32] = np.empty(shape, np.float32)
    residual = np.empty_like(inside)
    below, above = _continued(
        centre, unit, _logistic(at, target), read_only(where, np.int64), inside, residual, field
    )
    sd, uneven = _sector_sd(where, residual, noise)
    scatter = float(residual.std())
    return Background(field, (below, above), sd, uneven, above - below, scatter, len(where))


def _centred(
    where: NDArray[np.int64], spacing: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The middle of voxels, and along each axis one over how far from it the farthest lies."""
    centre = where.sum(axis=0) / len(where)
    farthest = np.abs(where - centre).max()
    return centre, np.array(spacing) / (farthest * max(spacing))


def _otsu(values: NDArray[np.float32]) -> tuple[float, float, float]:
    """Means of the two classes that Otsu's threshold makes, and the share of the upper.

    values : whole HU
    """
    whole = values.astype(np.int64)
    first = int(whole.min())
    counts = np.bincount(whole - first)
    total, size = float(whole.sum()), len(values)
    if len(counts) == 1:
        return total / size, total / size, 0.0
    below = np.cumsum(counts)[:-1]
    under = np.cumsum(counts * (first + np.arange(len(counts))))[:-1]
    low, high = under / below, (total - under) / (size - below)
    best = int((below * (size - below) * (high - low) ** 2).argmax())
    return float(low[best]), float(high[best]), float(1.0 - below[best] / size)


def _sector_sd(
    where: NDArray[np.int64], residual: NDArray[np.float32], noise: float
) -> tuple[float, float]:
    """1 SD of the shell's mean, from how the means of its eight octants differ; and 1 SD of
    how one more octant would differ from that mean by its tissue.

    The first catches noise, streaks and uneven tissue alike, however they are correlated. The
    deposit's own place is such another octant, less the noise that its sum has of its own.

    noise : HU, 1 SD of a mean times the square root of its voxels
    """
    octant = (where > where.sum(axis=0) / len(where)) @ np.array([4, 2, 1])
    count = np.bincount(octant, minlength=8)
    good = count >= 5
    if good.sum() < 3:
        return float(residual.std()), 0.0
    means = np.bincount(octant, residual, minlength=8)[good] / count[good]
    number = len(means)
    varies = float(means.var(ddof=1)) * (1.0 + 1.0 / number)
    by_noise = noise**2 * float(np.mean(1.0 / count[good]))
    sd = float(means.std() / np.sqrt(number - 1))
    return sd, float(np.sqrt(max(0.0, varies - by_noise)))


def _logistic(at: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ridge logistic regression by Newton's method; curvature is held back more than slope.

    at : z, y and x (3, n), those of a row one after the other
    """
    ridge = np.full(len(_POWERS), 0.1 * _RIDGE * len(target))
    ridge[0], ridge[1:4] = 1e-8 * len(target), 0.01 * _RIDGE * len(target)
    i, j, k = _POWERS.T
    # Of two terms of a border the product has the sum of their powers.
    both = _POWERS[:, None] + _POWERS
    weights, p = np.zeros(len(_POWERS)), np.empty(len(target))
    for _ in range(_ROUNDS):
        sums = _newton(at, target, weights, p).reshape(5, 5, 8)
        slope, curve = sums[i, j, 5 + k], sums[both[..., 0], both[..., 1], both[..., 2]]
        step = np.linalg.solve(curve + np.diag(ridge), slope - ridge * weights)
        weights += np.clip(step, -8.0, 8.0)
        if np.abs(step).max() < 1e-3:
            break
    return weights


@kernel
def _continued(
    centre: Vector[np.float64],
    unit: Vector[np.float64],
    weights: Vector[np.float64],
    where: Plane[np.int64],
    inside: Vector[np.float32],
    residual: Vector[np.float32],
    field: Volume[np.float32],
) -> tuple[float, float]:
    """The two levels; what the border between them leaves of the shell, and the field, are put
    where they are asked for."""
    _shares(centre, unit, weights, field)
    for n in range(len(where)):
        residual[n] = field[where[n, 0], where[n, 1], where[n, 2]]
    below, above = _levels(inside, residual)
    low, step = np.float32(below), np.float32(above - below)
    for n in range(len(where)):
        residual[n] = inside[n] - (low + step * residual[n])
    flat = field.reshape(-1)
    for v in range(flat.size):
        flat[v] = low + step * flat[v]
    return below, above


@inner
def _levels(inside: Vector[np.float32], share: Vector[np.float32]) -> tuple[float, float]:
    """Least squares of ``low (1 - p) + high p`` over the shell."""
    ll, lh, hh, by_low, by_high = 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(len(inside)):
        value, p = np.float64(inside[n]), np.float64(share[n])
        q = 1.0 - p
        ll, lh, hh = ll + q * q, lh + q * p, hh + p * p
        by_low, by_high = by_low + value * q, by_high + value * p
    apart = ll * hh - lh * lh
    if apart <= 1e-9 * ll * hh:  # one share everywhere: nothing tells two levels apart
        mean = (by_low + by_high) / max(len(inside), 1)
        return mean, mean
    return (hh * by_low - lh * by_high) / apart, (ll * by_high - lh * by_low) / apart


@inner
def _border(at: Plane[np.float64], w: Vector[np.float64], p: Vector[np.float64]) -> None:
    """The share of the denser tissue at z, y and x (3, n)."""
    for n in range(p.size):
        z, y, x = at[0, n], at[1, n], at[2, n]
        flat = w[0] + w[1] * z + w[2] * y + w[3] * x
        bent = w[4] * z * z + w[5] * y * y + w[6] * x * x
        p[n] = flat + bent + w[7] * z * y + w[8] * z * x + w[9] * y * x
    _probability(p)


@kernel
def _newton(
    at: Plane[np.float64],
    target: Vector[np.float64],
    weights: Vector[np.float64],
    p: Vector[np.float64],
) -> Vector[np.float64]:
    """What gradient and curvature of the fit are made of; `p`, to work in, is the border's.

    Both are sums of powers of z, y and x, taken over each row, folded into its slice's and
    these into the whole: place ``(i, j, k)`` of (5, 5, 8) has z^i y^j x^k, see `_add_up`.
    """
    _border(at, weights, p)
    row, plane, whole = np.zeros(8), np.zeros(40), np.zeros(200)
    begin = 0
    while begin < p.size:
        end, z, y = begin, at[0, begin], at[1, begin]
        while end < p.size and at[0, end] == z and at[1, end] == y:
            end += 1
        _add_up(at[2, begin:end], target[begin:end], p[begin:end], row)
        _fold(row, y, plane)
        if end == p.size or at[0, end] != z:
            _fold(plane, z, whole)
            for n in range(plane.size):
                plane[n] = 0.0
        begin = end
    return whole


@inner
def _add_up(
    x: Vector[np.float64],
    target: Vector[np.float64],
    p: Vector[np.float64],
    row: Vector[np.float64],
) -> None:
    """Over a row: p (1 - p) times 1, x ... x^4, and what is missing times 1, x and x^2."""
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(x.size):
        spread, off, square = max(p[n] * (1 - p[n]), 1e-4), target[n] - p[n], x[n] * x[n]
        a, b, c = a + spread, b + spread * x[n], c + spread * square
        d, e = d + spread * square * x[n], e + spread * square * square
        f, g, h = f + off, g + off * x[n], h + off * square
    row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7] = a, b, c, d, e, f, g, h


@inner
def _fold(part: Vector[np.float64], base: float, into: Vector[np.float64]) -> None:
    """Add a part times 1, base, base^2 ... to the parts of what it is folded into."""
    scale = 1.0
    for power in range(into.size // part.size):
        for n in range(part.size):
            into[power * part.size + n] += scale * part[n]
        scale *= base


@inner
def _shares(
    centre: Vector[np.float64],
    unit: Vector[np.float64],
    weights: Vector[np.float64],
    out: Volume[np.float32],
) -> None:
    """The share of the denser tissue in every voxel of a crop."""
    depth, height, width = out.shape
    at, plane = np.empty((3, height * width)), np.empty(height * width)
    for v in range(height * width):
        at[1, v] = (v // width - centre[1]) * unit[1]
        at[2, v] = (v % width - centre[2]) * unit[2]
    for z in range(depth):
        for v in range(height * width):
            at[0, v] = (z - centre[0]) * unit[0]
        _border(at, weights, plane)
        for y in range(height):
            for x in range(width):
                out[z, y, x] = plane[y * width + x]


@inner
def _probability(level: Vector[np.float64]) -> None:
    """``1 / (1 + exp(-level))`` in place; levels beyond +-30 count as that.

    With an exponential of its own, right to 1e-15, of which the compiler makes vectors.
    """
    size = level.size
    whole, rest, part = np.empty(size), np.empty(size), np.zeros(size)
    for n in range(level.size):
        power = min(max(-level[n], -30.0), 30.0)
        whole[n] = power * (1.0 / np.log(2.0)) + _INTEGER
        rest[n] = power - (whole[n] - _INTEGER) * np.log(2.0)
    for k in range(_EXP.size):
        term = _EXP[k]
        for n in range(level.size):
            part[n] = part[n] * rest[n] + term
    bits, shift = part.view(np.int64), whole.view(np.int64)
    for n in range(level.size):
        bits[n] += shift[n] << 52
    for n in range(level.size):
        level[n] = 1.0 / (1.0 + part[n])
