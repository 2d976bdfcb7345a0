"""docs/knowledge.md: the knowledge base as a page, made from the data alone.

`python -m calcimetry.clinic.pages > docs/knowledge.md` makes it again; a test compares.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from calcimetry.clinic.base import Condition, Knowledge, Statement, knowledge
from calcimetry.clinic.cite import title


def page(base: Knowledge) -> str:
    """The whole page, in Markdown."""
    parts = (_head, _types, _patterns, _urgent, _symptoms, _options, _claims, _notes, _labs)
    lines = [line for part in (*parts, _terms, _references) for line in part(base)]
    return "\n".join(lines) + "\n"


def _head(base: Knowledge) -> Iterator[str]:
    yield "# What the clinic knows"
    yield ""
    yield "<!-- Made by `python -m calcimetry.clinic.pages`; do not edit here. -->"
    yield ""
    yield f"Version {base.version} of {base.date}. Research use only. Every sentence has an id,"
    yield "which `calcimetry cite ID` turns into references, a mark (how it is known) and a grade."
    yield ""
    yield from _table(("mark", "meaning"), base.marks.items())
    yield from _table(("grade", "meaning"), base.grade_words.items())


def _types(base: Knowledge) -> Iterator[str]:
    yield from _heading("Types")
    for name, entry in base.types.items():
        yield f"### {entry.data['label']} (`{name}`)"
        yield ""
        yield _sentence(entry.statement)
        yield ""
        rows = [
            (r.data["side"], r.data["strength"], _sentence(r.statement), _facts(r.condition))
            for r in base.rules
            if r.data["type"] == name
        ]
        yield from _table(("side", "strength", "finding", "when"), rows)


def _patterns(base: Knowledge) -> Iterator[str]:
    yield from _heading("Patterns of results, and hints")
    rows = [
        (e.data["label"], _sentence(e.statement), _facts(e.condition))
        for e in (*base.patterns, *base.hints)
    ]
    yield from _table(("name", "what it is", "when"), rows)


def _urgent(base: Knowledge) -> Iterator[str]:
    yield from _heading("Urgent")
    rows = [
        (f"`{e.data['code']}`", _sentence(e.statement), _facts(e.condition)) for e in base.urgent
    ]
    yield from _table(("code", "text", "when"), rows)


def _symptoms(base: Knowledge) -> Iterator[str]:
    yield from _heading("Symptoms and scales")
    yield from _table(
        ("text", "when"), [(_sentence(e.statement), _facts(e.condition)) for e in base.symptoms]
    )
    yield from _table(
        ("scale", "text"), [(e.data["name"], _sentence(e.statement)) for e in base.scales]
    )


def _options(base: Knowledge) -> Iterator[str]:
    yield from _heading("Options")
    for option in base.options:
        yield f"### {option['label']} (`{option['id']}`)"
        yield ""
        where = option.get("when", {}).get("text")
        for_types = ", ".join(option["types"])
        yield f"For: {for_types}. Stance: {option['stance']}" + (f", in {where}." if where else ".")
        yield ""
        rows = [
            (part, _sentence(entry.statement), _facts(entry.condition))
            for part in ("evidence", "harm", "forbid", "caution")
            for entry in option[part]
        ]
        yield from _table(("", "text", "when"), rows)


def _claims(base: Knowledge) -> Iterator[str]:
    yield from _heading("Popular claims")
    rows = [(e.data["claim"], e.data["verdict"], _sentence(e.statement)) for e in base.claims]
    yield from _table(("claim", "verdict", "what the sources say"), rows)


def _notes(base: Knowledge) -> Iterator[str]:
    flags = [e for name, e in base.notes.items() if name.startswith("flag.")]
    others = [e for name, e in base.notes.items() if not name.startswith("flag.")]
    yield from _heading("Flags")
    rows = [
        (f"`{e.id.removeprefix('flag.')}`", e.data["severity"], _sentence(e.statement))
        for e in flags
    ]
    yield from _table(("code", "severity", "text"), rows)
    yield from _heading("Formulas and remarks")
    yield from _table(("text",), [(_sentence(e.statement),) for e in others])


def _labs(base: Knowledge) -> Iterator[str]:
    yield from _heading("Laboratory results")
    yield "Usual ranges are unverified and stand in only where the laboratory gives none. LOINC"
    yield "codes in brackets were not checked against LOINC. This material contains content from"
    yield "LOINC (loinc.org), copyright Regenstrief Institute, Inc. and the LOINC Committee,"
    yield "available at no cost under the licence at loinc.org/license."
    yield ""
    rows = []
    for name, about in base.analytes.items():
        codes = [c if m == "V" else f"({c})" for c, m in about.get("loinc", {}).items()]
        usual = f"{about['low']}-{about['high']}" if "low" in about else ""
        units = ", ".join(about["units"])
        rows.append((f"`{name}`", about["label"], ", ".join(codes), units, usual))
    yield from _table(("id", "name", "LOINC", "units", "usual range (first unit)"), rows)


def _terms(base: Knowledge) -> Iterator[str]:
    yield from _heading("Words of a history")
    rows = [
        (f"`{name}`", t["group"], t["label"], ", ".join(t.get("icd10", ())), ", ".join(t["names"]))
        for name, t in base.terms.items()
    ]
    yield from _table(("id", "group", "label", "codes", "names"), rows)


def _references(base: Knowledge) -> Iterator[str]:
    yield from _heading("References")
    yield "A title in square brackets was supplied here; the record that was read did not show it."
    yield ""
    rows = []
    for name, item in base.references.items():
        about = item["custom"]["calcimetry"]
        keys = ("DOI", "PMID", "PMCID", "URL")
        ids = [f"{key} {item[key]}" for key in keys if key in item]
        seen = about["seen"] + (f": {about['at']}" if "at" in about else "")
        rows.append((f"`{name}`", title(item), "; ".join(ids), seen))
    yield from _table(("id", "title", "identifiers", "seen"), rows)


def _sentence(statement: Statement) -> str:
    refs = ", ".join(f"`{name}`" for name in statement.refs)
    known = f"{statement.mark}, grade {statement.grade}"
    return f"{statement.shown} *{known}; {refs}; id `{statement.id}`*"


def _facts(condition: Condition) -> str:
    parts = [f"all of {_listed(condition.all)}"] if condition.all else []
    parts += [f"one of {_listed(g)}" for g in (condition.any, condition.also) if g]
    parts += [f"known not {_listed(condition.none)}"] if condition.none else []
    parts += [f"unless {_listed(condition.unless)}"] if condition.unless else []
    return "; ".join(parts)


def _listed(tokens: Iterable[str]) -> str:
    return ", ".join(f"`{token}`" for token in tokens)


def _heading(text: str) -> list[str]:
    return [f"## {text}", ""]


def _table(names: tuple[str, ...], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page(knowledge()))
