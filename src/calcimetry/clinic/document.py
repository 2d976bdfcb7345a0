"""An assessment as one plain document: what assessment.json holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from calcimetry.arguments import check
from calcimetry.clinic import formulas
from calcimetry.clinic.assessment import Assessment, Flag
from calcimetry.clinic.base import Entry, Knowledge, Statement, knowledge
from calcimetry.clinic.options import Option
from calcimetry.clinic.panel import Derived
from calcimetry.clinic.rank_types import Found, Pattern, RankedType
from calcimetry.clinic.results import Result
from calcimetry.references import short
from calcimetry.versions import versions

SCHEMA_VERSION = "1.0"


def assessment_document(found: Assessment) -> dict[str, Any]:
    """The assessment as JSON-ready mappings: urgent things first, unknown numbers None.

    What was not understood of labs and history stands in it as it was given: hidden, it could be
    the one thing that mattered.

    Every mapping with a `text` has an `id`, a `mark`, a `grade` and `references`, ids of the
    CSL-JSON items in the document's own `references`.

    Raises UsageError BAD_ARGUMENT.
    """
    check(found, Assessment, "an Assessment, from assess", "found")
    base = found.base
    content: dict[str, Any] = {
        "schema": "calcimetry-assessment",
        "schema_version": SCHEMA_VERSION,
        "research_use": base.note("note.research_use").text,
        "urgent": [{"code": u.data["code"], **u.statement.as_dict()} for u in found.urgent],
        "leading": list(found.leading),
        "types": [_type(ranked) for ranked in found.types],
        "patterns": [_pattern(pattern) for pattern in found.patterns],
        "hints": [_labelled(hint) for hint in found.hints],
        "labs": _labs(found),
        "options": [_option(option) for option in found.options],
        "symptoms": [entry.statement.as_dict() for entry in found.symptoms],
        "symptoms_by_deposit": _by_deposit(found),
        "scales": [dict(scale) for scale in found.scales],
        "extent": _extent(found),
        "flags": [_flag(flag) for flag in found.flags],
        "notes": [note.as_dict() for note in found.notes],
        "unknown": list(found.unknown),
        "as_of": found.as_of.isoformat(),
        "max_age_days": found.max_age_days,
        "knowledge": {"version": base.version, "date": base.date, "marks": dict(base.marks)},
        "software": versions(),
    }
    return {**content, "references": references(content, base)}


def claim_rows() -> list[dict[str, Any]]:
    """Popular claims, each with its verdict, what the sources say, and the sources in words."""
    base = knowledge()
    return [
        {
            "claim": entry.data["claim"],
            "verdict": entry.data["verdict"],
            **entry.statement.as_dict(),
            "sources": _sources(entry.statement, base),
        }
        for entry in base.claims
    ]


def references(content: Any, base: Knowledge) -> list[dict[str, Any]]:
    """The CSL-JSON items that a document cites, each once, by id."""
    cited = sorted({name for names in _cited(content) for name in names})
    return [dict(base.references[name]) for name in cited]


def _cited(content: Any) -> Iterable[Sequence[str]]:
    if isinstance(content, Mapping):
        if "references" in content and "id" in content:
            yield content["references"]
        for value in content.values():
            yield from _cited(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _cited(value)


def _type(ranked: RankedType) -> dict[str, Any]:
    decisive, strong, weak = ranked.score
    return {
        "id": ranked.id,
        "label": ranked.label,
        "about": ranked.statement.as_dict(),
        "may_lead": ranked.may_lead,
        "balance": {"decisive": decisive, "strong": strong, "weak": weak},
        "for": [_finding(f) for f in ranked.for_],
        "against": [_finding(f) for f in ranked.against],
        "missing": [_need(name) for name in ranked.missing],
        "contradicted": ranked.contradicted,
    }


def _need(name: str) -> str:
    """What is missing, in a word: an analyte's id, "kidney function", a list of the history."""
    return "kidney function" if name == "kidney" else name.partition(".")[2]


def _finding(found: Found) -> dict[str, Any]:
    because = list(found.because)
    return {**found.statement.as_dict(), "strength": found.strength, "because": because}


def _pattern(pattern: Pattern) -> dict[str, Any]:
    missing = [_need(name) for name in pattern.missing]
    return {**_labelled(pattern.entry), "status": pattern.status, "missing": missing}


def _labelled(entry: Entry) -> dict[str, Any]:
    return {"name": entry.data["id"], "label": entry.data["label"], **entry.statement.as_dict()}


def _labs(found: Assessment) -> dict[str, Any]:
    base = found.base
    given = [_result(result, base) for result in found.panel.given]
    return {"given": given, "derived": [_derived(d, base) for d in found.panel.derived]}


def _result(result: Result, base: Knowledge) -> dict[str, Any]:
    name = f"range.{result.range or 'none'}"
    unit = base.analytes[result.analyte]["unit"] if result.analyte else None
    return {
        "analyte": result.analyte,
        "label": result.label,
        "loinc": result.loinc,
        "name": result.name,
        "given": result.given,
        "given_unit": result.given_unit,
        "value": _rounded(result.value),
        "unit": unit,
        "date": result.date.isoformat() if result.date else None,
        "low": _rounded(result.low),
        "high": _rounded(result.high),
        "state": result.state,
        "level": result.level,
        "range": base.note(name).as_dict() if result.usable else None,
    }


def _derived(derived: Derived, base: Knowledge) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": derived.name,
        "label": derived.label,
        "value": _rounded(derived.value),
        "unit": derived.unit,
        "trusted": derived.trusted,
        "notes": [base.note(name).as_dict() for name in derived.notes],
    }
    if derived.name == "calcium_phosphate_product":
        row["value_si"] = _rounded(formulas.product_si(derived.value))
        row["unit_si"] = "mmol2/L2"
    return row


def _option(option: Option) -> dict[str, Any]:
    groups = {
        "evidence": option.evidence,
        "harms": option.harms,
        "forbids": option.forbids,
        "cautions": option.cautions,
    }
    shown = {name: [s.as_dict() for s in statements] for name, statements in groups.items()}
    cited = dict.fromkeys(r for statements in groups.values() for s in statements for r in s.refs)
    return {
        "id": option.id,
        "label": option.label,
        "types": list(option.types),
        "stance": option.stance,
        "grade": option.grade,
        "studied_in": option.studied_in,
        "fits": list(option.fits),
        **shown,
        "references": list(cited),
    }


def _by_deposit(found: Assessment) -> dict[str, list[dict[str, Any]]]:
    return {str(n): [s.as_dict() for s in rows] for n, rows in found.deposit_symptoms.items()}


def _extent(found: Assessment) -> dict[str, Any]:
    extent = found.extent
    return {
        "count": extent.count,
        "largest_mm": _rounded(extent.largest_mm),
        "deepest_mm": _rounded(extent.deepest_mm),
        "mass_mg": _rounded(extent.mass_mg),
        "volume_mm3": _rounded(extent.volume_mm3),
        "regions": list(extent.regions),
        "scan_date": extent.scan_date,
        "places": {str(n): list(words) for n, words in extent.places.items()},
        "facts": sorted(extent.facts),
    }


def _flag(flag: Flag) -> dict[str, Any]:
    row = {"code": flag.code, "severity": flag.severity, **flag.statement.as_dict()}
    return {**row, "detail": flag.detail}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)


def _sources(statement: Statement, base: Knowledge) -> list[str]:
    return [short(base.references[name]) for name in statement.refs]
