"""The history's words, its scales, symptoms by place, and the examination."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from calcimetry.clinic import assess, assessment_document, knowledge
from calcimetry.clinic.history import _named, _stands_in, understood
from calcimetry.clinic.symptoms import judge_radiograph
from calcimetry.errors import InputError
from calcimetry.report.assessment import chapter
from drawn import deposit, examination

BASE = knowledge()


def terms(**history):
    return understood(history, BASE).terms


@pytest.mark.parametrize(
    ("entry", "term"),
    [
        ("M34.1", "systemic_sclerosis"),
        ("m341", "systemic_sclerosis"),
        ("Systemic sclerosis, limited", "systemic_sclerosis"),
        ("M33.0", "juvenile_dermatomyositis"),
        ("M33.0", "dermatomyositis"),
        ("N18.6", "ckd_late"),
        ("Chronic kidney disease stage 5 (disorder)", "ckd_late"),
        ("Chronic kidney disease stage 2 (disorder)", "ckd"),
        ("E21.0", "primary_hyperparathyroidism"),
        ("E20.8", "hypoparathyroidism"),
        ("T80.818A", "extravasation"),
        ("L94.2", "calcinosis"),
        ("HP:0025520", "calcinosis"),
    ],
)
def test_conditions_by_code_or_name(entry, term):
    assert term in terms(conditions=[entry])


@pytest.mark.parametrize(
    "entry",
    [
        "no systemic sclerosis",
        "Not dermatomyositis",
        "family history of systemic sclerosis",
        "without dialysis",
        "ssca",
        "Q99.9",
    ],
)
def test_what_is_denied_or_unknown_is_told_and_not_used(entry):
    history = understood({"conditions": [entry]}, BASE)
    assert history.terms == frozenset()
    assert history.unknown == (f"conditions: {entry}",)


def test_stage_two_kidney_disease_is_no_kidney_failure():
    assert "ckd_late" not in terms(conditions=["Chronic kidney disease stage 2 (disorder)"])


def test_unknown_keys_are_told():
    assert "colour: not a key of the history" in understood({"colour": "red"}, BASE).unknown


@pytest.mark.parametrize(
    "history",
    [
        {"age": "old"},
        {"age": -1},
        {"age": True},
        {"pregnant": "perhaps"},
        {"conditions": {"a": 1}},
        {"conditions": [[1]]},
        {"scales": 3},
        {"scales": [{"value": 11}]},
        {"scales": [{"value": "bad"}]},
        {"scales": [{"value": float("nan")}]},
        {"mawdsley": [{"total": float("inf")}]},
        {"radiograph_score": [{"value": 10**400}]},
        {"radiograph_score": [{"value": True}]},
        {"age": float("nan")},
        {"count": 10**400},
    ],
)
def test_wrong_types_are_refused(history):
    with pytest.raises(InputError, match="HISTORY_UNREADABLE"):
        assess(history=history)


def test_a_file_that_is_no_toml(tmp_path):
    path = tmp_path / "history.toml"
    path.write_text("age = ", "utf-8")
    with pytest.raises(InputError, match="HISTORY_UNREADABLE"):
        assess(history=path)


@pytest.mark.parametrize("text", ["conditions = " + "[" * 1000 + "]" * 1000, "age = nan", "\0"])
def test_files_that_are_too_deep_or_no_numbers(tmp_path, text):
    path = tmp_path / "history.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match="HISTORY_UNREADABLE"):
        assess(history=path)


NAMES = sorted({name for about in BASE.terms.values() for name in about.get("names", ())})


@given(st.lists(st.sampled_from([*NAMES, "old", "-", ",", "(", "xq"]), min_size=1, max_size=4))
@example([name for name in NAMES for name in (name, ",")])
def test_the_index_of_names_finds_what_every_name_would(words):
    """Against the plain definition: each name of each term, looked for in the text."""
    for between in (" ", ""):
        text = between.join(words)
        every = BASE.terms.items()
        plain = {t for t, a in every if any(_stands_in(n, text) for n in a.get("names", ()))}
        assert _named(text, BASE) == plain


def test_silence_is_not_absence():
    assert "history.no_symptoms" not in assess(history={"age": 40}).facts
    assert "history.no_symptoms" in assess(history={"age": 40, "symptoms": []}).facts
    assert "history.no_cause" not in assess(history={"age": 40}).facts
    assert "history.no_cause" in assess(history={"age": 40, "conditions": ["I10"]}).facts


def test_a_history_that_contradicts_itself():
    document = assessment_document(
        assess(
            history={"sex": "M", "pregnant": True, "dialysis": False, "procedures": ["dialysis"]}
        )
    )
    assert [f["code"] for f in document["flags"]].count("HISTORY_CONTRADICTORY") == 2


# Scales -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "verdict"),
    [
        (100, 125, "stable"),
        (100, 126, "progressive"),
        (100, 75, "stable"),
        (100, 74, "improved"),
        (0, 10, "not comparable"),
        (5e-324, 10, "not comparable"),
    ],
)
def test_the_25_percent_rule(first, last, verdict):
    assert judge_radiograph(first, last) == verdict


def test_scales_over_time_and_what_is_missing():
    history = {
        "scales": [
            {"date": "2026-06-01", "name": "pain", "value": 3},
            {"date": "2026-01-01", "name": "pain", "value": 6},
            {"date": "2026-03-01", "name": "pain"},
        ],
        "mawdsley": [{"date": "2026-01-01", "total": 41}],
        "radiograph_score": [
            {"date": "2025-01-01", "value": 20.0},
            {"date": "2026-01-01", "value": 26.0},
        ],
    }
    scales = {s["scale"]: s for s in assessment_document(assess(history=history))["scales"]}
    assert [v["value"] for v in scales["pain"]["values"]] == [6, None, 3]
    assert scales["pain"]["missing"] == 1
    assert scales["pain"]["relative_change"] == -0.5
    assert scales["pain"]["verdict"] is None
    assert scales["scleroderma_radiograph_score"]["verdict"] == "progressive"
    assert scales["mawdsley"]["values"] == [{"date": "2026-01-01", "value": 41}]


# Places and the examination -------------------------------------------------------------------


def exam(**row):
    return examination([deposit(**row)])


@pytest.mark.parametrize(
    ("row", "fact"),
    [
        ({"site": "left fingertip"}, "place.fingertip"),
        ({"site": "hand"}, "place.hand"),
        ({"site": "wrist"}, "place.carpal_tunnel"),
        ({"nearest_joint": "elbow"}, "place.elbow"),
        ({"nearest_bone": "vertebrae_T5", "bone_distance_mm": 4.0}, "place.paraspinal"),
        ({"site": "gluteal"}, "place.buttock"),
        ({"shape": "sheet"}, "extent.sheets"),
        ({"tissue": "fascia"}, "extent.sheets"),
        ({"long_axis_mm": 45.0}, "extent.over_3cm"),
        ({"long_axis_mm": 12.0, "skin_depth_mm": 3.0}, "extent.superficial_small"),
        (
            {"site": "hip", "shape": "lobulated mass", "volume_mm3": 2e4, "long_axis_mm": 60.0},
            "extent.periarticular_mass",
        ),
    ],
)
def test_what_the_scan_says(row, fact):
    assert fact in assess(exam(**row)).facts


def test_pregnancy_is_recognised_in_any_words():
    for history in ({"pregnant": True}, {"conditions": ["Z34.0"]}, {"conditions": ["Pregnancy"]}):
        assert "person.pregnant" in assess(history=history).facts


def test_a_distant_bone_is_no_place():
    row = {"nearest_bone": "vertebrae_T5", "bone_distance_mm": 80.0}
    assert "place.paraspinal" not in assess(exam(**row)).facts


def test_uncertain_objects_do_not_count():
    assert assess(exam(kind="uncertain", long_axis_mm=50.0)).extent.count == 0


def test_symptoms_stand_with_each_deposit_in_the_report():
    found = assess(exam(site="fingertip"), history={"conditions": ["M34.1"], "age": 50})
    part = chapter(assessment_document(found))
    notes = part["symptoms"]["1"]
    assert any(note["text"].startswith("[unverified] Fingertip") for note in notes)
    assert all(note["source"] for note in notes)
    assert all(len(row) == len(part["table"]["columns"]) for row in part["table"]["rows"])


def test_urgent_notes_stand_first_in_the_report():
    found = assess(history={"symptoms": ["infected ulcer"], "age": 50})
    part = chapter(assessment_document(found))
    assert part["notes"][0]["text"].startswith("Urgent: Signs of infection")


def test_an_examination_from_its_folder(tmp_path):
    import calcimetry as cm
    from report.conftest import corners, make_deposit, make_exam, make_scan

    scan = make_scan()
    (place,) = corners(1, scan.hu.shape)
    cm.write(make_exam(scan, [make_deposit(scan, 1, place)]), tmp_path / "exam")
    assert assess(tmp_path / "exam").extent.count == 1
    assert assess(str(tmp_path / "exam" / "examination.json")).extent.count == 1


def test_an_examination_from_its_document():
    import calcimetry as cm

    document = cm.document(exam(site="fingertip"))
    assert assess(document).facts == assess(exam(site="fingertip")).facts


@pytest.mark.parametrize("key", ["deposits", "objects", "totals", "scan"])
@pytest.mark.parametrize("value", [5, None, [5], [{}], {"overall": {"mass_mg": 5}}])
def test_a_document_of_wrong_types(key, value):
    import calcimetry as cm

    with pytest.raises(InputError, match="EXAM_DAMAGED"):
        assess({**cm.document(exam()), key: value})


@pytest.mark.parametrize("day", ["0000-00-00", "2026-13-45", "x", ""])
def test_a_scan_without_a_day(day):
    labs = [{"name": "calcium", "value": 9, "unit": "mg/dL", "date": "2020-01-01"}]
    found = assess(examination([deposit()], date=day), labs, as_of="2020-01-02")
    assert "SCAN_LABS_APART" not in {flag.code for flag in found.flags}


@pytest.mark.parametrize("text", ["{}", "[]", "no json"])
def test_what_is_no_examination(tmp_path, text):
    path = tmp_path / "examination.json"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match="NOT_AN_EXAMINATION"):
        assess(path)
