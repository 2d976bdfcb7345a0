"""How well a histogram is explained as a CT of a body, under straight lines from values to HU.

CT numbers of a body are a mixture that is known beforehand: air at -1000, lung, fat at -105,
water and soft tissue at 0 to 80, contrast and bone above, and partial volume between. What is
free are the shares. For a line ``value = slope * HU + offset`` the shares that explain the
histogram best are found by expectation maximisation (Dempster 1977,
doi:10.1111/j.2517-6161.1977.tb01600.x), and the mean log likelihood tells lines apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_WIDTH = 20.0  # HU of a bin; the narrowest mode is as wide
_EDGES = np.arange(-3500.0, 5500.0 + _WIDTH, _WIDTH)
_MIDDLES = (_EDGES[:-1] + _EDGES[1:]) / 2
_ROUNDS = 15
# Counts are raised to this power: a finger in much air is then heard beside the air, and the
# few thousand voxels of a rare tissue do not outweigh what the scan is made of.
_POWER = 0.8
_OUTSIDE = -12.0  # log likelihood of a value that no tissue, bone or metal has

LINES: tuple[tuple[float, float], ...] = (
    (1, 0),
    *((1, b) for b in (1024, 1000, 2048, 2000, 3024, 8192, 32768, -1024, -1000, -2048)),
    *((a, 0) for a in (10, 0.1, 2, 0.5, 4, 0.25, 1.4)),
    *((a, 1010 * a) for a in (0.1, 0.25, 0.35, 0.5, 0.7, 1.4, 2, 3, 5, 8, 12, 16)),
)
"""Slope and offset of the lines tried: HU as they are first, then intercepts lost or taken
twice, slopes lost or wrong, and values stretched from the lowest at 0."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One line's fit.

    gain : mean log likelihood above that of the values as HU, nats
    air : share of the values that are air, or lung (and foam, straw: what mattresses are of)
    tissue : share in the narrow modes of fat and soft tissue
    """

    slope: float
    offset: float
    gain: float
    air: float
    tissue: float


@lru_cache(maxsize=1)
def _mixture() -> Floats:
    """Components (n, bins), each of sum 1: those of air, of tissue, and the broad ones."""
    air = [_bell(m, s) for m in (-1000, -975) for s in (12, 25, 70)]
    tissue = [_bell(-105, s) for s in (8, 25, 60)]
    tissue += [_bell(m, s) for m in (5, 40, 70) for s in (8, 20, 50)]
    broad = [
        _even(-960, -600),  # lung
        _even(-1000, 100),  # partial volume of air
        _falling(50, 150),  # contrast
        _falling(100, 500),  # spongy bone
        _bell(1250, 300),  # compact bone
        _even(_EDGES[0], _EDGES[-1]),
    ]
    return np.array(air + tissue + broad)


_AIR, _TISSUE = [*range(6), 18], slice(6, 18)


def _bell(mean: float, sd: float) -> Floats:
    return _whole(np.exp(-0.5 * ((_MIDDLES - mean) / sd) ** 2))


def _even(low: float, high: float) -> Floats:
    return _whole(((low <= _MIDDLES) & (high >= _MIDDLES)).astype(np.float64))


def _falling(start: float, length: float) -> Floats:
    return _whole(np.where(start < _MIDDLES, np.exp((start - _MIDDLES) / length), 0.0))


def _whole(shape: Floats) -> Floats:
    result: Floats = shape / shape.sum()
    return result


def explained(values: Floats, counts: Floats) -> tuple[Explained, ...]:
    """The fit of every line of `LINES` to a histogram.

    values : (n,), rising whole numbers; counts : (n,), their voxels, not all 0
    """
    slope = np.array([line[0] for line in LINES])
    share = np.array([_rebinned(values, counts, *line) for line in LINES])
    outside = 1.0 - share.sum(axis=1)
    weight = share**_POWER
    weight /= np.maximum(weight.sum(axis=1), 1e-9)[:, np.newaxis]
    likelihood, parts = _fitted(weight)
    # A line of slope 2 spreads each HU over two values: their density is half as large.
    total = (likelihood - np.log(slope)) * (1.0 - outside) + _OUTSIDE * outside
    air, tissue = (parts[:, of].sum(axis=1) for of in (_AIR, _TISSUE))
    return tuple(
        Explained(*LINES[k], float(total[k] - total[0]), float(air[k]), float(tissue[k]))
        for k in range(len(LINES))
    )


def _rebinned(values: Floats, counts: Floats, slope: float, offset: float) -> Floats:
    """The share of the voxels in each bin of HU, when the values lie on a line."""
    reached = np.concatenate([[0.0], np.cumsum(counts)])
    ends = np.append(values - 0.5, values[-1] + 0.5)
    found: Floats = np.diff(np.interp(_EDGES, (ends - offset) / slope, reached)) / reached[-1]
    return found


def _fitted(weight: Floats) -> tuple[Floats, Floats]:
    """Mean log likelihood (lines,) and shares of the components (lines, n) that give it."""
    components = _mixture()
    parts = np.full((len(weight), len(components)), 1.0 / len(components))
    for _ in range(_ROUNDS):
        mixed = np.maximum(parts @ components, 1e-300)
        parts *= (weight / mixed) @ components.T
        parts /= np.maximum(parts.sum(axis=1), 1e-12)[:, np.newaxis]
    found: Floats = (weight * np.log(parts @ components + 1e-12)).sum(axis=1)
    return found, parts
