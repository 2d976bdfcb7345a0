"""Whether a stack of images can be measured at all, before its geometry is looked at."""

from __future__ import annotations

import numpy as np

from calcimetry.errors import CalcimetryError, GeometryError, InputError
from calcimetry.scan import facts, stack
from calcimetry.scan import tags as t
from calcimetry.scan.flags import listed
from calcimetry.scan.slices import text, texts, u16
from calcimetry.scan.stacks import Stack, describe, places

HU_TYPES = frozenset({"", "HU", "HU_MOD", "US", "UNSPECIFIED"})
"""RescaleType of CT (PS3.3 C.11.1.1.2); US, "unspecified", is what some makers write for HU."""
CT_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced
        "1.2.840.10008.5.1.4.1.1.2.2",  # legacy converted enhanced
    }
)
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
DEPTHS = (8, 16, 32)


def refusal(candidate: Stack) -> CalcimetryError | None:
    """Why a stack cannot be measured, before its geometry is looked at; None if it can."""
    for check in (_not_ct, _localizer, _not_hu, _odd_pixels, _no_geometry, _clash, _few):
        if (error := check(candidate)) is not None:
            return error
    return None


def _error(
    kind: type[CalcimetryError], code: str, candidate: Stack, **words: str
) -> CalcimetryError:
    return kind(code, where=describe(candidate), **words)


def _not_ct(candidate: Stack) -> CalcimetryError | None:
    first = candidate.slices[0].elements
    modality, sop_class = text(first, t.MODALITY).upper(), text(first, t.SOP_CLASS)
    capture = sop_class.startswith(SECONDARY_CAPTURE)
    ct_class = sop_class in CT_CLASSES
    piece = candidate.slices[0]
    image = min(piece.rows, piece.columns) > 0 and piece.header.pixel_start is not None
    if capture or (modality == "CT" and u16(first, t.SAMPLES, 1) != 1):
        return _error(
            InputError,
            "SECONDARY_CAPTURE",
            candidate,
            found="screen captures, whose values are colours or grey levels",
            expected="CT images",
            remedy="export the CT series itself",
        )
    if (modality == "CT" or (not modality and ct_class)) and image:
        return None
    if modality == "CT" and ct_class:
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
    kinds = {v.upper() for v in texts(candidate.slices[0].elements, t.IMAGE_TYPE)}
    if not kinds & {"LOCALIZER", "SCOUT", "TOPOGRAM"}:
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
    kind = text(first, t.RESCALE_TYPE).upper()
    projection = facts.is_projection(first)
    if kind in HU_TYPES and not projection:
        return None
    return _error(
        InputError,
        "NOT_HU",
        candidate,
        found="an intensity projection" if projection else f"values in {kind!r}",
        expected="Hounsfield units",
        remedy="give the original CT series",
    )


def _odd_pixels(candidate: Stack) -> CalcimetryError | None:
    first = candidate.slices[0].elements
    depth, slope = u16(first, t.BITS_ALLOCATED, 16), facts.rescale_of(first)[0]
    if depth in DEPTHS and np.isfinite(slope) and slope > 0:
        return None
    return _error(
        InputError,
        "PIXEL_FORMAT",
        candidate,
        found=f"{depth} bits allocated, rescale slope {slope:g}",
        expected="8, 16 or 32 bits and a positive slope",
        remedy="export the series again",
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


def _clash(candidate: Stack) -> CalcimetryError | None:
    if not candidate.clash or len(places(candidate.slices)) < stack.MIN_SLICES:
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
        zip(stack.distances(candidate.slices), range(len(candidate.slices)), strict=True)
    )
    try:
        stack.check_count(
            [candidate.slices[i] for _, i in ordered], np.array([d for d, _ in ordered])
        )
    except GeometryError as error:
        return error
    return None
