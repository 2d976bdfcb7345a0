"""Which type the findings speak for: lists of findings, an order, and no probability.

A finding is decisive, strong or weak (knowledge/meta.toml). A type may lead when its best
finding reaches what the type asks for (`leads_on`) and the findings against it are not
stronger than those for it. Leading types are ordered by decisive, then strong, then weak
findings, those against taken off; an emergency that may lead stands first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calcimetry.clinic.base import Entry, Knowledge, Statement
from calcimetry.clinic.conditions import because, holds, refuted, unknown

STRENGTHS = ("decisive", "strong", "weak")
LEAST_WEAK = 2  # weak findings that a type needs where weak ones suffice


@dataclass(frozen=True, slots=True)
class Found:
    """A finding for or against a type."""

    statement: Statement
    strength: str
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RankedType:
    """A type with what speaks for it, against it, and what is missing to decide."""

    id: str
    statement: Statement
    label: str
    for_: tuple[Found, ...]
    against: tuple[Found, ...]
    missing: tuple[str, ...]
    score: tuple[int, int, int]
    may_lead: bool
    emergency: bool

    @property
    def contradicted(self) -> bool:
        """Whether strong findings stand on both sides."""
        return all(
            any(found.strength != "weak" for found in side) for side in (self.for_, self.against)
        )


@dataclass(frozen=True, slots=True)
class Pattern:
    """A named pattern of results: it fits, or is possible until `missing` is known."""

    entry: Entry
    status: str
    missing: tuple[str, ...]


def patterns(facts: Collection[str], base: Knowledge) -> list[Pattern]:
    """The patterns that fit, and those that could; strict in what "not" means for labs."""
    found: list[Pattern] = []
    known = set(facts)
    for entry in base.patterns:
        if holds(entry.condition, known):
            known.add(entry.id)
            found.append(Pattern(entry, "fits", ()))
            continue
        signs = entry.data.get("signs", ())
        missing = unknown(entry.condition, known)
        if missing and any(s in known for s in signs) and not refuted(entry.condition, known):
            found.append(Pattern(entry, "possible", tuple(missing)))
    return found


def rank(facts: Collection[str], entered: Collection[str], base: Knowledge) -> list[RankedType]:
    """Every type, the best supported first."""
    found = [_ranked(name, facts, entered, base) for name in base.types]
    return sorted(found, key=_order)


def leading(ranked: Sequence[RankedType]) -> tuple[str, ...]:
    """Ids of the types that may lead, best supported first."""
    return tuple(w.id for w in ranked if w.may_lead)


def _ranked(
    name: str, facts: Collection[str], entered: Collection[str], base: Knowledge
) -> RankedType:
    entry = base.types[name]
    rules = [rule for rule in base.rules if rule.data["type"] == name]
    for_ = _found([r for r in rules if r.data["side"] == "for"], facts)
    against = _found([r for r in rules if r.data["side"] == "against"], facts)
    score = _score(for_, against)
    return RankedType(
        id=name,
        statement=entry.statement,
        label=entry.data["label"],
        for_=for_,
        against=against,
        missing=tuple(n for n in entry.data["needs"] if not _known(n, facts, entered)),
        score=score,
        may_lead=_may_lead(entry.data, for_, against, score),
        emergency=bool(entry.data.get("emergency")),
    )


def _found(rules: Sequence[Entry], facts: Collection[str]) -> tuple[Found, ...]:
    found = [
        Found(rule.statement, rule.data["strength"], tuple(because(rule.condition, facts)))
        for rule in rules
        if holds(rule.condition, facts)
    ]
    return tuple(sorted(found, key=lambda f: STRENGTHS.index(f.strength)))


def _score(for_: Sequence[Found], against: Sequence[Found]) -> tuple[int, int, int]:
    counts = [_count(for_, s) - _count(against, s) for s in STRENGTHS]
    return counts[0], counts[1], counts[2]


def _count(found: Sequence[Found], strength: str) -> int:
    return sum(f.strength == strength for f in found)


def _may_lead(
    about: Mapping[str, Any],
    for_: Sequence[Found],
    against: Sequence[Found],
    score: tuple[int, int, int],
) -> bool:
    decisive, strong, weak = (_count(for_, s) for s in STRENGTHS)
    if decisive + strong == 0:
        opposed = any(f.strength != "weak" for f in against)
        enough = weak >= LEAST_WEAK and score[2] > 0
        return about["leads_on"] == "weak" and enough and not opposed
    return (score[0], score[1]) >= (0, 0)


def _known(need: str, facts: Collection[str], entered: Collection[str]) -> bool:
    if need.startswith("history."):
        return need.removeprefix("history.") in entered
    return any(fact.startswith(f"{need}.") for fact in facts)


def _order(ranked: RankedType) -> tuple[bool, bool, tuple[int, ...]]:
    first = ranked.may_lead and ranked.emergency
    return (not first, not ranked.may_lead, tuple(-n for n in ranked.score))
