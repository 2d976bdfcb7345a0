"""What must hold for every person: units, order, irrelevant and missing results."""

from __future__ import annotations

import json
import random
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.clinic import assess, assessment_document, knowledge

CASES = tomllib.loads((Path(__file__).parent / "vignettes.toml").read_text("utf-8"))["case"]
WITH_LABS = [case for case in CASES if case["labs"]]
NAMES = ("name", "value", "unit", "low", "high")
BASE = knowledge()
cases = st.sampled_from(CASES)
with_labs = st.sampled_from(WITH_LABS)
quick = settings(max_examples=60, deadline=None)


def rows(case: dict[str, Any]) -> list[dict[str, Any]]:
    day = case.get("date", "2026-11-10")
    return [{**dict(zip(NAMES, row, strict=True)), "date": day} for row in case["labs"]]


def run(labs: list[dict[str, Any]], history: dict[str, Any]) -> dict[str, Any]:
    return assessment_document(assess(None, labs, history, as_of="2026-11-23"))


def test_an_assessment_says_itself_in_a_line():
    case = CASES[0]
    found = assess(None, rows(case), {**case.get("history", {}), "conditions": ["Jane Doe"]})
    text = repr(found)
    assert text.startswith("Assessment(leading: ")
    assert "Jane" not in text
    assert len(text.splitlines()) == 1
    assert len(text) < 500


def answer(document: dict[str, Any]) -> dict[str, Any]:
    """What the assessment concludes, without the results as they were typed."""
    keys = ("leading", "types", "patterns", "hints", "urgent", "options", "symptoms")
    return {key: document[key] for key in keys}


def analyte(name: str) -> dict[str, Any]:
    return next(dict(a) for a in BASE.analytes.values() if name in a["names"])


@quick
@given(case=with_labs, seed=st.integers(0, 10_000))
def test_units_do_not_change_the_answer(case, seed):
    chance = random.Random(seed)
    other = []
    for row in rows(case):
        units = analyte(row["name"])["units"]
        if row["unit"] not in units:
            other.append(row)
            continue
        unit = chance.choice(list(units))
        ratio = units[row["unit"]] / units[unit]
        moved = {
            key: repr(row[key] * ratio) if row[key] != "" else ""
            for key in ("value", "low", "high")
        }
        other.append({**row, **moved, "unit": unit})
    assert answer(run(other, case["history"])) == answer(run(rows(case), case["history"]))


IRRELEVANT = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["Haemoglobin", "sodium", "crp", "ck", "alp", "TSH"]),
            "loinc": st.sampled_from(["", "718-7", "99999-9"]),
            "value": st.one_of(st.floats(-1e6, 1e6).map(str), st.sampled_from(["", "?", "<5"])),
            "unit": st.sampled_from(["g/dL", "mg/L", "U/L", "mmol/L", ""]),
            "date": st.sampled_from(["", "1999-01-01", "2026-11-20", "2031-01-01"]),
        }
    ),
    max_size=4,
)


@quick
@given(case=cases, more=IRRELEVANT)
def test_an_irrelevant_lab_does_not_change_the_answer(case, more):
    document = run([*rows(case), *more], case["history"])
    assert answer(document) == answer(run(rows(case), case["history"]))
    assert len(document["labs"]["given"]) == len(case["labs"]) + len(more)  # none dropped


@quick
@given(case=with_labs, data=st.data())
def test_a_missing_lab_never_becomes_a_normal_one(case, data):
    every = rows(case)
    gone = data.draw(st.sets(st.sampled_from([row["name"] for row in every]), min_size=1))
    left = [row for row in every if row["name"] not in gone]
    blank = [{**row, "value": ""} if row["name"] in gone else row for row in every]
    found = assess(None, left, case["history"], as_of="2026-11-23")
    lost = {analyte(name)["id"] for name in gone}
    for name in lost - {"calcium", "calcium_ionised"}:
        assert not any(fact.startswith(f"lab.{name}.") for fact in found.facts)
    if not {row["name"] for row in left} & {"calcium", "ionised calcium"}:
        assert not any(fact.startswith("lab.calcium.") for fact in found.facts)
    document = assessment_document(found)
    assert answer(run(blank, case["history"])) == answer(document)


@quick
@given(case=cases, seed=st.integers(0, 10_000))
def test_order_does_not_matter(case, seed):
    chance = random.Random(seed)
    labs = rows(case)
    chance.shuffle(labs)
    history = dict(case["history"])
    for key, value in history.items():
        if isinstance(value, list):
            history[key] = chance.sample(value, len(value))
    first, second = run(rows(case), case["history"]), run(labs, history)
    assert answer(first) == answer(second)
    assert first["labs"] == second["labs"]


@quick
@given(
    value=st.one_of(st.text(max_size=12), st.floats().map(str)),
    unit=st.text(max_size=8),
    name=st.sampled_from(["calcium", "phosphate", "pth", "albumin", "???"]),
)
def test_no_value_or_unit_breaks_it(value, unit, name):
    document = run([{"name": name, "value": value, "unit": unit}], {"age": 40, "sex": "F"})
    assert document["labs"]["given"][0]["state"] in (
        ["used", "missing", "unreadable", "unknown", "unit_unknown", "impossible"]
    )


SCHEMA = json.loads(
    (resources.files("calcimetry.clinic") / "assessment.schema.json").read_text("utf-8")
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_sentence_resolves(case):
    """Walks the whole document: no sentence without an id, a mark, a grade and references."""
    document = run(rows(case), case["history"])
    jsonschema.validate(document, SCHEMA)
    statements = {s.id: s for s in BASE.statements()}
    items = {item["id"] for item in document["references"]}
    cited: set[str] = set()
    for node in walk(document):
        if "text" not in node:
            continue
        statement = statements[node["id"]]
        assert node["text"] == statement.shown
        assert node["mark"] == statement.mark
        assert node["references"]
        assert node["text"].startswith("[unverified]") == statement.mark.startswith("U")
        cited |= set(node["references"])
    assert cited == items


def walk(node: Any):
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_no_stance_without_evidence_of_its_grade(case):
    ranks = BASE.grades
    for option in run(rows(case), case["history"])["options"]:
        assert option["evidence"], option["id"]
        assert option["grade"] in {e["grade"] for e in option["evidence"]}
        best = min(ranks[e["grade"]] for e in option["evidence"])
        assert ranks[option["grade"]] >= best
        assert bool(option["forbids"]) == (option["stance"] == "forbidden")
        assert "take" not in option["label"].lower()


def test_urgent_things_stand_before_all_else():
    keys = list(run([], {"age": 50}))
    assert keys.index("urgent") < keys.index("leading") < keys.index("options")


WORDS = sorted({name for term in BASE.terms.values() for name in term["names"]})
HISTORIES = st.fixed_dictionaries(
    {},
    optional={
        "age": st.sampled_from([3, 17.9, 18, 60]),
        "sex": st.sampled_from(["F", "M"]),
        "pregnant": st.booleans(),
        "dialysis": st.booleans(),
        "conditions": st.lists(st.sampled_from(WORDS), max_size=3),
        "medications": st.lists(st.sampled_from(WORDS), max_size=3),
        "symptoms": st.lists(st.sampled_from(WORDS), max_size=3),
        "places": st.lists(st.sampled_from(WORDS), max_size=2),
    },
)


@quick
@given(case=cases, history=HISTORIES)
def test_safety_holds_for_everyone(case, history):
    document = run(rows(case), history)
    jsonschema.validate(document, SCHEMA)
    stances = {option["id"]: option["stance"] for option in document["options"]}
    assert stances["warfarin"] in ("against", "forbidden")
    if any(urgent["code"] == "CALCIPHYLAXIS" for urgent in document["urgent"]):
        assert stances["warfarin"] == "forbidden"
        assert stances.get("surgery", "forbidden") == "forbidden"
    about = {option["id"]: option for option in BASE.options}
    drugs = {name for name in stances if about[name]["kind"] == "drug"}
    if history.get("pregnant"):
        assert all(stances[name] == "forbidden" for name in drugs)
    if history.get("age", 99) < 18:
        unstudied = {name for name in drugs if not about[name]["children"]}
        assert all(stances[name] == "forbidden" for name in unstudied)
