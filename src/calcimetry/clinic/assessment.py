"""Examination, labs and history in; type, symptoms, options and what is urgent out.

No probability and no black box: every conclusion lists the findings for and against it with
their sources. Results that are stale, contradictory or impossible lead to no type at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from calcimetry.arguments import check
from calcimetry.bounded import TextError, read_json
from calcimetry.clinic import bundle, rank_types, symptoms
from calcimetry.clinic.base import Entry, Knowledge, Statement, knowledge
from calcimetry.clinic.conditions import holds
from calcimetry.clinic.extent import Extent, examination_of, extent
from calcimetry.clinic.history import History, history_facts, merged, read_toml, understood
from calcimetry.clinic.options import Option, options_for
from calcimetry.clinic.panel import Panel, panel
from calcimetry.clinic.rank_types import Pattern, RankedType
from calcimetry.clinic.results import day, read_csv, results, unreadable
from calcimetry.errors import InputError, UsageError
from calcimetry.records import Examination

MAX_AGE_DAYS = 365  # the longest interval at which KDIGO watches calcium and phosphate (G3)
CKD_DAYS = (("kidney.egfr_below_30", 184), ("kidney.low", 365))  # G4: 3-6 months; G3: 6-12
SEVERITIES = ("withheld", "warning", "info")
MOST_LISTED = 20  # entries that a flag names; `unknown` has all
DIALYSIS_DAYS = 92  # G5, G5D: 1-3 months

Labs = str | Path | Mapping[str, Any] | Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Flag:
    """A coded remark on the assessment."""

    code: str
    severity: str
    statement: Statement
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """What labs, history and extent say together, each conclusion with its sources.

    leading : names of the types that fit best; empty: not decidable
    types, patterns, hints : what was weighed, with the findings for and against it
    panel : the laboratory results and what follows from them
    urgent : what must not wait
    options : what may be considered
    symptoms, deposit_symptoms : what places can cause; of each deposit by its number
    scales : instruments that fit
    flags : coded remarks on the assessment
    notes : statements that always go with it
    extent, history : what examination and history said
    unknown : what of labs and history was not understood, as it was given
    facts : every fact that holds
    as_of : the day of the assessment
    max_age_days : older results are stale
    base : the knowledge base
    """

    leading: tuple[str, ...]
    types: tuple[RankedType, ...]
    patterns: tuple[Pattern, ...]
    hints: tuple[Entry, ...]
    panel: Panel
    urgent: tuple[Entry, ...]
    options: tuple[Option, ...]
    symptoms: tuple[Entry, ...]
    deposit_symptoms: Mapping[int, Sequence[Statement]]
    scales: tuple[Mapping[str, Any], ...]
    flags: tuple[Flag, ...]
    notes: tuple[Statement, ...]
    extent: Extent
    history: History
    unknown: tuple[str, ...]
    facts: frozenset[str]
    as_of: date
    max_age_days: int
    base: Knowledge

    def __repr__(self) -> str:
        leading = ", ".join(self.leading) or "not decidable"
        flags = ", ".join(flag.code for flag in self.flags) or "none"
        counts = f"{len(self.urgent)} urgent, {len(self.options)} options"
        return f"Assessment(leading: {leading}; {counts}; as of {self.as_of}; flags: {flags})"


def assess(
    exam: Examination | Mapping[str, Any] | str | Path | None = None,
    labs: Labs | None = None,
    history: Mapping[str, Any] | str | Path | None = None,
    *,
    as_of: date | str | None = None,
    max_age_days: int = MAX_AGE_DAYS,
    base: Knowledge | None = None,
) -> Assessment:
    """Type, symptoms and options of one person. Research use only.

    Parameters
    ----------
    exam : an Examination, its document, or the folder or file that holds it
    labs : labs.csv, a FHIR R4 Bundle (path or mapping; Patient and Condition in it are read
        too), or rows with the keys loinc, name, value, unit, date, low, high
    history : history.toml or its tables; it counts before what a Bundle says
    as_of : the day of the assessment (ISO 8601), today by default
    max_age_days : results older than this are stale, and no type is given on them
    base : a knowledge base of one's own (`clinic.base.load`), else the one that ships

    Raises
    ------
    InputError : NOT_AN_EXAMINATION, LABS_UNREADABLE, HISTORY_UNREADABLE, FHIR_UNREADABLE
    UsageError : BAD_OPTION, BAD_ARGUMENT, MISSING_EXTRA (a Bundle without the extra `clinic`)
    """
    _check(exam, labs, history, base)
    base, today = base or knowledge(), _day(as_of)
    check(max_age_days, int, "a whole number of days", "max_age_days")
    if max_age_days < 0:
        raise _bad("max_age_days", str(max_age_days), "0 or more")
    rows, from_bundle, unknown = _labs(labs, base)
    told = history if isinstance(history, Mapping) else read_toml(Path(history)) if history else {}
    past = understood(merged(from_bundle, told), base)
    known = None if exam is None else examination_of(exam)
    found = results(rows, base, as_of=today, max_age_days=max_age_days)
    judged = panel(found, past.person, base)
    place = extent(known, past, base)
    facts = judged.facts | history_facts(past, base) | place.facts
    return _concluded(
        base, facts, judged, past, place, (today, max_age_days), (*unknown, *past.unknown)
    )


def _check(exam: object, labs: object, history: object, base: object) -> None:
    """Raises UsageError BAD_ARGUMENT."""
    nothing, written = type(None), (str, Path, Mapping)
    examined = "an examination, its document or folder, or None"
    check(exam, (Examination, *written, nothing), examined, "exam")
    check(labs, (Iterable, Path, nothing), "rows, a Bundle, a path to either, or None", "labs")
    check(history, (*written, nothing), "tables, a path to history.toml, or None", "history")
    check(base, (Knowledge, nothing), "a Knowledge, or None", "base")


def _concluded(
    base: Knowledge,
    facts: Collection[str],
    judged: Panel,
    past: History,
    place: Extent,
    times: tuple[date, int],
    unknown: tuple[str, ...],
) -> Assessment:
    fitting = rank_types.patterns(facts, base)
    known = {*facts, *(p.entry.id for p in fitting if p.status == "fits")}
    ranked = rank_types.rank(known, past.entered, base)
    may_lead = rank_types.leading(ranked)
    leading = () if judged.refused else may_lead
    emergencies = tuple(w.id for w in ranked if w.may_lead and w.emergency)
    situation = leading or emergencies  # an emergency does not wait for better labs
    known |= {f"type.{name}" for name in situation}
    flags = _flags(base, judged, past, place, known, times)
    broken = [entry for entry in unknown if bundle.INVALID in entry]
    flags += [_flag(base, "RECORD_UNREADABLE", _listed(broken))] if broken else []
    flags += _type_flags(base, ranked, leading, judged)
    return Assessment(
        leading=leading,
        types=tuple(ranked),
        patterns=tuple(fitting),
        hints=tuple(h for h in base.hints if holds(h.condition, known)),
        panel=judged,
        urgent=tuple(u for u in base.urgent if holds(u.condition, known)),
        options=tuple(options_for(situation, known, base)),
        symptoms=tuple(symptoms.at_places(known, base)),
        deposit_symptoms=symptoms.by_deposit(place.places, known, base),
        scales=tuple(symptoms.scales(past, base)),
        flags=tuple(sorted(flags, key=lambda flag: SEVERITIES.index(flag.severity))),
        notes=tuple(_notes(base, known, leading)),
        extent=place,
        history=past,
        unknown=unknown,
        facts=frozenset(known),
        as_of=times[0],
        max_age_days=times[1],
        base=base,
    )


def _labs(labs: Labs | None, base: Knowledge) -> tuple[list[Any], dict[str, Any], list[str]]:
    """Rows of results, the history that came with them, and what was not understood."""
    if labs is None:
        return [], {}, []
    if isinstance(labs, Mapping):
        return bundle.read_bundle(labs, base)
    if not isinstance(labs, str | Path):
        rows = list(labs)
        if not all(isinstance(row, Mapping) for row in rows):
            raise unreadable("rows that are no mappings", "labs")
        return rows, {}, []
    path = Path(labs)
    if path.name.lower().endswith((".json", ".json.gz")):
        return bundle.read_bundle(_json(path), base)
    return [*read_csv(path)], {}, []


def _json(path: Path) -> Mapping[str, Any]:
    try:
        content = read_json(path)
    except TextError as error:
        raise bundle.unreadable(str(error), str(path)) from error
    if isinstance(content, Mapping):
        return content
    raise bundle.unreadable("JSON that is no object", str(path))


# Flags and notes --------------------------------------------------------------------------


def _flags(
    base: Knowledge,
    judged: Panel,
    past: History,
    place: Extent,
    facts: Collection[str],
    times: tuple[date, int],
) -> list[Flag]:
    person = past.person
    codes = list(judged.flags)
    codes += [("CHILD", "")] if person.child else []
    codes += [("PREGNANT", "")] if person.pregnant else []
    codes += [("DIALYSIS", "")] if person.dialysis else []
    codes += [("AGE_UNKNOWN", "")] if person.age is None else []
    codes += [("HISTORY_CONTRADICTORY", text) for text in past.contradictions]
    codes += [("HISTORY_UNKNOWN", _listed(past.unknown))] if past.unknown else []
    codes += [("NO_EXAMINATION", "")] if not place.places and place.scan_date is None else []
    codes += _ages(judged, place, facts, times)
    return [_flag(base, code, detail) for code, detail in codes]


def _listed(entries: Sequence[str]) -> str:
    rest = len(entries) - MOST_LISTED
    return "; ".join(entries[:MOST_LISTED]) + f"; and {rest} more" * (rest > 0)


def _ages(
    judged: Panel, place: Extent, facts: Collection[str], times: tuple[date, int]
) -> list[tuple[str, str]]:
    """Remarks on how old the results that count are."""
    days = [r.date for r in judged.given if r.usable and r.date and r.analyte]
    if not days:
        return []
    codes = []
    limits = [limit for fact, limit in CKD_DAYS if fact in facts]
    limits += [DIALYSIS_DAYS] if "person.dialysis" in facts else []
    oldest = (times[0] - min(days)).days
    if limits and oldest > min(limits):
        codes.append(("LABS_OLD_FOR_CKD", f"{oldest} days"))
    scanned = day(place.scan_date)
    if scanned:
        apart = abs((scanned - max(days)).days)
        codes += [("SCAN_LABS_APART", f"{apart} days")] if apart > times[1] else []
    return codes


def _type_flags(
    base: Knowledge, ranked: Sequence[RankedType], leading: Sequence[str], judged: Panel
) -> list[Flag]:
    both = [w.label for w in ranked if w.contradicted]
    codes = [("CONTRADICTION", ", ".join(both))] if both else []
    if not leading and not judged.refused:
        codes.append(("NOT_DECIDABLE", ""))
    first = next((w for w in ranked if leading and w.id == leading[0]), None)
    if first and all(f.strength == "weak" for f in first.for_):
        codes.append(("WEAK_SUPPORT", first.label))
    return [_flag(base, code, detail) for code, detail in codes]


def _flag(base: Knowledge, code: str, detail: str = "") -> Flag:
    entry = base.notes[f"flag.{code}"]
    return Flag(code, entry.data["severity"], entry.statement, detail)


def _notes(base: Knowledge, facts: Collection[str], leading: Sequence[str]) -> list[Statement]:
    """Standing remarks: for what it is, for whom it is not, and what goes with the type."""
    names = ["note.research_use", "note.see_a_doctor", "note.no_advice", "note.extent", "note.size"]
    if "dystrophic" in leading:
        names += ["note.no_prevention", "note.local_review", "note.no_guideline"]
    told = [e.statement for e in base.notes.values() if "when" in e.data]
    fitting = {e.id for e in base.notes.values() if "when" in e.data and holds(e.condition, facts)}
    return [base.note(name) for name in names] + [s for s in told if s.id in fitting]


def _day(given: date | str | None) -> date:
    if given is None:
        return date.today()
    if isinstance(given, date):
        return given
    check(given, str, "a day as 2026-11-23", "as_of")
    try:
        return date.fromisoformat(given)
    except ValueError as error:
        raise _bad("as_of", given, "a day as 2026-11-23") from error


def _bad(where: str, found: str, expected: str) -> UsageError:
    remedy = "mend it, or leave it out"
    return UsageError("BAD_OPTION", found=found, expected=expected, where=where, remedy=remedy)


__all__ = ["Assessment", "Flag", "InputError", "assess"]
