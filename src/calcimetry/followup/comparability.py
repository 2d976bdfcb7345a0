"""Whether two visits can be compared, and what their differences do to the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calcimetry.errors import WithheldError
from calcimetry.followup.repeatability import Repeatability
from calcimetry.followup.visit import Visit
from calcimetry.records import Flag, Severity

_SPACING_RATIO, _FIELD_RATIO = 1.5, 1.1
_MEASURING = ("find", "quantity")


@dataclass(frozen=True, slots=True)
class Comparability:
    """flags : each difference, with what it does
    widened : what is added to the repeatability coefficient, as a fraction
    same_calibration : the calibration's error is one and the same on both visits
    scale : what masses (and densities) of the first and second visit are multiplied by
    """

    flags: tuple[Flag, ...]
    widened: float
    same_calibration: bool
    scale: tuple[float, float] = (1.0, 1.0)


def compared(first: Visit, second: Visit, repeatability: Repeatability) -> Comparability:
    """Compare how two visits were scanned and measured.

    Raises WithheldError OTHER_IMAGES where only one is a virtual monoenergetic image,
    OTHER_THRESHOLD where deposits were cut out at different thresholds: no number of theirs can
    be compared.
    """
    a, b = first.facts["scan"], second.facts["scan"]
    _refuse(first, second)
    differing = {
        "scanner": _differ(a, b, "manufacturer", "model"),
        "kernel": _differ(a, b, "kernel"),
        "kvp": _differ(a, b, "kvp"),
        "contrast": _differ(a, b, "contrast"),
        "spacing": _coarser(a, b),
    }
    flags = [_FLAGS[name] for name, differs in differing.items() if differs]
    flags += _remarks(first, second)
    one_scanner = not differing["scanner"] and not differing["kvp"]
    scale, harmonised = _harmonised(first, second, one_scanner)
    sources = {first.facts["calibration"]["source"], second.facts["calibration"]["source"]}
    same = one_scanner and (harmonised or sources in ({"table"}, {"user"}))
    if harmonised:
        flags.append(_HARMONISED)
    elif len(sources) > 1:
        flags.append(_OTHER_CALIBRATION)
    widened = sum(repeatability.across[name] for name, differs in differing.items() if differs)
    return Comparability(tuple(flags), widened, same, scale)


_FLAGS: Mapping[str, Flag] = {
    "scanner": Flag(
        "OTHER_SCANNER",
        "Other scanner: masses and volumes of the same deposit differ by up to 20 %; "
        "change is called beyond 20 % more than usual.",
    ),
    "kernel": Flag(
        "OTHER_KERNEL",
        "Other reconstruction: volumes and Agatston scores are not comparable; mass is, "
        "beyond 20 % more than usual.",
    ),
    "kvp": Flag(
        "OTHER_KVP",
        "Other tube voltage: volumes (about +11 % from 120 to 80 kVp) and Agatston scores are not "
        "comparable; mass is, each with its own calibration.",
    ),
    "contrast": Flag(
        "OTHER_CONTRAST",
        "Contrast medium on one visit only: vessels and tissue around deposits are brighter.",
    ),
    "spacing": Flag(
        "OTHER_SPACING",
        "Voxels differ by more than half: small deposits can be missed or joined on the coarser "
        "scan; volumes are not comparable.",
    ),
}
_OTHER_CALIBRATION = Flag(
    "OTHER_CALIBRATION",
    "The visits were calibrated in different ways that cannot be brought together: the errors "
    "of both calibrations count.",
)
_OTHER_FIELD = Flag(
    "OTHER_FIELD",
    "The fields of view differ by more than a tenth: what only one of them holds is not covered.",
    Severity.INFO,
)
_HARMONISED = Flag(
    "CALIBRATION_HARMONISED",
    "The calibration measured on one visit was used for both, as scanner and voltage are the same.",
    Severity.INFO,
)


def _refuse(first: Visit, second: Visit) -> None:
    a, b = first.facts["scan"], second.facts["scan"]
    for code, name, left, right in (
        ("OTHER_IMAGES", "monoenergetic level", a.get("kev") or 0, b.get("kev") or 0),
        ("OTHER_THRESHOLD", "threshold", _threshold(first), _threshold(second)),
    ):
        if left is not None and right is not None and left != right:
            raise WithheldError(
                code,
                found=f"{name} {left} and {right}",
                expected=f"one {name} on both visits",
                where=f"visits {first.number} and {second.number}",
                remedy="compare like with like: measure both with one plan, or give other visits",
            )


def _threshold(visit: Visit) -> Any:
    """In mg/cm3 where the plan says so: then the HU may differ."""
    plan = visit.facts["plan"]["find"]
    return (
        f"{plan['threshold_mg_cm3']:g} mg/cm3"
        if plan.get("threshold_mg_cm3")
        else f"{plan['threshold_hu']:g} HU"
    )


def _differ(a: Mapping[str, Any], b: Mapping[str, Any], *names: str) -> bool:
    """Whether any of some facts is known of both and differs."""
    pairs = [(a.get(name), b.get(name)) for name in names]
    return any(left is not None and right is not None and left != right for left, right in pairs)


def _coarser(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    pairs = zip(a["spacing_zyx_mm"], b["spacing_zyx_mm"], strict=True)
    return any(max(left, right) > _SPACING_RATIO * min(left, right) for left, right in pairs)


def _field_differs(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    sizes = (
        [n * step for n, step in zip(scan["shape_zyx"], scan["spacing_zyx_mm"], strict=True)]
        for scan in (a, b)
    )
    return any(max(pair) > _FIELD_RATIO * min(pair) for pair in zip(*sizes, strict=True))


def _remarks(first: Visit, second: Visit) -> Sequence[Flag]:
    """What does not widen anything, but must be said."""
    a, b = first.facts, second.facts
    flags = []
    names = ("manufacturer", "kvp", "kernel")
    unknown = [n for n in names if a["scan"].get(n) is None or b["scan"].get(n) is None]
    if unknown:
        text = f"Not known of both visits: {', '.join(unknown)}. They were taken to be the same."
        flags.append(Flag("FACTS_UNKNOWN", text))
    if any(_plan(a, part) != _plan(b, part) for part in _MEASURING):
        text = "The visits were measured with different plans; measure both with one (--scans)."
        flags.append(Flag("OTHER_PLAN", text))
    if _field_differs(a["scan"], b["scan"]):
        flags.append(_OTHER_FIELD)
    if _differ(a["scan"], b["scan"], "body_part"):
        flags.append(Flag("OTHER_BODY_PART", "The files name different body parts."))
    if a["software"].get("calcimetry") != b["software"].get("calcimetry"):
        text = "The visits were measured with different versions of this software."
        flags.append(Flag("OTHER_VERSION", text, Severity.INFO))
    return flags


def _plan(facts: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    """Parameters of a section; a threshold in HU follows from one in mg/cm3."""
    section = dict(facts["plan"].get(part, {}))
    if section.get("threshold_mg_cm3"):
        section.pop("threshold_hu", None)
    return section


def _harmonised(first: Visit, second: Visit, one_scanner: bool) -> tuple[tuple[float, float], bool]:
    """Factors that bring both visits to the better known calibration of the two."""
    scales = [visit.facts["calibration"] for visit in (first, second)]
    ladder = [s["source"] for s in scales]
    if not one_scanner or ladder[0] == ladder[1] or not {"rods", "user"} & set(ladder):
        return (1.0, 1.0), False
    best = min(scales, key=lambda s: float(s["relative_sd"]))["mg_cm3_per_hu"]
    return (best / scales[0]["mg_cm3_per_hu"], best / scales[1]["mg_cm3_per_hu"]), True
