"""Whether a stack of images can be measured at all, before its geometry is looked at."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from calcimetry.errors import CalcimetryError, GeometryError, InputError
from calcimetry.scan.dicom import geometry
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.acquisition import FORMAT, rescale_of
from calcimetry.scan.dicom.elements import UNDEFINED
from calcimetry.scan.dicom.image_type import is_localizer, is_map, is_picture, is_projection
from calcimetry.scan.dicom.pixels import is_native, pixel_bytes, stored_type
from calcimetry.scan.dicom.slices import Slice, distinct, is_stated, number, numbers, text, u16
from calcimetry.scan.dicom.stacks import CAPTURES, Stack, describe, places
from calcimetry.scan.flags import listed
from calcimetry.scan.grid import EDGE_MM, MIN_SLICES

HU_TYPES = frozenset(
    {"", "HU", "HU_MOD", "US", "UNSPECIFIED", "HOUNSFIELD", "HOUNSFIELD UNIT", "HOUNSFIELD UNITS"}
)
"""RescaleType of CT (PS3.3 C.11.1.1.2), and what some makers write for HU: US, "unspecified",
or the unit's name."""
CT_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced
        "1.2.840.10008.5.1.4.1.1.2.2",  # legacy converted enhanced
    }
)
DEPTHS = (8, 16, 32)
LEAST_BITS = 8
SLOPES = (1e-3, 100.0)
MOST_INTERCEPT = 65_536.0
"""16-bit values moved by as much as they can be."""
GREY = frozenset({"", "MONOCHROME1", "MONOCHROME2"})
LEAST_PIXELS = 8
PIXEL_MM = (EDGE_MM[0], 5.0)
"""From the finest scanners of extremities to the maps that PET scanners correct by."""
MOST_FIELD_MM = 1500.0
"""The widest bores are 900 mm."""


def refusal(candidate: Stack) -> CalcimetryError | None:
    """Why a stack cannot be measured, before its geometry is looked at; None if it can."""
    for check in _CHECKS:
        if (error := check(candidate)) is not None:
            return error
    return None


def _error(
    kind: type[CalcimetryError], code: str, candidate: Stack, **words: str
) -> CalcimetryError:
    return kind(code, where=describe(candidate), **words)


def _modality_and_class(candidate: Stack) -> tuple[str, str]:
    """The modality, of the first slice that states one, and the SOP class."""
    first = candidate.slices[0].elements
    stated = (text(s.elements, t.MODALITY).upper() for s in candidate.slices)
    modality = next((m for m in stated if m), "")
    return modality, text(first, t.SOP_CLASS) or text(first, t.MEDIA_SOP_CLASS)


def _capture(candidate: Stack) -> CalcimetryError | None:
    first = candidate.slices[0].elements
    modality, sop_class = _modality_and_class(candidate)
    coloured = modality == "CT" and u16(first, t.SAMPLES, 1) != 1
    if not coloured and sop_class not in CAPTURES and not is_picture(first):
        return None
    return _error(
        InputError,
        "SECONDARY_CAPTURE",
        candidate,
        found="screen captures, whose values are colours or grey levels",
        expected="CT images",
        remedy="export the CT series itself",
    )


def _not_ct(candidate: Stack) -> CalcimetryError | None:
    modality, sop_class = _modality_and_class(candidate)
    ct_class = sop_class in CT_CLASSES
    piece = candidate.slices[0]
    image = min(piece.rows, piece.columns) > 0 and piece.header.pixel_start is not None
    if (modality == "CT" or (not modality and ct_class)) and image:
        return None
    if modality in ("CT", "") and ct_class:
        return _error(
            InputError,
            "NO_PIXELS",
            candidate,
            found="CT headers without pixel data",
            expected="CT images",
            remedy="copy or export the files again; they may be cut short",
        )
    return _error(
        InputError,
        "NOT_CT",
        candidate,
        found=f"modality {modality or 'not stated'}",
        expected="CT",
        remedy="give a folder that holds a CT series",
    )


def _localizer(candidate: Stack) -> CalcimetryError | None:
    if not is_localizer(candidate.slices[0].elements):
        return None
    return _error(
        InputError,
        "ONLY_LOCALIZER",
        candidate,
        found="a localizer (scout view)",
        expected="a CT volume",
        remedy="give the folder of the axial series",
    )


def _not_hu(candidate: Stack) -> CalcimetryError | None:
    first = candidate.slices[0].elements
    kinds = (text(s.elements, t.RESCALE_TYPE).upper() for s in candidate.slices)
    kind = next((k for k in kinds if k not in HU_TYPES), "")
    if is_projection(first):
        found = "an intensity projection, a rendering or a curved plane"
    elif is_map(first):
        found = "a map of a material, or images from which one was taken out"
    elif kind:
        found = f"values in {kind!r}"
    else:
        return None
    return _error(
        InputError,
        "NOT_HU",
        candidate,
        found=found,
        expected="Hounsfield units",
        remedy="give the original CT series",
    )


def _odd_pixels(candidate: Stack) -> CalcimetryError | None:
    """Every slice's own format, and whether all state the same parts of it."""
    kinds = distinct(candidate.slices, (*FORMAT, *_STATED))
    lengths = {(s.header.pixel_length, len(s.header.frames)): s for s in candidate.slices}
    odd = [(piece.name, why) for piece in kinds if (why := _oddity(piece))]
    odd = odd or [(s.name, why) for s in lengths.values() if (why := _odd_length(s))]
    partly = [
        name
        for tag, name in _STATED.items()
        if len({is_stated(piece.elements, tag) for piece in kinds}) > 1
    ]
    if not odd and not partly:
        return None
    named = listed([f"{why} ({name})" for name, why in odd])
    return _error(
        InputError,
        "PIXEL_FORMAT",
        candidate,
        found=named or f"slices with and without {listed(partly)}",
        expected="every slice of 8, 16 or 32 grey bits, signed or not, with a positive slope and "
        "an intercept that CT has",
        remedy="export the series again from the scanner or PACS",
    )


_STATED = {
    t.BITS_STORED: "BitsStored",
    t.PIXEL_REPRESENTATION: "PixelRepresentation",
    t.SLOPE: "RescaleSlope",
    t.INTERCEPT: "RescaleIntercept",
}
"""What a stack states in every slice or in none."""


def _oddity(piece: Slice) -> str | None:
    """What no CT has in the format of a slice's pixels; None if nothing."""
    elements = piece.elements
    allocated = u16(elements, t.BITS_ALLOCATED, 16)
    stored = u16(elements, t.BITS_STORED, allocated)
    high = u16(elements, t.HIGH_BIT, stored - 1)
    sign = u16(elements, t.PIXEL_REPRESENTATION)
    slope, intercept = rescale_of(elements)
    if allocated not in DEPTHS:
        return f"{allocated} bits allocated"
    if not LEAST_BITS <= stored <= allocated:
        return f"{stored} bits stored"
    if not stored - 1 <= high < allocated:
        return f"high bit {high} of {stored} bits stored"
    if sign not in (0, 1):
        return f"pixel representation {sign}"
    if not SLOPES[0] <= slope <= SLOPES[1]:
        return f"rescale slope {_written(elements, t.SLOPE)}"
    if not abs(intercept) <= MOST_INTERCEPT:
        return f"rescale intercept {_written(elements, t.INTERCEPT)}"
    if (colours := text(elements, t.PHOTOMETRIC).upper()) not in GREY:
        return f"{colours} pixels"
    return None


def _odd_length(piece: Slice) -> str | None:
    """More pixel data than the size says: then rows, columns or bits are not what they were."""
    header = piece.header
    if not is_native(header):
        return None
    if header.pixel_length == UNDEFINED:
        return "compressed pixels under an uncompressed transfer syntax"
    expected = pixel_bytes(piece, max(1, len(header.frames)))
    spare = min(piece.rows, piece.columns) * stored_type(piece).itemsize
    if header.pixel_length - expected < spare:
        return None
    return f"{header.pixel_length} bytes of pixels, where its size takes {expected}"


def _written(elements: Mapping[int, bytes], tag: int) -> str:
    """The number that the file holds, or what else stands there."""
    values = numbers(elements, tag)
    return f"{values[0]:g}" if len(values) == 1 else ascii(text(elements, tag)[:20])


def _one_position(candidate: Stack) -> CalcimetryError | None:
    """Several frames in a file of classic CT, which has one position for all of them."""
    many = [
        (piece.name, int(count))
        for piece in distinct(candidate.slices, (t.FRAMES,))
        if not piece.header.frames and (count := number(piece.elements, t.FRAMES, 1)) > 1
    ]
    if not many:
        return None
    return _error(
        GeometryError,
        "NO_POSITION",
        candidate,
        found=f"{many[0][1]} frames in one file ({many[0][0]}) with one position for all of them",
        expected="a position for each frame (enhanced CT), or one file for each slice",
        remedy="export the series as single slices or as enhanced CT",
    )


def _small(candidate: Stack) -> CalcimetryError | None:
    first = candidate.slices[0]
    if min(first.rows, first.columns) >= LEAST_PIXELS:
        return None
    return _error(
        GeometryError,
        "TOO_FEW_PIXELS",
        candidate,
        found=f"images of {first.rows} x {first.columns} pixels",
        expected=f"at least {LEAST_PIXELS} x {LEAST_PIXELS}",
        remedy="export the series again",
    )


def _odd_spacing(candidate: Stack) -> CalcimetryError | None:
    """Spacings that no CT has: units mistaken, or damage."""
    first, between = candidate.slices[0], geometry.pixel_spacing(candidate.slices)
    step = geometry.spacing_of(candidate.slices)
    field = max(between[0] * first.rows, between[1] * first.columns)
    if not all(PIXEL_MM[0] <= v <= PIXEL_MM[1] for v in between):
        found = f"pixels of {between[0]:.4g} x {between[1]:.4g} mm"
        expected = f"{PIXEL_MM[0]:g} to {PIXEL_MM[1]:g} mm"
    elif field > MOST_FIELD_MM:
        found, expected = f"a field of {field:.0f} mm", f"at most {MOST_FIELD_MM:.0f} mm"
    elif not EDGE_MM[0] <= step <= EDGE_MM[1]:
        found = f"slices {step:.4g} mm apart"
        expected = f"{EDGE_MM[0]:g} to {EDGE_MM[1]:g} mm"
    else:
        return None
    return _error(
        GeometryError,
        "BAD_SPACING",
        candidate,
        found=f"{found}, which no CT has",
        expected=expected,
        remedy="export the series again; positions and spacings are in mm",
    )


def _no_geometry(candidate: Stack) -> CalcimetryError | None:
    for attribute, code, name in (
        ("position", "NO_POSITION", "ImagePositionPatient"),
        ("orientation", "NO_ORIENTATION", "ImageOrientationPatient"),
        ("spacing", "NO_PIXEL_SPACING", "PixelSpacing"),
    ):
        lacking = [s.name for s in candidate.slices if getattr(s, attribute) is None]
        if lacking:
            return _error(
                GeometryError,
                code,
                candidate,
                found=f"no valid {name} in {listed(lacking)}",
                expected=f"{name} in every slice",
                remedy="export the series again, without removing geometry",
            )
    return None


def _askew(candidate: Stack) -> CalcimetryError | None:
    try:
        geometry.check_orientation(candidate.slices[0])
    except GeometryError as error:
        return error
    return None


def _clash(candidate: Stack) -> CalcimetryError | None:
    if not candidate.clash or len(places(candidate.slices)) < MIN_SLICES:
        return None
    return _error(
        GeometryError,
        "SLICES_CLASH",
        candidate,
        found=f"different images at the same place: {listed(candidate.clash)}",
        expected="one image at each place",
        remedy="export one reconstruction or phase only",
    )


def _few(candidate: Stack) -> CalcimetryError | None:
    ordered = sorted(
        zip(geometry.distances(candidate.slices), range(len(candidate.slices)), strict=True)
    )
    try:
        geometry.check_count(
            [candidate.slices[i] for _, i in ordered], np.array([d for d, _ in ordered])
        )
    except GeometryError as error:
        return error
    return None


_CHECKS = (
    *(_capture, _not_ct, _localizer, _not_hu, _one_position, _odd_pixels, _small),
    *(_no_geometry, _askew, _clash, _few, _odd_spacing),
)
