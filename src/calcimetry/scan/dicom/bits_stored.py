"""Stored values against the depth that their header declares (BitsStored).

Three things are found above the declared bits: overlays of old files (PS3.5 8.1.1, retired),
the rest of values that are larger than the header says (metal, or a tool that forgot the
header), and bits that mean nothing. Masking them turns 4200 HU into 104 without a word;
leaving them turns overlays into metal. The image itself tells: tissue is smooth.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_OVERLAID = 12
"""Overlays were put above 12-bit values and more; below, CT values do not fit anyway."""
MUCH = 8.0
"""An overlay's edge is a step of 4096 or more where the tissue under it goes on within some
tens of HU, or some hundred at edges: the ratio is 20 and more. Values that climb past the
declared depth would have to rise by 3600 HU in one pixel."""
SMOOTH = 500.0
"""Mean step under an overlay's edge at most, in stored values: what lies there is tissue."""
SIGNLESS = 0.25
"""Share of a signed image that must lie below zero, for air alone makes up as much; values
beyond the largest are bone and metal, some hundredths."""


class Depth(Enum):
    """How a slice's values keep to their declared depth, and how they were read.

    KEPT : they do
    MASKED : bits above it are no part of the values, and were left out
    BEYOND : the values are larger, and were read whole
    UNKNOWN : it cannot be told
    """

    KEPT = "kept"
    MASKED = "masked"
    BEYOND = "beyond"
    UNKNOWN = "unknown"


def limits(bits: int, signed: bool) -> tuple[int, int]:
    """The least and the largest value of so many bits."""
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def within_depth(
    plane: NDArray[Any], bits: int, signed: bool, padding: NDArray[np.bool_] | None
) -> tuple[NDArray[Any], Depth]:
    """The values of a plane, and how they were read.

    plane : (rows, columns), stored values
    padding : pixels that do not count, whatever they hold
    """
    spare = plane.dtype.itemsize * 8 - bits
    if spare <= 0:
        return plane, Depth.KEPT
    low, high = limits(bits, signed)
    if plane.max() <= high and (plane.dtype.kind == "u" or plane.min() >= low):
        return plane, Depth.KEPT
    outside = (plane < low) | (plane > high)
    counted = np.ones(plane.shape, bool) if padding is None else ~padding
    if not (outside & counted).any():
        return plane, Depth.KEPT
    native = plane.astype(plane.dtype.newbyteorder("="))
    masked = (native << spare) >> spare
    depth = _reading(native, masked, outside, counted, bits)
    return (masked if depth is Depth.MASKED else native), depth


def _reading(
    whole: NDArray[Any],
    masked: NDArray[Any],
    outside: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    bits: int,
) -> Depth:
    """How the bits above the declared depth are to be read: without them where that leaves the
    tissue at their edges smooth, whole where that is smoother, else it cannot be told."""
    if bits < LEAST_OVERLAID:
        return Depth.UNKNOWN
    above = (whole >> bits)[counted]
    # The same bits in every pixel tell nothing. None at all in a signed image: either its
    # negative values lack the bits above their sign, or its values are larger than stated.
    same = above.min() == above.max()
    if same and (above.min() != 0 or outside[counted].mean() > SIGNLESS):
        return Depth.MASKED
    as_whole, as_masked = (_roughness(v, outside, counted) for v in (whole, masked))
    if as_masked <= SMOOTH and as_whole >= MUCH * as_masked and as_whole > 0:
        return Depth.MASKED
    return Depth.BEYOND if as_whole <= as_masked else Depth.UNKNOWN


def _roughness(
    values: NDArray[Any], outside: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> float:
    """Mean step between neighbouring pixels, just one of which is beyond the depth."""
    found = []
    for turn in (False, True):
        v, out, ok = (a.T if turn else a for a in (values, outside, counted))
        steps = np.abs(np.diff(v.astype(np.float64), axis=1))
        found.append(steps[(out[:, 1:] ^ out[:, :-1]) & ok[:, 1:] & ok[:, :-1]])
    edge = np.concatenate(found)
    return float(edge.mean()) if len(edge) else 0.0
