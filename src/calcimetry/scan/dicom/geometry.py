"""Slices to a grid: order, spacing, tilt and direction from positions only.

File names, InstanceNumber and SliceThickness say nothing reliable about where a slice lies;
ImagePositionPatient and ImageOrientationPatient do (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.errors import GeometryError
from calcimetry.records import Flag
from calcimetry.scan.dicom.slices import Slice, Vector
from calcimetry.scan.flags import flag, listed
from calcimetry.scan.grid import MIN_SLICES, TILT_DEG, tilt_degrees

SAME_PLACE_MM = 0.01
"""Positions nearer than this are one: a tenth of the finest spacing CT scanners offer."""
EVEN_MM, EVEN_SHARE = 0.01, 0.01
"""Slices this near (mm, or share of the spacing) to an even grid are even: the rounding of
positions to 0.01 mm in the file."""
REFUSE_MM, REFUSE_SHARE = 0.06, 0.05
"""Beyond both, refused. Positions rounded to 0.1 mm stay within; 5 % of one spacing is at
most that share of a one-slice deposit's mass."""
GAP = 1.5
"""An interval of this many spacings holds a missing slice."""
SHIFT_SHARE = 0.1
"""In-plane wander of slices off the straight line, as a share of the pixel spacing."""
UNIT_TOLERANCE = 1e-3
"""On lengths and the right angle of the orientation's two vectors."""


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Slices in order along their normal, and their grid.

    affine : (4, 4), (column, row, slice) to LPS mm
    """

    slices: tuple[Slice, ...]
    affine: NDArray[np.float64]
    flags: tuple[Flag, ...]


def normal(orientation: Vector) -> Vector:
    """The direction in which slices are ordered."""
    cross = np.cross(orientation[0], orientation[1])
    return cross / max(float(np.linalg.norm(cross)), 1e-12)


def distances(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """How far along the first slice's normal each slice lies, mm."""
    axis = normal(_orientation(slices[0]))
    return np.array([_position(s) for s in slices]) @ axis


def spacing_of(slices: Sequence[Slice]) -> float:
    """The usual step between neighbouring slices, mm; 0 when there is only one place."""
    steps = np.diff(np.sort(distances(slices)))
    steps = steps[steps > SAME_PLACE_MM]
    return float(np.median(steps)) if len(steps) else 0.0


def place(slices: Sequence[Slice]) -> Placed:
    """Order the slices and fit their grid.

    Raises GeometryError: TOO_FEW_SLICES, BAD_ORIENTATION, MISSING_SLICES, UNEVEN_SPACING,
    SHIFTED_SLICES; each names the slices.
    """
    check_orientation(slices[0])
    order = np.argsort(distances(slices), kind="stable")
    ordered = tuple(slices[i] for i in order)
    along = distances(ordered)
    check_count(ordered, along)
    check_gaps(ordered, along)
    positions = np.array([_position(s) for s in ordered])
    start, step = _line(positions)
    off = positions - (start + np.outer(np.arange(len(ordered)), step))
    flags = check_even(ordered, along, off @ normal(_orientation(ordered[0])))
    check_straight(ordered, off)
    affine = _affine(ordered, start, step)
    return Placed(ordered, affine, flags + _tilt(affine))


def _line(positions: Vector) -> tuple[Vector, Vector]:
    """The evenly spaced points that fit the positions best."""
    index = np.arange(len(positions)) - (len(positions) - 1) / 2
    step = index @ positions / (index @ index)
    return positions.mean(axis=0) + index[0] * step, step


def _affine(ordered: Sequence[Slice], start: Vector, step: Vector) -> NDArray[np.float64]:
    across, down = _orientation(ordered[0])
    between_rows, between_columns = pixel_spacing(ordered)
    affine = np.eye(4)
    affine[:3, 0] = across * between_columns
    affine[:3, 1] = down * between_rows
    affine[:3, 2] = step
    affine[:3, 3] = start
    return affine


def pixel_spacing(slices: Sequence[Slice]) -> tuple[float, float]:
    """The usual (between rows, between columns), mm; slices may differ in a last digit."""
    rows, columns = np.median([s.spacing for s in slices if s.spacing is not None], axis=0)
    return float(rows), float(columns)


def check_orientation(first: Slice) -> None:
    """The two direction vectors are of length one and at right angles."""
    rows = _orientation(first)
    worst = max(*np.abs(np.linalg.norm(rows, axis=1) - 1), abs(float(rows[0] @ rows[1])))
    if worst > UNIT_TOLERANCE:
        raise GeometryError(
            "BAD_ORIENTATION",
            found=f"ImageOrientationPatient {[round(float(v), 4) for v in rows.ravel()]}",
            expected="two vectors of length 1 at right angles",
            where=first.name,
            remedy="export the series again from the scanner or PACS",
        )


def check_count(ordered: Sequence[Slice], along: NDArray[np.float64]) -> None:
    """Enough places to know the spacing."""
    places = 1 + int((np.diff(along) > SAME_PLACE_MM).sum())
    if places < MIN_SLICES:
        raise GeometryError(
            "TOO_FEW_SLICES",
            found=f"{places} slice position{'s' if places > 1 else ''}",
            expected=f"at least {MIN_SLICES}",
            where=listed([s.name for s in ordered]),
            remedy="give the whole series, in one folder",
        )


def check_gaps(ordered: Sequence[Slice], along: NDArray[np.float64]) -> None:
    """No slice is missing between two others."""
    steps = np.diff(along)
    usual = float(np.median(steps))
    wide = np.flatnonzero(steps > GAP * usual)
    # Many wide steps are uneven spacing, not missing slices.
    if not len(wide) or len(wide) > len(steps) // 3:
        return
    missing = int(np.round(steps[wide] / usual - 1).clip(min=1).sum())
    raise GeometryError(
        "MISSING_SLICES",
        found="; ".join(_between(ordered, along, int(k), usual) for k in wide[:3])
        + (f"; and {len(wide) - 3} more gaps" if len(wide) > 3 else ""),
        expected=f"slices every {usual:.2f} mm, none missing (about {missing} are)",
        where=f"{ordered[0].path.parent}",
        remedy="export the series again; or choose another series with --series",
    )


def _between(ordered: Sequence[Slice], along: NDArray[np.float64], k: int, usual: float) -> str:
    return (
        f"{usual:.2f} mm spacing expected, {along[k + 1] - along[k]:.2f} mm found between "
        f"{_at(ordered[k], along[k])} and {_at(ordered[k + 1], along[k + 1])}"
    )


def _at(piece: Slice, along: float) -> str:
    return f"{piece.name} ({along:.2f} mm)"


def check_even(
    ordered: Sequence[Slice], along: NDArray[np.float64], off: NDArray[np.float64]
) -> tuple[Flag, ...]:
    """Slices lie on an even grid: refused, flagged or right."""
    usual = float(np.median(np.diff(along)))
    worst = float(np.abs(off).max())
    if worst > max(REFUSE_MM, REFUSE_SHARE * usual):
        steps = np.abs(np.diff(along) - usual)
        bad = np.flatnonzero(steps > max(EVEN_MM, EVEN_SHARE * usual))
        raise GeometryError(
            "UNEVEN_SPACING",
            found="; ".join(_between(ordered, along, int(k), usual) for k in bad[:3])
            + (f"; and {len(bad) - 3} more places" if len(bad) > 3 else ""),
            expected=f"even spacing within {max(REFUSE_MM, REFUSE_SHARE * usual):.2f} mm",
            where=f"{ordered[0].path.parent}",
            remedy="export the series again; or choose another series with --series",
        )
    if worst > max(EVEN_MM, EVEN_SHARE * usual):
        return (flag("UNEVEN_SPACING", f"up to {worst:.3f} mm off a spacing of {usual:.3f} mm"),)
    return ()


def check_straight(ordered: Sequence[Slice], off: Vector) -> None:
    """Slices lie on one straight line, tilted or not."""
    spacing = min(ordered[0].spacing or (1.0, 1.0))
    sideways = np.abs(off @ _orientation(ordered[0]).T).max(axis=1)
    bad = np.flatnonzero(sideways > max(SHIFT_SHARE * spacing, SAME_PLACE_MM))
    if len(bad):
        raise GeometryError(
            "SHIFTED_SLICES",
            found=f"slices moved sideways by up to {sideways.max():.2f} mm",
            expected=f"all on one line within {SHIFT_SHARE * spacing:.2f} mm",
            where=listed([ordered[int(i)].name for i in bad]),
            remedy="the series may mix reconstructions: export one, or use --series",
        )


def _tilt(affine: NDArray[np.float64]) -> tuple[Flag, ...]:
    degrees = tilt_degrees(affine)
    if degrees <= TILT_DEG:
        return ()
    return (flag("GANTRY_TILT", f"{degrees:.1f} degrees; volumes and masses hold"),)


def _position(piece: Slice) -> Vector:
    assert piece.position is not None
    return piece.position


def _orientation(piece: Slice) -> Vector:
    assert piece.orientation is not None
    return piece.orientation
