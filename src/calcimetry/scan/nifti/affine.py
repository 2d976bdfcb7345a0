"""Where a NIfTI file says that its voxels lie: sform, qform, pixdim and units, and their quarrels.

The rule. The sform counts where it is set and is a geometry; a qform that is one stands in for
it otherwise (NIFTI_QFORM). Every form that is set, and pixdim, must give the same voxel size to
1 %, and both forms the same handedness and nearest axes: programs differ in which they read,
and where these differ one of them is left over from another grid, so that volumes, masses or
sides would be wrong. Forms that differ by a small turn or in place only are two frames of one
grid: the sform is taken, and said (NIFTI_FORMS_DIFFER). A sheared sform (gantry tilt) has no
qform; one that is as near as its shear is no quarrel.
Fields: https://nifti.nimh.nih.gov/nifti-1, quatern.h and xyzt_units.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from calcimetry.errors import GeometryError
from calcimetry.nifti import lps_of_ras
from calcimetry.records import Flag
from calcimetry.scan.flags import flag
from calcimetry.scan.grid import check_extent, sizes_of, tilt_degrees

Affine = NDArray[np.float64]

_SPACE_UNITS = 7
_UNITS = {1: ("metre", 1000.0), 2: ("mm", 1.0), 3: ("micron", 0.001)}
_SIZE_TOLERANCE = 0.01  # of a voxel's edge; single precision and rounded texts stay far below
_TURN_DEG = 1.0
_MOST_TURN_DEG = 45.0  # beyond, an axis of one form is another axis of the other
_PLACE_MM = 1.0


def placement(
    header: nib.Nifti1Header, pixdim: NDArray[np.float64], shape: tuple[int, int, int], name: str
) -> tuple[Affine, tuple[Flag, ...]]:
    """The affine of stored (i, j, k) to LPS mm, and what is to be said about it.

    pixdim : (3,), as they stand in the file, before any reader has mended them

    Raises GeometryError: NO_AFFINE, AFFINES_DISAGREE, VOXEL_SIZE, PLACE_FAR.
    """
    unit, factor = _UNITS.get(int(header["xyzt_units"]) & _SPACE_UNITS, ("mm", 1.0))
    sform = _sound(header.get_sform(), factor) if header["sform_code"] > 0 else None
    qform = _qform(header, pixdim, factor)
    stated = "sform" if header["sform_code"] > 0 else ""
    flags: tuple[Flag, ...] = ()
    if sform is None and qform is None:
        raise _no_affine(header, name)
    if sform is None:
        flags = (flag("NIFTI_QFORM", "the sform is no geometry" if stated else "no sform is set"),)
    affine = qform if sform is None else sform
    assert affine is not None
    if sform is not None:
        _same_size(sizes_of(sform), np.abs(pixdim) * factor, name)
    if sform is not None and qform is not None:
        flags = _agreed(sform, qform, shape, name)
    check_extent(affine, shape, name, unit)
    return lps_of_ras(affine), flags


def _sound(affine: NDArray[np.float64], factor: float) -> Affine | None:
    """A form in mm, or None for one that is no geometry."""
    found = np.array(affine, dtype=np.float64)
    found[:3] *= factor
    sizes = sizes_of(found)
    if not np.isfinite(found).all() or not np.isfinite(sizes).all() or not sizes.all():
        return None
    flat = abs(np.linalg.det(found[:3, :3] / sizes))
    return found if flat > 1e-3 else None


def _qform(header: nib.Nifti1Header, pixdim: NDArray[np.float64], factor: float) -> Affine | None:
    if header["qform_code"] <= 0 or not _stated(pixdim).all():
        return None
    try:
        return _sound(header.get_qform(), factor)
    except (HeaderDataError, ValueError):  # a quaternion longer than 1
        return None


def _stated(pixdim: NDArray[np.float64]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.isfinite(pixdim) & (pixdim != 0)
    return found


def _no_affine(header: nib.Nifti1Header, name: str) -> GeometryError:
    set_ = [form for form in ("sform", "qform") if header[f"{form}_code"] > 0]
    no_geometry = " and ".join(set_) + " that is no geometry (not finite, or without volume)"
    return GeometryError(
        "NO_AFFINE",
        found=no_geometry if set_ else "neither sform nor qform",
        expected="an affine that says where voxels lie in the patient",
        where=name,
        remedy="convert the DICOM series again with a tool that writes sform or qform",
    )


def _agreed(
    sform: Affine, qform: Affine, shape: tuple[int, int, int], name: str
) -> tuple[Flag, ...]:
    """Nothing where both forms agree, a flag where they differ harmlessly."""
    _same_size(sizes_of(sform), sizes_of(qform), name)
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        raise _quarrel("sform and qform of opposite handedness (left for right)", name)
    turn = _turn_degrees(sform, qform)
    if turn > _MOST_TURN_DEG:
        raise _quarrel(f"sform and qform that are {turn:.0f} degrees apart", name)
    if turn > _TURN_DEG and turn <= tilt_degrees(sform) + _TURN_DEG:
        return ()
    middle = np.append((np.array(shape) - 1) / 2.0, 1.0)
    apart = float(np.linalg.norm((sform @ middle - qform @ middle)[:3]))
    if turn <= _TURN_DEG and apart <= _PLACE_MM:
        return ()
    detail = f"by {turn:.1f} degrees and {apart:.1f} mm; the sform was used"
    return (flag("NIFTI_FORMS_DIFFER", detail),)


def _turn_degrees(one: Affine, other: Affine) -> float:
    """The largest angle between an axis of one and the same axis of the other."""
    cosines = np.einsum("ij,ij->j", one[:3, :3] / sizes_of(one), other[:3, :3] / sizes_of(other))
    return float(np.degrees(np.arccos(np.clip(cosines.min(), -1, 1))))


def _same_size(sform: NDArray[np.float64], other: NDArray[np.float64], name: str) -> None:
    """Compares what is stated: pixdim may be 0 or no number where a writer left it out."""
    stated = _stated(other)
    if np.allclose(sform[stated], other[stated], rtol=_SIZE_TOLERANCE, atol=0.0):
        return
    edges = [" x ".join(f"{edge:.4g}" for edge in size) for size in (sform, other)]
    raise _quarrel(f"voxels of {edges[0]} mm by the sform, {edges[1]} mm by pixdim", name)


def _quarrel(found: str, name: str) -> GeometryError:
    return GeometryError(
        "AFFINES_DISAGREE",
        found=found,
        expected="sform, qform and pixdim that describe one grid",
        where=name,
        remedy="convert the DICOM series again, or write the right affine into both forms",
    )
