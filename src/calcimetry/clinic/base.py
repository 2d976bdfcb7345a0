"""The knowledge base: facts as data (`knowledge/`), read once, checked, and held in records.

A *statement* is any sentence that may be shown to a user: it has an id, a mark (how it is
known), a grade and references. A *condition* is a set of facts such as ``lab.phosphate.high``
or ``has.warfarin`` (see `conditions.py`) under which an entry applies. Nothing here is code: an
editor changes the TOML files, and `check.py` says whether they still hold together.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from calcimetry.errors import InputError

UNVERIFIED = "calcimetry-unverified"
RULES = "calcimetry-rules"
SOFTWARE = "calcimetry"
TABLES = ("patterns", "types", "urgent", "symptoms", "options", "claims", "notes")


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence with its source. `refs` are ids in references.json; never empty."""

    id: str
    text: str
    mark: str
    grade: str
    refs: tuple[str, ...]

    @property
    def verified(self) -> bool:
        """Whether the words were seen in a source (or computed from what was seen)."""
        return not self.mark.startswith("U")

    @property
    def shown(self) -> str:
        """The sentence as it is shown: what is not verified says so."""
        return self.text if self.verified else f"[unverified] {self.text}"

    def as_dict(self) -> dict[str, Any]:
        """As it stands in every output."""
        return {
            "id": self.id,
            "text": self.shown,
            "mark": self.mark,
            "grade": self.grade,
            "references": list(self.refs),
        }


@dataclass(frozen=True, slots=True)
class Condition:
    """True when all of `all` and one of `any` and one of `also` hold and none of `none` does.

    For labs and kidney function "none" means *known not to be so*: what was not measured
    never counts as normal. `unless` asks only that none of its facts is known to be true.
    """

    all: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    @property
    def tokens(self) -> tuple[str, ...]:
        return (*self.all, *self.any, *self.also, *self.none, *self.unless)


@dataclass(frozen=True, slots=True)
class Entry:
    """A block of a table: its statement, when it applies, and everything else it says."""

    statement: Statement
    condition: Condition
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.statement.id


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """All of the knowledge base."""

    version: str
    date: str
    marks: Mapping[str, str]
    grades: Mapping[str, int]  # rank, 1 strongest
    grade_words: Mapping[str, str]
    strengths: Mapping[str, str]
    analytes: Mapping[str, Mapping[str, Any]]
    terms: Mapping[str, Mapping[str, Any]]
    patterns: Sequence[Entry]
    hints: Sequence[Entry]
    types: Mapping[str, Entry]
    rules: Sequence[Entry]
    urgent: Sequence[Entry]
    symptoms: Sequence[Entry]
    scales: Sequence[Entry]
    options: Sequence[Mapping[str, Any]]
    claims: Sequence[Entry]
    notes: Mapping[str, Entry]
    references: Mapping[str, Mapping[str, Any]]

    def statements(self) -> Iterator[Statement]:
        """Every sentence of the knowledge base."""
        for group in (self.patterns, self.hints, self.rules, self.urgent, self.symptoms):
            yield from (entry.statement for entry in group)
        for group in (self.scales, self.claims, *(o["entries"] for o in self.options)):
            yield from (entry.statement for entry in group)
        yield from (entry.statement for entry in (*self.types.values(), *self.notes.values()))

    def note(self, name: str) -> Statement:
        """A sentence of notes.toml."""
        return self.notes[name].statement


@lru_cache(maxsize=1)
def knowledge() -> Knowledge:
    """The knowledge base that ships with the package."""
    return load(resources.files("calcimetry.clinic") / "knowledge")


def load(folder: Traversable) -> Knowledge:
    """A knowledge base from a folder of TOML files and references.json.

    Raises InputError KNOWLEDGE_INVALID for a file that is not well formed or lacks a key.
    """
    try:
        meta, analytes, terms = (_toml(folder, n) for n in ("meta", "analytes", "terms"))
        tables = {name: _toml(folder, name) for name in TABLES}
        references = json.loads((folder / "references.json").read_text(encoding="utf-8"))
        return _knowledge(meta, analytes, terms, tables, references)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "KNOWLEDGE_INVALID",
            found=f"{type(error).__name__}: {error}",
            expected="the tables and keys that docs/clinic.md describes",
            where=str(folder),
            remedy="mend the file that is named, or install the package again",
        ) from error


def _knowledge(
    meta: Mapping[str, Any],
    analytes: Mapping[str, Any],
    terms: Mapping[str, Any],
    tables: Mapping[str, Mapping[str, Any]],
    references: Sequence[Mapping[str, Any]],
) -> Knowledge:
    kinds, symptoms = tables["types"], tables["symptoms"]
    return Knowledge(
        version=meta["version"],
        date=meta["date"],
        marks=meta["marks"],
        grades={name: grade["rank"] for name, grade in meta["grades"].items()},
        grade_words={name: grade["text"] for name, grade in meta["grades"].items()},
        strengths=meta["strengths"],
        analytes={a["id"]: a for a in analytes["analyte"]},
        terms={t["id"]: t for t in terms["term"]},
        patterns=[_entry(p, "pattern") for p in tables["patterns"]["pattern"]],
        hints=[_entry(h, "hint") for h in tables["patterns"]["hint"]],
        types={t["id"]: _entry(t, "type") for t in kinds["type"]},
        rules=[_entry(r) for r in kinds["rule"]],
        urgent=[_entry(u) for u in tables["urgent"]["urgent"]],
        symptoms=[_entry(s) for s in symptoms["symptom"]],
        scales=[_entry(s) for s in symptoms["scale"]],
        options=[_option(o) for o in tables["options"]["option"]],
        claims=[_entry(c) for c in tables["claims"]["claim"]],
        notes={n["id"]: _entry(n) for n in tables["notes"]["note"]},
        references={r["id"]: r for r in references},
    )


def _toml(folder: Traversable, name: str) -> Mapping[str, Any]:
    return tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))


def _entry(block: Mapping[str, Any], prefix: str = "") -> Entry:
    name = f"{prefix}.{block['id']}" if prefix else block["id"]
    statement = Statement(name, block["text"], block["mark"], block.get("grade", "-"), _refs(block))
    return Entry(statement, condition(block), block)


def _refs(block: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence without a source resolves to what it is: unverified, or a rule of ours."""
    if "refs" in block:
        return tuple(block["refs"])
    return (UNVERIFIED,) if block["mark"].startswith("U") else (RULES,)


def condition(block: Mapping[str, Any]) -> Condition:
    """The condition that a block of TOML states."""
    when = block.get("when", ())
    required = (*block.get("all", ()), *(when if isinstance(when, list) else ()))
    if "place" in block:
        required = (block["place"], *required)
    rest = (tuple(block.get(key, ())) for key in ("any", "also", "none", "unless"))
    return Condition(required, *rest)


def _option(block: Mapping[str, Any]) -> Mapping[str, Any]:
    parts = {
        name: [_entry(part) for part in block.get(name, ())]
        for name in ("evidence", "harm", "forbid", "caution")
    }
    needs = Condition(all=tuple(block.get("needs", ())), any=tuple(block.get("needs_any", ())))
    entries = [entry for group in parts.values() for entry in group]
    when = condition(block.get("when", {}))
    return {**block, **parts, "entries": entries, "needs_facts": needs, "when_facts": when}
