"""Written cases: leading type, urgent flags, first options, as the evidence has them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from calcimetry.clinic import assess, assessment_document, knowledge
from drawn import deposit, examination

CASES = tomllib.loads((Path(__file__).parent / "vignettes.toml").read_text("utf-8"))["case"]
AS_OF = "2026-11-23"


def of(case: dict[str, Any]):
    day = case.get("date", "2026-11-10")
    names = ("name", "value", "unit", "low", "high")
    labs = [{**dict(zip(names, row, strict=True)), "date": day} for row in case["labs"]]
    exam = None
    if "deposits" in case:
        exam = examination(deposit(n, **row) for n, row in enumerate(case["deposits"], 1))
    return assess(exam, labs, case["history"], as_of=AS_OF)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vignette(case):
    document = assessment_document(of(case))
    assert document["leading"] == case["leading"]
    assert {u["code"] for u in document["urgent"]} == set(case["urgent"])
    options = {o["id"]: o["stance"] for o in document["options"]}
    first = case["first"]
    assert list(options)[: len(first)] == first
    for name, stance in case.get("stance", {}).items():
        assert options.get(name, "absent") == stance, name
    assert set(case.get("flags", [])) <= {f["code"] for f in document["flags"]}
    fitting = {p["name"] for p in document["patterns"] if p["status"] == "fits"}
    if "patterns" in case:
        assert set(case["patterns"]) <= fitting
    assert set(case.get("hints", [])) <= {h["name"] for h in document["hints"]}


def test_there_are_enough_vignettes():
    assert len(CASES) >= 40
    assert {name for case in CASES for name in case["leading"]} == set(knowledge().types)


def test_every_urgent_code_and_most_rules_are_met_in_a_vignette():
    documents = [assessment_document(of(case)) for case in CASES]
    codes = {u["code"] for d in documents for u in d["urgent"]}
    assert {u.data["code"] for u in knowledge().urgent} - codes == {"GANGRENE"}
    met = {f["id"] for d in documents for t in d["types"] for f in t["for"] + t["against"]}
    rules = {rule.id for rule in knowledge().rules}
    assert len(met) >= 0.75 * len(rules), sorted(rules - met)
