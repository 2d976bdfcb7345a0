"""Every flag that reading a scan can raise: code -> what it means."""

from __future__ import annotations

from calcimetry.records import Flag, Severity

CATALOGUE: dict[str, tuple[Severity, str]] = {
    "BROKEN_FILES": (Severity.WARNING, "files that look like DICOM could not be read"),
    "CONTRAST": (Severity.WARNING, "contrast medium was given; vessels and bowel can be dense"),
    "CONTRAST_UNKNOWN": (Severity.INFO, "the file does not say whether contrast was given"),
    "DERIVED_SERIES": (Severity.INFO, "the images were reformatted or computed from others"),
    "DUPLICATE_SLICES": (Severity.WARNING, "slices stood twice in the input; one copy was used"),
    "GANTRY_TILT": (Severity.INFO, "slices are not at right angles to the table's travel"),
    "HU_SCALE_DOUBTFUL": (Severity.WARNING, "no value is as low as air or fat: are these HU?"),
    "HU_SCALE_MISSING": (Severity.WARNING, "no rescale slope; stored values were taken for HU"),
    "KVP_UNKNOWN": (Severity.WARNING, "the tube voltage is not known; calibration needs it"),
    "LOSSY_COMPRESSION": (Severity.WARNING, "pixels went through lossy compression"),
    "MIXED_SERIES": (Severity.WARNING, "the series held other images, which were left out"),
    "MONOENERGETIC": (Severity.WARNING, "a virtual monoenergetic image, not a kVp image"),
    "NIFTI_HEADER": (Severity.INFO, "NIfTI keeps no facts of how the scan was made"),
    "NIFTI_QFORM": (Severity.INFO, "no sform in the file; its qform was used"),
    "NON_AXIAL": (Severity.WARNING, "the slices are not axial"),
    "NOT_FINITE": (Severity.WARNING, "voxels that are no number were set to air"),
    "ORIENTATION_ASSUMED": (Severity.WARNING, "an array without affine: axes were assumed"),
    "RESCALE_TYPE": (Severity.WARNING, "the file does not call its values HU"),
    "SEVERAL_STUDIES": (Severity.WARNING, "the folder holds scans of several studies"),
    "SHARP_KERNEL": (Severity.WARNING, "a sharp kernel raises edges and noise"),
    "THICK_SLICES": (Severity.WARNING, "thick slices hide small deposits and smear density"),
    "UNEVEN_SPACING": (Severity.INFO, "slice spacing varies a little; the mean was used"),
}


def flag(code: str, detail: str = "") -> Flag:
    """A flag of the catalogue, with what was found in this scan."""
    severity, meaning = CATALOGUE[code]
    return Flag(code, f"{meaning}: {detail}" if detail else meaning, severity)


def listed(names: list[str] | tuple[str, ...], most: int = 5) -> str:
    """Names in words, long lists cut short."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
