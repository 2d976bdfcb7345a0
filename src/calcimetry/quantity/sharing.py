"""Whose signal is it where a deposit meets bone or another dense object?

Both are sharpened together (Richardson-Lucy, each only inside its own mask), then blurred
apart again: a voxel's excess is shared in proportion to what each blurred object puts there.
Spill-in from bone is thereby left out and spill-out into bone taken back, and the shares of
touching objects add up to the whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.runs._jit import kernel

Sigma = tuple[float, float, float]
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
    sharp = sharpened(excess, own | other, sigma)
    whole = blurred(sharp, sigma)
    part = blurred(np.where(own, sharp, np.float32(0)), sigma)
    return np.asarray(part / np.maximum(whole, 1e-3), np.float32)


def sharpened(
    excess: NDArray[np.float32], support: NDArray[np.bool_], sigma: Sigma, rounds: int = _ROUNDS
) -> NDArray[np.float32]:
    """Richardson-Lucy estimate of the excess before blur, zero outside the support."""
    estimate = np.zeros(excess.shape, np.float32)
    box = _reached(support, sigma)
    if box is None:
        return estimate
    # What lies further from the support than the blur reaches has no part in it.
    observed = np.ascontiguousarray(excess[box], np.float32)
    inside = np.ascontiguousarray(support[box])
    estimate[box] = _sharpen(observed, inside, _taps(sigma), rounds)
    return estimate


def blurred(volume: NDArray[np.float32], sigma: Sigma) -> NDArray[np.float32]:
    """Through a Gaussian point spread of SD `sigma` voxels; nothing lies beyond the crop.

    The kernel is cut off at 3 SD and sums to 1, as in scipy.ndimage.gaussian_filter.
    """
    out = np.zeros(volume.shape, np.float32)
    box = _reached(volume != 0, sigma)
    if box is not None:
        part = np.ascontiguousarray(volume[box], np.float32)
        work = np.empty_like(part), np.empty_like(part)
        _blur(part, _taps(sigma), *work)
        out[box] = work[0]
    return out


def _taps(sigma: Sigma) -> tuple[NDArray[np.float32], ...]:
    """For each axis the kernel's weights from the middle outwards."""
    return tuple(_kernel_of(sd) for sd in sigma)


def _kernel_of(sd: float) -> NDArray[np.float32]:
    reach = int(_CUT * sd + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sd, 1e-12)) ** 2)
    return np.asarray(weights[reach:] / weights.sum(), np.float32)


def _reached(mask: NDArray[np.bool_], sigma: Sigma) -> tuple[slice, ...] | None:
    """The box that holds all that is set and the blur around it; None where nothing is set."""
    box = []
    for axis, sd in enumerate(sigma):
        held = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if not len(held):
            return None
        reach = int(_CUT * sd + 0.5)
        low, high = int(held[0]) - reach, int(held[-1]) + reach + 1
        box.append(slice(max(0, low), min(mask.shape[axis], high)))
    return tuple(box)


@kernel
def _sharpen(observed: Any, support: Any, taps: Any, rounds: Any) -> Any:
    one, nothing = np.float32(1), np.float32(0)
    estimate = np.zeros(observed.shape, np.float32)
    seen, ratio, work = np.empty_like(estimate), np.empty_like(estimate), np.empty_like(estimate)
    flat, before, after = estimate.ravel(), seen.ravel(), ratio.ravel()
    level, held = observed.ravel(), support.ravel()
    for v in range(level.size):
        if held[v]:
            flat[v] = max(level[v], one)
    for _ in range(rounds):
        _blur(estimate, taps, seen, work)
        for v in range(level.size):
            after[v] = max(level[v], nothing) / max(before[v], one)
        _blur(ratio, taps, seen, work)
        for v in range(level.size):
            flat[v] *= before[v]
    return estimate


@kernel
def _blur(volume: Any, taps: Any, out: Any, work: Any) -> None:
    """Along z, y and x in turn: the result in `out`; `work` is of the same shape."""
    depth, height, width = volume.shape
    along_z, along_y, along_x = taps
    # Slices and rows are lines of a flat volume: one step in z is a line of height x width.
    _across(volume.reshape(1, depth, height * width), along_z, out.reshape(1, depth, -1))
    _across(out, along_y, work)
    reach = len(along_x) - 1
    line = np.zeros(width + 2 * reach, np.float32)
    for z in range(depth):
        for y in range(height):
            line[reach : reach + width] = work[z, y]
            into = out[z, y]
            for x in range(width):
                into[x] = line[x + reach] * along_x[0]
            for k in range(1, reach + 1):
                weight = along_x[k]
                for x in range(width):
                    into[x] += (line[x + reach - k] + line[x + reach + k]) * weight


@kernel
def _across(volume: Any, taps: Any, out: Any) -> None:
    """Along the middle axis of three."""
    for z in range(volume.shape[0]):
        for y in range(volume.shape[1]):
            _weigh(volume[z, y], taps[0], out[z, y])
            for k in range(1, len(taps)):
                if y - k >= 0:
                    _add(volume[z, y - k], taps[k], out[z, y])
                if y + k < volume.shape[1]:
                    _add(volume[z, y + k], taps[k], out[z, y])


@kernel
def _weigh(line: Any, weight: Any, out: Any) -> None:
    for x in range(line.size):
        out[x] = line[x] * weight


@kernel
def _add(line: Any, weight: Any, out: Any) -> None:
    for x in range(line.size):
        out[x] += line[x] * weight
