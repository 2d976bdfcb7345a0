"""The patient's axes: how a stored grid is turned to run feet to head, front to back, right
to left, by swaps and flips only, so that no value is changed."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from calcimetry.errors import GeometryError
from calcimetry.records import StoredGrid

MIN_SLICES = 4
"""Below this no spacing can be checked: a gap needs intervals on both sides to show."""
TILT_DEG = 0.1
"""Less than this shears a 500 mm field of view by under 1 mm; still kept in the affine."""
EDGE_MM = (0.05, 20.0)
"""Edges of voxels that CT has: from the finest scanners of extremities, with room, to CT of lungs
with a slice each 10 to 20 mm."""
_LONGEST_MM, _LARGEST_MM3 = 3000.0, 3e9  # of a scan: longer than any table's travel
_FARTHEST_MM = 1e5  # from the origin; frames of scanners and atlases stay within metres
# The scan's axes (z, y, x) grow towards head, back, left: LPS axes 2, 1, 0.
_PATIENT_AXIS = (2, 1, 0)


def stored_grid(shape: tuple[int, int, int], affine: NDArray[np.float64]) -> StoredGrid:
    """How a stored (i, j, k) grid becomes the scan's (z, y, x).

    Of the six ways to assign axes, the one whose directions agree best in total; taking
    the best axis one at a time can pick an axis twice on oblique grids.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    axes = max(permutations((2, 1, 0)), key=lambda order: _agreement(directions, order))
    flipped = tuple(
        bool(directions[patient, axis] < 0)
        for patient, axis in zip(_PATIENT_AXIS, axes, strict=True)
    )
    return StoredGrid(shape, affine, axes, flipped)  # type: ignore[arg-type]


def _agreement(directions: NDArray[np.float64], order: tuple[int, ...]) -> float:
    total = sum(
        abs(directions[patient, axis]) for patient, axis in zip(_PATIENT_AXIS, order, strict=True)
    )
    return round(float(total), 9)


def scan_shape(grid: StoredGrid) -> tuple[int, int, int]:
    """The scan's shape (z, y, x)."""
    z, y, x = (grid.shape[axis] for axis in grid.axes)
    return z, y, x


def scan_affine(grid: StoredGrid) -> NDArray[np.float64]:
    """The affine of the scan's array, (x, y, z) index to LPS mm."""
    result = np.eye(4)
    result[:3, 3] = grid.affine[:3, 3]
    for column, axis, flip in zip((2, 1, 0), grid.axes, grid.flipped, strict=True):
        step = grid.affine[:3, axis]
        result[:3, column] = -step if flip else step
        if flip:
            result[:3, 3] += step * (grid.shape[axis] - 1)
    return result


def tilt_degrees(affine: NDArray[np.float64]) -> float:
    """How far the grid's axes are from right angles, degrees; 0 for an upright gantry."""
    unit = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs([unit[:, 0] @ unit[:, 1], unit[:, 0] @ unit[:, 2], unit[:, 1] @ unit[:, 2]])
    return float(np.degrees(np.arcsin(np.clip(cosines.max(), 0, 1))))


def sizes_of(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lengths of the voxels' edges along (i, j, k)."""
    with np.errstate(over="ignore", invalid="ignore"):
        found: NDArray[np.float64] = np.linalg.norm(affine[:3, :3], axis=0)
    return found


def check_extent(
    affine: NDArray[np.float64], shape: tuple[int, ...], where: str, unit: str = "mm"
) -> None:
    """Raise GeometryError where no scan of a patient has such voxels, size or place.

    affine : (i, j, k) to mm; shape : (i, j, k); unit : what the file calls its lengths
    """
    edges = sizes_of(affine)
    said = "" if unit == "mm" else f" by the file's unit, {unit}"
    text = " x ".join(f"{edge:.4g}" for edge in edges) + f" mm{said}"
    if not ((edges >= EDGE_MM[0]) & (edges <= EDGE_MM[1])).all():
        raise _absurd("VOXEL_SIZE", f"voxels of {text}", "edges of {} to {} mm", where)
    whole = edges * shape
    if whole.max() > _LONGEST_MM or whole.prod() > _LARGEST_MM3:
        size = " x ".join(f"{length / 1000:.3g}" for length in whole)
        found = f"a scan of {size} m (voxels of {text})"
        raise _absurd("VOXEL_SIZE", found, "one of a patient, with edges of {} to {} mm", where)
    if np.abs(affine[:3, 3]).max() > _FARTHEST_MM:
        place = ", ".join(f"{x / 1000:.4g}" for x in affine[:3, 3])
        expected = "a place within 100 m of its frame's origin"
        raise _absurd("PLACE_FAR", f"a scan that lies at {place} m", expected, where)


def _absurd(code: str, found: str, expected: str, where: str) -> GeometryError:
    return GeometryError(
        code,
        found=found,
        expected=expected.format(*EDGE_MM),
        where=where,
        remedy="check the affine and its unit (mm), or export the original series again",
    )
