"""Visits to FollowUp: order them, compare, align, match, judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from calcimetry.errors import UsageError
from calcimetry.followup.change import UNKNOWN, Change, change
from calcimetry.followup.comparability import compared
from calcimetry.followup.events import Events, check
from calcimetry.followup.fates import GroupChange, rows_of
from calcimetry.followup.identity import Twin, checked
from calcimetry.followup.lineage import LineageChange, joined, numbered
from calcimetry.followup.registration import register
from calcimetry.followup.repeatability import Repeatability, repeatability
from calcimetry.followup.soft_tissue_motion import placed
from calcimetry.followup.summed_mass import added
from calcimetry.followup.support import borne_out
from calcimetry.followup.visit import Visit
from calcimetry.followup.visit_pair import VisitPair
from calcimetry.followup.withheld import reasons
from calcimetry.records import Flag, Severity

ORDER_AS_GIVEN = Flag(
    "ORDER_AS_GIVEN", "The visits' dates are not known or not different: their order was kept."
)
_LATER = ("LEFT_OUT",)


@dataclass(frozen=True, eq=False)
class PairChange:
    """What changed between two visits, summed over all that both fields cover.

    withheld : why the total is not given; none where it is
    flags : what else is to be known of the two
    """

    pair: VisitPair
    total: Change
    rows: tuple[LineageChange, ...]
    withheld: tuple[Flag, ...] = ()
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, eq=False)
class FollowUp:
    """What became of each deposit over the visits.

    visits : in order of time, numbered from 1
    rows : a row per lineage and pair of visits
    pairs : each pair of neighbouring visits
    """

    visits: tuple[Visit, ...]
    rows: tuple[LineageChange, ...]
    pairs: tuple[PairChange, ...]
    repeatability: Repeatability
    events: Events
    flags: tuple[Flag, ...]

    @property
    def withheld(self) -> bool:
        """Whether a total was asked for that cannot be given."""
        return any(flag.severity is Severity.WITHHELD for flag in self.flags)


def follow(
    given: Sequence[Visit],
    *,
    repeat: str | Path | None = None,
    events: Events | None = None,
) -> FollowUp:
    """Follow deposits through two or more visits of one person.

    Parameters
    ----------
    given : the visits, in any order where their dates differ
    repeat : a repeatability profile ("people", "phantom") or a TOML file of the study's own
    events : what was operated on or extruded, and readers' scores

    Totals that cannot be given are withheld, with a flag of that severity that says why: the
    visits could not be laid over each other, are one scan, or leave nothing but doubt.

    Raises UsageError (TOO_FEW_VISITS, BAD_REPEATABILITY, BAD_EVENTS), WithheldError for visits that
    cannot be compared (OTHER_PERSON, OTHER_SIDE, OTHER_IMAGES, OTHER_THRESHOLD).
    """
    if len(given) < 2:
        raise UsageError(
            "TOO_FEW_VISITS",
            found=f"{len(given)} visit{'s' * (len(given) != 1)}",
            expected="two visits or more",
            where="the examinations to follow",
            remedy="give the folders that `calcimetry measure` wrote, one per visit",
        )
    visits, flags = _ordered(given)
    rule, known = repeatability(repeat), events or Events()
    check(known, {visit.number: sorted(visit.deposits) for visit in visits})
    twins = checked(visits)
    visit_pairs = {(a.number, b.number): _pair(a, b, rule, known) for a, b in pairwise(visits)}
    rows = [row for pair in visit_pairs.values() for row in rows_of(pair)]
    rows = _bridged(rows, visits, visit_pairs, rule, known)
    listed = _of_one_scan(_left_out(joined(numbered(rows), visit_pairs)), twins)
    pairs = [
        _between(pair, listed, twins) for key, pair in visit_pairs.items() if key[1] == key[0] + 1
    ]
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


def _pair(first: Visit, second: Visit, rule: Repeatability, events: Events) -> VisitPair:
    comparability = compared(first, second, rule)
    alignment = placed(register(first, second), first, second)
    alignment = replace(alignment, doubted=not borne_out(first, second, alignment))
    return VisitPair((first, second), comparability, alignment, rule, events)


def _bridged(
    rows: list[GroupChange],
    visits: Sequence[Visit],
    visit_pairs: dict[tuple[int, int], VisitPair],
    rule: Repeatability,
    events: Events,
) -> list[GroupChange]:
    """Deposits that a visit between did not cover are sought on the next that does.

    The pairs of visits that this compares are added to `visit_pairs`.
    """
    out = list(rows)
    for later in range(2, len(visits)):
        for earlier in range(later - 1):
            key = earlier + 1, later + 1
            lost = _open(out, key[0], side=0)
            found = _open(out, key[1], side=1)
            if not lost or not found:
                continue
            pair = visit_pairs[key] = _pair(visits[earlier], visits[later], rule, events)
            out += [row for row in rows_of(pair, (lost, found)) if row.first and row.second]
    return out


def _open(rows: Sequence[GroupChange], visit: int, *, side: int) -> list[int]:
    """Deposits of a visit that the neighbouring visit did not cover."""
    neighbour = visit + 1 if side == 0 else visit - 1
    pair = (visit, neighbour) if side == 0 else (neighbour, visit)
    return sorted(
        n
        for row in rows
        if row.visits == pair and row.fate == "not_covered"
        for n in (row.first, row.second)[side]
    )


def _left_out(rows: Sequence[LineageChange]) -> list[LineageChange]:
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


def _of_one_scan(rows: Sequence[LineageChange], twins: Sequence[Twin]) -> list[LineageChange]:
    """A scan that was given twice stands at a wrong place in time: nothing changed there."""
    same = {n for twin in twins if twin.flag.severity is Severity.WITHHELD for n in twin.visits}
    return [_uncalled(row) if same & set(row.visits) else row for row in rows]


def _uncalled(row: LineageChange) -> LineageChange:
    return replace(row, change=replace(row.change, called=False, doubling_days=None))


def _between(pair: VisitPair, rows: Sequence[LineageChange], twins: Sequence[Twin]) -> PairChange:
    numbers = pair.visits[0].number, pair.visits[1].number
    own = tuple(row for row in rows if row.visits == numbers)
    counted = [row for row in own if row.counts and _sure(pair, row)]
    touching = [twin.flag for twin in twins if set(twin.visits) & set(numbers)]
    same = tuple(flag for flag in touching if flag.severity is Severity.WITHHELD)
    remarks = tuple(twin.flag for twin in twins if twin.visits == numbers)
    withheld = same or reasons(pair, counted, own)
    total = UNKNOWN if withheld else total_change(pair, counted)
    return PairChange(pair, total, own, withheld, tuple(f for f in remarks if f not in same))


def total_change(pair: VisitPair, rows: Sequence[LineageChange]) -> Change:
    """The change of a sum of lineages; errors of one visit's deposits are independent."""
    sums = [added([row.amounts[k] for row in rows]) for k in (0, 1)]
    by_image = [added([row.change_of[k] for row in rows]) for k in (0, 1)]
    comparability, rule = pair.comparability, pair.repeatability
    return change(sums[0], sums[1], comparability, rule, pair.days, (by_image[0], by_image[1]))


def _sure(pair: VisitPair, row: LineageChange) -> bool:
    """Whether a lineage is calcinosis on either visit, not something else throughout."""
    sides = zip(pair.visits, (row.first, row.second), strict=True)
    return any(visit.deposits[n]["kind"] == "deposit" for visit, ns in sides for n in ns)
