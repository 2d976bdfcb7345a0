"""Texts that are put together from facts: the scan's header, the sentence for a paper, the
page in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from calcimetry.report.numbers import Numbers, lookup
from calcimetry.report.place_words import part_of_body

Chapter = tuple[Markup, list[Markup]]
"""A heading and its sentences."""


def day(text: Any) -> str | None:
    """The day of an ISO 8601 date or date and time, as 2026-11-23."""
    return str(text)[:10] if text else None


def moment(text: str) -> str:
    """An ISO 8601 moment as 2026-11-23 10:11 UTC."""
    when, _, zone = text.partition("+")
    return f"{when[:10]} {when[11:16]} UTC" if zone in ("", "00:00") else text


def header(numbers: Numbers) -> list[tuple[Markup, Markup]]:
    """How the scan was made: names and values; what the file does not say is said so."""
    scan, t = numbers.document["scan"], numbers.words.text
    unknown = t("facts.unknown")
    scanner = " ".join(str(scan[key]) for key in ("manufacturer", "model") if scan.get(key))
    rows = [
        ("date", _text(day(scan.get("date")), unknown)),
        ("scanner", _text(scanner, unknown)),
        ("kev", numbers.show("/scan/kev", "keV"))
        if scan.get("kev") is not None
        else ("kvp", _shown(numbers, "/scan/kvp", "kV", unknown)),
        ("voxels", voxel_size(numbers)),
        ("slices", numbers.show("/scan/shape_zyx/0")),
        ("kernel", _text(scan.get("kernel"), None)),
        ("contrast", _contrast(numbers)),
        ("body_part", _text(scan.get("body_part"), None)),
    ]
    made = moment(str(numbers.document["created"]))
    rows.append(("made", Markup("{}").format(made)))
    return [(t(f"facts.{key}"), value) for key, value in rows if value is not None]


def _text(value: Any, otherwise: Markup | None) -> Markup | None:
    return Markup("{}").format(value) if value else otherwise


def _shown(numbers: Numbers, at: str, unit: str, unknown: Markup) -> Markup:
    return unknown if lookup(numbers.document, at) is None else numbers.show(at, unit)


def _contrast(numbers: Numbers) -> Markup | None:
    given = lookup(numbers.document, "/scan/contrast")
    return None if given is None else numbers.words.text("facts.yes" if given else "facts.no")


def voxel_size(numbers: Numbers) -> Markup:
    """Voxel edges in x, y, z."""
    z, y, x = (numbers.show(f"/scan/spacing_zyx_mm/{k}") for k in range(3))
    return numbers.words.text("facts.voxel_size", x=x, y=y, z=z)


def paste(numbers: Numbers) -> Markup:
    """A sentence for the methods part of a paper."""
    document, words = numbers.document, numbers.words
    total = document["totals"]["overall"]
    at = "/totals/overall/mass_mg"
    interval = numbers.interval(f"{at}/low", f"{at}/high", "mg", like=f"{at}/value")
    calibration = document.get("calibration") or {}
    values: dict[str, Any] = {
        "facts": _scan_facts(numbers),
        "version": document["software"].get("calcimetry", ""),
        "threshold": numbers.show("/plan/find/threshold_hu", "HU"),
        "smallest": numbers.show("/plan/find/smallest_mm3", "mm³"),
        "count": total["count"],
        "count_text": numbers.show("/totals/overall/count"),
        "mass": numbers.show(f"{at}/value", "mg"),
        "interval": interval,
        "source": words.term("calibration_source", calibration.get("source", "")),
    }
    if not total["count"]:
        return words.text("methods.paste_none", **values)
    key = "paste_found" if interval else "paste_withheld"
    return words.text(f"methods.{key}", **values)


def _scan_facts(numbers: Numbers) -> Markup:
    scan = numbers.document["scan"]
    scanner = " ".join(str(scan[key]) for key in ("manufacturer", "model") if scan.get(key))
    parts: list[Any] = [scanner] if scanner else []
    if scan.get("kvp") is not None:
        parts.append(numbers.show("/scan/kvp", "kV"))
    return Markup(", ").join([*parts, voxel_size(numbers)])


def plain_words(numbers: Numbers, biggest: int | None) -> list[Chapter]:
    """The page for the person scanned; `biggest` is the row of the biggest deposit."""
    t = numbers.words.text
    return [
        (t("plain.about_title"), [t("plain.about")]),
        (t("plain.found_title"), _found(numbers, biggest)),
        (t("plain.sure_title"), [_sure(numbers)]),
        (t("plain.limits_title"), [t("plain.limits")]),
        (t("plain.next_title"), [t("plain.next")]),
    ]


def _found(numbers: Numbers, biggest: int | None) -> list[Markup]:
    t, total = numbers.words.text, numbers.document["totals"]["overall"]
    doubt = _doubt(numbers, total)
    if biggest is None:
        return [t("plain.found_none"), *doubt]
    count, mass = total["count"], "/totals/overall/mass_mg/value"
    said = [t("plain.found", count=count, number=numbers.show("/totals/overall/count"))]
    if total["mass_mg"]["value"] is None:
        said.append(t("plain.weigh_unknown"))
    else:
        said.append(t("plain.weigh", count=count, mass=numbers.show(mass, "mg", digits=2)))
    said += _biggest(numbers, biggest, count)
    return [*said, t("plain.units"), *doubt]


def _biggest(numbers: Numbers, k: int, count: int) -> list[Markup]:
    t, at = numbers.words.text, f"/deposits/{k}"
    row = numbers.document["deposits"][k]
    long = numbers.show(f"{at}/long_axis_mm", "mm", places=0)
    weighed = row["mass_mg"] is not None and count > 1
    mass = numbers.show(f"{at}/mass_mg", "mg", digits=2)
    said = [t("plain.biggest" if weighed else "plain.biggest_unweighed", mass=mass, long=long)]
    place = part_of_body(numbers, k)
    return [*said, t("plain.biggest_where", place=place)] if place else said


def _doubt(numbers: Numbers, total: Mapping[str, Any]) -> list[Markup]:
    count = total["uncertain"]
    shown = numbers.show("/totals/overall/uncertain")
    return [numbers.words.text("plain.doubt", count=count, number=shown)] if count else []


def _sure(numbers: Numbers) -> Markup:
    at, t = "/totals/overall/mass_mg", numbers.words.text
    if not numbers.document["totals"]["overall"]["count"] or (
        lookup(numbers.document, f"{at}/low") is None
    ):
        return t("plain.sure_unknown")
    low, high = (numbers.show(f"{at}/{end}", "mg", digits=2) for end in ("low", "high"))
    return t("plain.sure", low=low, high=high)
