"""What the demo found against what is true: ``python tools/demo.py demo``.

Each true deposit of the phantom's truth.csv is met with the listed deposit whose middle is nearest
to its own, within `NEAR_MM`; what has none was missed, and is named.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

NEAR_MM = 6.0
Row = Mapping[str, str]


def rows(path: Path) -> list[Row]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def matched(truth: Sequence[Row], found: Sequence[Row]) -> list[tuple[Row, Row | None]]:
    """Each true deposit with the found one nearest to it; none is given to two."""
    left = list(found)
    pairs: list[tuple[Row, Row | None]] = []
    for true in sorted(truth, key=lambda row: -float(row["mass_mg"])):
        nearest = min(left, key=lambda row: _apart(true, row), default=None)
        if nearest is not None and _apart(true, nearest) > NEAR_MM:
            nearest = None
        if nearest is not None:
            left.remove(nearest)
        pairs.append((true, nearest))
    return pairs


def report(truth: Sequence[Row], found: Sequence[Row]) -> str:
    """A line for each true deposit, then what was missed and what is none."""
    pairs = matched(truth, found)
    lines = [f"{'true deposit':42} {'true mg':>8} {'found mg':>9}  interval"]
    lines += [_line(true, row) for true, row in pairs]
    missed = [true for true, row in pairs if row is None]
    used = {id(row) for _, row in pairs}
    extra = [row for row in found if id(row) not in used]
    lines.append(f"Found {len(pairs) - len(missed)} of {len(pairs)}.")
    if missed:
        lines.append("Missed: " + "; ".join(map(_name, missed)) + ".")
    if extra:
        numbers = ", ".join(f"{row['deposit']} ({row['kind']})" for row in extra)
        lines.append(f"Listed, and none of the true ones: deposit {numbers}.")
    return "\n".join(lines)


def _apart(one: Row, other: Row) -> float:
    return math.dist(*([float(row[f"{axis}_mm"]) for axis in "xyz"] for row in (one, other)))


def _name(true: Row) -> str:
    size = f"{float(true['diameter_mm']):.1f} mm {true['family']}"
    where = true["tissue"] or true["site"]
    bone = ", touching bone" if true["touches_bone"] == "true" else ""
    return f"{size}, {where}{bone}"


def _line(true: Row, row: Row | None) -> str:
    mass = f"{_name(true):42} {float(true['mass_mg']):8.1f}"
    if row is None:
        return f"{mass} {'missed':>9}"
    if not row["mass_mg"]:
        return f"{mass} {'withheld':>9}"
    interval = f"{_short(row['mass_mg_low'])} to {_short(row['mass_mg_high'])}"
    return f"{mass} {_short(row['mass_mg']):>9}  {interval}"


def _short(number: str) -> str:
    return f"{float(number):.1f}" if number else "?"


if __name__ == "__main__":
    base = Path(sys.argv[1])
    print(report(rows(base / "phantom" / "truth.csv"), rows(base / "result" / "deposits.csv")))
