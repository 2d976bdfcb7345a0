"""What the user knows and images do not show: operations, extrusions, readers' scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calcimetry.bounded import read_toml
from calcimetry.errors import UsageError

_EXPECTED = "[[left_out]] with visit, deposit, reason; [[score]] with visit, name, value"


@dataclass(frozen=True, slots=True)
class Events:
    """left_out : (visit, deposit) to the reason; scores : name to visit to value.

    Visits are numbered from 1 in order of time. A deposit that is left out takes its whole
    lineage out of growth from that visit on. `where`: what errors call them.
    """

    left_out: Mapping[tuple[int, int], str] = field(default_factory=dict)
    scores: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    where: str = "the events"


def read_events(path: Path | None) -> Events:
    """Events from TOML: tables `[[left_out]]` (visit, deposit, reason), `[[score]]` (visit, name,
    value). Raises UsageError BAD_EVENTS."""
    if path is None:
        return Events()
    try:
        table = read_toml(path)
        unknown = set(table) - {"left_out", "score"}
        if unknown:
            raise ValueError(f"unknown names {sorted(unknown)}")
        rows = {name: _rows(table, name) for name in ("left_out", "score")}
        return Events(_left_out(rows["left_out"]), _scores(rows["score"]), str(path))
    except ValueError as error:
        raise _bad(str(error), _EXPECTED, str(path)) from error


def check(events: Events, deposits: Mapping[int, Sequence[int]]) -> None:
    """Raise UsageError BAD_EVENTS for visits, or deposits of a visit, that there are none of.

    deposits : by the visits' numbers, the numbers of their deposits
    """
    last = max(deposits)
    scored = [(visit, f"score {name!r}") for name, by in events.scores.items() for visit in by]
    left = [(visit, "left_out") for visit, _ in events.left_out]
    for visit, what in [*left, *scored]:
        if visit not in deposits:
            raise _bad(f"{what} at visit {visit}", f"visits 1 to {last}", events.where)
    for visit, deposit in events.left_out:
        if deposit not in deposits[visit]:
            known = ", ".join(map(str, deposits[visit])) or "none"
            raise _bad(
                f"left_out: deposit {deposit} of visit {visit}",
                f"one of its deposits: {known}",
                events.where,
            )


def _bad(found: str, expected: str, where: str) -> UsageError:
    return UsageError(
        "BAD_EVENTS",
        found=found,
        expected=expected,
        where=where,
        remedy="mend the file; docs/followup.md shows one. Visits are numbered from 1 in order of "
        "time, deposits as in each visit's deposits.csv",
    )


def _rows(table: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The tables of a name; one in single brackets is a slip that would lose the others."""
    rows = table.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{name} is no list of tables: write [[{name}]]")
    return rows


def _left_out(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[int, int], str]:
    out: dict[tuple[int, int], str] = {}
    for row in rows:
        _only(row, "left_out", ("visit", "deposit", "reason"))
        key = _number(row, "left_out", "visit"), _number(row, "left_out", "deposit")
        if key in out:
            raise ValueError(f"left_out: deposit {key[1]} of visit {key[0]} twice")
        out[key] = _words(row, "left_out", "reason")
    return out


def _scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, float]]:
    out: dict[str, dict[int, float]] = {}
    for row in rows:
        _only(row, "score", ("visit", "name", "value"))
        visit, value = _number(row, "score", "visit"), row["value"]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ValueError(f"score: value {value!r} is no number")
        by_visit = out.setdefault(_words(row, "score", "name"), {})
        if visit in by_visit:
            raise ValueError(f"score {row['name']!r} of visit {visit} twice")
        by_visit[visit] = float(value)
    return out


def _only(row: Mapping[str, Any], what: str, names: Sequence[str]) -> None:
    lacking, more = [n for n in names if n not in row], sorted(set(row) - set(names))
    if lacking or more:
        words = [f"without {n}" for n in lacking] + [f"with unknown {n}" for n in more]
        raise ValueError(f"{what} {', '.join(words)}")


def _number(row: Mapping[str, Any], what: str, name: str) -> int:
    value = row[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{what}: {name} {value!r} is no number from 1 on")
    return value


def _words(row: Mapping[str, Any], what: str, name: str) -> str:
    value = row[name]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{what}: {name} {value!r} is no text")
    return value
