"""Lineages: what is one deposit through all visits, and what became of it from each to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from calcimetry.followup.change import change
from calcimetry.followup.fates import GroupChange, may_be_called, uncalled
from calcimetry.followup.visit_pair import VisitPair, amounts_of, from_difference_image


@dataclass(frozen=True, slots=True)
class LineageChange(GroupChange):
    """A group as a part of a lineage, which runs through all visits; numbered from 1."""

    lineage: int = field(kw_only=True)


def numbered(rows: Sequence[GroupChange]) -> list[LineageChange]:
    """Rows with lineages numbered 1.. through all visits, one row per lineage and pair."""
    parent: dict[tuple[int, int], tuple[int, int]] = {}

    def root(node: tuple[int, int]) -> tuple[int, int]:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for row in rows:
        nodes = sorted(_nodes(row))
        for node in nodes:
            a, b = sorted((root(nodes[0]), root(node)))
            parent[b] = a
    order = {r: k for k, r in enumerate(sorted({root(n) for n in list(parent)}), 1)}
    named = [_named(row, order[root(_nodes(row)[0])]) for row in rows]
    return sorted(named, key=lambda row: (row.visits[::-1], row.lineage, row.first, row.second))


def _named(row: GroupChange, lineage: int) -> LineageChange:
    values = {part.name: getattr(row, part.name) for part in fields(GroupChange)}
    return LineageChange(**values, lineage=lineage)


def _nodes(row: GroupChange) -> list[tuple[int, int]]:
    visits = row.visits
    return [(visits[0], n) for n in row.first] + [(visits[1], n) for n in row.second]


def joined(
    rows: Sequence[LineageChange], visit_pairs: Mapping[tuple[int, int], VisitPair]
) -> list[LineageChange]:
    """One row per lineage and pair: deposits that belong together at another visit are summed."""
    groups: dict[tuple[tuple[int, int], int], list[LineageChange]] = {}
    for row in rows:
        groups.setdefault((row.visits, row.lineage), []).append(row)
    return [
        same[0] if len(same) == 1 else _summed(same, visit_pairs[same[0].visits])
        for same in groups.values()
    ]


def _summed(rows: Sequence[LineageChange], pair: VisitPair) -> LineageChange:
    first = tuple(sorted(n for row in rows for n in row.first))
    second = tuple(sorted(n for row in rows for n in row.second))
    amounts = amounts_of(pair, first, second)
    if pair.alignment.failed:
        flags = tuple(dict.fromkeys([f for row in rows for f in row.flags] + ["JOINED_LATER"]))
        return replace(rows[0], first=first, second=second, amounts=amounts, flags=flags)
    by_image = from_difference_image(pair, first, second, amounts)
    made = change(*amounts, pair.comparability, pair.repeatability, pair.days, by_image)
    fates = {row.fate for row in rows}
    if len(fates) == 1:
        fate = rows[0].fate
    elif fates & {"doubtful", "not_covered"}:
        fate = "doubtful"
    else:
        grew = (made.mass_mg.value or 0.0) > 0
        fate = "stable" if not made.called else "grown" if grew else "shrunk"
    flags = tuple(dict.fromkeys([f for row in rows for f in row.flags] + ["JOINED_LATER"]))
    worst = max(row.alignment_mm for row in rows)
    row = LineageChange(
        rows[0].visits,
        first,
        second,
        fate,
        made,
        amounts,
        worst,
        flags,
        by_image,
        lineage=rows[0].lineage,
    )
    return row if may_be_called(row) else replace(row, change=uncalled(made))
