"""A numpy array to a scan, and what NIfTI and arrays share: values to int16 HU."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calcimetry.arguments import check
from calcimetry.errors import GeometryError, InputError, UsageError
from calcimetry.records import Acquisition, Flag, Frame, Scan, Source, StoredGrid
from calcimetry.scan.acquisition import check_kvp, shared_flags, with_kvp
from calcimetry.scan.flags import flag
from calcimetry.scan.grid import (
    MIN_SLICES,
    TILT_DEG,
    check_extent,
    scan_affine,
    scan_shape,
    sizes_of,
    stored_grid,
    tilt_degrees,
)
from calcimetry.scan.hu_scale import judged
from calcimetry.scan.memory import check_room

AIR_HU = -1024
_INT16 = np.iinfo(np.int16)


def from_array(
    hu: ArrayLike,
    *,
    spacing: tuple[float, float, float] | None = None,
    affine: ArrayLike | None = None,
    kvp: float | None = None,
    acquisition: Acquisition | None = None,
    name: str = "array",
    hu_as_is: bool = False,
) -> Scan:
    """A scan from Hounsfield units in memory.

    Parameters
    ----------
    hu : (z, y, x), integers or floats; rounded and clipped to int16
    spacing : voxel edge lengths along (z, y, x), mm; then z is taken to run from feet to
        head, y from front to back, x from right to left, and a flag says so
    affine : (4, 4), instead of spacing: (x, y, z) index to LPS mm
    kvp : tube voltage, kV
    acquisition : all facts of the scan, where known; `kvp` overrides its own
    name : what messages call it
    hu_as_is : take values that are clearly no HU as they stand, with a flag

    Raises
    ------
    InputError
        values that are clearly no Hounsfield units (HU_SCALE_WRONG; see
        `calcimetry.scan.hu_scale`).
    UsageError
        both or neither of spacing and affine (ARRAY_GEOMETRY), not a 3-D array of numbers
        (ARRAY_SHAPE), no tube voltage (BAD_KVP), no acquisition (BAD_ARGUMENT).
    GeometryError
        spacing or affine that is no geometry (NO_AFFINE) or not that of a patient's scan
        (VOXEL_SIZE, PLACE_FAR), or fewer than 4 voxels along an axis (TOO_FEW_SLICES).
    """
    check_kvp(kvp)
    check(acquisition, (Acquisition, type(None)), "an Acquisition, or None", "acquisition")
    values = _checked(hu, name)
    placed, flags = _geometry(spacing, affine, values.shape[::-1], name)
    grid = stored_grid(values.shape[::-1], placed)
    turned = grid.to_scan(values.T)
    out = empty_volume(turned.shape, name)
    lost = sum(write_hu(turned[z], out[z]) for z in range(len(out)))
    known = with_kvp(acquisition or Acquisition(), kvp)
    if lost:
        flags += (flag("NOT_FINITE", f"{lost} voxels"),)
    digest = hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()
    flags += shared_flags(known, placed)
    scan = scan_of(out, grid, known, Source(name, "array", {name: digest}), flags)
    return judged(scan, as_is=hu_as_is)


def _checked(hu: ArrayLike, name: str) -> NDArray[Any]:
    values = _numbers(hu)
    if values.ndim != 3 or values.dtype.kind not in "iuf":
        raise UsageError(
            "ARRAY_SHAPE",
            found=f"an array of shape {values.shape}, type {values.dtype}",
            expected="a 3-D array (z, y, x) of integers or floats",
            where=name,
            remedy="give Hounsfield units as one volume",
        )
    if min(values.shape) < MIN_SLICES:
        raise GeometryError(
            "TOO_FEW_SLICES",
            found=f"an array of shape {values.shape}",
            expected=f"at least {MIN_SLICES} voxels along every axis",
            where=name,
            remedy="give the whole volume",
        )
    return values


def _numbers(given: Any, kind: type | None = None) -> NDArray[Any]:
    """An array of what is given; an empty one of no use where none can be made of it."""
    try:
        return np.array(given, kind) if kind else np.asarray(given)
    except (TypeError, ValueError):  # ragged lists, texts for numbers
        return np.empty(0)


def _geometry(
    spacing: tuple[float, float, float] | None,
    affine: ArrayLike | None,
    shape: tuple[int, ...],
    name: str,
) -> tuple[NDArray[np.float64], tuple[Flag, ...]]:
    if (spacing is None) == (affine is None):
        raise UsageError(
            "ARRAY_GEOMETRY",
            found="both spacing and affine" if spacing is not None else "no spacing, no affine",
            expected="one of them",
            where=name,
            remedy="pass spacing=(z, y, x) in mm, or affine=(4, 4) to LPS mm",
        )
    if affine is not None:
        return _sound(_numbers(affine, float), shape, name), ()
    step = _numbers(spacing, float)
    diagonal = np.diag([*step[::-1], 1.0]) if step.shape == (3,) and (step > 0).all() else step
    return _sound(diagonal, shape, name), (flag("ORIENTATION_ASSUMED"),)


def _sound(affine: NDArray[np.float64], shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """Raises GeometryError: NO_AFFINE, VOXEL_SIZE, PLACE_FAR."""
    if affine.shape == (4, 4) and np.isfinite(affine).all():
        edges = sizes_of(affine)
        if edges.all() and np.allclose(affine[3], [0, 0, 0, 1]):
            check_extent(affine, shape, name)
            if abs(np.linalg.det(affine[:3, :3] / edges)) > 1e-3:
                return affine
    raise GeometryError(
        "NO_AFFINE",
        found="spacing or affine that is not positive, finite and of full rank",
        expected="three positive lengths in mm, or a (4, 4) affine to LPS mm",
        where=name,
        remedy="check the numbers and their order (z, y, x)",
    )


def scan_of(
    hu: NDArray[np.int16],
    grid: StoredGrid,
    acquisition: Acquisition,
    source: Source,
    flags: tuple[Flag, ...],
) -> Scan:
    """Put together a scan of a grid, with the flag for a sheared one."""
    degrees = tilt_degrees(grid.affine)
    if degrees > TILT_DEG:
        flags += (flag("GANTRY_TILT", f"{degrees:.1f} degrees; volumes and masses hold"),)
    return Scan(hu, Frame(scan_shape(grid), scan_affine(grid), grid), acquisition, source, flags)


def empty_volume(shape: tuple[int, ...], where: str) -> NDArray[np.int16]:
    """Room for a volume. Raises InputError TOO_BIG, before anything is read."""
    check_room(shape, where)
    try:
        return np.empty(shape, np.int16)
    except MemoryError as error:
        raise InputError(
            "TOO_BIG",
            found=f"a volume of {' x '.join(map(str, shape))} voxels",
            expected="one that fits in memory as 16-bit integers",
            where=where,
            remedy="use a machine with more memory, or a series with fewer slices",
        ) from error


def write_hu(
    values: NDArray[Any], out: NDArray[np.int16], slope: float = 1.0, intercept: float = 0.0
) -> int:
    """Scale, round and clip into `out`; returns how many values were no number."""
    real = values.astype(np.float64) * slope + intercept
    bad = ~np.isfinite(real)
    lost = int(bad.sum())
    if lost:
        real[bad] = AIR_HU
    np.rint(real, out=real)
    np.clip(real, _INT16.min, _INT16.max, out=real)
    np.copyto(out, real, casting="unsafe")
    return lost
