"""FHIR R4 resources to rows of results and tables of a history.

Resources are parsed by fhir.resources (R4B, which reads R4); each on its own, so that one
broken resource does not lose the rest. What has no known code is listed, never dropped.
SNOMED CT codes are not looked up (their licence does not let us ship them): conditions are
understood by ICD-10 code or by the words of their text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from calcimetry.clinic.base import Knowledge
from calcimetry.errors import InputError, UsageError

LOINC = "http://loinc.org"
ICD10 = ("icd-10", "2.16.840.1.113883.6.3", "2.16.840.1.113883.6.90")  # within the system's name
VOID = ("entered-in-error", "cancelled")
CURRENT_DRUG = ("active", "on-hold", "intended", "unknown", None)
READ = ("Patient", "Observation", "Condition", "Procedure", "MedicationStatement")
ALSO = ("MedicationRequest",)


def read_bundle(
    content: Mapping[str, Any], base: Knowledge
) -> tuple[list[Any], dict[str, Any], list[str]]:
    """Rows of results, a history, and what was not understood, from a Bundle or a resource.

    Raises InputError FHIR_UNREADABLE for what is no FHIR resource; UsageError MISSING_EXTRA.
    """
    if not isinstance(content.get("resourceType"), str):
        raise unreadable("JSON without a resourceType", "bundle")
    loinc = {code for about in base.analytes.values() for code in about.get("loinc", {})}
    rows: list[Any] = []
    history: dict[str, Any] = {}
    unknown: list[str] = []
    antibodies = {code for term in base.terms.values() for code in term.get("loinc", ())}
    for raw in resources(content):
        kind = raw.get("resourceType")
        if kind == "Observation":
            _observation(raw, loinc, antibodies, (rows, history, unknown))
        elif kind in READ + ALSO:
            _past(raw, history, unknown)
    return rows, history, _counted(unknown)


def resources(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The resources of a Bundle, of Bundles within it, or the one resource."""
    if content.get("resourceType") != "Bundle":
        yield content
        return
    for entry in content.get("entry") or ():
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if isinstance(resource, Mapping):
            yield from resources(resource)


def parse(raw: Mapping[str, Any]) -> Any | None:
    """The resource as fhir.resources reads it; None for one that is broken.

    Raises UsageError MISSING_EXTRA.
    """
    try:
        from fhir.resources.R4B import get_fhir_model_class
    except ImportError as error:
        raise missing_extra("a FHIR Bundle", "fhir.resources") from error
    try:
        return get_fhir_model_class(str(raw["resourceType"])).model_validate(dict(raw))
    except (ValueError, TypeError, KeyError):
        return None


def missing_extra(what: str, library: str) -> UsageError:
    """The error for a part of the extra `clinic` that is not installed."""
    return UsageError(
        "MISSING_EXTRA",
        found=f"{library} is not installed",
        expected="the extra `clinic`",
        where=what,
        remedy="pip install 'calcimetry[clinic]'",
    )


def unreadable(found: str, where: str) -> InputError:
    """The error for what is no FHIR resource."""
    return InputError(
        "FHIR_UNREADABLE",
        found=found,
        expected="a FHIR R4 Bundle or resource as JSON",
        where=where,
        remedy="export the person's Patient, Observation and Condition resources as one Bundle",
    )


def _observation(
    raw: Mapping[str, Any],
    loinc: set[str],
    antibodies: set[str],
    into: tuple[list[Any], dict[str, Any], list[str]],
) -> None:
    rows, history, unknown = into
    codes = [c.get("code") for c in _codings(raw.get("code")) if c.get("system") == LOINC]
    code = next((c for c in codes if c in loinc), None)
    if raw.get("status") in VOID:
        return
    antibody = next((c for c in codes if c in antibodies), None)
    if antibody is not None:
        _antibody(raw, antibody, history, unknown)
        return
    if code is None:
        unknown.append(f"Observation {codes[0] if codes else _words(raw.get('code'))}")
        return
    parsed = parse(raw)
    if parsed is None:
        unknown.append(f"Observation {code}: not valid FHIR")
        return
    rows.append(_row(parsed, code))


def _row(observation: Any, code: str) -> dict[str, Any]:
    quantity = observation.valueQuantity
    ranges = observation.referenceRange or ()
    # Ranges for a special group (pregnancy, say) carry `appliesTo`; the plain one counts.
    plain = next((r for r in ranges if not r.appliesTo and (r.low or r.high)), None)
    when = observation.effectiveDateTime or observation.issued
    value = None if quantity is None or quantity.value is None else quantity.value
    sign = (quantity.comparator or "") if quantity is not None else ""
    return {
        "loinc": code,
        "name": observation.code.text,
        "value": "" if value is None else f"{sign.rstrip('=')}{value}",
        "unit": "" if quantity is None else (quantity.code or quantity.unit or ""),
        "date": _day(when),
        "low": plain.low.value if plain and plain.low else None,
        "high": plain.high.value if plain and plain.high else None,
    }


def _antibody(
    raw: Mapping[str, Any], code: str, history: dict[str, Any], unknown: list[str]
) -> None:
    """Only a coded or interpreted positive counts; a bare number has no cut-off here."""
    words = [_words(raw.get("valueCodeableConcept"))]
    words += [_words(part) for part in raw.get("interpretation") or ()]
    text = " ".join(words).lower()
    positive = "positive" in text or any(word in ("pos", "present", "detected") for word in words)
    codes = [c.get("code") for p in raw.get("interpretation") or () for c in _codings(p)]
    if positive or "POS" in codes:
        history.setdefault("antibodies", []).append(code)
    elif "negative" not in text and "NEG" not in codes:
        unknown.append(f"Observation {code}: neither positive nor negative")


def _past(raw: Mapping[str, Any], history: dict[str, Any], unknown: list[str]) -> None:
    kind = str(raw["resourceType"])
    if parse(raw) is None:
        unknown.append(f"{kind}: not valid FHIR")
    elif kind == "Patient":
        history |= _patient(raw)
    elif kind == "Condition" and _holds(raw):
        history.setdefault("conditions", []).append(_condition(raw))
    elif kind == "Procedure" and raw.get("status") in ("completed", "in-progress"):
        history.setdefault("procedures", []).append(_words(raw.get("code")))
    elif kind.startswith("Medication") and raw.get("status") in CURRENT_DRUG:
        history.setdefault("medications", []).append(_words(raw.get("medicationCodeableConcept")))


def _patient(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Age and sex alone: nothing that names the person is kept."""
    found: dict[str, Any] = {}
    born = _day(raw.get("birthDate"))
    if born and not raw.get("deceasedDateTime"):
        today = date.today()
        before = (today.month, today.day) < (born.month, born.day)
        found["age"] = today.year - born.year - before
    if raw.get("gender") in ("male", "female"):
        found["sex"] = raw["gender"]
    return found


def _holds(raw: Mapping[str, Any]) -> bool:
    """Whether a condition is the person's, and now."""
    clinical = {c.get("code") for c in _codings(raw.get("clinicalStatus"))}
    verified = {c.get("code") for c in _codings(raw.get("verificationStatus"))}
    gone = clinical & {"resolved", "inactive", "remission"}
    return not gone and not verified & {"refuted", "entered-in-error"}


def _condition(raw: Mapping[str, Any]) -> str:
    codings = _codings(raw.get("code"))
    codes = [c for c in codings if any(name in str(c.get("system")) for name in ICD10)]
    return str(codes[0].get("code")) if codes else _words(raw.get("code"))


def _codings(concept: Any) -> list[Mapping[str, Any]]:
    codings = concept.get("coding") if isinstance(concept, Mapping) else None
    return [c for c in codings or () if isinstance(c, Mapping)]


def _words(concept: Any) -> str:
    if not isinstance(concept, Mapping):
        return "without a code"
    named = [c.get("display") or c.get("code") for c in _codings(concept)]
    return str(concept.get("text") or next((n for n in named if n), "without a code"))


def _day(when: Any) -> date | None:
    try:
        return date.fromisoformat(str(when)[:10]) if when else None
    except ValueError:
        return None


def _counted(unknown: Iterable[str]) -> list[str]:
    """Each entry once, with how often it came."""
    times: dict[str, int] = {}
    for entry in unknown:
        times[entry] = times.get(entry, 0) + 1
    return [entry if n == 1 else f"{entry} ({n} times)" for entry, n in sorted(times.items())]
