"""How a DICOM scan was made: what matters for measuring, and no one's name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TypeVar

import numpy as np

from calcimetry.records import Acquisition, Flag
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.bits_stored import limits
from calcimetry.scan.dicom.image_type import named_projection
from calcimetry.scan.dicom.slices import (
    Slice,
    distinct,
    double,
    integer,
    is_stated,
    numbers,
    text,
    texts,
    u16,
)
from calcimetry.scan.flags import flag
from calcimetry.sites import body_part
from calcimetry.terms import code

NO_CONTRAST = frozenset({"", "NONE", "NO", "N", "NON", "NIL", "NULL", "WITHOUT", "UNENHANCED", "-"})
ENHANCED_LOSSY = "01"
_LOSSY_SYNTAX = frozenset(
    {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81"}
)
_KEV = re.compile(r"(?<![\d.])(\d{2,3})\s*keV", re.IGNORECASE)
KVP_RANGE = (40.0, 200.0)
KEV_RANGE = (30.0, 250.0)
"""Virtual monoenergetic images are offered from 35 or 40 to 200 keV."""
THICKNESS_RANGE_MM = (0.01, 50.0)
FORMAT = (
    *(t.BITS_ALLOCATED, t.BITS_STORED, t.HIGH_BIT, t.PIXEL_REPRESENTATION),
    *(t.PHOTOMETRIC, t.SLOPE, t.INTERCEPT),
)
"""How the pixels of a slice are stored, and what makes HU of them."""
_FACTS = (t.KVP, t.KEV, t.KERNEL, t.THICKNESS, t.SERIES_DESCRIPTION, t.IMAGE_TYPE, t.RESCALE_TYPE)

Elements = Mapping[int, bytes]


def acquisition_of(slices: Sequence[Slice], kvp: float | None = None) -> Acquisition:
    """The facts of slices in scan order; `kvp` stands where the file has none, or overrides."""
    first, kinds = slices[0].elements, distinct(slices, _FACTS)
    uids = [text(s.elements, t.SOP_UID) for s in slices]
    return Acquisition(
        modality=text(first, t.MODALITY) or "CT",
        kvp=kvp if kvp is not None else _first_stated(kinds, kvp_of),
        kev=_first_stated(kinds, kev_of),
        kernel=_first_stated(kinds, kernel_of),
        contrast=contrast_of(first),
        manufacturer=text(first, t.MANUFACTURER) or None,
        model=text(first, t.MODEL) or None,
        date=date_of(first),
        slice_thickness_mm=_first_stated(kinds, thickness_of),
        body_part=text(first, t.BODY_PART) or None,
        laterality=text(first, t.LATERALITY) or text(first, t.IMAGE_LATERALITY) or None,
        patient_position=text(first, t.PATIENT_POSITION) or None,
        image_type=texts(first, t.IMAGE_TYPE),
        hu_ceiling=min(ceiling_of(s.elements) for s in distinct(slices, FORMAT)),
        study_uid=text(first, t.STUDY_UID) or None,
        series_uid=text(first, t.SERIES_UID) or None,
        frame_of_reference_uid=text(first, t.FRAME_OF_REFERENCE) or None,
        series_number=integer(first, t.SERIES_NUMBER),
        series_description=text(first, t.SERIES_DESCRIPTION) or None,
        sop_instance_uids=tuple(uids) if all(uids) else (),
    )


_T = TypeVar("_T")


def _first_stated(slices: Sequence[Slice], fact: Callable[[Elements], _T | None]) -> _T | None:
    """A fact from the first slice that states it: stacks hold one value of it at most."""
    return next((v for s in slices if (v := fact(s.elements)) is not None), None)


def _within(value: float | None, bounds: tuple[float, float]) -> float | None:
    """A value that can be, or unknown."""
    return value if value is not None and bounds[0] <= value <= bounds[1] else None


def _number(elements: Elements, tag: int) -> float | None:
    values = numbers(elements, tag)
    return values[0] if values else None


def kvp_of(elements: Elements) -> float | None:
    return _within(_number(elements, t.KVP), KVP_RANGE)


def thickness_of(elements: Elements) -> float | None:
    return _within(_number(elements, t.THICKNESS), THICKNESS_RANGE_MM)


def kernel_of(elements: Elements) -> str | None:
    return "\\".join(texts(elements, t.KERNEL)) or None


def kev_of(elements: Elements) -> float | None:
    """The energy of a virtual monoenergetic image, from its element or its name."""
    if (stated := _within(double(elements, t.KEV), KEV_RANGE)) is not None:
        return stated
    named = _KEV.search(text(elements, t.SERIES_DESCRIPTION)) or _KEV.search(
        " ".join(texts(elements, t.IMAGE_TYPE))
    )
    return _within(float(named.group(1)) if named else None, KEV_RANGE)


_BOUNDED: tuple[tuple[int, str, Callable[[Elements], float | None]], ...] = (
    (t.KVP, "KVP", kvp_of),
    (t.THICKNESS, "SliceThickness", thickness_of),
    (t.KEV, "MonoenergeticEnergyEquivalent", kev_of),
)


def left_out(slices: Sequence[Slice]) -> tuple[str, ...]:
    """Names of elements that some slice states with a value that cannot be."""
    return tuple(
        name
        for tag, name, fact in _BOUNDED
        if any(is_stated(s.elements, tag) and fact(s.elements) is None for s in slices)
    )


def partly_stated(slices: Sequence[Slice]) -> tuple[str, ...]:
    """Names of facts that some slices state and others do not."""
    facts = {"kVp": kvp_of, "keV": kev_of, "kernel": kernel_of, "slice thickness": thickness_of}
    found = []
    for name, fact in facts.items():
        stated = {fact(s.elements) is not None for s in slices}
        if len(stated) > 1:
            found.append(name)
    return tuple(found)


def contrast_of(elements: Elements) -> bool | None:
    """Whether contrast was given; an agent that is empty or "none" means not."""
    if (_number(elements, t.CONTRAST_VOLUME) or 0) > 0:
        return True
    if len(elements.get(t.CONTRAST_AGENT_SEQUENCE, b"")) > 8:
        return True
    if t.CONTRAST_AGENT not in elements:
        return None
    return text(elements, t.CONTRAST_AGENT).upper() not in NO_CONTRAST


def date_of(elements: Elements) -> str | None:
    """The day of acquisition, ISO 8601; a date that no calendar has is none."""
    for tag in (t.ACQUISITION_DATE, t.ACQUISITION_DATETIME, t.SERIES_DATE, t.STUDY_DATE):
        day = text(elements, tag)[:10].replace(".", "").replace("-", "")[:8]
        if len(day) == 8 and day.isascii() and day.isdigit():
            try:
                return date(int(day[:4]), int(day[4:6]), int(day[6:])).isoformat()
            except ValueError:
                continue
    return None


def ceiling_of(elements: Elements) -> int:
    """The largest HU that the stored pixels can hold, at most that of int16."""
    top = limits(bits_of(elements), is_signed(elements))[1]
    slope, intercept = rescale_of(elements)
    return int(min(round(top * slope + intercept), np.iinfo(np.int16).max))


def bits_of(elements: Elements) -> int:
    """How many bits of a stored value count; all of them where the file does not say."""
    allocated = u16(elements, t.BITS_ALLOCATED, 16)
    stored = u16(elements, t.BITS_STORED, allocated)
    return stored if 0 < stored <= allocated else allocated


def is_signed(elements: Elements) -> bool:
    """Whether stored values are two's complement."""
    return u16(elements, t.PIXEL_REPRESENTATION) == 1


def rescale_of(elements: Elements) -> tuple[float, float]:
    """Slope and intercept; one and zero where missing, NaN where they are no numbers."""
    return _rescale(elements, t.SLOPE, 1.0), _rescale(elements, t.INTERCEPT, 0.0)


def _rescale(elements: Elements, tag: int, missing: float) -> float:
    if not is_stated(elements, tag):
        return missing
    values = set(numbers(elements, tag))
    return values.pop() if len(values) == 1 else float("nan")


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


def acquisition_flags(acquisition: Acquisition, slices: Sequence[Slice]) -> tuple[Flag, ...]:
    """What a scan's acquisition says about its fitness."""
    kinds, formats = distinct(slices, _FACTS), distinct(slices, FORMAT)
    kind = next((k for s in kinds if (k := text(s.elements, t.RESCALE_TYPE).upper())), "")
    derived = any(is_derived(s.elements) for s in kinds)
    impossible, partly = left_out(kinds), partly_stated(kinds)
    kernel, named = acquisition.kernel, named_projection(slices[0].elements)
    found = [
        flag("MONOENERGETIC", f"{acquisition.kev:g} keV") if acquisition.kev else None,
        flag("DERIVED_SERIES", code("\\".join(acquisition.image_type)) or "") if derived else None,
        flag("SHARP_KERNEL", code(kernel) or "") if is_sharp(kernel) else None,
        flag("LOSSY_COMPRESSION") if any(_lossy(s) for s in slices) else None,
        flag("HU_SCALE_MISSING") if not all(_is_scaled(s) for s in formats) else None,
        flag("BODY_PART_UNKNOWN") if body_part(text(slices[0].elements, t.BODY_PART))[1] else None,
        flag("RESCALE_TYPE", code(kind) or "") if kind not in ("", "HU") else None,
        flag("NAMED_AS_PROJECTION", named) if named else None,
        flag("HIGH_BIT") if any(_moved(s.elements) for s in formats) else None,
        flag("VALUES_LEFT_OUT", ", ".join(impossible)) if impossible else None,
        flag("PARTLY_STATED", ", ".join(partly)) if partly else None,
        flag("DECIMAL_COMMA") if any(_has_comma(s.elements) for s in slices) else None,
    ]
    return tuple(f for f in found if f is not None)


def _moved(elements: Elements) -> bool:
    """Whether the header puts the values elsewhere than into the lowest bits."""
    stored = bits_of(elements)
    return u16(elements, t.HIGH_BIT, stored - 1) != stored - 1


def _is_scaled(piece: Slice) -> bool:
    return is_stated(piece.elements, t.SLOPE) and is_stated(piece.elements, t.INTERCEPT)


_DECIMAL = (t.SLOPE, t.INTERCEPT, t.POSITION, t.ORIENTATION, t.PIXEL_SPACING, t.THICKNESS, t.KVP)


def _has_comma(elements: Elements) -> bool:
    return any(b"," in elements.get(tag, b"") for tag in _DECIMAL)


def is_derived(elements: Elements) -> bool:
    kinds = texts(elements, t.IMAGE_TYPE)
    return bool(kinds) and kinds[0].upper() == "DERIVED"


def _lossy(piece: Slice) -> bool:
    return text(piece.elements, t.LOSSY) == ENHANCED_LOSSY or piece.header.syntax in _LOSSY_SYNTAX
