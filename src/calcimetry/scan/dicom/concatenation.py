"""Concatenations: one enhanced image in several files (PS3.3 C.7.6.16.2.2.4).

Scanners and archives split large objects so; each part looks like a whole scan.
"""

from __future__ import annotations

from collections.abc import Sequence

from calcimetry.errors import InputError
from calcimetry.records import Flag
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.header import Header
from calcimetry.scan.dicom.slices import text, u16
from calcimetry.scan.flags import flag


def is_part(header: Header) -> bool:
    """Whether the file says that it is a part of a larger image."""
    elements = header.elements
    if text(elements, t.CONCATENATION_UID):
        return True
    return u16(elements, t.CONCATENATION_TOTAL) > 1 or u16(elements, t.CONCATENATION_NUMBER) > 1


def check_parts(headers: Sequence[Header]) -> tuple[Flag, ...]:
    """A flag where it cannot be known whether all parts are there.

    Raises InputError MISSING_PARTS where one is not.
    """
    parts = list({id(h): h for h in headers if is_part(h)}.values())
    by_image: dict[str, list[Header]] = {}
    for header in parts:
        by_image.setdefault(text(header.elements, t.CONCATENATION_UID), []).append(header)
    unknown = [_total(members) == 0 for members in by_image.values() if _check(members)]
    return (flag("CONCATENATION"),) if any(unknown) else ()


def _total(parts: Sequence[Header]) -> int:
    """How many parts there are by what they say; 0 where none says."""
    return max(u16(h.elements, t.CONCATENATION_TOTAL) for h in parts)


def _check(parts: Sequence[Header]) -> bool:
    """True when no part is known to be missing."""
    numbers = {u16(h.elements, t.CONCATENATION_NUMBER) for h in parts}
    wanted = set(range(1, (_total(parts) or max(numbers)) + 1))
    missing = sorted(wanted - numbers)
    if not missing:
        return True
    raise InputError(
        "MISSING_PARTS",
        found=f"{len(numbers & wanted)} of {len(wanted)} parts of a concatenation; missing: part "
        + ", ".join(map(str, missing[:5]))
        + (f" and {len(missing) - 5} more" if len(missing) > 5 else ""),
        expected="all parts, in one folder",
        where=parts[0].path.name,
        remedy="give the folder with all files of the series, or export it again",
    )
