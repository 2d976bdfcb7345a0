"""What an image is by the words of its ImageType: a CT slice, or something made of them.

The standard has its own words for few of these (PS3.3 C.8.15.3, C.8.16); makers write theirs
into any value of ImageType, alone ("MIP") or beside others ("CT_SOM5 MIP", "MPR MIP").
Words are compared as words: SMIP or MIPS are not MIP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.slices import text, texts

LOCALIZER = ("LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "SCANOGRAM", "SCANO")
PROJECTION = (
    *("MIP", "MINIP", "MIPTHICK", "MIPTHIN", "THICKMIP", "THINMIP", "SLABMIP", "TMIP", "MAXIP"),
    *("MIN IP", "MAX IP", "AVG IP", "AVERAGE IP", "AVGIP", "AVIP", "AIP", "AVERAGE"),
    *("MAXIMUM", "MINIMUM", "PROJECTION", "RAYSUM", "RAY SUM"),
    *("VRT", "VOLUME RENDER", "VOLUME RENDERED", "VOLUME RENDERING", "VOLREN"),
    *("SSD", "SURFACE RENDER", "SURFACE RENDERED", "SURFACE RENDERING", "SURFACE SHADED"),
    *("CURVED", "CPR", "CURVED MPR", "PANORAMIC", "PANORAMA", "STRAIGHTENED", "DISTORTED"),
    *("FLYTHROUGH", "ENDOSCOPIC", "VIRTUAL ENDOSCOPY"),
)
"""Projections, renderings and curved planes: no attenuation, or no place for it."""
MAP = (
    *("VNC", "VUE", "VIRTUAL NON CONTRAST", "VIRTUAL NONCONTRAST", "VIRTUAL UNENHANCED"),
    *("IODINE", "IODINE MAP", "URIC ACID", "CALCIUM SUPPRESSED", "FAT MAP", "MATERIAL"),
    *("ZEFF", "Z EFF", "EFFECTIVE Z", "Z EFFECTIVE", "RHO Z", "EFF ATOMIC NUM"),
    *("ELECTRON DENSITY", "MAT SPECIFIC", "MAT REMOVED", "MAT FRACTIONAL", "MAT MODIFIED"),
    *("MAT VALUE BASED", "STD DEVIATION", "SUBTRACTION", "DIVISION", "MULTIPLICATION"),
    *("PERFUSION", "PERFUSED BLOOD VOLUME", "PBV", "CBF", "CBV", "MTT", "TTP", "TMAX"),
)
"""Maps of materials and of functions, and images that have a material taken out."""
_PICTURE = ("SCREEN SAVE", "SCREENSAVE", "SCREENSHOT", "SCREEN SHOT", "SCREEN CAPTURE")
_NAMED = ("MIP", "MINIP", "VRT", "MAX IP", "MIN IP", "RAYSUM", "AVERAGE IP", "CURVED")
"""Words of a description, which people type: enough for a remark, not for a refusal."""

Elements = Mapping[int, bytes]


def _words(value: str) -> str:
    """A value as capital words between single blanks, with a blank at either end."""
    return f" {re.sub(r'[^A-Z0-9]+', ' ', value.upper()).strip()} "


def _phrase_in(values: tuple[str, ...], phrases: tuple[str, ...]) -> str | None:
    """The first of the phrases that stands in one of the values."""
    written = [_words(value) for value in values]
    return next((p for p in phrases if any(f" {p} " in value for value in written)), None)


def is_localizer(elements: Elements) -> bool:
    return _phrase_in(texts(elements, t.IMAGE_TYPE), LOCALIZER) is not None


def is_picture(elements: Elements) -> bool:
    """A picture of a screen, whatever its SOP class."""
    return _phrase_in(texts(elements, t.IMAGE_TYPE), _PICTURE) is not None


def is_projection(elements: Elements) -> bool:
    """Maximum, minimum, rendered or curved images: their values are no attenuation."""
    kinds = texts(elements, t.IMAGE_TYPE)
    if _phrase_in(
        kinds, ("REFORMATTED",)
    ):  # GE's planes through a volume, thin or thick, are AVERAGE
        kinds = tuple(kind for kind in kinds if kind.upper() != "AVERAGE")
    how = (*texts(elements, t.VOLUME_TECHNIQUE), *texts(elements, t.VOLUMETRIC))
    return _phrase_in((*kinds, *how), PROJECTION) is not None


def is_map(elements: Elements) -> bool:
    """Amounts of a material, or images from which one was taken out."""
    return _phrase_in(texts(elements, t.IMAGE_TYPE), MAP) is not None


def named_projection(elements: Elements) -> str | None:
    """The word for a projection in the description of a series, if one stands there."""
    return _phrase_in((text(elements, t.SERIES_DESCRIPTION),), _NAMED)


def kind_of(elements: Elements) -> tuple[bool, ...]:
    """What must be the same in all slices of a stack."""
    return _kind(*(elements.get(tag, b"") for tag in _TOLD_BY))


_TOLD_BY = (t.IMAGE_TYPE, t.VOLUME_TECHNIQUE, t.VOLUMETRIC)


@lru_cache(maxsize=4096)
def _kind(*values: bytes) -> tuple[bool, ...]:
    elements = dict(zip(_TOLD_BY, values, strict=True))
    return tuple(ask(elements) for ask in (is_localizer, is_picture, is_projection, is_map))
