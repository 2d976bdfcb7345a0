"""Every flag and every error that reading a scan can raise: code -> what it means."""

from __future__ import annotations

from collections.abc import Sequence

from calcimetry.records import Flag, Severity

CATALOGUE: dict[str, tuple[Severity, str]] = {
    "BEYOND_BITS_STORED": (
        Severity.WARNING,
        "values beyond BitsStored were read whole, as the image speaks for it",
    ),
    "BITS_MASKED": (
        Severity.WARNING,
        "bits above BitsStored were left out: overlays of old files, or nothing",
    ),
    "BODY_PART_UNKNOWN": (Severity.INFO, "the file's Body Part Examined holds words not known"),
    "BROKEN_FILES": (Severity.WARNING, "files that look like DICOM could not be read"),
    "CONCATENATION": (
        Severity.WARNING,
        "the file is one of several parts, and does not say of how many",
    ),
    "CONTINUED_ELSEWHERE": (Severity.WARNING, "images of another series go on where this ends"),
    "CONTRAST": (Severity.WARNING, "contrast medium was given; vessels and bowel can be dense"),
    "CONTRAST_UNKNOWN": (Severity.INFO, "the file does not say whether contrast was given"),
    "DECIMAL_COMMA": (Severity.WARNING, "numbers with a decimal comma were read as with a point"),
    "DERIVED_SERIES": (Severity.INFO, "the images were reformatted or computed from others"),
    "DUPLICATE_SLICES": (Severity.WARNING, "slices stood twice in the input; one copy was used"),
    "GANTRY_TILT": (Severity.INFO, "slices are not at right angles to the table's travel"),
    "HIGH_BIT": (
        Severity.INFO,
        "HighBit is not BitsStored - 1; values were read from the lowest bit",
    ),
    "HU_CLIPPED": (Severity.WARNING, "values were cut off at a bound; denser ones are not known"),
    "HU_SCALE_DOUBTFUL": (Severity.WARNING, "the values may not be Hounsfield units"),
    "HU_SCALE_MISSING": (
        Severity.WARNING,
        "no rescale slope or intercept; stored values were taken for HU",
    ),
    "KVP_UNKNOWN": (Severity.WARNING, "the tube voltage is not known; calibration needs it"),
    "LOSSY_COMPRESSION": (Severity.WARNING, "pixels went through lossy compression"),
    "MIXED_SERIES": (Severity.WARNING, "the series held other images, which were left out"),
    "MONOENERGETIC": (Severity.WARNING, "a virtual monoenergetic image, not a kVp image"),
    "NAMED_AS_PROJECTION": (
        Severity.WARNING,
        "the description names a projection; the file else does not",
    ),
    "NIFTI_FORMS_DIFFER": (Severity.WARNING, "sform and qform lay the voxels out differently"),
    "NIFTI_HEADER": (Severity.INFO, "NIfTI keeps no facts of how the scan was made"),
    "NIFTI_QFORM": (Severity.INFO, "the qform was used in place of the sform"),
    "NON_AXIAL": (Severity.WARNING, "the slices are not axial"),
    "NO_PATIENT_LINK": (Severity.INFO, "no key for the patient's link could be read or made"),
    "NOT_FINITE": (Severity.WARNING, "voxels that are no number were set to air"),
    "ORIENTATION_ASSUMED": (Severity.WARNING, "an array without affine: axes were assumed"),
    "PARTLY_STATED": (
        Severity.INFO,
        "some slices lack facts that the others state, and share them",
    ),
    "PIXEL_FORMAT_VARIES": (
        Severity.INFO,
        "slices differ in rescale, bits or sign; each was read by its own",
    ),
    "RESCALE_TYPE": (Severity.WARNING, "the file does not call its values HU"),
    "SEVERAL_PATIENT_IDS": (Severity.WARNING, "slices of the series carry several patient IDs"),
    "SEVERAL_STUDIES": (Severity.WARNING, "the folder holds scans of several studies"),
    "SHARP_KERNEL": (Severity.WARNING, "a sharp kernel raises edges and noise"),
    "SLICES_UNLIKE": (Severity.WARNING, "slices read unlike their neighbours, or as no body does"),
    "THICK_SLICES": (Severity.WARNING, "thick slices hide small deposits and smear density"),
    "UNEVEN_SPACING": (Severity.INFO, "slice spacing varies a little; the mean was used"),
    "VALUES_LEFT_OUT": (Severity.WARNING, "values that cannot be were taken for unknown"),
}


ERRORS: dict[str, tuple[int, str]] = {
    "ARCHIVE_ENCRYPTED": (3, "an archive with a password"),
    "ARCHIVE_KIND": (3, "an archive of a make, or packed in a way, that is not read"),
    "ARCHIVE_UNSAFE": (3, "an archive whose files would be written outside of their folder"),
    "ARRAY_GEOMETRY": (2, "an array needs spacing or an affine, not both"),
    "ARRAY_SHAPE": (2, "an array must be three-dimensional, of numbers"),
    "BAD_KVP": (2, "the given tube voltage is none"),
    "BAD_NIFTI": (3, "the NIfTI header cannot be read"),
    "BROKEN_FILE": (3, "a file is damaged or ends inside its header, and leaves a gap or nothing"),
    "CANNOT_DECODE": (3, "pixels are damaged or in a syntax without a plug-in"),
    "EMPTY_FILE": (3, "a file of 0 bytes"),
    "EMPTY_FOLDER": (3, "a folder without files"),
    "MISSING_PARTS": (3, "a concatenation (one scan in several files) of which a part is missing"),
    "HU_SCALE_WRONG": (3, "values that are clearly no Hounsfield units"),
    "NOT_CT": (3, "images, or other objects, that are not CT"),
    "NOT_DICOM": (3, "a file that is neither DICOM nor NIfTI"),
    "NOT_FOUND": (3, "no such file or folder"),
    "NOT_HU": (3, "projections or material maps, whose values are not Hounsfield units"),
    "NOT_ONE_VOLUME": (3, "a NIfTI file of one or two dimensions, or of several volumes"),
    "NO_DICOM": (3, "a folder whose files are not DICOM"),
    "NO_PIXELS": (3, "CT headers without pixel data"),
    "ONLY_LOCALIZER": (3, "only scout views"),
    "PIXEL_FORMAT": (3, "bits, sign, slope or intercept that no CT has, in some slice"),
    "SECONDARY_CAPTURE": (3, "screen captures or colour images"),
    "SERIES_AMBIGUOUS": (3, "the name given fits several series"),
    "SERIES_NOT_FOUND": (3, "the name given fits no series"),
    "SEVERAL_SCANS": (3, "a folder of several NIfTI files"),
    "TOO_BIG": (3, "the volume does not fit in memory"),
    "TRUNCATED_FILE": (3, "files shorter than their pixels"),
    "UNREADABLE": (3, "the operating system refuses the path, or it is a pipe or device"),
    "UNREADABLE_FILE": (3, "the operating system refuses one of the files"),
    "AFFINES_DISAGREE": (4, "sform, qform and pixdim of a NIfTI file describe different grids"),
    "BAD_ORIENTATION": (4, "direction vectors not of length 1 or not at right angles"),
    "BAD_SPACING": (4, "pixels, a field or slice spacing that no CT has"),
    "MISSING_SLICES": (4, "gaps between slices"),
    "NO_AFFINE": (4, "no affine, or one that is no geometry"),
    "NO_ORIENTATION": (4, "slices without ImageOrientationPatient"),
    "NO_PIXEL_SPACING": (4, "slices without PixelSpacing"),
    "NO_POSITION": (4, "slices or frames without a position of their own, or one beyond 10 m"),
    "PLACE_FAR": (4, "a scan that lies hundreds of metres away"),
    "SHIFTED_SLICES": (4, "slices off the common line"),
    "SLICES_CLASH": (4, "different images at one place that nothing tells apart"),
    "TOO_FEW_PIXELS": (4, "images of fewer than 8 x 8 pixels"),
    "TOO_FEW_SLICES": (4, "fewer than four slice positions"),
    "UNEVEN_SPACING": (4, "slices not evenly spaced"),
    "VOXEL_SIZE": (4, "voxels, or a volume, of a size that no CT has"),
}


def flag(code: str, detail: str = "", names: Sequence[str] = ()) -> Flag:
    """A flag of the catalogue, with what was found in this scan.

    detail : gets into documents: counts, numbers, UIDs, never the name of a file or folder
    names : of the files that it is about, for the terminal alone
    """
    severity, meaning = CATALOGUE[code]
    return Flag(code, f"{meaning}: {detail}" if detail else meaning, severity, tuple(names))


def counted(things: Sequence[object], what: str) -> str:
    """How many there are, for texts that may not name them: "3 files"."""
    return f"{len(things)} {what}{'s' if len(things) != 1 else ''}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in words, long lists cut short; for errors, which the terminal alone shows."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
