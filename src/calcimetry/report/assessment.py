"""The report's chapter on an assessment, from its document (assessment.json)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calcimetry.references import short

Row = Mapping[str, Any]


def chapter(document: Row) -> dict[str, Any]:
    """What the report shows as its assessment: `render(..., chapters={"clinic": ...})`."""
    words = {item["id"]: short(item) for item in document["references"]}
    types, leading = document["types"], document["leading"]
    labels = {row["id"]: row["label"] for row in types}
    named = ", ".join(labels[name] for name in leading) or "not decidable"
    missing = dict.fromkeys(
        need for row in types if row["id"] in leading or not leading for need in row["missing"]
    )
    lacking = f" Missing to decide: {', '.join(missing)}." if missing else ""
    return {
        "summary": f"Leading type: {named}.{lacking} {document['research_use']}",
        "table": _table(document["options"], words) if document["options"] else None,
        "notes": _notes(document, words),
        "symptoms": {
            number: [_note(row, words) for row in rows]
            for number, rows in document["symptoms_by_deposit"].items()
        },
    }


def _notes(document: Row, words: Mapping[str, str]) -> list[dict[str, str]]:
    """What is urgent, flags, findings for and against the leading types, then remarks."""
    urgent = [_note(row, words, "Urgent: ") for row in document["urgent"]]
    flags = [_note(row, words) for row in document["flags"] if row["severity"] != "info"]
    findings = [
        _note(finding, words, f"{row['label']}, {side}: ")
        for row in document["types"]
        if row["id"] in document["leading"]
        for side in ("for", "against")
        for finding in row[side]
    ]
    return [*urgent, *flags, *findings, *(_note(row, words) for row in document["notes"])]


def _table(options: Sequence[Row], words: Mapping[str, str]) -> dict[str, Any]:
    rows = []
    for option in options:
        said = [*option["forbids"], *option["cautions"], *option["evidence"]]
        cited = (name for row in (*said, *option["harms"]) for name in row["references"])
        sources = dict.fromkeys(words[name] for name in cited)
        text, harms = (" ".join(row["text"] for row in group) for group in (said, option["harms"]))
        cells = [option["label"], option["stance"], option["grade"], text, harms]
        rows.append([*cells, "; ".join(sources)])
    return {
        "caption": "Options, by the evidence for this situation; none is advice",
        "columns": ["Option", "Stance", "Grade", "What was seen", "Harms", "Sources"],
        "rows": rows,
    }


def _note(row: Row, words: Mapping[str, str], before: str = "") -> dict[str, str]:
    source = "; ".join(words[name] for name in row["references"])
    return {"text": before + row["text"], "source": f"{source} (grade {row['grade']})"}
