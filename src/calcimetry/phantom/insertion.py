"""Deposits of known truth, painted into a CT.

The point spread is Gaussian and a voxel is the mean over its box, so what a voxel holds of a
shape's cell is a product of three integrals, one along each axis: three small matrix products
paint a deposit exactly, at any spacing, without a supersampled volume. Mass and volume are
therefore conserved to rounding, and do not depend on the spacing.

Painting replaces tissue: where deposit fills a fraction f of a voxel, the voxel's background
becomes (1 - f) of itself and f of the deposit's matrix (soft tissue), and the mineral adds
HU in proportion to its mg/cm3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from calcimetry.errors import GeometryError
from calcimetry.phantom.spec import Imaging, Placement
from calcimetry.phantom.truth import Painted, Truth
from calcimetry.records import Box, Scan
from calcimetry.statistics import FWHM_PER_SD

Matrices = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]

_SOFT = (-300.0, 180.0)  # HU between which a deposit may lie: not air or lung, not bone


def insert(
    scan: Scan,
    placements: Sequence[Placement],
    rng: np.random.Generator | int = 0,
    imaging: Imaging | None = None,
) -> tuple[Scan, Truth]:
    """A copy of a scan with deposits painted in, and the truth of them.

    `rng` serves only `added_noise_hu`. A placement of which nothing is left after confinement
    is left out of the truth. Raises GeometryError on sheared (tilted) grids.
    """
    look = imaging or Imaging()
    hu = scan.hu.copy()
    painted = insert_into(hu, replace(scan, hu=hu), placements, np.random.default_rng(rng), look)
    return replace(scan, hu=hu), Truth.of(painted, hu.shape)


def insert_into(
    hu: NDArray[np.int16] | NDArray[np.float32],
    scan: Scan,
    placements: Sequence[Placement],
    rng: np.random.Generator,
    imaging: Imaging,
) -> list[Painted]:
    """`insert` in place, on an int16 or float32 array on the scan's grid."""
    _refuse_shear(scan)
    done = (_paint(hu, scan, place, rng, imaging) for place in placements)
    return [painted for painted in done if painted is not None]


@dataclass(slots=True, eq=False)
class Laid:
    """One deposit on its way into an array."""

    shape: NDArray[np.float32]
    filled: NDArray[np.float32]
    start: NDArray[np.float64]  # voxel position (z, y, x) of the middle of cell (0, 0, 0)
    pitch: NDArray[np.float64]  # cell edge in voxels along (z, y, x)
    box: Box = field(default=(slice(0, 0),) * 3)


def _paint(
    hu: NDArray[np.int16] | NDArray[np.float32],
    scan: Scan,
    place: Placement,
    rng: np.random.Generator,
    look: Imaging,
) -> Painted | None:
    work = lay_out(scan, place, look)
    if any(part.start >= part.stop for part in work.box):
        return None
    crop = hu[work.box].astype(np.float32)
    smooth = np.clip(ndimage.median_filter(crop, 3), -1024, 3071)
    touches = place.touches_bone
    if place.confine:
        touches = confine(work, smooth)
        if not work.shape.any():
            return None
    sigma = sigma_voxels(scan, look)
    blurred = _weights(work, sigma)
    fraction = np.minimum(_project(work.filled, blurred), 1.0)
    mineral = _project(work.shape, blurred) * np.float32(place.density_mg_cm3)
    result = _mix(crop, smooth, fraction, mineral, look)
    if look.added_noise_hu:
        result += fraction * _noise(crop.shape, scan.spacing, rng, look)
    hu[work.box] = _fit(result, hu.dtype, look.ceiling_hu)
    return Painted.of(
        scan,
        replace(place, touches_bone=touches),
        work.box,
        (work.shape, work.filled, work.start, work.pitch),
        (_project(work.filled, _weights(work, np.zeros(3))), fraction),
    )


def _mix(
    crop: NDArray[np.float32],
    smooth: NDArray[np.float32],
    fraction: NDArray[np.float32],
    mineral: NDArray[np.float32],
    look: Imaging,
) -> NDArray[np.float32]:
    # Bone and air at the rim are not replaced: a fraction there is blur, not deposit.
    under = np.where(smooth > 150, np.float32(look.matrix_hu), np.maximum(smooth, -150))
    lost = fraction * np.float32(1 - look.texture_kept) * np.clip(crop - smooth, -80, 80)
    shift = fraction * (np.float32(look.matrix_hu) - under)
    return np.asarray(
        crop + shift - lost + mineral * np.float32(look.hu_per_mg_cm3), dtype=np.float32
    )


def _fit(
    values: NDArray[np.float32], dtype: np.dtype[np.generic], ceiling: int
) -> NDArray[np.float32]:
    clipped = np.clip(values, -1024, ceiling)
    return np.rint(clipped) if np.issubdtype(dtype, np.integer) else clipped


def _noise(
    shape: tuple[int, ...], spacing: tuple[float, ...], rng: np.random.Generator, look: Imaging
) -> NDArray[np.float32]:
    sigma = [look.noise_fwhm_mm / FWHM_PER_SD / edge for edge in spacing]
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma)
    return np.asarray(noise * (look.added_noise_hu / max(float(noise.std()), 1e-6)), np.float32)


def lay_out(scan: Scan, place: Placement, look: Imaging) -> Laid:
    """The shape turned, where its cells lie in voxels, and the box that its blur fills."""
    shape, filled = place.shape, (place.shape > 0).astype(np.float32)
    if place.rotation is not None:
        shape, filled = _turned(shape, place.rotation), _turned(filled, place.rotation)
    pitch = place.step_mm / np.array(scan.spacing)
    middle = scan.to_zyx(np.array(place.centre_mm))
    start = middle - (np.array(shape.shape) - 1) / 2 * pitch
    reach = 4 * sigma_voxels(scan, look) + pitch / 2 + 1.5
    low = np.floor(start - reach).astype(int)
    high = np.ceil(start + (np.array(shape.shape) - 1) * pitch + reach).astype(int) + 1
    box = tuple(
        slice(max(int(a), 0), max(min(int(b), n), 0))
        for a, b, n in zip(low, high, scan.hu.shape, strict=True)
    )
    return Laid(shape, filled, start, pitch, (box[0], box[1], box[2]))


def _turned(array: NDArray[np.float32], rotation: NDArray[np.float64]) -> NDArray[np.float32]:
    """An array rotated about its middle into a box that holds it, its sum kept."""
    half = (np.array(array.shape) - 1) / 2
    reach = np.ceil(np.abs(rotation) @ (half + 1)).astype(int)
    offset = half - rotation.T @ reach
    turned = ndimage.affine_transform(
        array, rotation.T, offset, tuple(2 * reach + 1), order=1, output=np.float32
    )
    total = float(turned.sum(dtype=np.float64))
    return np.asarray(turned * (float(array.sum(dtype=np.float64)) / total if total else 0))


def sigma_voxels(scan: Scan, look: Imaging) -> NDArray[np.float64]:
    through, in_plane = look.fwhm_mm
    return np.asarray(
        np.array([through, in_plane, in_plane]) / FWHM_PER_SD / np.array(scan.spacing),
        dtype=np.float64,
    )


def _weights(work: Laid, sigma: NDArray[np.float64]) -> Matrices:
    """What each voxel of the box gets of each cell, along z, y and x."""
    axes = [
        _axis_weights((part.start, part.stop), work.start[a], (work.pitch[a], n), sigma[a])
        for a, (part, n) in enumerate(zip(work.box, work.shape.shape, strict=True))
    ]
    return axes[0], axes[1], axes[2]


def _axis_weights(
    span: tuple[int, int], start: float, cells: tuple[float, int], sigma: float
) -> NDArray[np.float32]:
    """(voxels, cells): mean over each voxel of each cell's box, blurred by a Gaussian.

    The integral of a box of width h convolved with a Gaussian, over a voxel, is a second
    difference of ``g(t) = t Phi(t/s) + s phi(t/s)``; `s` 0 leaves plain overlap lengths.
    """
    pitch, count = cells
    edges = np.arange(span[0], span[1] + 1)[:, None] - 0.5
    middle = start + pitch * np.arange(count)[None, :]
    rise = _ramp(edges - middle + pitch / 2, sigma) - _ramp(edges - middle - pitch / 2, sigma)
    return np.diff(rise, axis=0).astype(np.float32)


def _ramp(t: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    if sigma < 1e-6:
        return np.maximum(t, 0.0)
    u = t / sigma
    bell = np.exp(-0.5 * u * u) * (sigma / np.sqrt(2 * np.pi))
    return np.asarray(t * special.ndtr(u) + bell)


def _project(cells: NDArray[np.float32], weights: Matrices) -> NDArray[np.float32]:
    """Cells (z, y, x) to voxels (z, y, x), one axis at a time."""
    z, y, x = weights
    out = np.tensordot(z, cells, (1, 0))  # (Z, y, x)
    out = np.tensordot(out, y, (1, 1))  # (Z, x, Y)
    return np.asarray(np.tensordot(out, x, (1, 1)), dtype=np.float32)  # (Z, Y, X)


def confine(work: Laid, smooth: NDArray[np.float32]) -> bool:
    """Take from a shape what lies outside the soft tissue it starts in; does it touch bone?

    Soft tissue beyond bone (marrow, the far side) is another component of soft voxels, and
    is left out too.
    """
    soft = (smooth > _SOFT[0]) & (smooth < _SOFT[1])
    parts, count = ndimage.label(soft)
    fraction = _project(work.filled, _weights(work, np.zeros(3)))
    held = ndimage.sum_labels(fraction, parts, np.arange(1, count + 1))
    if not count or held.max() <= 0:
        work.shape, work.filled = np.zeros_like(work.shape), np.zeros_like(work.filled)
        return False
    home = ndimage.binary_dilation(parts == int(np.argmax(held)) + 1)
    at, allowed = _at_cells(work, smooth), _at_cells(work, home.astype(np.float32)) > 0.25
    bone = (at >= _SOFT[1]) & allowed & (work.filled > 0)
    keep = (at > _SOFT[0]) & (at < _SOFT[1]) & allowed
    work.shape, work.filled = work.shape * keep, work.filled * keep
    return bool(bone.any())


def _at_cells(work: Laid, voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A box of voxels, read by linear interpolation at the middles of the cells."""
    out = voxels
    for axis, part in enumerate(work.box):
        n, count = part.stop - part.start, work.shape.shape[axis]
        at = np.clip(work.start[axis] - part.start + work.pitch[axis] * np.arange(count), 0, n - 1)
        lower = np.minimum(at.astype(int), max(n - 2, 0))
        share = (at - lower).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        below, above = out.take(lower, axis), out.take(np.minimum(lower + 1, n - 1), axis)
        out = below * (1 - share) + above * share
    return out


def _refuse_shear(scan: Scan) -> None:
    matrix = scan.affine[:3, :3] / np.linalg.norm(scan.affine[:3, :3], axis=0)
    off = float(np.abs(matrix.T @ matrix - np.eye(3)).max())
    if off > 1e-3:
        raise GeometryError(
            "PHANTOM_SHEARED",
            found=f"axes that are not at right angles (cosine {off:.4f})",
            expected="an upright grid",
            where="the scan that deposits are painted into",
            remedy="resample the scan to an upright grid first",
        )
