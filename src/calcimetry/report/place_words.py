"""Where a deposit lies, in words: "right forearm, subcutaneous, 6 mm under the skin"."""

from __future__ import annotations

from markupsafe import Markup

from calcimetry.report.numbers import Numbers, lookup, pointer


def part_of_body(numbers: Numbers, k: int) -> Markup:
    """Side and site of the deposit at row `k` of the document's list; empty where unknown."""
    words = numbers.words
    side, site, region = (_value(numbers, k, name) for name in ("side", "site", "region"))
    part = words.term("site", site) if site else words.term("region", region) if region else ""
    if not part or (region == "unknown" and not site):
        return Markup("")
    if not side:
        return Markup("{}").format(part)
    return words.text("place.sided", side=words.term("side", side), site=part)


def in_words(numbers: Numbers, k: int, *, after_part: bool = False) -> Markup:
    """The place of the deposit at row `k` of the document's list.

    `after_part` leaves out side and site, where a heading has said them.
    """
    part = part_of_body(numbers, k)
    first = Markup("") if after_part else part
    parts = [first, _tissue(numbers, k), _skin(numbers, k), _bone(numbers, k), _joint(numbers, k)]
    known = [text for text in parts if text]
    if known or part:
        return Markup(", ").join(known)
    return numbers.words.text("place.unknown")


def _value(numbers: Numbers, k: int, field: str) -> object:
    return lookup(numbers.document, pointer("deposits", k, field))


def _mm(numbers: Numbers, k: int, field: str) -> Markup:
    at = pointer("deposits", k, field)
    value = lookup(numbers.document, at)
    return numbers.show(at, "mm", places=0 if value >= 10 else 1)


def _tissue(numbers: Numbers, k: int) -> Markup:
    tissue = _value(numbers, k, "tissue")
    if not tissue or tissue == "unknown":
        return Markup("")
    return Markup("{}").format(numbers.words.term("tissue", tissue))


def _skin(numbers: Numbers, k: int) -> Markup:
    if _value(numbers, k, "skin_depth_mm") is None:
        return Markup("")
    return numbers.words.text("place.skin", depth=_mm(numbers, k, "skin_depth_mm"))


def _bone(numbers: Numbers, k: int) -> Markup:
    bone = _value(numbers, k, "nearest_bone")
    name = numbers.words.term("bone", bone) if bone else ""
    if _value(numbers, k, "touches_bone"):
        return numbers.words.text("place.touching" if name else "place.touching_any", bone=name)
    if _value(numbers, k, "bone_distance_mm") is None:
        return Markup("")
    key = "place.bone" if name else "place.any_bone"
    return numbers.words.text(key, distance=_mm(numbers, k, "bone_distance_mm"), bone=name)


def _joint(numbers: Numbers, k: int) -> Markup:
    joint = _value(numbers, k, "nearest_joint")
    if not joint or _value(numbers, k, "joint_distance_mm") is None:
        return Markup("")
    name = numbers.words.term("joint", joint)
    return numbers.words.text(
        "place.joint", distance=_mm(numbers, k, "joint_distance_mm"), joint=name
    )
