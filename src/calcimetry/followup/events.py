"""What the user knows and images do not show: operations, extrusions, readers' scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calcimetry.errors import UsageError
from calcimetry.texts import read_toml


@dataclass(frozen=True, slots=True)
class Events:
    """left_out : (visit, deposit) to the reason; scores : name to visit to value.

    Visits are numbered from 1 in order of time. A deposit that is left out takes its whole
    lineage out of growth from that visit on.
    """

    left_out: Mapping[tuple[int, int], str] = field(default_factory=dict)
    scores: Mapping[str, Mapping[int, float]] = field(default_factory=dict)


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
        return Events(_left_out(table.get("left_out", [])), _scores(table.get("score", [])))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "BAD_EVENTS",
            found=str(error),
            expected="[[left_out]] with visit, deposit, reason; [[score]] with visit, name, value",
            where=str(path),
            remedy="mend the file; docs/followup.md shows one",
        ) from error


def _left_out(rows: Any) -> dict[tuple[int, int], str]:
    return {(int(row["visit"]), int(row["deposit"])): str(row["reason"]) for row in rows}


def _scores(rows: Any) -> dict[str, dict[int, float]]:
    out: dict[str, dict[int, float]] = {}
    for row in rows:
        out.setdefault(str(row["name"]), {})[int(row["visit"])] = float(row["value"])
    return out
