"""What the results say together: levels, calcium's true state, kidney function, derived values.

Calcium counts in this order: ionised; albumin-corrected where correction can be trusted;
total where total and corrected agree. Where they disagree and correction is not to be
trusted, calcium is not known (note formula.corrected_calcium.doubt has the sources).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from calcimetry.clinic import formulas
from calcimetry.clinic.base import Knowledge
from calcimetry.clinic.results import Result, chosen, judged, older_marked, rivals

DECIDING = ("calcium", "phosphate")  # what no type can be given without, once it was measured
CALCIUMS = ("calcium", "calcium_ionised", "calcium_corrected")
FAR_OUT = 0.30  # beyond a limit by so much: urgent (a rule of this program)
DISAGREE = 0.10  # two values of one day further apart than this, on two sides of a limit
LOW_ALBUMIN_G_DL = 3.0
PTH_DIALYSIS = 9.0  # KDIGO 2017, 4.2.3: on dialysis about 2 to 9 times the upper limit


@dataclass(frozen=True, slots=True)
class Person:
    """Of the history, what judging results needs."""

    age: float | None = None
    sex: str | None = None
    pregnant: bool = False
    dialysis: bool = False
    terms: frozenset[str] = frozenset()

    @property
    def child(self) -> bool:
        return self.age is not None and self.age < 18


@dataclass(frozen=True, slots=True)
class Derived:
    """A computed value; `trusted` False: shown, and counted for nothing."""

    name: str
    label: str
    value: float
    unit: str
    trusted: bool
    notes: tuple[str, ...]  # ids in notes.toml: formula, doubts


@dataclass(frozen=True, slots=True)
class Panel:
    """All results, their facts, and the flags (code, detail) that came up."""

    given: tuple[Result, ...]
    derived: tuple[Derived, ...]
    facts: frozenset[str]
    flags: tuple[tuple[str, str], ...]
    refused: tuple[str, ...] = field(default=())


def panel(found: Sequence[Result], person: Person, base: Knowledge) -> Panel:
    """Judge the results of one person."""
    adult = not person.child
    newest = chosen(found)
    values = {n: judged(newest[n], base, adult=adult) for n in base.analytes if n in newest}
    kidney, egfr, kidney_flags = _kidney(values, person)
    calcium, derived, calcium_flags = _calcium(values, person, kidney)
    facts = {f"lab.{n}.{r.level}" for n, r in values.items() if r.level and n not in CALCIUMS}
    facts |= {f"lab.calcium.{calcium}"} if calcium else set()
    facts |= kidney | _derived_facts(values, derived, calcium)
    derived += [*egfr, *_product(values, derived), *_phosphate_handling(values)]
    contradictions = _contradictions(found, values, person, base)
    refused, refusals = _refusals(found, values, contradictions)
    flags = [*refusals, *kidney_flags, *calcium_flags, *_remarks(found, values)]
    given = tuple(judged(r, base, adult=adult) if r.usable else r for r in older_marked(found))
    return Panel(given, tuple(derived), frozenset(facts), tuple(flags), refused)


# Kidney -----------------------------------------------------------------------------------


def _kidney(
    values: Mapping[str, Result], person: Person
) -> tuple[set[str], list[Derived], list[tuple[str, str]]]:
    """Facts on kidney function, the computed eGFR, flags."""
    reported, computed = values.get("egfr"), _egfr(values, person)
    derived = [computed] if computed else []
    if person.dialysis:
        return {"kidney.low", "kidney.egfr_below_30"}, derived, []
    value = computed.value if computed and computed.trusted else None
    if reported and reported.value is not None and not person.child:
        if (
            value is not None
            and (value < 60) != (reported.value < 60)
            and _apart(value, reported.value, 0.25)
        ):
            detail = f"eGFR reported {reported.value:.0f}, computed {value:.0f}"
            return set(), derived, [("LABS_CONTRADICTORY_EGFR", detail)]
        value = reported.value
    late = "ckd_late" in person.terms
    if value is None:
        return ({"kidney.low"} if late else set()), derived, []
    facts = {"kidney.low" if value < 60 else "kidney.normal"}
    facts |= {"kidney.egfr_below_30"} if value < 30 else set()
    if late and value >= 60:
        return set(), derived, [("HISTORY_CONTRADICTORY", f"late kidney disease, eGFR {value:.0f}")]
    return facts, derived, []


def _egfr(values: Mapping[str, Result], person: Person) -> Derived | None:
    creatinine = values.get("creatinine")
    adult = person.age is not None and person.age >= 18 and person.sex in ("female", "male")
    if creatinine is None or not creatinine.value or not adult:
        return None
    value = formulas.egfr_2021(creatinine.value, person.age or 0.0, str(person.sex))
    trusted = not person.dialysis and not person.pregnant and not creatinine.bound
    return Derived("egfr", "eGFR, CKD-EPI 2021", value, "mL/min/1.73m2", trusted, ("formula.egfr",))


# Calcium ----------------------------------------------------------------------------------


def _calcium(
    values: Mapping[str, Result], person: Person, kidney: Collection[str]
) -> tuple[str | None, list[Derived], list[tuple[str, str]]]:
    """Calcium's level, corrected values, flags."""
    ionised, total = values.get("calcium_ionised"), values.get("calcium")
    derived = _corrections(values, person, kidney)
    if ionised and ionised.level:
        return ionised.level, derived, []
    corrected = next((d for d in derived if d.name == "calcium_corrected"), None)
    by_laboratory = values.get("calcium_corrected")
    trusted = _correction_trusted(values, person, kidney)
    level = _corrected_level(corrected, by_laboratory, total)
    if level is None:
        return (total.level if total else None), derived, []
    if trusted or (total and total.level == level):
        return level, derived, []
    return None, derived, [("CALCIUM_UNCERTAIN", "")]


def _corrected_level(
    corrected: Derived | None, by_laboratory: Result | None, total: Result | None
) -> str | None:
    if by_laboratory and by_laboratory.level:
        return by_laboratory.level
    if corrected is None or total is None or total.level is None:
        return None
    slack = 0.005 if total.range == "default" else 1e-9
    if total.low is not None and corrected.value < total.low * (1 - slack):
        return "low"
    if total.high is not None and corrected.value > total.high * (1 + slack):
        return "high"
    return "normal" if total.low is not None and total.high is not None else None


def _corrections(
    values: Mapping[str, Result], person: Person, kidney: Collection[str]
) -> list[Derived]:
    calcium, albumin = _value(values, "calcium"), _value(values, "albumin")
    if calcium is None or albumin is None:
        return []
    trusted = _correction_trusted(values, person, kidney)
    doubts = ["formula.corrected_calcium.rule", "formula.corrected_calcium.doubt"]
    notes = ["formula.corrected_calcium"] + ([] if trusted else doubts)
    value = formulas.corrected_calcium(calcium, albumin)
    label = "Calcium, albumin-corrected"
    found = [Derived("calcium_corrected", label, value, "mg/dL", trusted, tuple(notes))]
    if person.dialysis:
        value = formulas.corrected_calcium_hd(
            calcium * formulas.MMOL_PER_MG_CALCIUM, albumin * 10.0
        )
        notes = ["formula.corrected_calcium_hd"]
        label = "Calcium, corrected for haemodialysis"
        found.append(Derived("calcium_corrected_hd", label, value, "mmol/L", False, tuple(notes)))
    ph, phosphate = _value(values, "ph"), _value(values, "phosphate")
    if "kidney.low" in kidney and ph is not None and phosphate is not None:
        value = formulas.corrected_calcium_ckd(calcium, albumin, ph, phosphate)
        notes = ["formula.corrected_calcium_ckd"]
        label = "Calcium, corrected for kidney disease"
        found.append(Derived("calcium_corrected_ckd", label, value, "mg/dL", False, tuple(notes)))
    return found


def _correction_trusted(
    values: Mapping[str, Result], person: Person, kidney: Collection[str]
) -> bool:
    albumin = _value(values, "albumin")
    bicarbonate, ph = values.get("bicarbonate"), values.get("ph")
    acid = any(r is not None and r.level == "low" for r in (bicarbonate, ph))
    doubtful = {"acidosis", "paraprotein", "critical_illness", "ckd_late"} & person.terms
    low = albumin is not None and albumin < LOW_ALBUMIN_G_DL
    return not (person.dialysis or "kidney.low" in kidney or low or acid or doubtful)


# Other derived values ---------------------------------------------------------------------


def _product(values: Mapping[str, Result], derived: Sequence[Derived]) -> list[Derived]:
    corrected = next(
        (d.value for d in derived if d.name == "calcium_corrected" and d.trusted), None
    )
    calcium = corrected if corrected is not None else _value(values, "calcium")
    phosphate = _value(values, "phosphate")
    if calcium is None or phosphate is None:
        return []
    value = formulas.calcium_phosphate_product(calcium, phosphate)
    notes = ("formula.product", "formula.product.threshold")
    return [
        Derived("calcium_phosphate_product", "Calcium x phosphate", value, "mg2/dL2", False, notes)
    ]


def _phosphate_handling(values: Mapping[str, Result]) -> list[Derived]:
    names = ("urine_phosphate", "phosphate", "creatinine", "urine_creatinine")
    given = [_value(values, name) for name in names]
    urine_phosphate, phosphate, creatinine, urine_creatinine = given
    if urine_phosphate is None or creatinine is None or not phosphate or not urine_creatinine:
        return []
    share = formulas.trp(urine_phosphate, phosphate, creatinine, urine_creatinine)
    if not 0.0 <= share <= 1.0:
        return []  # the samples cannot belong together
    ratio = formulas.tmp_gfr(share, phosphate)
    reading = ("formula.trp.reading", "formula.trp.reading2")
    return [
        Derived("trp", "TRP", share, "1", True, ("formula.trp", *reading)),
        Derived("tmp_gfr", "TmP/GFR", ratio, "mg/dL", True, ("formula.tmp_gfr", *reading)),
    ]


def _derived_facts(
    values: Mapping[str, Result], derived: Sequence[Derived], calcium: str | None
) -> set[str]:
    facts = set()
    albumin = values.get("albumin")
    if albumin and (albumin.level == "low" or (albumin.value or 9.0) < LOW_ALBUMIN_G_DL):
        facts.add("derived.albumin_low")
    pth = values.get("pth")
    if pth and pth.value and pth.high and pth.value > PTH_DIALYSIS * pth.high:
        facts.add("derived.pth_over_9x")
    if calcium in ("low", "high"):
        trusted = [d.value for d in derived if d.name == "calcium_corrected" and d.trusted]
        far = [_far_out(values[n], None) for n in ("calcium_ionised",) if n in values]
        if not far and "calcium" in values:
            far = [_far_out(values["calcium"], trusted[0] if trusted else None)]
        facts |= {"derived.calcium_far_out"} if any(far) else set()
    return facts


def _far_out(result: Result, value: float | None) -> bool:
    value = result.value if value is None else value
    if value is None:
        return False
    over = result.high is not None and value > result.high * (1 + FAR_OUT)
    return over or (result.low is not None and value < result.low * (1 - FAR_OUT))


# Refusals ---------------------------------------------------------------------------------


def _contradictions(
    found: Sequence[Result], values: Mapping[str, Result], person: Person, base: Knowledge
) -> list[str]:
    """Labels of results of one day that cannot both be right."""
    wrong = []
    for name, newest in values.items():
        if not base.analytes[name].get("typing"):
            continue
        same_day = [judged(r, base, adult=not person.child) for r in rivals(found, newest)]
        if _contradict(same_day):
            wrong.append(newest.label)
    ionised, total = values.get("calcium_ionised"), values.get("calcium")
    if ionised and total and {ionised.level, total.level} == {"low", "high"}:
        wrong.append("Calcium, ionised and total")
    return wrong


def _contradict(results: Sequence[Result]) -> bool:
    """Whether two of them lie far apart, or on two sides of a limit and not close together.

    `_apart` grows with the distance of two values, so the least and the largest of all, and of
    each two levels, decide for all pairs: many results of one day take no time as their square.
    """
    spans: dict[str | None, tuple[float, float]] = {}
    for result in results:
        if result.value is not None:
            least, most = spans.get(result.level, (result.value, result.value))
            spans[result.level] = (min(least, result.value), max(most, result.value))
    if not spans:
        return False
    least, most = min(low for low, _ in spans.values()), max(high for _, high in spans.values())
    return _apart(least, most, 0.5) or any(
        _apart(one[0], other[1], DISAGREE)
        for level, one in spans.items()
        for another, other in spans.items()
        if level != another
    )


def _apart(a: float, b: float, share: float) -> bool:
    return abs(a - b) > share * min(abs(a), abs(b))


def _refusals(
    found: Sequence[Result], values: Mapping[str, Result], contradictions: Sequence[str]
) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """Codes for which no type is given, and their flags."""
    flags = []
    for state, code in (("stale", "LABS_STALE"), ("impossible", "LABS_IMPOSSIBLE")):
        wrong = sorted(
            {label for label in (_lost(found, values, n, state) for n in DECIDING) if label}
        )
        if wrong:
            flags.append((code, ", ".join(wrong)))
    if contradictions:
        flags.append(("LABS_CONTRADICTORY", ", ".join(sorted(contradictions))))
    return tuple(code for code, _ in flags), flags


def _lost(
    found: Sequence[Result], values: Mapping[str, Result], name: str, state: str
) -> str | None:
    """The label of a deciding analyte all of whose results are in a state that cannot be used."""
    group = CALCIUMS if name == "calcium" else (name,)
    if any(member in values for member in group):
        return None
    lost = [r for r in found if r.analyte in group and r.state == state]
    return lost[0].label if lost else None


def _remarks(found: Sequence[Result], values: Mapping[str, Result]) -> list[tuple[str, str]]:
    flags = [
        (code, ", ".join(sorted({r.label for r in found if r.state in states})))
        for code, states in (
            ("LAB_IMPOSSIBLE", ("impossible",)),
            ("LAB_UNIT_UNKNOWN", ("unit_unknown",)),
            ("LAB_UNKNOWN", ("unknown",)),
            ("LAB_UNREADABLE", ("unreadable",)),
            ("LABS_IN_FUTURE", ("future",)),
        )
    ]
    default = sorted({r.label for r in values.values() if r.range == "default"})
    flags.append(("DEFAULT_RANGES", ", ".join(default)))
    flags.append(
        ("LABS_UNDATED", ", ".join(sorted(r.label for r in values.values() if not r.date)))
    )
    return [flag for flag in flags if flag[1]] + _missing(found)


def _missing(found: Sequence[Result]) -> list[tuple[str, str]]:
    """What was never measured; stale and impossible results have flags of their own."""
    had = {r.analyte for r in found if r.state != "missing"}
    lacking = [] if had & set(CALCIUMS) else ["Calcium"]
    lacking += [] if "phosphate" in had else ["Phosphate"]
    return [("LABS_MISSING", ", ".join(lacking))] if lacking else []


def _value(values: Mapping[str, Result], name: str) -> float | None:
    result: Any = values.get(name)
    return None if result is None or result.bound else result.value
