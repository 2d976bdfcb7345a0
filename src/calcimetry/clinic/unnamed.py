"""An assessment's document without the words that people typed into labs and history.

What was understood stands in the document as the knowledge base calls it. What was not can be
anything, names of persons too: the terminal shows it, the document counts it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from calcimetry.clinic.base import Knowledge
from calcimetry.clinic.fhir import SHAPES
from calcimetry.clinic.history import LISTS
from calcimetry.clinic.results import plain_unit
from calcimetry.terms import scale

_LOINC = re.compile(r"\d{1,7}-\d")
_VALUE = re.compile(r"[<>=\u2264\u2265 ]{0,3}[-+]?\d{1,12}([.,]\d{0,12})?([eE][-+]?\d{1,3})?")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CODED = re.compile(
    rf"Observation {_LOINC.pattern}(: (not valid FHIR|neither positive nor negative))?"
)
_TIMES = re.compile(r" \((\d+) times\)$")
_UNKNOWN = "not known"


def unnamed(content: Mapping[str, Any], base: Knowledge) -> dict[str, Any]:
    """The same document; of what was typed only values, codes and words of the knowledge base."""
    labs = content["labs"]
    return {
        **content,
        "labs": {**labs, "given": [_result(row, base) for row in labs["given"]]},
        "flags": [_flag(row, content) for row in content["flags"]],
        "scales": [_scale(row, number) for number, row in enumerate(content["scales"], 1)],
        "unknown": _counted(content["unknown"]),
    }


def _result(row: Mapping[str, Any], base: Knowledge) -> dict[str, Any]:
    about = base.analytes.get(row["analyte"] or "", {})
    loinc = row["loinc"] if _LOINC.fullmatch(row["loinc"] or "") else None
    known = {row["analyte"], *about.get("names", ())}
    return {
        **row,
        "label": row["label"] if about else (loinc or _UNKNOWN),
        "loinc": loinc,
        "name": row["name"] if (row["name"] or "").strip().lower() in known else None,
        "given": row["given"] if _VALUE.fullmatch(row["given"].strip()) else "",
        "given_unit": row["given_unit"] if _is_unit(row["given_unit"], base) else "",
    }


def _is_unit(text: str, base: Knowledge) -> bool:
    units = {plain_unit(unit) for about in base.analytes.values() for unit in about["units"]}
    return plain_unit(text) in units


def _flag(row: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Details are labels and numbers of ours, but for what was not understood."""
    lost = {
        "HISTORY_UNKNOWN": len(content["unknown"]),
        "LAB_UNKNOWN": sum(result["state"] == "unknown" for result in content["labs"]["given"]),
    }
    count = lost.get(row["code"])
    return dict(row) if count is None else {**row, "detail": f"{count} entries"}


def _scale(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    title = row["scale"] if row["kind"] != "0-10" else scale(row["scale"])
    values = [
        {**value, "date": value["date"] if _DAY.match(value["date"] or "") else None}
        for value in row["values"]
    ]
    values = [{**value, "date": value["date"] and value["date"][:10]} for value in values]
    return {**row, "scale": title or f"scale {number}", "values": values}


def _counted(entries: Iterable[str]) -> list[str]:
    """What was not understood, by where it stood, each kind once with how often it came."""
    times: Counter[str] = Counter()
    for entry in entries:
        again = _TIMES.search(entry)
        times[_kind(_TIMES.sub("", entry))] += int(again.group(1)) if again else 1
    return [kind if n == 1 else f"{kind} ({n} times)" for kind, n in sorted(times.items())]


def _kind(entry: str) -> str:
    place = entry.partition(":")[0]
    if _CODED.fullmatch(entry) or entry in {f"{kind}: not valid FHIR" for kind in SHAPES}:
        return entry
    if entry.startswith("Observation "):
        return "Observation of another code"
    return f"{place}: not understood" if place in LISTS else "a key that the history does not have"
