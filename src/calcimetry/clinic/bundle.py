"""FHIR R4 resources to rows of results and tables of a history.

What is read of a resource must have the types of `SHAPES`; results and the rest are then parsed
by fhir.resources (R4B, which reads R4). Each resource is taken on its own, so that one that is
broken does not lose the rest. What has no known code is listed, never dropped.
SNOMED CT codes are not looked up (their licence does not let us ship them): conditions are
understood by ICD-10 code or by the words of their text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from calcimetry.bounded import shown
from calcimetry.clinic.base import Knowledge
from calcimetry.clinic.shapes import misfit
from calcimetry.errors import InputError, UsageError

LOINC = "http://loinc.org"
ICD10 = ("icd-10", "2.16.840.1.113883.6.3", "2.16.840.1.113883.6.90")  # within the system's name
VOID = ("entered-in-error", "cancelled")
CURRENT_DRUG = ("active", "on-hold", "intended", "unknown", None)
INVALID = "not valid FHIR"  # ends what `unknown` says of a resource that is broken
OLDEST = 130  # years

CONCEPT = {"coding": [{"system": str, "code": str, "display": str}], "text": str}
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "Patient": {"birthDate": str, "gender": str, "deceasedDateTime": str},
    "Observation": {
        "status": str,
        "code": CONCEPT,
        "valueCodeableConcept": CONCEPT,
        "interpretation": [CONCEPT],
    },
    "Condition": {"code": CONCEPT, "clinicalStatus": CONCEPT, "verificationStatus": CONCEPT},
    "Procedure": {"status": str, "code": CONCEPT},
    "MedicationStatement": {"status": str, "medicationCodeableConcept": CONCEPT},
    "MedicationRequest": {"status": str, "medicationCodeableConcept": CONCEPT},
}
# What a broken resource makes pydantic and fhir.resources raise; the nesting of what comes here
# is bounded, if not by the reader of files then by the caller's own objects.
_BROKEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def read_bundle(
    content: Mapping[str, Any], base: Knowledge
) -> tuple[list[Any], dict[str, Any], list[str]]:
    """Rows of results, a history, and what was not understood, from a Bundle or a resource.

    Raises InputError FHIR_UNREADABLE for what is no FHIR resource; UsageError MISSING_EXTRA.
    """
    if not isinstance(content.get("resourceType"), str):
        raise unreadable("JSON without a resourceType", "bundle")
    entries = content.get("entry")
    if content["resourceType"] == "Bundle" and not isinstance(entries, list | tuple | None):
        raise unreadable("a Bundle whose entry is not a list", "bundle")
    loinc = {code for about in base.analytes.values() for code in about.get("loinc", {})}
    rows: list[Any] = []
    history: dict[str, Any] = {}
    unknown: list[str] = []
    antibodies = {code for term in base.terms.values() for code in term.get("loinc", ())}
    for raw in resources(content):
        kind = raw.get("resourceType")
        wrong = misfit(raw, SHAPES[kind]) if isinstance(kind, str) and kind in SHAPES else None
        if not isinstance(kind, str) or kind not in SHAPES:
            unknown.append(_not_read(kind))
        elif wrong is not None:
            unknown.append(f"{kind} ({wrong}): {INVALID}")
        elif kind == "Observation":
            _observation(raw, loinc, antibodies, (rows, history, unknown))
        else:
            _past(raw, history, unknown)
    return rows, history, _counted(unknown)


def resources(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The resources of a Bundle, of Bundles within it, or the one resource.

    An entry that holds none comes as an empty one, so that it is listed and not lost.
    """
    waiting = [content]  # the next one last; no recursion, whose depth has a bound of its own
    while waiting:
        resource = waiting.pop()
        if resource.get("resourceType") != "Bundle":
            yield resource
            continue
        entries = resource.get("entry") or ()
        known = entries if isinstance(entries, list | tuple) else (None,)
        waiting.extend(_resource(entry) for entry in reversed(known))


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
    except _BROKEN:
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


def _resource(entry: Any) -> Mapping[str, Any]:
    resource = entry.get("resource") if isinstance(entry, Mapping) else None
    return resource if isinstance(resource, Mapping) else {}


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
        unknown.append(f"Observation {shown(codes[0] if codes else _words(raw.get('code')), 200)}")
        return
    parsed = parse(raw)
    if parsed is None:
        unknown.append(f"Observation {code}: {INVALID}")
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
        unknown.append(f"{kind}: {INVALID}")
    elif kind == "Patient":
        history |= _patient(raw, unknown)
    elif kind == "Condition" and _holds(raw):
        history.setdefault("conditions", []).append(_condition(raw))
    elif kind == "Procedure" and raw.get("status") in ("completed", "in-progress"):
        history.setdefault("procedures", []).append(_words(raw.get("code")))
    elif kind.startswith("Medication") and raw.get("status") in CURRENT_DRUG:
        history.setdefault("medications", []).append(_words(raw.get("medicationCodeableConcept")))


def _patient(raw: Mapping[str, Any], unknown: list[str]) -> dict[str, Any]:
    """Age and sex alone: nothing that names the person is kept."""
    found: dict[str, Any] = {}
    born = _day(raw.get("birthDate"))
    if born and not raw.get("deceasedDateTime"):
        today = date.today()
        before = (today.month, today.day) < (born.month, born.day)
        found["age"] = today.year - born.year - before
    if not 0 <= found.get("age", 0) <= OLDEST:
        del found["age"]
        unknown.append("Patient: a date of birth that no living person has")
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


def _codings(concept: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    return list((concept or {}).get("coding") or ())


def _words(concept: Mapping[str, Any] | None) -> str:
    if concept is None:
        return "without a code"
    named = [c.get("display") or c.get("code") for c in _codings(concept)]
    return str(concept.get("text") or next((n for n in named if n), "without a code"))


def _not_read(kind: Any) -> str:
    """A resource of a kind that is not read, by its kind; FHIR's kinds are words of letters."""
    if kind is None:
        return "an entry without a resource"
    if not isinstance(kind, str) or not kind.isalpha() or not kind.isascii():
        return f"a resource whose resourceType is {shown(kind, 40)}"
    return f"{shown(kind, 40)}: not read"


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
