"""What follow-up said of every true lineage, beside what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from benchmarks.followup.visits import AS_FOUND, Known, Made

from calcimetry.followup import FollowUp, follow
from calcimetry.followup.lineage import LineageChange

BAR_MG = 8.0
SURE_CUT = 0.1
WELL_FOUND = 0.5  # of a deposit's dense voxels, for the finder to have found it


@dataclass(frozen=True, slots=True)
class Outcome:
    """One lineage between two visits, as it is and as it was said to be.

    way : as found, or with true masks; truth : its fate, or "partly" (the edge of a field cuts
    it), "too small" (less than the plan lists); said : the fate, "missed" where no row has it,
    "wrong partner" where the row has another visit's wrong deposit
    mass_mg : true, at either visit; found : the finder has it wherever it is
    times, times_said : mass at the second over the first visit
    cut_sd : error of the cut from bone, as stated for the worse visit (1 SD, of its mass)
    error_mm : between where alignment lays its middle and where that is; stated_mm : alignment_mm;
    bone_mm : from its middle to the nearest landmark of bone
    """

    pair: str
    kind: str
    way: str
    number: int
    family: str
    truth: str
    said: str
    called: bool
    mass_mg: tuple[float, float]
    found: bool
    times_said: float
    cut_sd: float
    error_mm: float
    stated_mm: float
    bone_mm: float
    flags: tuple[str, ...]

    @property
    def right(self) -> bool:
        return self.said == self.truth

    @property
    def big(self) -> bool:
        return max(self.mass_mg) >= BAR_MG

    @property
    def cut_known(self) -> bool:
        return self.cut_sd <= SURE_CUT


@dataclass(frozen=True, slots=True)
class Sum:
    """The total of a pair, and rows that belong to no true lineage."""

    pair: str
    kind: str
    way: str
    called: bool
    pct: float | None
    stray: int
    stray_called: int
    seconds: float


def judged(
    names: tuple[str, str], fates: Sequence[tuple[str, str]], visits: tuple[Made, Made], way: str
) -> tuple[list[Outcome], Sum, FollowUp]:
    """Follow two visits. `names`: of the pair and its kind; `fates`: (fate, family)."""
    from time import perf_counter

    began = perf_counter()
    found = follow([visit.visits[way] for visit in visits])
    seconds = perf_counter() - began
    rows = found.pairs[0].rows
    out, used = [], set()
    for number, (fate, family) in enumerate(fates):
        known = visits[0].known[number], visits[1].known[number]
        numbers = [visit.numbers[way][number] for visit in visits]
        own = list(_touching(rows, numbers))
        used |= {id(row) for row in own}
        row = max(own, key=lambda r: _weight(r, numbers, found), default=None)
        out.append(
            Outcome(
                *names,
                way,
                number,
                family,
                _truth(fate, known),
                _said(row, numbers),
                bool(row and row.change.called),
                (known[0].mass_mg, known[1].mass_mg),
                _found(visits, way, number),
                _times(row),
                _cut(row, found),
                _error(found, known),
                row.alignment_mm if row else np.nan,
                _bone(found, known[0]),
                row.flags if row else (),
            )
        )
    stray = [row for row in rows if id(row) not in used]
    total = found.pairs[0].total
    sums = Sum(
        *names, way, total.called, total.mass_pct.value, len(stray),
        sum(row.change.called for row in stray), seconds,
    )  # fmt: skip
    return out, sums, found


def _touching(
    rows: Iterable[LineageChange], numbers: Sequence[Iterable[int]]
) -> Iterator[LineageChange]:
    for row in rows:
        if set(row.first) & set(numbers[0]) or set(row.second) & set(numbers[1]):
            yield row


def _weight(row: LineageChange, numbers: Sequence[Iterable[int]], found: FollowUp) -> float:
    """How much of a lineage a row holds, mg."""
    sides = zip(found.visits, (row.first, row.second), numbers, strict=True)
    return sum(
        visit.deposits[n]["mass_mg"] or 0.0
        for visit, own, known in sides
        for n in set(own) & set(known)
    )


def _truth(fate: str, known: tuple[Known, Known]) -> str:
    there = [item.mass_mg > 0 for item in known]
    covered = [item.covered for item in known]
    if any(yes and cover == "in" and item.runs is None
           for yes, cover, item in zip(there, covered, known, strict=True)):  # fmt: skip
        return "too small"
    seen = [yes and cover == "in" for yes, cover in zip(there, covered, strict=True)]
    if "partly" in covered or not any(seen):
        return "partly"
    return "not_covered" if "out" in covered else fate


def _said(row: LineageChange | None, numbers: Sequence[Sequence[int]]) -> str:
    if row is None:
        return "missed"
    sides = zip((row.first, row.second), numbers, strict=True)
    if any(own and known and not set(own) & set(known) for own, known in sides):
        return "wrong partner"
    return row.fate


def _found(visits: tuple[Made, Made], way: str, number: int) -> bool:
    """Whether a deposit is listed, as such, wherever it lies in the field."""
    for visit in visits:
        if not visit.known[number].runs:
            continue
        listed = visit.visits[way].deposits
        kinds = {listed[n]["kind"] for n in visit.numbers[way][number]}
        if visit.shares[way][number] < WELL_FOUND or kinds != {"deposit"}:
            return False
    return True


def _times(row: LineageChange | None) -> float:
    if row is None or row.change.mass_pct.value is None:
        return np.nan
    return 1 + row.change.mass_pct.value / 100


def _cut(row: LineageChange | None, found: FollowUp) -> float:
    if row is None:
        return 0.0
    sides = zip(found.visits, (row.first, row.second), strict=True)
    sums = [
        (
            sum((d["mass_mg"] or 0.0) * d["relative_error"].get("segmentation", 0.0) for d in own),
            sum(d["mass_mg"] or 0.0 for d in own),
        )
        for own in ([visit.deposits[n] for n in numbers] for visit, numbers in sides)
    ]
    return max((sd / mass for sd, mass in sums if mass), default=0.0)


def _bone(found: FollowUp, known: Known) -> float:
    marks = found.pairs[0].pair.alignment.marks
    gaps = np.linalg.norm(marks - known.centre_mm.mean(axis=0), axis=1)
    return float(gaps.min()) if len(gaps) else np.inf


def _error(found: FollowUp, known: tuple[Known, Known]) -> float:
    """Of the middle of a deposit that both fields hold."""
    if {item.covered for item in known} != {"in"}:
        return np.nan
    a, b = (item.centre_mm.mean(axis=0) for item in known)
    return float(np.linalg.norm(found.pairs[0].pair.alignment.to_second(a) - b))


__all__ = ["AS_FOUND", "BAR_MG", "Outcome", "Sum", "judged"]
