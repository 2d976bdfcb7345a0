"""The volume of a deposit, with the blur of its edge undone.

Two estimates from the same weighted excess e:

*Half maximum.* The volume where e is over half its plateau, border voxels counted in part. On
a curved surface that contour lies inside the true one, and in a deposit that the blur does
not resolve the plateau is never reached; both are corrected as for a ball of the same size,
whose blurred profile is known in closed form.

*Concentration.* A uniform deposit has ``S1 = sum(e) = D V`` whatever the blur and
``S2 = sum(e^2) = D^2 V k``, with k < 1 the chance that a point of it, moved at random by
sqrt(2) times the point spread, is still inside. So ``V = k S1^2 / S2``. For a ball of radius
R moved by d the overlap is ``1 - 3d/4R + d^3/16R^3``.

The first is the better where the radius is over 4 SD of the blur; below 3 SD their errors are
opposite (phantom study) and their geometric mean is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from calcimetry.kernels.compiled import inner, kernel
from calcimetry.kernels.order import quantile
from calcimetry.kernels.types import Volume
from calcimetry.quantity.integral import Integral
from calcimetry.quantity.point_spread import PointSpread

Spacing = tuple[float, float, float]
_PLATEAU = 0.95  # quantile of the mask's excess that stands for the plateau
_BALL = 4.0 / 3.0 * np.pi
_RESOLVED, _BLURRED = 4.0, 3.0  # radius over blur


@dataclass(frozen=True, slots=True)
class VolumeEstimate:
    """volume_mm3 : with `sd`, 1 SD
    plateau : HU over background in its middle, as seen
    resolved : radius over the SD of blur and voxel together
    """

    volume_mm3: float
    sd: float
    plateau: float
    resolved: float


def estimate_volume(part: Integral, blur: PointSpread) -> VolumeEstimate:
    """Volume of an integrated deposit."""
    own, spacing = part.crop.own, part.crop.spacing
    voxel = spacing[0] * spacing[1] * spacing[2]
    plateau = _plateau(part.weights, part.excess, own)
    seen, second, squares = _signal(part.weights, part.excess, plateau)
    spread = with_voxel(blur, spacing)
    half = _half_maximum(seen * voxel, voxel, spread)
    resolved = float(np.cbrt(half / _BALL)) / spread
    mix = 0.5 * min(max((_RESOLVED - resolved) / (_RESOLVED - _BLURRED), 0.0), 1.0)
    second -= part.background.scatter**2 * squares
    other = _concentration(part.total, second, voxel, spread * _roughness(own, spacing))
    other = min(max(other, 0.3 * half), 1.2 * half)
    volume = half ** (1.0 - mix) * other**mix
    doubt = _relative_sd(resolved, float(np.log(other / half)) * (1.0 - mix))
    return VolumeEstimate(volume, volume * doubt, plateau, resolved)


def _relative_sd(resolved: float, discord: float) -> float:
    """1 SD of the volume over it, from the phantom study (docs/quantity-benchmark.md).

    discord : log of one estimate over the other; large for uneven and hollow deposits
    """
    known = 0.025 + 10.0 / max(resolved, 1.0) ** 3
    return min(0.5, float(np.hypot(known, 0.5 * discord)))


def with_voxel(blur: PointSpread, spacing: Spacing) -> float:
    """Mean SD of point spread and voxel box together, mm."""
    z = blur.through_plane**2 + spacing[0] ** 2 / 12.0
    plane = blur.in_plane**2 + spacing[1] * spacing[2] / 12.0
    return float(np.sqrt((z + 2.0 * plane) / 3.0))


def _half_maximum(seen_mm3: float, voxel_mm3: float, spread: float) -> float:
    seen = max(seen_mm3, 0.5 * voxel_mm3)
    radius = np.exp(np.interp(np.log(seen / spread**3), _LOG_SEEN, _LOG_RADIUS))
    return float(seen / np.interp(radius, _RADIUS, _SHARE_SEEN))


@inner
def _in_part(level: float) -> float:
    """0 below a quarter, 1 above three quarters, linear between: half counts half."""
    return min(max((level - 0.25) / 0.5, 0.0), 1.0)


def _plateau(
    weights: NDArray[np.float32], excess: NDArray[np.float32], own: NDArray[np.bool_]
) -> float:
    """HU over background in the middle of a deposit, as seen; at least 1."""
    return max(quantile(np.sort(weights[own] * excess[own]), _PLATEAU), 1.0)


@kernel
def _signal(
    weights: Volume[np.float32], excess: Volume[np.float32], plateau: float
) -> tuple[float, float, float]:
    """The voxels over half of a plateau, and sums of squares of signal and of weights."""
    seen, second, squares = 0.0, 0.0, 0.0
    flat, level = weights.reshape(-1), excess.reshape(-1)
    for v in range(flat.size):
        if flat[v] != 0:
            signal = np.float64(flat[v] * level[v])
            seen += _in_part(signal / plateau)
            second += signal * signal
            squares += np.float64(flat[v]) ** 2
    return seen, second, squares


def _faces(own: NDArray[np.bool_]) -> list[int]:
    """How many faces between inside and outside look along z, y and x."""
    voxels, whole = 2 * np.count_nonzero(own), slice(None)
    found = []
    for axis in range(3):
        ahead, behind = [whole] * 3, [whole] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        found.append(int(voxels - 2 * np.count_nonzero(own[tuple(ahead)] & own[tuple(behind)])))
    return found


def _concentration(total: float, second: float, voxel_mm3: float, spread: float) -> float:
    first = max(total, 1e-6)
    second = max(second, first**2 * voxel_mm3 / (1e6 * spread**3), 1e-6)
    raw = voxel_mm3 * first**2 / second
    moved = spread * np.sqrt(2.0)
    radius = np.exp(np.interp(np.log(raw / moved**3), _LOG_RAW, _LOG_RADIUS))
    return float(raw * np.interp(radius, _RADIUS, _INSIDE))


def _roughness(own: NDArray[np.bool_], spacing: Spacing) -> float:
    """Surface of the mask over that of the ball of its volume, at least 1.

    Faces of voxels overstate a smooth surface by 3/2 on average over directions.
    """
    z, y, x = spacing
    faces = float(np.dot(_faces(own), (y * x, z * x, z * y)))
    volume = float(own.sum()) * z * y * x
    ball = float(np.cbrt(36.0 * np.pi * volume**2))
    return max(1.0, faces / 1.5 / ball)


def ball_profile(r: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """A ball of 1 blurred by a Gaussian of SD 1, at distance r from its centre."""
    r = np.maximum(r, 1e-3)
    out, into = (radius + r) / np.sqrt(2), (radius - r) / np.sqrt(2)
    edge = (np.exp(-(into**2)) - np.exp(-(out**2))) / (r * np.sqrt(2 * np.pi))
    return np.asarray(0.5 * (special.erf(out) + special.erf(into)) - edge)


def _seen(radius: float) -> float:
    """What `_in_part` counts of such a ball, with its own peak as plateau."""
    r = np.linspace(1e-3, radius + 5.0, 1200)
    profile = ball_profile(r, radius)
    in_part = np.clip((profile / profile[0] - 0.25) / 0.5, 0.0, 1.0)
    return float(np.trapezoid(4 * np.pi * r**2 * in_part, r))


def _inside(radius: float) -> float:
    """Chance that a point of a ball, moved by a Gaussian of SD 1 per axis, stays inside."""
    d = np.linspace(0.0, 8.0, 1200)
    density = np.sqrt(2 / np.pi) * d**2 * np.exp(-(d**2) / 2)
    overlap = 1 - 0.75 * d / radius + d**3 / (16 * radius**3)
    return float(np.trapezoid(np.where(d < 2 * radius, overlap, 0.0) * density, d))


_RADIUS = np.concatenate([np.geomspace(0.1, 8, 90), np.geomspace(8.4, 300, 40)])
_SEEN = np.array([_seen(r) for r in _RADIUS])
_INSIDE = np.array([_inside(r) for r in _RADIUS])
_SHARE_SEEN = _SEEN / (_BALL * _RADIUS**3)
_LOG_RADIUS, _LOG_SEEN = np.log(_RADIUS), np.log(_SEEN)
_LOG_RAW = np.log(_BALL * _RADIUS**3 / _INSIDE)
