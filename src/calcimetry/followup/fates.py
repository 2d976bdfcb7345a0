"""Fates: what became of each deposit between two visits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from calcimetry.followup.change import UNKNOWN, Change, change
from calcimetry.followup.match import REACH_MM, Group, matched
from calcimetry.followup.motion import BONE
from calcimetry.followup.summed_mass import SummedMass
from calcimetry.followup.visit import Visit
from calcimetry.followup.visit_pair import VisitPair, amounts_of, from_difference_image

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
BY_DIFFERENCE = "BY_DIFFERENCE"
_BONE_MM, _BONE_SHARE = 2.0, 0.3  # how near, and how much of a place, bone takes over


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Deposits of two visits that are one; numbers of visits and deposits from 1.

    by_image : the masses of both visits where what they differ by was measured on the difference
        of the images (BY_DIFFERENCE)
    """

    visits: tuple[int, int]
    first: tuple[int, ...]
    second: tuple[int, ...]
    fate: str
    change: Change
    amounts: tuple[SummedMass, SummedMass]
    alignment_mm: float
    flags: tuple[str, ...] = ()
    by_image: tuple[SummedMass, SummedMass] | None = None

    @property
    def change_of(self) -> tuple[SummedMass, SummedMass]:
        """The amounts that the change of mass was taken from."""
        return self.by_image or self.amounts

    @property
    def counts(self) -> bool:
        """Whether it belongs in totals: seen on both visits, and not left out by the user."""
        return self.fate not in LEFT_FIELD and not {"LEFT_OUT", "PARTLY_COVERED"} & set(self.flags)


def rows_of(
    pair: VisitPair, numbers: tuple[Sequence[int], Sequence[int]] | None = None
) -> list[GroupChange]:
    """What became of each group of two visits; `numbered` makes lineages of those of all visits.

    Where the visits could not be laid over each other, nothing is anything's partner.
    """
    if pair.alignment.failed:
        return [_unknown(pair, group) for group in _singles(pair, numbers)]
    groups = matched(*pair.visits, pair.alignment, numbers)
    lone = (
        [n for group in groups if not group.second for n in group.first],
        [n for group in groups if not group.first for n in group.second],
    )
    return [_row(pair, group, lone) for group in groups]


def _singles(pair: VisitPair, numbers: tuple[Sequence[int], Sequence[int]] | None) -> list[Group]:
    chosen = numbers or tuple(sorted(visit.shapes) for visit in pair.visits)
    firsts = [Group((n,), (), float("inf")) for n in chosen[0]]
    return [*firsts, *(Group((), (n,), float("inf")) for n in chosen[1])]


def _unknown(pair: VisitPair, group: Group) -> GroupChange:
    visits = pair.visits[0].number, pair.visits[1].number
    flags = tuple(f for f in _flags(pair, group) if f != "ALIGNMENT_POOR")
    return GroupChange(
        visits, group.first, group.second, "doubtful", UNKNOWN,
        amounts_of(pair, group.first, group.second), group.alignment_mm,
        (*flags, "ALIGNMENT_FAILED"),
    )  # fmt: skip


def _row(pair: VisitPair, group: Group, lone: Lone) -> GroupChange:
    amounts = amounts_of(pair, group.first, group.second)
    by_image = from_difference_image(pair, group.first, group.second, amounts)
    made = change(*amounts, pair.comparability, pair.repeatability, pair.days, by_image)
    flags = [*_flags(pair, group), *([BY_DIFFERENCE] if by_image else [])]
    fate, more = _fate(pair, group, made, flags)
    if fate in ("new", "gone") and _rivals(pair, group, lone):
        fate, more = "doubtful", ["RIVAL"]
    visits = pair.visits[0].number, pair.visits[1].number
    row = GroupChange(
        visits, group.first, group.second, fate, made, amounts, group.alignment_mm,
        tuple(dict.fromkeys([*flags, *more])), by_image,
    )  # fmt: skip
    return row if may_be_called(row) else replace(row, change=uncalled(made))


def may_be_called(row: GroupChange) -> bool:
    barred = {"LEFT_OUT", "PARTLY_COVERED", "CUT_BY_FIELD", "AT_CEILING", "UNCERTAIN_KIND"}
    return row.fate not in ("not_covered", "doubtful") and not barred & set(row.flags)


def uncalled(made: Change) -> Change:
    return replace(made, called=False, doubling_days=None)


def _flags(pair: VisitPair, group: Group) -> Iterable[str]:
    """What must be known of a group, apart from its fate."""
    rows = [
        visit.deposits[n]
        for visit, numbers in zip(pair.visits, (group.first, group.second), strict=True)
        for n in numbers
    ]
    codes = {flag["code"] for row in rows for flag in row["flags"]}
    yield from sorted(codes & {"CUT_BY_FIELD", "AT_CEILING", "BELOW_DETECTION"})
    if len({row["kind"] for row in rows}) > 1:
        yield "KIND_DIFFERS"
    elif rows[0]["kind"] == "uncertain":
        yield "UNCERTAIN_KIND"
    if any((v.number, n) in pair.events.left_out for v, n in _members(pair, group)):
        yield "LEFT_OUT"
    if group.alignment_mm > _POOR_MM:
        yield "ALIGNMENT_POOR"


def _members(pair: VisitPair, group: Group) -> Iterable[tuple[Visit, int]]:
    for visit, numbers in zip(pair.visits, (group.first, group.second), strict=True):
        for number in numbers:
            yield visit, number


def _fate(
    pair: VisitPair, group: Group, made: Change, flags: Sequence[str]
) -> tuple[str, list[str]]:
    covered = [_covered(pair, group, side) for side in (0, 1)]
    if not group.first or not group.second:
        return _alone(pair, group, covered[0] if group.first else covered[1])
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


def _rivals(pair: VisitPair, group: Group, lone: Lone) -> bool:
    """Whether a poorly aligned deposit may be one that the other visit has without a partner."""
    if group.alignment_mm <= _POOR_MM:
        return False
    side = 0 if group.first else 1
    other = pair.visits[1 - side]
    reach = REACH_MM + _RIVAL * group.alignment_mm
    places = [_place(pair, side, number) for number in (group.first, group.second)[side]]
    return any(
        float(cKDTree(other.shapes[n]).query(place)[0].min()) < reach
        for place in places
        for n in lone[1 - side]
    )


def _alone(pair: VisitPair, group: Group, covered: float) -> tuple[str, list[str]]:
    """The fate of a deposit that the other visit does not show."""
    if covered < _COVERED:
        return "not_covered", []
    fate = "gone" if group.first else "new"
    if group.alignment_mm > _LOST_MM:
        return "doubtful", ["ALIGNMENT_POOR"]
    if _taken_over(pair, group):
        return "doubtful", ["JUDGED_OTHERWISE"]
    return fate, []


def _covered(pair: VisitPair, group: Group, side: int) -> float:
    """The share of a group's deposits that lies in the other visit's field."""
    shares = [1.0]
    margin = min(group.alignment_mm, 5.0)
    for number in (group.first, group.second)[side]:
        place = _place(pair, side, number)
        shares.append(float(pair.visits[1 - side].in_field(place, margin).mean()))
    return min(shares)


def _place(pair: VisitPair, side: int, number: int) -> np.ndarray:
    """Where the other visit has, or would have, a deposit."""
    shape = pair.visits[side].shapes[number]
    motion = pair.alignment.carrying(shape.mean(axis=0), first=side == 0)
    return (motion if side == 0 else motion.inverse())(shape)


def _taken_over(pair: VisitPair, group: Group) -> bool:
    """Whether the other visit has something dense there that was judged to be no deposit."""
    side = 0 if group.first else 1
    other = pair.visits[1 - side]
    for number in (group.first, group.second)[side]:
        place = _place(pair, side, number)
        volume = float(pair.visits[side].deposits[number]["volume_mm3"] or 0.0)
        reach = 2.0 + group.alignment_mm + (volume * 3 / (4 * np.pi)) ** (1 / 3)
        centre = place.mean(axis=0)
        for item in other.facts["objects"]:
            at = np.array([item["x_mm"], item["y_mm"], item["z_mm"]])
            alike = 0.2 < item["volume_mm3"] / max(volume, 1e-6) < 5.0
            if alike and np.linalg.norm(at - centre) < reach:
                return True
        if (
            _bone_there(other, place)
            > _bone_there(pair.visits[side], pair.visits[side].shapes[number]) + _BONE_SHARE
        ):
            return True
    return False


def _bone_there(visit: Visit, points: np.ndarray) -> float:
    """The share of points that bone's surface passes by."""
    if not len(visit.bone.points):
        return 0.0
    distance, _ = visit.bone.nearest(points, np.full(len(points), BONE), _BONE_MM)
    return float(np.isfinite(distance).mean())
