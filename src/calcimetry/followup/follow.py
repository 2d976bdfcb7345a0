"""Visits to FollowUp: order them, compare, align, match, judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from calcimetry.arguments import check
from calcimetry.digits import decimals, signed
from calcimetry.errors import UsageError
from calcimetry.followup.align import align
from calcimetry.followup.compare import compared
from calcimetry.followup.events import Events
from calcimetry.followup.events import check as check_events
from calcimetry.followup.identity import Twin, checked
from calcimetry.followup.judge import UNKNOWN, Change, added, change
from calcimetry.followup.lineage import Row, Step, joined, numbered, rows_of
from calcimetry.followup.places import placed
from calcimetry.followup.repeat import Repeatability, repeatability
from calcimetry.followup.support import borne_out
from calcimetry.followup.visit import Visit, visit_of
from calcimetry.followup.withheld import reasons
from calcimetry.records import RESEARCH_USE, Examination, Flag, Severity
from calcimetry.records.words import html_table

ORDER_AS_GIVEN = Flag(
    "ORDER_AS_GIVEN", "The visits' dates are not known or not different: their order was kept."
)
_LATER = ("LEFT_OUT",)
_MOST_LINES = 6  # pairs of visits that a FollowUp's repr shows


@dataclass(frozen=True, eq=False)
class Between:
    """Two visits: their step, and the change of all that both fields cover.

    withheld : why the total is not given; none where it is
    flags : what else is to be known of the two
    """

    step: Step
    total: Change
    rows: tuple[Row, ...]
    withheld: tuple[Flag, ...] = ()
    flags: tuple[Flag, ...] = ()

    def __repr__(self) -> str:
        first, second = (visit.number for visit in self.step.visits)
        return f"Between(visits {first} and {second}: {fates_of(self)}; mass {_told(self)})"


@dataclass(frozen=True, eq=False)
class FollowUp:
    """What became of each deposit over the visits.

    visits : in order of time, numbered from 1
    rows : a row per lineage and pair of visits
    pairs : each pair of neighbouring visits; its total is of mass (mg, and percent of the first)
    repeatability : what of a change measurement error explains
    events : what the user said of the time between
    flags : coded remarks on all visits
    """

    visits: tuple[Visit, ...]
    rows: tuple[Row, ...]
    pairs: tuple[Between, ...]
    repeatability: Repeatability
    events: Events
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        lines = [f"  {pair!r}" for pair in self.pairs[:_MOST_LINES]]
        more = len(self.pairs) - len(lines)
        lines += [f"  and {more} more pairs of visits"] if more > 0 else []
        flags = ", ".join(dict.fromkeys(flag.code for flag in self.flags)) or "none"
        return "\n".join([f"FollowUp({len(self.visits)} visits; flags: {flags}", *lines]) + ")"

    def _repr_html_(self) -> str:
        rows = [
            (
                f"{pair.step.visits[0].number} to {pair.step.visits[1].number}",
                "" if pair.step.days is None else pair.step.days,
                fates_of(pair),
                _told(pair),
            )
            for pair in self.pairs
        ]
        notes = [f"{flag.severity}: {flag.text} [{flag.code}]" for flag in self.flags]
        names = ("visits", "days", "deposits", "mass")
        return html_table(names, rows, [*notes, RESEARCH_USE])

    @property
    def withheld(self) -> bool:
        """Whether a total was asked for that cannot be given."""
        return any(flag.severity is Severity.WITHHELD for flag in self.flags)


def fates_of(pair: Between) -> str:
    """How many lineages had each fate between two visits: "3 persisted, 1 new"."""
    counts = Counter(row.fate for row in pair.rows)
    return ", ".join(f"{count} {fate}" for fate, count in sorted(counts.items())) or "no deposits"


def _told(pair: Between) -> str:
    """The change of the total mass, and whether it is beyond measurement error."""
    change = pair.total.mass_pct
    if pair.withheld or change.value is None:
        return "change withheld" if pair.withheld else "change unknown"
    said = "beyond measurement error" if pair.total.called else "within measurement error"
    return f"{signed(change.value, decimals(change.value, 2))} %, {said}"


def follow(
    examinations: Sequence[Examination | Visit | str | Path],
    *,
    repeat: str | Path | None = None,
    events: Events | None = None,
) -> FollowUp:
    """Follow deposits through two or more visits of one person.

    Parameters
    ----------
    examinations : from `calcimetry.measure`, or folders that it wrote, in any order where
        their dates differ; or what `visit_of` made of them
    repeat : a repeatability profile ("people", "phantom") or a TOML file of the study's own
    events : what was operated on or extruded, and readers' scores

    Totals that cannot be given are withheld, with a flag of that severity that says why: the
    visits could not be laid over each other, are one scan, or leave nothing but doubt.

    Raises UsageError (TOO_FEW_VISITS, BAD_REPEATABILITY, BAD_EVENTS, BAD_ARGUMENT), InputError for
    folders that are no examinations, WithheldError for visits that cannot be compared
    (OTHER_PERSON, OTHER_SIDE, OTHER_IMAGES, OTHER_THRESHOLD).
    """
    check(examinations, (list, tuple), "a list of examinations or their folders", "examinations")
    if len(examinations) < 2:
        raise UsageError(
            "TOO_FEW_VISITS",
            found=f"{len(examinations)} visit",
            expected="two visits or more",
            where="the examinations to follow",
            remedy="give the folders that `calcimetry measure` wrote, one per visit",
        )
    visits, flags = _ordered([visit_of(source) for source in examinations])
    rule, known = repeatability(repeat), events or Events()
    check_events(known, {visit.number: sorted(visit.deposits) for visit in visits})
    twins = checked(visits)
    steps = {(a.number, b.number): _step(a, b, rule, known) for a, b in pairwise(visits)}
    rows = [row for step in steps.values() for row in rows_of(step)]
    rows = _bridged(rows, visits, steps, (rule, known))
    listed = _of_one_scan(_left_out(joined(numbered(rows), steps)), twins)
    pairs = [_between(step, listed, twins) for key, step in steps.items() if key[1] == key[0] + 1]
    found = [*flags, *(twin.flag for twin in twins), *(f for pair in pairs for f in pair.withheld)]
    every = tuple(dict.fromkeys(found))
    return FollowUp(tuple(visits), tuple(listed), tuple(pairs), rule, known, every)


def _ordered(visits: Sequence[Visit]) -> tuple[list[Visit], tuple[Flag, ...]]:
    """By date where all are known; visits of one date stay in the order in which they came."""
    known = [visit.date for visit in visits if visit.date is not None]
    dated = len(known) == len(visits)
    ordered = sorted(visits, key=lambda visit: visit.date or "") if dated else visits
    flags = () if len(set(known)) == len(visits) else (ORDER_AS_GIVEN,)
    return [replace(v, number=k) for k, v in enumerate(ordered, 1)], flags


def _step(first: Visit, second: Visit, rule: Repeatability, events: Events) -> Step:
    how = compared(first, second, rule)
    alignment = placed(align(first, second), first, second)
    alignment = replace(alignment, doubted=not borne_out(first, second, alignment))
    return Step((first, second), how, alignment, rule, events)


def _bridged(
    rows: list[Row],
    visits: Sequence[Visit],
    steps: dict[tuple[int, int], Step],
    common: tuple[Repeatability, Events],
) -> list[Row]:
    """Deposits that a visit between did not cover are sought on the next that does."""
    out = list(rows)
    for later in range(2, len(visits)):
        for earlier in range(later - 1):
            pair = earlier + 1, later + 1
            lost = _open(out, pair[0], side=0)
            found = _open(out, pair[1], side=1)
            if not lost or not found:
                continue
            steps[pair] = _step(visits[earlier], visits[later], *common)
            out += [row for row in rows_of(steps[pair], (lost, found)) if row.first and row.second]
    return out


def _open(rows: Sequence[Row], visit: int, *, side: int) -> list[int]:
    """Deposits of a visit that the neighbouring visit did not cover."""
    neighbour = visit + 1 if side == 0 else visit - 1
    pair = (visit, neighbour) if side == 0 else (neighbour, visit)
    return sorted(
        n
        for row in rows
        if row.visits == pair and row.fate == "not_covered"
        for n in (row.first, row.second)[side]
    )


def _left_out(rows: Sequence[Row]) -> list[Row]:
    """A lineage that the user left out stays out at later visits."""
    since: dict[int, int] = {}
    for row in rows:
        if "LEFT_OUT" in row.flags:
            since[row.lineage] = min(since.get(row.lineage, row.visits[1]), row.visits[1])
    return [
        replace(_uncalled(row), flags=tuple(dict.fromkeys([*row.flags, *_LATER])))
        if row.lineage in since and row.visits[1] >= since[row.lineage]
        else row
        for row in rows
    ]


def _of_one_scan(rows: Sequence[Row], twins: Sequence[Twin]) -> list[Row]:
    """A scan that was given twice stands at a wrong place in time: nothing changed there."""
    same = {n for twin in twins if twin.flag.severity is Severity.WITHHELD for n in twin.visits}
    return [_uncalled(row) if same & set(row.visits) else row for row in rows]


def _uncalled(row: Row) -> Row:
    return replace(row, change=replace(row.change, called=False, doubling_days=None))


def _between(step: Step, rows: Sequence[Row], twins: Sequence[Twin]) -> Between:
    numbers = step.visits[0].number, step.visits[1].number
    own = tuple(row for row in rows if row.visits == numbers)
    counted = [row for row in own if row.counts and _sure(step, row)]
    touching = [twin.flag for twin in twins if set(twin.visits) & set(numbers)]
    same = tuple(flag for flag in touching if flag.severity is Severity.WITHHELD)
    remarks = tuple(twin.flag for twin in twins if twin.visits == numbers)
    withheld = same or reasons(step, counted, own)
    total = UNKNOWN if withheld else total_change(step, counted)
    return Between(step, total, own, withheld, tuple(f for f in remarks if f not in same))


def total_change(step: Step, rows: Sequence[Row]) -> Change:
    """The change of a sum of lineages; errors of one visit's deposits are independent."""
    sums = [added([row.amounts[k] for row in rows]) for k in (0, 1)]
    judged = [added([row.change_of[k] for row in rows]) for k in (0, 1)]
    how, rule = step.how, step.repeatability
    return change(sums[0], sums[1], how, rule, step.days, (judged[0], judged[1]))


def _sure(step: Step, row: Row) -> bool:
    """Whether a lineage is calcinosis on either visit, not something else throughout."""
    sides = zip(step.visits, (row.first, row.second), strict=True)
    return any(visit.deposits[n]["kind"] == "deposit" for visit, ns in sides for n in ns)
