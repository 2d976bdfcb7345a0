"""Fates: what became of each deposit between two visits, and lineages through all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from scipy.spatial import cKDTree

from calcimetry.followup.alignment import Alignment
from calcimetry.followup.compare import Comparability
from calcimetry.followup.events import Events
from calcimetry.followup.judge import (
    UNKNOWN,
    Amount,
    Change,
    Gain,
    amount,
    change,
    error_of_ratio,
    reconciled,
)
from calcimetry.followup.match import REACH_MM, Group, matched
from calcimetry.followup.motion import BONE
from calcimetry.followup.paired import difference
from calcimetry.followup.repeat import Repeatability
from calcimetry.followup.visit import Visit

FATES = (
    "stable", "grown", "shrunk", "new", "gone", "split", "merged", "not_covered", "doubtful",
)  # fmt: skip
Lone = tuple[Sequence[int], Sequence[int]]
"""Deposits of the first and of the second visit that have no partner."""
LEFT_FIELD = ("not_covered",)
_COVERED = 0.95  # share of a deposit's place inside the other field for it to count as seen
_POOR_MM = 4.0  # alignment error beyond which a deposit without partner near by may be that
_LOST_MM = 15.0  # alignment error beyond which nothing is called new or gone
_RIVAL = 2.0  # times the alignment's error
_SURE_CUT = 0.03  # error of the cut, of the mass, up to which there is nothing to better
BY_DIFFERENCE = "BY_DIFFERENCE"
_BONE_MM, _BONE_SHARE = 2.0, 0.3  # how near, and how much of a place, bone takes over


@dataclass(frozen=True, slots=True)
class Row:
    """One lineage between two visits; numbers of visits and deposits from 1.

    judged : what they differ by was measured on the difference of the images (BY_DIFFERENCE)
    """

    lineage: int
    visits: tuple[int, int]
    first: tuple[int, ...]
    second: tuple[int, ...]
    fate: str
    change: Change
    amounts: tuple[Amount, Amount]
    alignment_mm: float
    flags: tuple[str, ...] = ()
    judged: tuple[Amount, Amount] | None = None

    @property
    def change_of(self) -> tuple[Amount, Amount]:
        """The amounts that the change of mass was taken from."""
        return self.judged or self.amounts

    @property
    def counts(self) -> bool:
        """Whether it belongs in totals: seen on both visits, and not left out by the user."""
        return self.fate not in LEFT_FIELD and not {"LEFT_OUT", "PARTLY_COVERED"} & set(self.flags)


@dataclass(frozen=True, eq=False)
class Step:
    """Two visits, how they compare, how one lies over the other."""

    visits: tuple[Visit, Visit]
    how: Comparability
    alignment: Alignment
    repeatability: Repeatability
    events: Events

    @property
    def days(self) -> float | None:
        dates = [visit.date for visit in self.visits]
        if dates[0] is None or dates[1] is None:
            return None
        try:
            a, b = (date.fromisoformat(text[:10]) for text in dates if text)
        except ValueError:
            return None
        return float((b - a).days)


def rows_of(step: Step, numbers: tuple[Sequence[int], Sequence[int]] | None = None) -> list[Row]:
    """Rows of two visits; their lineages are numbered by `numbered` later.

    Where the visits could not be laid over each other, nothing is anything's partner.
    """
    if step.alignment.failed:
        return [_unknown(step, group) for group in _singles(step, numbers)]
    groups = matched(*step.visits, step.alignment, numbers)
    lone = (
        [n for group in groups if not group.second for n in group.first],
        [n for group in groups if not group.first for n in group.second],
    )
    return [_row(step, group, lone) for group in groups]


def _singles(step: Step, numbers: tuple[Sequence[int], Sequence[int]] | None) -> list[Group]:
    chosen = numbers or tuple(sorted(visit.shapes) for visit in step.visits)
    firsts = [Group((n,), (), float("inf")) for n in chosen[0]]
    return [*firsts, *(Group((), (n,), float("inf")) for n in chosen[1])]


def _unknown(step: Step, group: Group) -> Row:
    visits = step.visits[0].number, step.visits[1].number
    flags = tuple(f for f in _flags(step, group) if f != "ALIGNMENT_POOR")
    return Row(
        0, visits, group.first, group.second, "doubtful", UNKNOWN,
        amounts_of(step, group.first, group.second), group.alignment_mm,
        (*flags, "ALIGNMENT_FAILED"),
    )  # fmt: skip


def _row(step: Step, group: Group, lone: Lone) -> Row:
    amounts = amounts_of(step, group.first, group.second)
    judged = judged_by(step, group.first, group.second, amounts)
    made = change(*amounts, step.how, step.repeatability, step.days, judged)
    flags = [*_flags(step, group), *([BY_DIFFERENCE] if judged else [])]
    fate, more = _fate(step, group, made, flags)
    if fate in ("new", "gone") and _rivals(step, group, lone):
        fate, more = "doubtful", ["RIVAL"]
    visits = step.visits[0].number, step.visits[1].number
    row = Row(
        0, visits, group.first, group.second, fate, made, amounts, group.alignment_mm,
        tuple(dict.fromkeys([*flags, *more])), judged,
    )  # fmt: skip
    return row if _may_be_called(row) else replace(row, change=_uncalled(made))


def amounts_of(step: Step, first: Iterable[int], second: Iterable[int]) -> tuple[Amount, Amount]:
    """What the deposits hold on either visit."""
    first_, second_ = (
        amount(
            [visit.deposits[n] for n in numbers],
            float(visit.facts["calibration"]["relative_sd"]),
            scale,
        )
        for visit, numbers, scale in zip(step.visits, (first, second), step.how.scale, strict=True)
    )
    return first_, second_


def judged_by(
    step: Step, first: Sequence[int], second: Sequence[int], amounts: tuple[Amount, Amount]
) -> tuple[Amount, Amount] | None:
    """Amounts by the difference of the images, where that is surer than two cuts from bone.

    Only of scans made alike, whose images are at hand, and of what is a deposit on one of them.
    """
    cuts = [part.cut_sd_mg > _SURE_CUT * (part.mass_mg or np.inf) for part in amounts]
    alike = not step.how.widened and step.how.same_calibration
    if not (first and second and any(cuts) and alike and _is_deposit(step, first, second)):
        return None
    gain = _gain(step, first, second)
    found = None if gain is None else reconciled(*amounts, gain)
    if found is None:
        return None
    same = step.repeatability.same_cut_of(step.how.widened)
    return found if error_of_ratio(*found, same) < error_of_ratio(*amounts, same) else None


def _is_deposit(step: Step, first: Sequence[int], second: Sequence[int]) -> bool:
    sides = zip(step.visits, (first, second), strict=True)
    return any(visit.deposits[n]["kind"] == "deposit" for visit, ns in sides for n in ns)


def _gain(step: Step, first: Sequence[int], second: Sequence[int]) -> Gain | None:
    """The difference of the images in mg.

    What grows takes the place of the tissue around, and holds soft tissue of its own: of the HU
    that are won, a part that follows from the deposit's density and from the background is not
    mineral (as for the mass of one visit, docs/quantity.md).
    """
    centre = np.concatenate([step.visits[0].shapes[n] for n in first]).mean(axis=0)
    found = difference(step.visits, (first, second), step.alignment.carrying(centre))
    if found is None:
        return None
    rows = [v.deposits[n] for v, ns in zip(step.visits, (first, second), strict=True) for n in ns]
    mass, volume, background = (
        sum(float(row[name] or 0.0) for row in rows)
        for name in ("mass_mg", "volume_mm3", "background_hu")
    )
    facts = step.visits[0].facts
    slope = float(facts["calibration"]["mg_cm3_per_hu"]) * step.how.scale[0] / 1000.0
    water = float(facts["calibration"].get("water_hu") or 0.0)
    contrast = float(facts["plan"]["quantity"]["matrix_hu"]) + water - background / len(rows)
    slope /= 1.0 + max(slope * contrast * volume / max(mass, 1e-6), -0.5)
    return Gain(slope * found.value, slope * found.sd)


def _may_be_called(row: Row) -> bool:
    barred = {"LEFT_OUT", "PARTLY_COVERED", "CUT_BY_FIELD", "AT_CEILING", "UNCERTAIN_KIND"}
    return row.fate not in ("not_covered", "doubtful") and not barred & set(row.flags)


def _uncalled(made: Change) -> Change:
    return replace(made, called=False, doubling_days=None)


def _flags(step: Step, group: Group) -> Iterable[str]:
    """What must be known of a group, apart from its fate."""
    rows = [
        visit.deposits[n]
        for visit, numbers in zip(step.visits, (group.first, group.second), strict=True)
        for n in numbers
    ]
    codes = {flag["code"] for row in rows for flag in row["flags"]}
    yield from sorted(codes & {"CUT_BY_FIELD", "AT_CEILING", "BELOW_DETECTION"})
    if len({row["kind"] for row in rows}) > 1:
        yield "KIND_DIFFERS"
    elif rows[0]["kind"] == "uncertain":
        yield "UNCERTAIN_KIND"
    if any((v.number, n) in step.events.left_out for v, n in _members(step, group)):
        yield "LEFT_OUT"
    if group.alignment_mm > _POOR_MM:
        yield "ALIGNMENT_POOR"


def _members(step: Step, group: Group) -> Iterable[tuple[Visit, int]]:
    for visit, numbers in zip(step.visits, (group.first, group.second), strict=True):
        for number in numbers:
            yield visit, number


def _fate(step: Step, group: Group, made: Change, flags: Sequence[str]) -> tuple[str, list[str]]:
    covered = [_covered(step, group, side) for side in (0, 1)]
    if not group.first or not group.second:
        return _alone(step, group, covered[0] if group.first else covered[1])
    if min(covered) < _COVERED or "CUT_BY_FIELD" in flags:
        return "doubtful", ["PARTLY_COVERED"]
    if group.tie:
        return "doubtful", ["TIE"]
    if len(group.first) == 1 and len(group.second) > 1:
        return "split", []
    if len(group.second) == 1 and len(group.first) > 1:
        return "merged", []
    more = ["REGROUPED"] if len(group.first) > 1 else []
    if not made.called:
        return "stable", more
    return ("grown" if (made.mass_mg.value or 0.0) > 0 else "shrunk"), more


def _rivals(step: Step, group: Group, lone: Lone) -> bool:
    """Whether a poorly aligned deposit may be one that the other visit has without a partner."""
    if group.alignment_mm <= _POOR_MM:
        return False
    side = 0 if group.first else 1
    other = step.visits[1 - side]
    reach = REACH_MM + _RIVAL * group.alignment_mm
    places = [_place(step, side, number) for number in (group.first, group.second)[side]]
    return any(
        float(cKDTree(other.shapes[n]).query(place)[0].min()) < reach
        for place in places
        for n in lone[1 - side]
    )


def _alone(step: Step, group: Group, covered: float) -> tuple[str, list[str]]:
    """The fate of a deposit that the other visit does not show."""
    if covered < _COVERED:
        return "not_covered", []
    fate = "gone" if group.first else "new"
    if group.alignment_mm > _LOST_MM:
        return "doubtful", ["ALIGNMENT_POOR"]
    if _taken_over(step, group):
        return "doubtful", ["JUDGED_OTHERWISE"]
    return fate, []


def _covered(step: Step, group: Group, side: int) -> float:
    """The share of a group's deposits that lies in the other visit's field."""
    shares = [1.0]
    margin = min(group.alignment_mm, 5.0)
    for number in (group.first, group.second)[side]:
        place = _place(step, side, number)
        shares.append(float(step.visits[1 - side].in_field(place, margin).mean()))
    return min(shares)


def _place(step: Step, side: int, number: int) -> np.ndarray:
    """Where the other visit has, or would have, a deposit."""
    shape = step.visits[side].shapes[number]
    motion = step.alignment.carrying(shape.mean(axis=0), first=side == 0)
    return (motion if side == 0 else motion.inverse())(shape)


def _taken_over(step: Step, group: Group) -> bool:
    """Whether the other visit has something dense there that was judged to be no deposit."""
    side = 0 if group.first else 1
    other = step.visits[1 - side]
    for number in (group.first, group.second)[side]:
        place = _place(step, side, number)
        volume = float(step.visits[side].deposits[number]["volume_mm3"] or 0.0)
        reach = 2.0 + group.alignment_mm + (volume * 3 / (4 * np.pi)) ** (1 / 3)
        centre = place.mean(axis=0)
        for item in other.facts["objects"]:
            at = np.array([item["x_mm"], item["y_mm"], item["z_mm"]])
            alike = 0.2 < item["volume_mm3"] / max(volume, 1e-6) < 5.0
            if alike and np.linalg.norm(at - centre) < reach:
                return True
        if (
            _bone_there(other, place)
            > _bone_there(step.visits[side], step.visits[side].shapes[number]) + _BONE_SHARE
        ):
            return True
    return False


def _bone_there(visit: Visit, points: np.ndarray) -> float:
    """The share of points that bone's surface passes by."""
    if not len(visit.bone.points):
        return 0.0
    distance, _ = visit.bone.nearest(points, np.full(len(points), BONE), _BONE_MM)
    return float(np.isfinite(distance).mean())


def numbered(rows: Sequence[Row]) -> list[Row]:
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
    named = [replace(row, lineage=order[root(_nodes(row)[0])]) for row in rows]
    return sorted(named, key=lambda row: (row.visits[::-1], row.lineage, row.first, row.second))


def _nodes(row: Row) -> list[tuple[int, int]]:
    visits = row.visits
    return [(visits[0], n) for n in row.first] + [(visits[1], n) for n in row.second]


def joined(rows: Sequence[Row], steps: Mapping[tuple[int, int], Step]) -> list[Row]:
    """One row per lineage and pair: deposits that belong together at another visit are summed."""
    groups: dict[tuple[tuple[int, int], int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.visits, row.lineage), []).append(row)
    return [
        same[0] if len(same) == 1 else _summed(same, steps[same[0].visits])
        for same in groups.values()
    ]


def _summed(rows: Sequence[Row], step: Step) -> Row:
    first = tuple(sorted(n for row in rows for n in row.first))
    second = tuple(sorted(n for row in rows for n in row.second))
    amounts = amounts_of(step, first, second)
    if step.alignment.failed:
        flags = tuple(dict.fromkeys([f for row in rows for f in row.flags] + ["JOINED_LATER"]))
        return replace(rows[0], first=first, second=second, amounts=amounts, flags=flags)
    judged = judged_by(step, first, second, amounts)
    made = change(*amounts, step.how, step.repeatability, step.days, judged)
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
    row = Row(
        rows[0].lineage, rows[0].visits, first, second, fate, made, amounts, worst, flags, judged
    )
    return row if _may_be_called(row) else replace(row, change=_uncalled(made))
