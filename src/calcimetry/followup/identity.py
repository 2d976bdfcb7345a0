"""Whether visits are of one person, one side, and of different scans.

What the documents say themselves, before anything is laid over anything: the keyed hash of the
person (`patient_link`), the side, the digest of the files, the UIDs of the images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from calcimetry.errors import WithheldError
from calcimetry.followup.visit import Visit
from calcimetry.link import same_person
from calcimetry.records import Flag, Severity

_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}
SAME_SCAN, SAME_SERIES = "SAME_SCAN", "SAME_SERIES"


class Twin(NamedTuple):
    """Two visits (their numbers) that are one scan, or of one series, and the flag that says so."""

    visits: tuple[int, int]
    flag: Flag


def checked(visits: Sequence[Visit]) -> list[Twin]:
    """Visits that are one scan; every two are compared, neighbours in time or not.

    Raises WithheldError OTHER_PERSON for two persons, OTHER_SIDE for two sides of one.
    """
    for first, second in combinations(visits, 2):
        _same_person(first, second)
        _same_side(first, second)
    return [twin for pair in combinations(visits, 2) for twin in _twins(*pair)]


def _same_person(first: Visit, second: Visit) -> None:
    """By the links of their patient numbers; under different keys, or without, they say nothing."""
    links = [visit.facts["scan"].get("patient_link") for visit in (first, second)]
    if same_person(*links) is False:
        raise WithheldError(
            "OTHER_PERSON",
            found="two persons: the hashes of their patient numbers differ",
            expected="visits of one person",
            where=f"visits {first.number} and {second.number}",
            remedy="give examinations of one person; where one person has two numbers, measure "
            "both scans with --no-link",
        )


def _same_side(first: Visit, second: Visit) -> None:
    left, right = _side(first), _side(second)
    if left is not None and right is not None and left != right:
        raise WithheldError(
            "OTHER_SIDE",
            found=f"side {left} and {right}",
            expected="one side on both visits",
            where=f"visits {first.number} and {second.number}",
            remedy="compare like with like: give visits of one side",
        )


def _side(visit: Visit) -> str | None:
    """The side that the file names, else the one that the user named for all deposits.

    Sides by a label map are of deposits, not of the scan: they say nothing here.
    """
    named = _SIDES.get(str(visit.facts["scan"].get("laterality") or "").strip().lower())
    if named is not None or visit.facts.get("anatomy"):
        return named
    sides = {_SIDES.get(str(row.get("side") or "").lower()) for row in visit.facts["deposits"]}
    return sides.pop() if len(sides) == 1 else None


def _twins(first: Visit, second: Visit) -> list[Twin]:
    numbers = first.number, second.number
    why = _same_scan(first, second)
    if why is not None:
        text = (
            f"Visits {numbers[0]} and {numbers[1]} are the same scan ({why}): nothing can have "
            "changed between them. Give the examination of another date."
        )
        return [Twin(numbers, Flag(SAME_SCAN, text, Severity.WITHHELD))]
    a, b = (visit.facts["scan"].get("series_uid") for visit in (first, second))
    if a is None or a != b:
        return []
    text = (
        f"Visits {numbers[0]} and {numbers[1]} are parts of one series: made at one time, or "
        "given one UID by a program."
    )
    return [Twin(numbers, Flag(SAME_SERIES, text))]


def _same_scan(first: Visit, second: Visit) -> str | None:
    """What says that both are one scan: files, images, or the voxels of every deposit."""
    files, images = (
        [_input(visit).get(name) for visit in (first, second)]
        for name in ("sha256_of_files", "sop_instance_uids")
    )
    if files[0] and files[0] == files[1]:
        return "the same files"
    if set(images[0] or ()) & set(images[1] or ()):
        return "images of the same UID"
    marks = [{row.get("uid") for row in visit.facts["deposits"]} for visit in (first, second)]
    if marks[0] and None not in marks[0] and marks[0] == marks[1]:
        return "every deposit has the same voxels"
    return None


def _input(visit: Visit) -> Mapping[str, Any]:
    known: Mapping[str, Any] = visit.facts.get("input") or {}
    return known
