"""Tokens: how labs, history and extent are expressed for the knowledge base's conditions.

A fact is a token that is *known to be true*; a set of facts holds all of them. Families:
    lab.<analyte>.low|normal|high      a result against its reference range
    kidney.low|normal|egfr_below_30    kidney function; dialysis is low
    derived.<name>                     something computed
    has.<term>                         a condition, drug, procedure, antibody, gene, symptom
    place.<term>, extent.<name>        where deposits lie, and how many and how large
    person.child|adult|pregnant|female|male|dialysis
    history.no_symptoms|no_cause       said explicitly, not assumed from silence
    pattern.<id>, type.<id>            concluded earlier
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from calcimetry.clinic.base import Condition, Knowledge

CLASSES = ("low", "normal", "high")
KIDNEY = ("low", "normal", "egfr_below_30")
DERIVED = ("albumin_low", "calcium_far_out", "pth_over_9x")
EXTENT = (
    "accessible",
    "arterial_and_joint",
    "diffuse",
    "localised",
    "over_3cm",
    "periarticular_mass",
    "sheets",
    "superficial",
    "superficial_small",
    "under_3cm",
)
PERSON = ("adult", "child", "dialysis", "female", "male", "pregnant")
HISTORY = ("no_cause", "no_symptoms")


def holds(condition: Condition, facts: Collection[str]) -> bool:
    """Whether a condition is known to be true."""
    return (
        all(token in facts for token in condition.all)
        and _one_of(condition.any, facts)
        and _one_of(condition.also, facts)
        and all(known_false(token, facts) for token in condition.none)
        and not any(token in facts for token in condition.unless)
    )


def refuted(condition: Condition, facts: Collection[str]) -> bool:
    """Whether a condition is known to be false: a measured lab says otherwise."""
    wrong = any(_measured_otherwise(token, facts) for token in condition.all)
    none_left = bool(condition.any) and all(_measured_otherwise(t, facts) for t in condition.any)
    return wrong or none_left or any(token in facts for token in condition.none)


def unknown(condition: Condition, facts: Collection[str]) -> list[str]:
    """What would have to be known to decide a condition: analytes, or "kidney"."""
    open_any = condition.any if not _one_of(condition.any, facts) else ()
    tokens = (*condition.all, *open_any, *condition.none)
    subjects = dict.fromkeys(_subject(token) for token in tokens if _subject(token))
    return [name for name in subjects if not _is_known(name, facts)]


def because(condition: Condition, facts: Collection[str]) -> list[str]:
    """The facts that made a condition true."""
    tokens = (*condition.all, *condition.any, *condition.also)
    return [token for token in dict.fromkeys(tokens) if token in facts]


def known_false(token: str, facts: Collection[str]) -> bool:
    """Not true; and for labs and kidney function, known not to be."""
    if token in facts:
        return False
    subject = _subject(token)
    return not subject or _is_known(subject, facts)


def vocabulary(base: Knowledge) -> set[str]:
    """Every fact that there can be; a word outside it in the knowledge base is a mistake."""
    words = {f"lab.{name}.{state}" for name in base.analytes for state in CLASSES}
    families: dict[str, Iterable[str]] = {
        "kidney": KIDNEY,
        "derived": DERIVED,
        "extent": EXTENT,
        "person": PERSON,
        "history": HISTORY,
        "type": base.types,
        "pattern": [p.data["id"] for p in base.patterns],
        "has": [i for i, t in base.terms.items() if t["group"] != "place"],
        "place": [i for i, t in base.terms.items() if t["group"] == "place"],
    }
    return words | {f"{family}.{name}" for family, names in families.items() for name in names}


def _one_of(tokens: tuple[str, ...], facts: Collection[str]) -> bool:
    return not tokens or any(token in facts for token in tokens)


def _subject(token: str) -> str:
    """What must be measured to know a fact: "lab.phosphate", "kidney"; "" for others."""
    family, _, rest = token.partition(".")
    if family == "lab":
        return f"lab.{rest.rpartition('.')[0]}"
    return "kidney" if family == "kidney" else ""


def _is_known(subject: str, facts: Collection[str]) -> bool:
    states = KIDNEY if subject == "kidney" else CLASSES
    return any(f"{subject}.{state}" in facts for state in states)


def _measured_otherwise(token: str, facts: Collection[str]) -> bool:
    subject = _subject(token)
    return bool(subject) and token not in facts and _is_known(subject, facts)
