"""An assessment as cards of CDS Hooks 2.0 (hook `patient-view`): content alone, no HTTP.

What serves them is `calcimetry.serve.cds`. It works on what comes in `prefetch` and fetches
nothing itself.
Specification: https://cds-hooks.hl7.org/2.0/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from calcimetry.clinic.assessment import Assessment, assess
from calcimetry.clinic.base import Statement, knowledge
from calcimetry.clinic.bundle import INVALID
from calcimetry.references import short

SERVICE = "calcinosis-assessment"
HOOK = "patient-view"
SUMMARY = 140  # characters, the specification's limit
MOST_TOLD = 20  # broken resources that a card names
SOURCE = {"label": "calcimetry (research use only)"}
PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "observations": "Observation?patient={{context.patientId}}&category=laboratory",
    "conditions": "Condition?patient={{context.patientId}}",
    "procedures": "Procedure?patient={{context.patientId}}",
    "medications": "MedicationStatement?patient={{context.patientId}}",
}


def services() -> dict[str, Any]:
    """What discovery answers."""
    about = "Type of calcinosis, what is urgent and what the evidence says. Research use only."
    service = {"hook": HOOK, "id": SERVICE, "title": "Calcinosis: type and options"}
    return {"services": [{**service, "description": about, "prefetch": PREFETCH}]}


def respond(request: Mapping[str, Any]) -> dict[str, Any]:
    """The cards for a request that has no problem."""
    values = [value for value in request["prefetch"].values() if isinstance(value, Mapping)]
    bundle = {"resourceType": "Bundle", "entry": [{"resource": value} for value in values]}
    return {"cards": cards(assess(labs=bundle))}


def cards(found: Assessment) -> list[dict[str, Any]]:
    """Urgent cards first, then one on type and options; none where nothing is to be said."""
    made = [_card(u.statement.shown, "critical", _cited(u.statement)) for u in found.urgent]
    if found.leading or found.panel.refused:
        made.append(_type_card(found))
    broken = [entry for entry in found.unknown if INVALID in entry]
    return [*made, _broken_card(broken)] if broken else made


def _broken_card(broken: list[str]) -> dict[str, Any]:
    """What could not be read may have mattered. Its words are this program's, never the text's."""
    rest = len(broken) - MOST_TOLD
    lines = [f"- {entry}" for entry in broken[:MOST_TOLD]] + [f"- and {rest} more"] * (rest > 0)
    return _card("Part of the record could not be read and was not used", "info", "\n".join(lines))


def _card(summary: str, indicator: str, detail: str) -> dict[str, Any]:
    if len(summary) > SUMMARY:
        summary = summary[: SUMMARY - 1].rsplit(" ", 1)[0].rstrip(",;: ") + "…"
    card = {"uuid": str(uuid4()), "summary": summary, "indicator": indicator}
    return {**card, "detail": detail, "source": SOURCE}


def _type_card(found: Assessment) -> dict[str, Any]:
    labels = [found.base.types[name].data["label"].lower() for name in found.leading]
    leading = ", then ".join(labels) or "none given: results are stale, impossible or contradictory"
    lines = [f"**If calcinosis is present, the type best supported:** {leading}"]
    for ranked in found.types:
        if ranked.id in found.leading:
            lines += [f"- for {ranked.label}: {_cited(f.statement)}" for f in ranked.for_]
            lines += [f"- against {ranked.label}: {_cited(f.statement)}" for f in ranked.against]
    lines += [f"- {f.code}: {_cited(f.statement)}" for f in found.flags if f.severity != "info"]
    for option in found.options:
        said = option.forbids or option.evidence
        told = " ".join(_cited(s) for s in said[:2])
        lines.append(f"- {option.label}: **{option.stance}** (grade {option.grade}). {told}")
    lines += [_cited(found.base.note(name)) for name in ("note.no_advice", "note.research_use")]
    indicator = "warning" if found.panel.refused else "info"
    return _card(f"Calcinosis, type best supported: {leading}", indicator, "\n".join(lines))


def _cited(statement: Statement) -> str:
    references = knowledge().references
    sources = "; ".join(short(references[name]) for name in statement.refs)
    return f"{statement.shown} ({sources})"
