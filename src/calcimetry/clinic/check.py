"""Whether the knowledge base holds together: what an editor of the TOML files must see.

`python -m calcimetry.clinic.check` lists what is wrong, one line each, and is silent when
nothing is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from calcimetry.clinic.base import (
    RULES,
    SOFTWARE,
    UNVERIFIED,
    Condition,
    Entry,
    Knowledge,
    Statement,
    knowledge,
)
from calcimetry.clinic.conditions import vocabulary

GROUPS = ("condition", "medication", "procedure", "antibody", "gene", "symptom", "place")
VERDICTS = ("supported", "partly", "misleading", "contradicted")
STANCES = ("for", "weak", "against")
SEVERITIES = ("info", "warning", "withheld")
KINDS = ("drug", "procedure", "care")


SENTENCE = {"id", "text", "mark", "grade", "refs"}
FACTS = {"all", "any", "also", "none", "unless"}
KEYS = {
    "analyte": {"id", "label", "unit", "units", "loinc", "names", "low", "high", "possible"}
    | {"range_mark", "typing"},
    "term": {"id", "group", "label", "icd10", "code_mark", "loinc", "names", "implied_by"},
    "pattern": SENTENCE | FACTS | {"label", "signs"},
    "hint": SENTENCE | FACTS | {"label"},
    "type": SENTENCE | {"label", "leads_on", "emergency", "needs"},
    "rule": SENTENCE | FACTS | {"type", "side", "strength"},
    "urgent": SENTENCE | FACTS | {"code"},
    "symptom": SENTENCE | FACTS | {"place"},
    "scale": SENTENCE | {"name"},
    "claim": SENTENCE | {"claim", "verdict"},
    "note": SENTENCE | {"when", "severity"},
    "evidence": SENTENCE | FACTS | {"types", "direction"},
    "harm": SENTENCE,
    "forbid": SENTENCE | FACTS,
    "caution": SENTENCE | FACTS,
    "option": {"id", "label", "kind", "types", "strong_types", "stance", "first", "children"}
    | {"needs", "needs_any", "fits", "when", "evidence", "harm", "forbid", "caution"}
    | {"entries", "needs_facts", "when_facts"},
}
"""The schema: the keys that a block of each table may have."""
NEEDED = {
    "analyte": {"id", "label", "unit", "units", "names", "possible"},
    "term": {"id", "group", "label", "names"},
    "option": {"id", "label", "kind", "types", "stance", "children", "evidence"},
}


def problems(base: Knowledge) -> list[str]:
    """What is wrong, in words; empty for a sound knowledge base."""
    parts = (_schema, _statements, _conditions, _references, _choices)
    return [line for part in parts for line in part(base)]


def _schema(base: Knowledge) -> Iterator[str]:
    for table, block in _blocks(base):
        for key in sorted(set(block) - KEYS[table]):
            yield f"{table} {block.get('id')}: unknown key {key}"
        for key in sorted(NEEDED.get(table, {"id", "text", "mark"}) - set(block)):
            yield f"{table} {block.get('id')}: no {key}"


def _blocks(base: Knowledge) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every block of the TOML files, with the name of its table."""
    groups: dict[str, Iterable[Entry]] = {
        "pattern": base.patterns,
        "hint": base.hints,
        "type": base.types.values(),
        "rule": base.rules,
        "urgent": base.urgent,
        "symptom": base.symptoms,
        "scale": base.scales,
        "claim": base.claims,
        "note": base.notes.values(),
    }
    for table, entries in groups.items():
        yield from ((table, entry.data) for entry in entries)
    yield from (("analyte", block) for block in base.analytes.values())
    yield from (("term", block) for block in base.terms.values())
    for option in base.options:
        yield "option", option
        for table in ("evidence", "harm", "forbid", "caution"):
            yield from ((table, entry.data) for entry in option[table])


def _statements(base: Knowledge) -> Iterator[str]:
    seen: set[str] = set()
    for statement in base.statements():
        if statement.id in seen:
            yield f"{statement.id}: the id stands twice"
        seen.add(statement.id)
        yield from _statement(statement, base)


def _statement(statement: Statement, base: Knowledge) -> Iterator[str]:
    where = statement.id
    if not statement.text.strip():
        yield f"{where}: no text"
    if statement.mark not in base.marks:
        yield f"{where}: unknown mark {statement.mark}"
    if statement.grade not in base.grades:
        yield f"{where}: unknown grade {statement.grade}"
    for name in statement.refs:
        if name not in base.references:
            yield f"{where}: no reference {name}"
    sourced = statement.mark in ("V", "V-calc")
    if sourced and {UNVERIFIED, RULES} & set(statement.refs):
        yield f"{where}: marked {statement.mark}, but without a source"
    if not sourced and set(statement.refs) - {UNVERIFIED, RULES}:
        yield f"{where}: marked {statement.mark}, but cites a source"


def _conditions(base: Knowledge) -> Iterator[str]:
    words = vocabulary(base)
    for where, condition in _all_conditions(base):
        for token in condition.tokens:
            if token not in words:
                yield f"{where}: unknown fact {token}"


def _all_conditions(base: Knowledge) -> Iterator[tuple[str, Condition]]:
    groups: list[list[Entry]] = [
        list(base.patterns),
        list(base.hints),
        list(base.rules),
        list(base.urgent),
        list(base.symptoms),
        list(base.notes.values()),
    ]
    for entry in (entry for group in groups for entry in group):
        yield entry.id, entry.condition
    for pattern in base.patterns:
        yield pattern.id, Condition(any=tuple(pattern.data.get("signs", ())))
    for option in base.options:
        where = f"option {option['id']}"
        yield where, option["needs_facts"]
        yield where, option["when_facts"]
        yield where, Condition(any=tuple(option.get("fits", ())))
        for entry in option["entries"]:
            yield entry.id, entry.condition


def _references(base: Knowledge) -> Iterator[str]:
    cited = {name for statement in base.statements() for name in statement.refs}
    for name, item in base.references.items():
        about = item.get("custom", {}).get("calcimetry", {})
        if name not in cited and name != SOFTWARE:
            yield f"reference {name}: cited by nothing"
        if about.get("level") not in base.grades:
            yield f"reference {name}: unknown level {about.get('level')}"
        if not item.get("title"):
            yield f"reference {name}: no title"


def _choices(base: Knowledge) -> Iterator[str]:
    for name, term in base.terms.items():
        if term["group"] not in GROUPS:
            yield f"term {name}: unknown group {term['group']}"
    for claim in base.claims:
        if claim.data["verdict"] not in VERDICTS:
            yield f"{claim.id}: unknown verdict {claim.data['verdict']}"
    for name, note in base.notes.items():
        if name.startswith("flag.") and note.data.get("severity") not in SEVERITIES:
            yield f"{name}: unknown severity"
    yield from _rules(base)
    yield from _options(base)


def _rules(base: Knowledge) -> Iterator[str]:
    for rule in base.rules:
        if rule.data["type"] not in base.types or rule.data["side"] not in ("for", "against"):
            yield f"{rule.id}: unknown type or side"
        if rule.data["strength"] not in base.strengths:
            yield f"{rule.id}: unknown strength"


def _options(base: Knowledge) -> Iterator[str]:
    for option in base.options:
        if option["stance"] not in STANCES or option["kind"] not in KINDS:
            yield f"option {option['id']}: unknown stance or kind"
        if not option["evidence"] or set(option["types"]) - {*base.types, "any"}:
            yield f"option {option['id']}: no evidence, or an unknown type"


if __name__ == "__main__":
    found = problems(knowledge())
    sys.stdout.write("".join(f"{line}\n" for line in found))
    raise SystemExit(bool(found))
