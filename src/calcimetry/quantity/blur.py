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

from calcimetry.plan import Plan
from calcimetry.records import Scan

FWHM = 2.354820045  # of a Gaussian, in SDs
_REACH_MM = 4.0
_AIR, _INSIDE = -850.0, -300.0
_PADDING = -1024.0  # and below, all alike: outside the field, not air
_FEWEST_EDGES = 60
_SLICES = 12
_TYPICAL_SIGMA_MM = 0.6


@dataclass(frozen=True, slots=True)
class Blur:
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


def point_spread(scan: Scan, plan: Plan) -> Blur:
    """The point spread of a scan: the plan's, or measured, or typical (0.6 mm)."""
    given = plan.quantity.point_spread_mm
    if given > 0:
        return Blur(given / FWHM, _through(scan, given / FWHM), measured=True)
    widths = _edge_widths(scan)
    if len(widths) < _FEWEST_EDGES:
        return Blur(_TYPICAL_SIGMA_MM, _through(scan, _TYPICAL_SIGMA_MM), measured=False)
    pixel = float(np.mean(scan.spacing[1:]))
    variance = float(np.quantile(widths, 0.3)) ** 2 - pixel**2 / 12.0
    sigma = float(np.clip(np.sqrt(max(variance, 0.0)), 0.2, 1.5))
    return Blur(sigma, _through(scan, sigma), measured=True)


def _through(scan: Scan, in_plane: float) -> float:
    """Slices thicker than their spacing overlap: their box adds to the blur."""
    thick = scan.acquisition.slice_thickness_mm or 0.0
    extra = max(0.0, thick**2 - scan.spacing[0] ** 2) / 12.0
    return float(np.sqrt(in_plane**2 + extra))


def _edge_widths(scan: Scan) -> NDArray[np.float64]:
    """Apparent sigma, mm, of edges that run square to x or y."""
    step = max(1, scan.hu.shape[0] // _SLICES)
    planes = scan.hu[step // 2 :: step].astype(np.float32)
    _, y, x = scan.spacing
    parts = [_widths(planes, x, y), _widths(planes.transpose(0, 2, 1), y, x)]
    return np.concatenate(parts)


def _widths(planes: NDArray[np.float32], step: float, other_step: float) -> NDArray[np.float64]:
    """Edges along the last axis, both ways."""
    reach = int(np.ceil(_REACH_MM / step))
    if planes.shape[2] <= 2 * reach + 2 or planes.shape[1] < 3:
        return np.zeros(0)
    found = []
    for volume in (planes, planes[:, :, ::-1]):
        z, y, x = np.nonzero((volume[:, 1:-1, :-1] < -500) & (volume[:, 1:-1, 1:] >= -500))
        keep = (x >= reach) & (x + reach + 1 < volume.shape[2])
        z, y, x = z[keep], y[keep] + 1, x[keep]
        lines = volume[z[:, None], y[:, None], x[:, None] + np.arange(-reach, reach + 2)]
        slant = (volume[z, y + 1, x] - volume[z, y - 1, x]) / (2 * other_step)
        slope = (volume[z, y, x + 1] - volume[z, y, x]) / step
        found.append(_apparent(lines, step, slope / np.hypot(slope, slant)))
    return np.concatenate(found)


def _apparent(
    lines: NDArray[np.float32], step: float, cosine: NDArray[np.float32]
) -> NDArray[np.float64]:
    far = max(2, lines.shape[1] // 4)
    low, high = lines[:, :far], lines[:, -far:]
    padding = (low.min(axis=1) == low.max(axis=1)) & (low[:, 0] <= _PADDING)
    good = (low.max(axis=1) < _AIR) & (high.min(axis=1) > _INSIDE) & (cosine > 0.9) & ~padding
    lines, cosine = lines[good], cosine[good]
    a = np.median(lines[:, :far], axis=1, keepdims=True)
    b = np.median(lines[:, -far:], axis=1, keepdims=True)
    p = (lines - a) / (b - a)
    area = np.maximum(p * (1 - p), 0.0).sum(axis=1) * step
    return np.asarray(np.sqrt(np.pi) * area * cosine, np.float64)
