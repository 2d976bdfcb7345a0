"""FHIR R4: the shared bundles run through; what is unknown is listed, what is void is not used."""

from __future__ import annotations

import builtins
import gzip
import json
import sys
from datetime import date

import pytest

from calcimetry.clinic import assess, assessment_document
from calcimetry.clinic.bundle import resources
from calcimetry.errors import InputError, UsageError

LOINC = "http://loinc.org"
BUNDLES = (
    "Bundle-ghp.json",
    "R4_Isaiah_Schaden.json.gz",
    "R4_Jordan_Cruickshank.json.gz",
    "uscore-observation-serum-calcium.json",
    "uscore-observation-serum-creatinine.json",
)


def observation(code, value, unit, **more):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-11-01T08:00:00Z",
        "valueQuantity": {"value": value, "unit": unit, "code": unit},
        **more,
    }


def condition(code=None, text=None, **more):
    coding = [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}] if code else []
    concept = {"coding": coding} if code else {"text": text}
    who = {"reference": "Patient/1"}
    return {"resourceType": "Condition", "subject": who, "code": concept, **more}


def drug(text, status="active"):
    return {
        "resourceType": "MedicationStatement",
        "status": status,
        "medicationCodeableConcept": {"text": text},
        "subject": {"reference": "Patient/1"},
    }


def bundle(*resources):
    entry = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entry}


PATIENT = {"resourceType": "Patient", "birthDate": "1960-02-03", "gender": "female"}


def told(*resources, history=None):
    return assess(None, bundle(*resources), history, as_of="2026-11-23")


@pytest.mark.parametrize("name", BUNDLES)
def test_the_shared_bundles_run_through(shared_data, name):
    path = shared_data / "fhir" / name
    found = assess(None, path)
    document = assessment_document(found)
    raw = json.loads(
        gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_text()
    )
    entries = [e["resource"] for e in raw["entry"]] if "entry" in raw else [raw]
    seen = [e for e in entries if e["resourceType"] == "Observation"]
    listed = [entry for entry in document["unknown"] if entry.startswith("Observation")]
    times = sum(int(e.split("(")[1].split()[0]) if " times)" in e else 1 for e in listed)
    assert times + len(document["labs"]["given"]) == len(seen)  # every one is in one of the two


def test_the_synthea_results_are_understood_and_stale(shared_data):
    found = assess(None, shared_data / "fhir" / "R4_Isaiah_Schaden.json.gz")
    known = {row.analyte for row in found.panel.given}
    assert known == {"calcium", "creatinine", "egfr_other"}
    assert found.leading == ()
    assert "LABS_STALE" in {flag.code for flag in found.flags}
    assert found.history.person.sex == "male"
    assert "diabetes" in found.history.terms
    last = max(r.date for r in found.panel.given)
    then = assess(None, shared_data / "fhir" / "R4_Isaiah_Schaden.json.gz", as_of=last)
    assert "LABS_STALE" not in {flag.code for flag in then.flags}


def test_a_person_from_a_bundle():
    found = told(
        PATIENT,
        observation("2777-1", 7.1, "mg/dL"),
        observation("17861-6", 9.4, "mg/dL"),
        condition("N18.6"),
        drug("Warfarin 5 MG Oral Tablet"),
    )
    assert found.leading == ("metastatic",)
    assert found.history.person.sex == "female"
    assert found.history.person.age == date.today().year - 1960 - (
        date.today() < date(date.today().year, 2, 3)
    )
    assert {"ckd_late", "warfarin", "anticoagulant"} <= found.history.terms


def test_the_history_file_counts_before_the_bundle():
    found = told(PATIENT, condition("M34.1"), history={"age": 12, "conditions": ["L94.2"]})
    assert found.history.person.age == 12
    assert {"systemic_sclerosis", "calcinosis"} <= found.history.terms


@pytest.mark.parametrize(
    "resource",
    [
        observation("2777-1", 7.1, "mg/dL", status="entered-in-error"),
        observation("2777-1", 7.1, "mg/dL", status="cancelled"),
    ],
)
def test_void_results_are_not_used(resource):
    assert told(PATIENT, resource).panel.given == ()


@pytest.mark.parametrize(
    "state",
    [
        {"clinicalStatus": {"coding": [{"code": "resolved"}]}},
        {"verificationStatus": {"coding": [{"code": "refuted"}]}},
    ],
)
def test_conditions_that_are_gone_or_refuted(state):
    assert told(PATIENT, condition("M34.1", **state)).history.terms == frozenset()


def test_a_stopped_drug_is_not_taken():
    assert told(PATIENT, drug("warfarin", "stopped")).history.terms == frozenset()


def test_ranges_and_bounds_come_along():
    rows = [{"low": {"value": 2.0}, "high": {"value": 8.0}}]
    found = told(PATIENT, observation("2777-1", 7.1, "mg/dL", referenceRange=rows))
    assert found.panel.given[0].level == "normal"
    low = observation("2731-8", 3, "pg/mL")
    low["valueQuantity"]["comparator"] = "<"
    assert told(PATIENT, low).panel.given[0].level == "low"


def test_one_broken_resource_does_not_lose_the_rest():
    broken = observation("2777-1", 7.1, "mg/dL")
    broken["valueQuantity"] = {"value": "high"}
    found = told(PATIENT, broken, observation("17861-6", 11.9, "mg/dL"), {"resourceType": "Bogus"})
    assert [row.analyte for row in found.panel.given] == ["calcium"]
    assert "Observation 2777-1: not valid FHIR" in found.unknown


def test_antibodies_by_code():
    positive = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "53982-5"}]},
        "valueCodeableConcept": {"text": "Positive"},
    }
    assert "aca" in told(PATIENT, positive).history.terms
    negative = {**positive, "valueCodeableConcept": {"text": "Negative"}}
    assert told(PATIENT, negative).history.terms == frozenset()


@pytest.mark.parametrize("content", [{}, {"a": 1}, {"resourceType": 3}])
def test_what_is_no_fhir(content):
    with pytest.raises(InputError, match="FHIR_UNREADABLE"):
        assess(None, content)


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_a_file_that_is_no_fhir(tmp_path, text):
    path = tmp_path / "bundle.json"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match="FHIR_UNREADABLE"):
        assess(None, path)


def test_the_extra_is_asked_for(monkeypatch):
    real = builtins.__import__

    def lacking(name, *rest):
        if name.startswith(("fhir", "citeproc", "starlette", "uvicorn")):
            raise ImportError(name)
        return real(name, *rest)

    for name in [n for n in sys.modules if n.split(".")[0] in ("fhir", "citeproc", "starlette")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(UsageError, match="MISSING_EXTRA"):
        told(PATIENT)
    from calcimetry.clinic.cite import cite
    from calcimetry.serve.cds import app

    with pytest.raises(UsageError, match="MISSING_EXTRA"):
        cite("calcimetry", "apa")
    with pytest.raises(UsageError, match="MISSING_EXTRA"):
        app()
    assert cite("calcimetry", "ris").startswith("TY  - COMP")  # needs no extra


WRONG = (5, "x", True, [1], [[]], [None], {"a": 1}, {"coding": 5}, {"coding": [None]})
WHOLE = (
    PATIENT,
    observation("53982-5", 3, "1", interpretation=[{"text": "positive"}]),
    condition("M34.1", clinicalStatus={"coding": [{"code": "active"}]}),
    {"resourceType": "Procedure", "status": "completed", "code": {"text": "dialysis"}},
    drug("warfarin"),
)


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize("resource", WHOLE, ids=lambda resource: resource["resourceType"])
def test_a_field_of_a_wrong_type_costs_its_resource_alone(resource, value):
    for name in resource:
        found = told({**resource, name: value}, observation("17861-6", 11.9, "mg/dL"))
        assert [row.analyte for row in found.panel.given if row.analyte == "calcium"] == ["calcium"]
        json.dumps(assessment_document(found), allow_nan=False)


@pytest.mark.parametrize("code", [["17861-6"], 5, {"a": 1}, True])
def test_a_code_of_a_wrong_type_is_told(code):
    broken = observation("17861-6", 9, "mg/dL")
    broken["code"]["coding"][0]["code"] = code
    found = told(PATIENT, broken)
    assert found.panel.given == ()
    assert found.unknown == ("Observation (code.coding[0].code is not text): not valid FHIR",)
    flag = next(flag for flag in found.flags if flag.code == "RECORD_UNREADABLE")
    assert flag.severity == "warning"
    assert flag.detail == found.unknown[0]


@pytest.mark.parametrize("resource", WHOLE, ids=lambda resource: resource["resourceType"])
def test_null_is_like_nothing_given(resource):
    kind = resource["resourceType"]
    told({**dict.fromkeys(resource), "resourceType": kind})


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (None, "an entry without a resource"),
        (5, "an entry without a resource"),
        ({"resource": [PATIENT]}, "an entry without a resource"),
        ({"resource": {"resourceType": "Bundle", "entry": 5}}, "an entry without a resource"),
        ({"resource": {"resourceType": ["Patient"]}}, "a resource whose resourceType is"),
        ({"resource": {"resourceType": "Pat\nient"}}, "a resource whose resourceType is"),
        ({"resource": {"resourceType": "DiagnosticReport"}}, "DiagnosticReport: not read"),
    ],
)
def test_entries_that_are_not_read_are_told(entry, words):
    content = bundle(PATIENT, observation("17861-6", 11.9, "mg/dL"))
    content["entry"].insert(0, entry)
    found = assess(None, content)
    assert any(words in line for line in found.unknown)
    assert len(found.panel.given) == 1


def test_bundles_within_bundles_come_in_their_order():
    inner = bundle({**PATIENT, "gender": "male"}, bundle({**PATIENT, "birthDate": "1950-01-01"}))
    people = list(resources(bundle(PATIENT, inner, {**PATIENT, "gender": "other"})))
    assert [(p["birthDate"][:4], p["gender"]) for p in people] == [
        ("1960", "female"),
        ("1960", "male"),
        ("1950", "female"),
        ("1960", "other"),
    ]


@pytest.mark.parametrize("entry", [5, "x", {"a": 1}, True, 0])
def test_a_bundle_without_a_list_of_entries(entry):
    with pytest.raises(InputError, match="FHIR_UNREADABLE"):
        assess(None, {"resourceType": "Bundle", "entry": entry})


@pytest.mark.parametrize("born", ["1700-01-01", "2999-01-01", "0001-01-01"])
def test_a_birth_date_that_nobody_has(born):
    found = told({**PATIENT, "birthDate": born})
    assert found.history.person.age is None
    assert any("date of birth" in line for line in found.unknown)


@pytest.mark.parametrize("words", [5, "M34.1", {"a": 1}, [[1]]])
def test_a_history_of_a_wrong_type_beside_a_bundle(words):
    if words == "M34.1":  # one word stands for a list of one
        found = told(condition("L94.2"), history={"conditions": words})
        assert {"systemic_sclerosis", "calcinosis"} <= found.history.terms
        return
    with pytest.raises(InputError, match="HISTORY_UNREADABLE"):
        told(condition("L94.2"), history={"conditions": words})


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"resourceType": "Bundle", "entry": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"resourceType": "Bundle", "resourceType": "Patient"}',
        b'{"resourceType": "Patient", "x": NaN}',
        b'{"resourceType": "Patient", "x": 1e999}',
        gzip.compress(b'{"resourceType": "Bundle"}')[:-6],
        b"\xff\xfe{",
        b"\0",
    ],
    ids=range(8),
)
def test_files_that_are_damaged(tmp_path, raw):
    path = tmp_path / "bundle.json.gz"
    path.write_bytes(raw)
    with pytest.raises(InputError, match="FHIR_UNREADABLE"):
        assess(None, path)


def test_half_a_character_in_a_text_is_shown_as_such(tmp_path):
    path = tmp_path / "bundle.json"
    resource = json.dumps(bundle(condition(text="@"))).replace("@", r"quux \ud83d")
    path.write_text(resource, "utf-8")
    unknown = assess(None, path).unknown
    assert unknown == ("conditions: quux \ufffd",)
    " ".join(unknown).encode()


def test_the_document_says_what_was_not_read():
    broken = observation("17861-6", 9, "mg/dL")
    broken["code"]["coding"][0]["code"] = ["9"]
    odd = ({"resourceType": "DiagnosticReport"}, {"resourceType": "Odd"}, {"resourceType": "O d"})
    document = assessment_document(told(broken, *odd, {}))
    assert document["unknown"] == [
        "DiagnosticReport: not read",
        "Observation (code.coding[0].code is not text): not valid FHIR",
        "Odd: not read",
        "a resource whose resourceType is O d",
        "an entry without a resource",
    ]
