"""The history: who the person is and what is known of them, in words the knowledge base has.

history.toml has `age, sex, pregnant, dialysis` and the lists `conditions, medications,
procedures, antibodies, genes, symptoms` of ICD-10 codes or names. It may also have `places`
(where deposits lie, when no examination says so), `largest_mm`, `count`, and measurements
over time: `[[scales]]` (date, name, value 0-10), `[[mawdsley]]` (date, total) and
`[[radiograph_score]]` (date, value: a reader's score). What is not understood is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from calcimetry import bounded
from calcimetry.clinic.base import Knowledge
from calcimetry.clinic.panel import Person
from calcimetry.errors import InputError

LISTS = ("conditions", "medications", "procedures", "antibodies", "genes", "symptoms", "places")
SCALARS = ("age", "sex", "pregnant", "dialysis", "largest_mm", "count")
SERIES = ("scales", "mawdsley", "radiograph_score")
GENERAL = ("condition", "medication", "procedure", "symptom")
GROUPS = {"antibodies": ("antibody",), "genes": ("gene",), "places": ("place",)}
SEXES = {"f": "female", "female": "female", "w": "female", "woman": "female", "girl": "female"}
SEXES |= {"m": "male", "male": "male", "man": "male", "boy": "male"}
LONGEST = 200  # characters of an entry as it is shown
DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014", "-"))
TOKEN = re.compile(r"[\w-]+")
DENIED = re.compile(
    r"^(no|not|non|without|denies|denied|negative|never|excluded|absent|family history)\b"
    r"|\bnegative$"
)


@dataclass(frozen=True, slots=True)
class History:
    """A history, understood. `entered` tells which lists were given at all, empty ones too."""

    person: Person = field(default_factory=Person)
    terms: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    entered: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()
    largest_mm: float | None = None
    count: int | None = None
    series: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    contradictions: tuple[str, ...] = ()


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of history.toml. Raises InputError HISTORY_UNREADABLE."""
    try:
        return bounded.read_toml(path)
    except bounded.TextError as error:
        raise _unreadable(str(path), str(error)) from error


def understood(given: Mapping[str, Any], base: Knowledge) -> History:
    """A history from its tables. Raises InputError HISTORY_UNREADABLE for a wrong type."""
    lists = {name: _words(given, name) for name in LISTS if given.get(name) is not None}
    terms: set[str] = set()
    places: set[str] = set()
    keys = sorted(set(given) - _known_keys())
    unknown = [f"{bounded.shown(key, 40)}: not a key of the history" for key in keys]
    for name, words in lists.items():
        for word in dict.fromkeys(words):
            found, where = _matches(word, name, base)
            terms |= found
            places |= where
            if not found and not where:
                unknown.append(f"{name}: {bounded.shown(word, LONGEST)}")
    terms |= _implied(terms, base)
    person, wrong = _person(given, frozenset(terms))
    return History(
        person=person,
        terms=frozenset(terms),
        places=frozenset(places),
        entered=frozenset(lists),
        unknown=tuple(unknown),
        largest_mm=_number(given, "largest_mm", 0, 2000),
        count=_count(given),
        series={name: _series(given, name) for name in SERIES if given.get(name)},
        contradictions=tuple(wrong),
    )


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two histories as one: lists joined; single values of the second count.

    Raises InputError HISTORY_UNREADABLE for a list that is none.
    """
    both = {**first, **{key: value for key, value in second.items() if value is not None}}
    for name in LISTS:
        if first.get(name) is not None and second.get(name) is not None:
            both[name] = [*_words(first, name), *_words(second, name)]
    return both


def history_facts(history: History, base: Knowledge) -> set[str]:
    """The facts of a history."""
    person = history.person
    facts = {f"has.{term}" for term in history.terms} | {f"place.{p}" for p in history.places}
    told = {"child": person.child, "pregnant": person.pregnant, "dialysis": person.dialysis}
    told |= {"adult": person.age is not None and not person.child}
    facts |= {f"person.{name}" for name, true in told.items() if true}
    facts |= {f"person.{person.sex}"} if person.sex in ("female", "male") else set()
    symptoms = {t for t in history.terms if base.terms[t]["group"] == "symptom"} - {"asymptomatic"}
    if "symptoms" in history.entered and not symptoms and not _unknown_in(history, "symptoms"):
        facts.add("history.no_symptoms")
    if "conditions" in history.entered and not _causes(history, base):
        facts.add("history.no_cause")
    return facts


def _causes(history: History, base: Knowledge) -> bool:
    """Whether anything entered may be a cause; an entry not understood may be one."""
    named = {
        token.removeprefix("has.")
        for rule in base.rules
        if rule.data["side"] == "for" and rule.data["type"] != "idiopathic"
        for token in rule.condition.tokens
        if token.startswith("has.")
    }
    unknown = any(_unknown_in(history, name) for name in ("conditions", "procedures"))
    return bool(named & history.terms) or unknown or history.person.dialysis


def _unknown_in(history: History, name: str) -> bool:
    return any(entry.startswith(f"{name}: ") for entry in history.unknown)


def _matches(word: str, name: str, base: Knowledge) -> tuple[set[str], set[str]]:
    """Terms and places that a word of a list names."""
    text = re.sub(r"\s+", " ", word.strip().lower().translate(DASHES))
    if not text or DENIED.search(text):
        return set(), set()
    groups = GROUPS.get(name, GENERAL)
    named = _named(text, base)
    terms = {term for term in named if base.terms[term]["group"] in groups}
    spatial = name in ("symptoms", "places") or re.search(r"calcin|calcif|deposit", text)
    if not spatial:
        return terms, set()
    places = {term for term in named if base.terms[term]["group"] == "place"}
    return terms - places, places


def _named(text: str, base: Knowledge) -> set[str]:
    """Terms that a text names: by ICD-10 or HPO code if it is one, else by code or by words."""
    code = text.replace(".", "")
    if re.fullmatch(r"[a-z]\d[0-9a-z]{1,5}|hp:\d+", code):
        prefixes = _icd10(base)
        return {term for prefix, term in prefixes if code.startswith(prefix)}
    codes, by_token = _index(base)
    tokens = dict.fromkeys((*TOKEN.findall(text), ""))
    candidates = (pair for token in tokens for pair in by_token.get(token, ()))
    found = {term for name, term in candidates if _stands_in(name, text)}
    return found | set(codes.get(text, ()))


@lru_cache(maxsize=4)
def _icd10(base: Knowledge) -> list[tuple[str, str]]:
    """Prefixes of codes, without dots, each with its term."""
    return [
        (prefix.lower().replace(".", ""), term)
        for term, about in base.terms.items()
        for prefix in about.get("icd10", ())
    ]


@lru_cache(maxsize=4)
def _index(base: Knowledge) -> tuple[dict[str, list[str]], dict[str, list[tuple[str, str]]]]:
    """Terms by LOINC code; names with their terms by the name's first token.

    A name that stands in a text has its first token among the text's, so few names are looked
    for in each; one that begins otherwise than with a token stands under "".
    """
    codes: dict[str, list[str]] = {}
    names: dict[str, list[tuple[str, str]]] = {}
    for term, about in base.terms.items():
        for code in about.get("loinc", ()):
            codes.setdefault(code, []).append(term)
        for name in about.get("names", ()):
            first = TOKEN.match(name)
            names.setdefault(first[0] if first else "", []).append((name, term))
    return codes, names


def _stands_in(name: str, text: str) -> bool:
    if name not in text:
        return False
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def _implied(terms: Iterable[str], base: Knowledge) -> set[str]:
    known = set(terms)
    return {t for t, a in base.terms.items() if known & set(a.get("implied_by", ()))}


def _person(given: Mapping[str, Any], terms: frozenset[str]) -> tuple[Person, list[str]]:
    sex = given.get("sex")
    if sex is not None and str(sex).strip().lower() not in SEXES:
        sex = None  # told under `unknown` is not needed: sex serves the eGFR formula alone
    named = SEXES.get(str(sex).strip().lower()) if sex is not None else None
    dialysis = _truth(given, "dialysis")
    wrong = []
    if given.get("dialysis") is False and "dialysis" in terms:
        wrong.append("dialysis is entered and denied")
    pregnant = bool(_truth(given, "pregnant")) or "pregnancy" in terms
    if given.get("pregnant") is False and pregnant:
        wrong.append("pregnancy is entered and denied")
    if pregnant and named == "male":
        wrong.append("pregnant and male")
    on_dialysis = bool(dialysis) or "dialysis" in terms
    person = Person(_number(given, "age", 0, 130), named, pregnant, on_dialysis, terms)
    return person, wrong


def _known_keys() -> set[str]:
    return {*LISTS, *SCALARS, *SERIES}


def _words(given: Mapping[str, Any], name: str) -> list[str]:
    words = given[name]
    if isinstance(words, str):
        words = [words]
    if not isinstance(words, list | tuple) or not all(isinstance(w, str | int) for w in words):
        raise _unreadable(name, f"{type(words).__name__} that is no list of words")
    return [str(word) for word in words]


def _truth(given: Mapping[str, Any], name: str) -> bool | None:
    value = given.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise _unreadable(name, bounded.shown(value), "true or false")


def _number(given: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise _unreadable(name, bounded.shown(value), f"a number from {least} to {most}")
    return float(value)


def _count(given: Mapping[str, Any]) -> int | None:
    value = _number(given, "count", 0, 100_000)
    return None if value is None else int(value)


def _series(given: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = given[name]
    if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
        return rows
    raise _unreadable(name, type(rows).__name__, "a list of tables, as [[" + name + "]]")


def _unreadable(where: str, found: str, expected: str = "") -> InputError:
    return InputError(
        "HISTORY_UNREADABLE",
        found=found,
        expected=expected or "TOML with the keys that docs/clinic.md lists",
        where=where,
        remedy="mend the entry, or leave it out: what is not known may be missing",
    )
