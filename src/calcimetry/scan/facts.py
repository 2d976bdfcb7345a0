"""The acquisition facts of a DICOM scan: what matters for measuring, and no one's name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calcimetry.records import Acquisition, Flag
from calcimetry.scan import tags as t
from calcimetry.scan.flags import flag
from calcimetry.scan.slices import Slice, double, integer, numbers, text, texts, u16
from calcimetry.sites import body_part
from calcimetry.terms import code

THICK_MM = 3.5
"""Calcium scoring's own slices are 2.5 to 3 mm (Agatston 1990 used 3), with 3.27 mm on
some scanners; beyond, deposits of 3 mm lose most of their contrast."""
NO_CONTRAST = frozenset({"", "NONE", "NO", "N", "NON", "NIL", "NULL", "WITHOUT", "UNENHANCED", "-"})
ENHANCED_LOSSY = "01"
_LOSSY_SYNTAX = frozenset(
    {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81"}
)
_KEV = re.compile(r"(\d{2,3})\s*keV", re.IGNORECASE)
_PROJECTIONS = frozenset({"MIP", "MINIP", "MIPTHICK", "VRT", "AVERAGE_IP", "MAX_IP", "MIN_IP"})

Elements = Mapping[int, bytes]


def acquisition(slices: Sequence[Slice], kvp: float | None = None) -> Acquisition:
    """The facts of slices in scan order; `kvp` stands where the file has none, or overrides."""
    first = slices[0].elements
    uids = [text(s.elements, t.SOP_UID) for s in slices]
    return Acquisition(
        modality=text(first, t.MODALITY) or "CT",
        kvp=kvp if kvp is not None else kvp_of(first),
        kev=kev_of(first),
        kernel=kernel_of(first),
        contrast=contrast_of(first),
        manufacturer=text(first, t.MANUFACTURER) or None,
        model=text(first, t.MODEL) or None,
        date=date_of(first),
        slice_thickness_mm=_positive(first, t.THICKNESS),
        body_part=text(first, t.BODY_PART) or None,
        laterality=text(first, t.LATERALITY) or text(first, t.IMAGE_LATERALITY) or None,
        patient_position=text(first, t.PATIENT_POSITION) or None,
        image_type=texts(first, t.IMAGE_TYPE),
        hu_ceiling=min(ceiling_of(s.elements) for s in slices),
        study_uid=text(first, t.STUDY_UID) or None,
        series_uid=text(first, t.SERIES_UID) or None,
        frame_of_reference_uid=text(first, t.FRAME_OF_REFERENCE) or None,
        series_number=integer(first, t.SERIES_NUMBER),
        series_description=text(first, t.SERIES_DESCRIPTION) or None,
        sop_instance_uids=tuple(uids) if all(uids) else (),
    )


def _positive(elements: Elements, tag: int) -> float | None:
    values = numbers(elements, tag)
    return values[0] if values and np.isfinite(values[0]) and values[0] > 0 else None


def kvp_of(elements: Elements) -> float | None:
    return _positive(elements, t.KVP)


def kernel_of(elements: Elements) -> str | None:
    return "\\".join(texts(elements, t.KERNEL)) or None


def kev_of(elements: Elements) -> float | None:
    """The energy of a virtual monoenergetic image, from its element or its name."""
    if (stated := double(elements, t.KEV)) is not None:
        return stated
    named = _KEV.search(text(elements, t.SERIES_DESCRIPTION)) or _KEV.search(
        " ".join(texts(elements, t.IMAGE_TYPE))
    )
    return float(named.group(1)) if named else None


def contrast_of(elements: Elements) -> bool | None:
    """Whether contrast was given; an agent that is empty or "none" means not."""
    if (_positive(elements, t.CONTRAST_VOLUME) or 0) > 0:
        return True
    if len(elements.get(t.CONTRAST_AGENT_SEQUENCE, b"")) > 8:
        return True
    if t.CONTRAST_AGENT not in elements:
        return None
    return text(elements, t.CONTRAST_AGENT).upper() not in NO_CONTRAST


def date_of(elements: Elements) -> str | None:
    """The day of acquisition, ISO 8601."""
    for tag in (t.ACQUISITION_DATE, t.ACQUISITION_DATETIME, t.SERIES_DATE, t.STUDY_DATE):
        day = text(elements, tag)[:10].replace(".", "").replace("-", "")[:8]
        if len(day) == 8 and day.isdigit():
            return f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return None


def ceiling_of(elements: Elements) -> int:
    """The largest HU that the stored pixels can hold, at most that of int16."""
    bits = bits_of(elements)
    top = 2 ** (bits - 1) - 1 if u16(elements, t.PIXEL_REPRESENTATION) else 2**bits - 1
    slope, intercept = rescale_of(elements)
    return int(min(round(top * slope + intercept), np.iinfo(np.int16).max))


def bits_of(elements: Elements) -> int:
    """How many bits of a stored value count; all of them where the file does not say."""
    allocated = u16(elements, t.BITS_ALLOCATED, 16)
    stored = u16(elements, t.BITS_STORED, allocated)
    return stored if 0 < stored <= allocated else allocated


def rescale_of(elements: Elements) -> tuple[float, float]:
    """Slope and intercept; one and zero where missing."""
    slope, intercept = numbers(elements, t.SLOPE), numbers(elements, t.INTERCEPT)
    return (slope[0] if slope else 1.0), (intercept[0] if intercept else 0.0)


def is_projection(elements: Elements) -> bool:
    """Maximum, minimum or rendered images: their values are no attenuation."""
    kinds = {part.upper() for part in texts(elements, t.IMAGE_TYPE)}
    return bool(kinds & _PROJECTIONS) or "PROJECTION IMAGE" in kinds


_SOFT_GE = frozenset({"SOFT", "STANDARD", "STND", "CHST"})
_SHARP_WORDS = ("BONE", "LUNG", "EDGE", "DETAIL", "SHARP", "ULTRA", "HRCT")


def is_sharp(kernel: str | None) -> bool:
    """Whether a kernel's name says that it sharpens, by each maker's way of naming.

    Siemens: letters and a number, sharp from 50 (Br38 soft, Br59 sharp); Canon: FC30 and
    FC50 to FC89 (FC01 to FC26 are body and soft); Philips: YA to YD, C, D, E and L;
    GE: BONE, BONEPLUS, LUNG, EDGE, DETAIL. A name that is not known counts as soft.
    """
    if not kernel:
        return False
    name = kernel.upper().split("\\")[0].strip()
    if name in _SOFT_GE:
        return False
    if any(word in name for word in _SHARP_WORDS):
        return True
    if canon := re.match(r"FC(\d+)", name):
        return 30 <= int(canon.group(1)) < 40 or 50 <= int(canon.group(1)) < 90
    if siemens := re.match(r"[A-Z]{1,2}(\d{2})", name):
        return int(siemens.group(1)) >= 50
    return name in {"C", "D", "E", "L", "YA", "YB", "YC", "YD"}


def flags_of(facts: Acquisition, slices: Sequence[Slice]) -> tuple[Flag, ...]:
    """What the facts say about fitness."""
    first = slices[0].elements
    kind = text(first, t.RESCALE_TYPE).upper()
    found = [
        flag("MONOENERGETIC", f"{facts.kev:g} keV") if facts.kev else None,
        flag("DERIVED_SERIES", code("\\".join(facts.image_type)) or "")
        if is_derived(first)
        else None,
        flag("SHARP_KERNEL", code(facts.kernel) or "") if is_sharp(facts.kernel) else None,
        flag("LOSSY_COMPRESSION") if any(_lossy(s) for s in slices) else None,
        flag("HU_SCALE_MISSING") if not numbers(first, t.SLOPE) else None,
        flag("BODY_PART_UNKNOWN") if body_part(text(first, t.BODY_PART))[1] else None,
        flag("RESCALE_TYPE", code(kind) or "") if kind not in ("", "HU") else None,
    ]
    return tuple(f for f in found if f is not None)


def shared_flags(facts: Acquisition, affine: NDArray[np.float64]) -> tuple[Flag, ...]:
    """Flags that hold for every kind of input; the longest voxel edge is the slices'."""
    edge = float(np.linalg.norm(affine[:3, :3], axis=0).max())
    thick = max(facts.slice_thickness_mm or 0.0, edge)
    found = [
        flag("KVP_UNKNOWN") if facts.kvp is None and facts.kev is None else None,
        flag("THICK_SLICES", f"{thick:.3g} mm") if thick > THICK_MM else None,
        flag("CONTRAST") if facts.contrast else None,
        flag("CONTRAST_UNKNOWN") if facts.contrast is None else None,
    ]
    return tuple(f for f in found if f is not None)


def is_derived(elements: Elements) -> bool:
    kinds = texts(elements, t.IMAGE_TYPE)
    return bool(kinds) and kinds[0].upper() == "DERIVED"


def _lossy(piece: Slice) -> bool:
    return text(piece.elements, t.LOSSY) == ENHANCED_LOSSY or piece.header.syntax in _LOSSY_SYNTAX


def with_kvp(known: Acquisition, kvp: float | None) -> Acquisition:
    """The facts with the tube voltage that the user gave, if any."""
    return known if kvp is None else replace(known, kvp=kvp)
