"""Options: what was tried for a type and extent like this, and what forbids it here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calcimetry.clinic.base import Entry, Knowledge, Statement
from calcimetry.clinic.conditions import holds

STANCES = ("for", "weak", "against", "forbidden")


@dataclass(frozen=True, slots=True)
class Option:
    """One option for one person. `grade` is that of the best evidence behind the stance."""

    id: str
    label: str
    types: tuple[str, ...]
    stance: str
    grade: str
    evidence: tuple[Statement, ...]
    harms: tuple[Statement, ...]
    forbids: tuple[Statement, ...]
    cautions: tuple[Statement, ...]
    studied_in: str | None
    fits: tuple[str, ...]


def options_for(leading: Sequence[str], facts: Collection[str], base: Knowledge) -> list[Option]:
    """The options for the leading types, best evidence for this situation first.

    facts : with `type.<id>` of the leading types among them
    """
    rows = [(o, _one(o, leading, facts, base)) for o in base.options if _applies(o, leading, facts)]
    ranked = sorted(rows, key=lambda row: _rank(row[0], row[1], base))
    return [option for _, option in ranked]


def _applies(about: Mapping[str, Any], leading: Sequence[str], facts: Collection[str]) -> bool:
    types = about["types"]
    return ("any" in types or bool(set(types) & set(leading))) and holds(
        about["needs_facts"], facts
    )


def _one(
    about: Mapping[str, Any], leading: Sequence[str], facts: Collection[str], base: Knowledge
) -> Option:
    evidence = [e for e in about["evidence"] if holds(e.condition, facts) and _typed(e, leading)]
    forbids = [*_true(about["forbid"], facts), *_safety(about, facts, base)]
    stance = _stance(about, leading, facts, bool(forbids))
    return Option(
        id=about["id"],
        label=about["label"],
        types=tuple(t for t in leading if t in about["types"]),
        stance=stance,
        grade=_grade(evidence, stance, base),
        evidence=tuple(e.statement for e in evidence),
        harms=tuple(h.statement for h in about["harm"]),
        forbids=tuple(forbids),
        cautions=tuple(_true(about["caution"], facts)),
        studied_in=about.get("when", {}).get("text"),
        fits=tuple(fact for fact in about.get("fits", ()) if fact in facts),
    )


def _stance(
    about: Mapping[str, Any], leading: Sequence[str], facts: Collection[str], forbidden: bool
) -> str:
    if forbidden:
        return "forbidden"
    stance: str = about["stance"]
    if stance != "for":
        return stance
    strong_types = set(about.get("strong_types", about["types"])) | {"any"}
    typed = "any" in about["types"] or bool(strong_types & set(leading))
    return "for" if typed and holds(about["when_facts"], facts) else "weak"


def _safety(about: Mapping[str, Any], facts: Collection[str], base: Knowledge) -> list[Statement]:
    """Pregnancy forbids every drug here, childhood what was not seen studied in children."""
    drug = about["kind"] == "drug"
    found = [base.note("safety.pregnancy")] if drug and "person.pregnant" in facts else []
    if "person.child" in facts and drug and not about["children"]:
        found.append(base.note("safety.child"))
    return found


def _true(entries: Sequence[Entry], facts: Collection[str]) -> list[Statement]:
    return [entry.statement for entry in entries if holds(entry.condition, facts)]


def _typed(entry: Entry, leading: Sequence[str]) -> bool:
    types = entry.data.get("types")
    return types is None or bool(set(types) & set(leading))


def _grade(evidence: Sequence[Entry], stance: str, base: Knowledge) -> str:
    """The best grade among the evidence that speaks the stance's way."""
    for way in ("against",) if stance in ("against", "forbidden") else ("for",):
        graded = [e for e in evidence if e.data.get("direction", "for") == way]
        if graded:
            return min((e.statement.grade for e in graded), key=base.grades.__getitem__)
    return min((e.statement.grade for e in evidence), key=base.grades.__getitem__, default="-")


def _rank(about: Mapping[str, Any], option: Option, base: Knowledge) -> tuple[int, bool, int, int]:
    """Sorting is stable: the order of options.toml decides last, and among the `first`."""
    stance = STANCES.index(option.stance)
    if about.get("first"):
        return stance, False, 0, 0
    return stance, True, base.grades[option.grade], -len(option.fits)
