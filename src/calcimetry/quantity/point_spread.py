"""The scan's point spread, measured on the edge between body and air.

Along a line across a blurred edge from a to b, ``p = (I - a) / (b - a)`` runs from 0 to 1 as
a normal distribution function, and ``integral of p (1 - p) dt = sigma / sqrt(pi)``. The
integral averages over all samples of the edge, so it is little moved by noise. What else
lies on an edge (clothing, hair, slant) can only widen it, hence a low quantile over edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.types import Plane, Volume
from calcimetry.plan import Plan
from calcimetry.records import Scan
from calcimetry.statistics import FWHM_PER_SD

_REACH_MM = 4.0
_AIR, _MIDDLE, _INSIDE = -850, -500, -300  # HU, of air, an edge and what is beyond it
_PADDING = -1024  # and below, all alike: outside the field, not air
_FEWEST_EDGES = 60
_SLICES = 12
_TYPICAL_SIGMA_MM = 0.6


@dataclass(frozen=True, slots=True)
class PointSpread:
    """1 SD of the Gaussian point spread, mm: in plane and through it; voxel size not included.

    measured : from this scan's own edges; otherwise a typical value
    """

    in_plane: float
    through_plane: float
    measured: bool

    def sigma(self, spacing: tuple[float, float, float]) -> tuple[float, float, float]:
        """SD along (z, y, x) in voxels."""
        plane = self.in_plane
        return self.through_plane / spacing[0], plane / spacing[1], plane / spacing[2]


def point_spread_of(scan: Scan, plan: Plan) -> PointSpread:
    """The point spread of a scan: the plan's, or measured, or typical (0.6 mm)."""
    given = plan.quantity.point_spread_mm
    if given > 0:
        return PointSpread(given / FWHM_PER_SD, _through(scan, given / FWHM_PER_SD), measured=True)
    widths = _edge_widths(scan)
    if len(widths) < _FEWEST_EDGES:
        return PointSpread(_TYPICAL_SIGMA_MM, _through(scan, _TYPICAL_SIGMA_MM), measured=False)
    pixel = float(np.mean(scan.spacing[1:]))
    variance = float(np.quantile(widths, 0.3)) ** 2 - pixel**2 / 12.0
    sigma = float(np.clip(np.sqrt(max(variance, 0.0)), 0.2, 1.5))
    return PointSpread(sigma, _through(scan, sigma), measured=True)


def _through(scan: Scan, in_plane: float) -> float:
    """Slices thicker than their spacing overlap: their box adds to the blur."""
    thick = scan.acquisition.slice_thickness_mm or 0.0
    extra = max(0.0, thick**2 - scan.spacing[0] ** 2) / 12.0
    return float(np.sqrt(in_plane**2 + extra))


def _edge_widths(scan: Scan) -> NDArray[np.float64]:
    """Apparent sigma, mm, of edges that run square to x or y."""
    step = max(1, scan.hu.shape[0] // _SLICES)
    planes = read_only(scan.hu[step // 2 :: step], np.int16)
    _, y, x = scan.spacing
    return np.concatenate([_widths(planes, (0, 1), x, y), _widths(planes, (1, 0), y, x)])


def _widths(
    planes: NDArray[np.int16], along: tuple[int, int], step: float, other_step: float
) -> NDArray[np.float64]:
    """Of edges along y or x, both ways: `along` is one step in pixels (y, x)."""
    reach = int(np.ceil(_REACH_MM / step))
    samples = 2 * reach + 2
    if np.dot(planes.shape[1:], along) <= samples or np.dot(planes.shape[1:], along[::-1]) < 3:
        return np.zeros(0)
    z, y, x, way = _edges(planes, along, samples, max(2, samples // 4)).T
    by = way[:, None] * np.arange(-reach, reach + 2)
    rows, columns = y[:, None] + by * along[0], x[:, None] + by * along[1]
    lines = planes[z[:, None], rows, columns].astype(np.float32)
    before, after = (
        planes[z, y + side * along[1], x + side * along[0]].astype(np.float32) for side in (-1, 1)
    )
    slant = (after - before) / (2 * other_step)
    slope = (lines[:, reach + 1] - lines[:, reach]) / step
    return _apparent(lines, step, slope / np.hypot(slope, slant))


def _apparent(
    lines: NDArray[np.float32], step: float, cosine: NDArray[np.float32]
) -> NDArray[np.float64]:
    far = max(2, lines.shape[1] // 4)
    lines, cosine = lines[cosine > 0.9], cosine[cosine > 0.9]
    a = np.median(lines[:, :far], axis=1, keepdims=True)
    b = np.median(lines[:, -far:], axis=1, keepdims=True)
    p = (lines - a) / (b - a)
    area = np.maximum(p * (1 - p), 0.0).sum(axis=1) * step
    return np.asarray(np.sqrt(np.pi) * area * cosine, np.float64)


@kernel
def _edges(
    planes: Volume[np.int16], along: tuple[int, int], samples: int, far: int
) -> Plane[np.int64]:
    """Last voxels of air before a body, along one axis: z, y and x, and the way, 1 or -1, (n, 4).

    The first `far` of the samples across an edge are air, and the last as many are not.
    """
    found, count = np.empty((1024, 4), np.int64), 0
    down, right = along
    # The voxels beside an edge tell its slant.
    for z in range(planes.shape[0]):
        for y in range(right, planes.shape[1] - 1):
            for x in range(down, planes.shape[2] - 1):
                here, there = planes[z, y, x], planes[z, y + down, x + right]
                if (here < _MIDDLE) == (there < _MIDDLE):
                    continue
                way = 1 if here < _MIDDLE else -1
                y0, x0 = (y, x) if way > 0 else (y + down, x + right)
                if not _is_edge(planes[z], (y0, x0), (way * down, way * right), samples, far):
                    continue
                if count == len(found):
                    found = _twice(found)
                found[count, 0], found[count, 1], found[count, 2] = z, y0, x0
                found[count, 3] = way
                count += 1
    return found[:count]


@inner
def _twice(rows: Plane[np.int64]) -> Plane[np.int64]:
    """Room for twice as many rows, the first as they are."""
    more = np.empty((2 * rows.shape[0], rows.shape[1]), np.int64)
    for n in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            more[n, k] = rows[n, k]
    return more


@inner
def _is_edge(
    plane: Plane[np.int16], at: tuple[int, int], step: tuple[int, int], samples: int, far: int
) -> bool:
    """Whether a line starts in air, not in padding, ends in the body, and lies in the plane."""
    y, x = at[0] - (samples // 2 - 1) * step[0], at[1] - (samples // 2 - 1) * step[1]
    last_y, last_x = y + (samples - 1) * step[0], x + (samples - 1) * step[1]
    if min(y, last_y) < 0 or max(y, last_y) >= plane.shape[0]:
        return False
    if min(x, last_x) < 0 or max(x, last_x) >= plane.shape[1]:
        return False
    first, padding = plane[y, x], plane[y, x] <= _PADDING
    for n in range(far):
        low = plane[y + n * step[0], x + n * step[1]]
        high = plane[last_y - n * step[0], last_x - n * step[1]]
        if low >= _AIR or high <= _INSIDE:
            return False
        padding = padding and low == first
    return not padding
