"""Symptoms by place, and entered scales over time with the rules that were verified for them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from calcimetry.bounded import shown
from calcimetry.clinic.base import Entry, Knowledge, Statement
from calcimetry.clinic.conditions import holds
from calcimetry.clinic.history import History
from calcimetry.errors import InputError

LARGEST = 1e6  # of a total that has no end of its own; beyond it a slip of the keyboard
RADIOGRAPH_CHANGE = 0.25  # Valenzuela 2022, doi 10.1016/j.semarthrit.2022.151980


def at_places(facts: Collection[str], base: Knowledge) -> list[Entry]:
    """What deposits can cause where they lie, and what entered symptoms mean."""
    return [entry for entry in base.symptoms if holds(entry.condition, facts)]


def by_deposit(
    places: Mapping[int, Sequence[str]], facts: Collection[str], base: Knowledge
) -> dict[int, list[Statement]]:
    """Of each deposit, by number, what its own place can cause."""
    others = {fact for fact in facts if not fact.startswith(("place.", "extent."))}
    found = {}
    for number, words in places.items():
        own = others | {f"place.{word}" for word in words}
        entries = [e for e in at_places(own, base) if e.data["place"].startswith("place.")]
        if entries:
            found[number] = [entry.statement for entry in entries]
    return found


def scales(history: History, base: Knowledge) -> list[dict[str, Any]]:
    """Entered scales, each with its values in order of date and what may be said of them.

    Raises InputError HISTORY_UNREADABLE for a value that no such scale can have.
    """
    rows: list[tuple[str, Mapping[str, Any], str, float]]
    rows = [("0-10", row, "value", 10.0) for row in history.series.get("scales", ())]
    rows += [("mawdsley", row, "total", LARGEST) for row in history.series.get("mawdsley", ())]
    radiograph = history.series.get("radiograph_score", ())
    rows += [("scleroderma_radiograph_score", row, "value", LARGEST) for row in radiograph]
    named: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for kind, row, key, most in rows:
        title = shown(row.get("name", "pain")) if kind == "0-10" else kind
        named.setdefault((kind, title), []).append(_value(row, key, most, title))
    return [_scale(kind, title, values, base) for (kind, title), values in sorted(named.items())]


def _scale(
    kind: str, title: str, values: Sequence[dict[str, Any]], base: Knowledge
) -> dict[str, Any]:
    ordered = sorted(values, key=lambda v: (v["date"] or "", str(v["value"])))
    about = {entry.data["name"]: entry.statement for entry in base.scales}
    notes = [about[kind]]
    missing = sum(v["value"] is None for v in ordered)
    notes += [about["missing"]] if missing else []
    present = [v["value"] for v in ordered if v["value"] is not None]
    change = _change(present[0], present[-1]) if len(present) > 1 else None
    verdict = None
    if kind == "scleroderma_radiograph_score" and change is not None:
        verdict = judge_radiograph(present[0], present[-1])
    return {
        "scale": title,
        "kind": kind,
        "values": ordered,
        "missing": missing,
        "relative_change": None if change is None else round(change, 4),
        "verdict": verdict,
        "notes": [note.as_dict() for note in notes],
    }


def judge_radiograph(first: float, last: float) -> str:
    """progressive above +25 %, improved below -25 %, else stable."""
    change = _change(first, last)
    if change is None:
        return "not comparable"
    if change > RADIOGRAPH_CHANGE:
        return "progressive"
    return "improved" if change < -RADIOGRAPH_CHANGE else "stable"


def _change(first: float, last: float) -> float | None:
    change = (last - first) / first if first > 0 else math.inf
    return change if math.isfinite(change) else None


def _value(row: Mapping[str, Any], key: str, most: float, title: str) -> dict[str, Any]:
    value, when = row.get(key), row.get("date")
    if value is not None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= most:
            raise InputError(
                "HISTORY_UNREADABLE",
                found=shown(value),
                expected=f"a number from 0 to {most:g}",
                where=title,
                remedy="mend the value, or leave it out: it is then reported as missing",
            )
    day = when.isoformat() if isinstance(when, date) else (shown(when) if when else None)
    return {"date": day, "value": value}
