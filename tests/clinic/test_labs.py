"""Results, ranges, calcium's state, kidney function, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from itertools import combinations

import hypothesis
import pytest
from hypothesis import strategies as st

from calcimetry.clinic import assess, assessment_document, knowledge
from calcimetry.clinic.panel import DISAGREE, _contradict
from calcimetry.clinic.results import (
    MOST_COLUMNS,
    MOST_ROWS,
    parse_csv,
    plain_unit,
    results,
)
from calcimetry.errors import InputError, UsageError

TODAY = date(2026, 11, 23)
ADULT = {"age": 50, "sex": "F"}


def lab(name, value, unit, **more):
    return {"name": name, "value": value, "unit": unit, "date": "2026-11-20", **more}


def told(labs, history=None, **options):
    return assessment_document(assess(None, labs, history or ADULT, as_of=TODAY, **options))


def given(document, k=0):
    return document["labs"]["given"][k]


def derived(document, name):
    return next(d for d in document["labs"]["derived"] if d["name"] == name)


def codes(document):
    return {flag["code"] for flag in document["flags"]}


def test_a_csv_file(tmp_path):
    path = tmp_path / "labs.csv"
    path.write_text(
        "LOINC, Name,value,unit,date,low,high\n"
        "2777-1,whatever,6.1,mg/dL,2026-11-20,2.5,4.5\n"
        ",calcium,9.1,mg/dl,,,\n"
        "718-7,Hb,13,g/dL,2026-11-20,,\n",
        "utf-8",
    )
    document = told(path)
    rows = {row["analyte"]: row for row in document["labs"]["given"]}
    assert rows["phosphate"]["level"] == "high"
    assert rows["phosphate"]["range"]["id"] == "range.laboratory"
    assert rows["calcium"]["range"]["id"] == "range.default"
    assert rows["calcium"]["range"]["mark"] == "U-high"
    assert rows[None]["state"] == "unknown"
    assert {"LAB_UNKNOWN", "LABS_UNDATED", "DEFAULT_RANGES"} <= codes(document)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "value,unit\n1,mg/dL\n", "name,value\nca,9\n"])
def test_a_csv_file_without_its_columns(tmp_path, text):
    path = tmp_path / "labs.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match="LABS_UNREADABLE"):
        told(path)


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="LABS_UNREADABLE"):
        told(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("value", "unit", "state"),
    [
        ("9.1", "mg/dL", "used"),
        ("", "mg/dL", "missing"),
        ("high", "mg/dL", "unreadable"),
        ("9.1", "furlong", "unit_unknown"),
        ("91", "mg/dL", "impossible"),
        ("nan", "mg/dL", "unreadable"),
        ("-9", "mg/dL", "impossible"),
    ],
)
def test_states_are_told_apart(value, unit, state):
    document = told([lab("calcium", value, unit)])
    assert given(document)["state"] == state
    assert given(document)["level"] in ("normal", None)
    assert (given(document)["level"] == "normal") == (state == "used")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("µmol/L", "umol/l"),
        ("μmol/L", "umol/L"),
        ("mL/min/{1.73_m2}", "mL/min/1.73m2"),
        ("ml/min/1.73 m2", "mL/min/1.73m2"),
        ("mL/min/1.73 m^2", "mL/min/1.73m2"),
        ("IU/L", "U/L"),
        ("mEq/L", "meq/L"),
    ],
)
def test_spellings_of_units(one, other):
    assert plain_unit(one) == plain_unit(other)


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("calcium", 2.5, "mmol/L", 10.02),
        ("phosphate", 1.0, "mmol/L", 3.097),
        ("creatinine", 88.42, "umol/L", 1.0),
        ("albumin", 40, "g/L", 4.0),
        ("pth", 6.9, "pmol/L", 65.07),
        ("ionised calcium", 4.8, "mg/dL", 1.1976),
        ("vitamin d", 75, "nmol/L", 30.045),
    ],
)
def test_conversions(name, value, unit, expected):
    assert given(told([lab(name, value, unit)]))["value"] == pytest.approx(expected, rel=1e-3)


def test_the_laboratorys_range_comes_first():
    assert given(told([lab("phosphate", 4.6, "mg/dL")]))["level"] == "high"
    own = lab("phosphate", 4.6, "mg/dL", low=2.7, high=4.8)
    assert given(told([own]))["level"] == "normal"


@pytest.mark.parametrize(
    ("value", "unit", "level"),
    [
        (2.55, "mmol/L", "normal"),  # the usual upper limit as it is printed in SI units
        (10.2, "mg/dL", "normal"),
        (10.4, "mg/dL", "high"),
        (2.12, "mmol/L", "normal"),
        (2.08, "mmol/L", "low"),
    ],
)
def test_usual_limits_hold_in_both_of_their_printed_forms(value, unit, level):
    assert given(told([lab("calcium", value, unit)]))["level"] == level


def test_the_newest_counts_and_the_older_is_kept():
    rows = [lab("phosphate", 7.0, "mg/dL", date="2026-01-01"), lab("phosphate", 3.5, "mg/dL")]
    document = told(rows)
    states = {row["given"]: row["state"] for row in document["labs"]["given"]}
    assert states == {"7.0": "older", "3.5": "used"}


def test_values_at_a_limit_of_measurement():
    assert given(told([lab("pth", "<3", "pg/mL")]))["level"] == "low"
    assert given(told([lab("pth", "<100", "pg/mL")]))["level"] is None


def test_corrected_calcium_is_doubted_on_dialysis():
    rows = [lab("calcium", 8.0, "mg/dL"), lab("albumin", 3.2, "g/dL"), lab("phosphate", 6, "mg/dL")]
    kidney = told(rows, {**ADULT, "dialysis": True})
    assert not derived(kidney, "calcium_corrected")["trusted"]
    assert "formula.corrected_calcium.doubt" in {
        note["id"] for note in derived(kidney, "calcium_corrected")["notes"]
    }
    assert "CALCIUM_UNCERTAIN" in codes(kidney)
    well = told(rows)
    assert derived(well, "calcium_corrected")["trusted"]
    assert derived(well, "calcium_corrected")["value"] == pytest.approx(8.64)


@pytest.mark.parametrize("word", ["acidosis", "paraprotein", "sepsis"])
def test_corrected_calcium_is_doubted_in_illness(word):
    rows = [lab("calcium", 8.6, "mg/dL"), lab("albumin", 3.2, "g/dL")]
    assert not derived(told(rows, {**ADULT, "conditions": [word]}), "calcium_corrected")["trusted"]


def test_the_product_is_printed_with_the_evidence_against_it():
    rows = [lab("calcium", 10, "mg/dL"), lab("phosphate", 7, "mg/dL")]
    product = derived(told(rows), "calcium_phosphate_product")
    assert product["value"] == pytest.approx(70)
    assert product["value_si"] == pytest.approx(5.64, abs=0.005)
    assert product["trusted"] is False
    assert {"oneill-2007", "kdigo-2017"} <= set(product["notes"][0]["references"])


def test_egfr_is_for_adults_with_age_and_sex():
    rows = [lab("creatinine", 0.9, "mg/dL")]
    value = derived(told(rows, {"age": 55, "sex": "F"}), "egfr")["value"]
    assert value == pytest.approx(75.5, abs=0.1)
    for history in ({"age": 10, "sex": "F"}, {"sex": "F"}, {"age": 50}):
        assert told(rows, history)["labs"]["derived"] == []
    on_dialysis = told(rows, {**ADULT, "dialysis": True})
    assert derived(on_dialysis, "egfr")["trusted"] is False


def test_trp_and_tmp_gfr_from_urine():
    rows = [
        lab("urine phosphate", 40, "mg/dL"),
        lab("phosphate", 8, "mg/dL"),
        lab("creatinine", 0.5, "mg/dL"),
        lab("urine creatinine", 50, "mg/dL"),
    ]
    document = told(rows)
    assert derived(document, "trp")["value"] == pytest.approx(0.95)
    assert derived(document, "tmp_gfr")["value"] == pytest.approx(9.5)


def test_older_formulas_of_egfr_are_shown_and_not_used():
    row = {"loinc": "33914-3", "value": 20, "unit": "mL/min/{1.73_m2}", "date": "2026-11-20"}
    found = assess(None, [row], ADULT, as_of=TODAY)
    assert not any(fact.startswith("kidney.") for fact in found.facts)
    assert assessment_document(found)["labs"]["given"][0]["analyte"] == "egfr_other"


@pytest.mark.parametrize("name", ["Phosphate (serum)", "serum phosphate", "PHOSPHORUS", "P"])
def test_names_of_results(name):
    assert given(told([lab(name, 3.5, "mg/dL")]))["analyte"] == "phosphate"


def test_a_loinc_code_counts_before_a_name():
    unknown = lab("phosphate", 3.5, "mg/dL", loinc="718-7")
    assert given(told([unknown]))["analyte"] is None
    local = lab("phosphate", 3.5, "mg/dL", loinc="LAB-0042")
    assert given(told([local]))["analyte"] == "phosphate"


@pytest.mark.parametrize("day", ["05/03/2015", "March 2015", "2026-13-40"])
def test_a_date_that_cannot_be_read_may_be_an_old_one(day):
    document = told([lab("phosphate", 7, "mg/dL", date=day)])
    assert given(document)["state"] == "unreadable"
    assert document["leading"] == []


PARATHYROID = (
    lab("calcium", 11.6, "mg/dL"),
    lab("pth", 140, "pg/mL"),
    lab("phosphate", 2.6, "mg/dL"),
    lab("creatinine", 0.8, "mg/dL"),
)


@pytest.mark.parametrize(
    ("left_out", "status", "missing"),
    [
        (None, "fits", []),
        ("phosphate", "possible", ["phosphate"]),
        ("creatinine", "possible", ["kidney function"]),
        ("pth", "possible", ["pth"]),
    ],
)
def test_a_pattern_with_a_result_missing_is_possible_and_no_more(left_out, status, missing):
    rows = [row for row in PARATHYROID if row["name"] != left_out]
    found = {p["name"]: p for p in told(rows)["patterns"]}["primary_hyperparathyroidism"]
    assert (found["status"], found["missing"]) == (status, missing)


def test_staleness_is_the_users_to_set():
    rows = [lab("calcium", 9.5, "mg/dL", date="2026-09-01"), lab("phosphate", 7, "mg/dL")]
    assert told(rows)["leading"] == ["metastatic"]
    strict = told(rows, max_age_days=30)
    assert strict["leading"] == []
    flag = next(f for f in strict["flags"] if f["code"] == "LABS_STALE")
    assert flag["severity"] == "withheld"
    assert flag["detail"] == "Calcium, total"


def test_results_of_the_future_are_not_used():
    document = told([lab("phosphate", 7, "mg/dL", date="2027-01-01")])
    assert "LABS_IN_FUTURE" in codes(document)
    assert document["leading"] == []


def test_old_results_in_kidney_disease_are_remarked_on():
    rows = [lab("phosphate", 7, "mg/dL", date="2026-06-01"), lab("calcium", 9, "mg/dL")]
    document = told(rows, {**ADULT, "dialysis": True})
    assert "LABS_OLD_FOR_CKD" in codes(document)
    assert document["leading"] == ["metastatic"]


def test_ionised_and_total_calcium_that_contradict_each_other():
    rows = [
        lab("calcium", 12.5, "mg/dL"),
        lab("ionised calcium", 0.9, "mmol/L"),
        lab("phosphate", 4, "mg/dL"),
    ]
    document = told(rows)
    assert document["leading"] == []
    assert "LABS_CONTRADICTORY" in codes(document)


@pytest.mark.parametrize("option", [{"as_of": "yesterday"}, {"max_age_days": -1}])
def test_bad_options(option):
    with pytest.raises(UsageError, match="BAD_OPTION"):
        assess(None, [], ADULT, **option)


# Files --------------------------------------------------------------------------------------

HEAD = ("name", "value", "unit", "date")


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_what_stands_between_cells(between):
    rows = [HEAD, ("calcium", "9.1", "mg/dL", "2026-11-20")]
    (row,) = parse_csv("\n".join(between.join(row) for row in rows))
    assert row == dict(zip(*rows, strict=True))


def test_a_decimal_comma_is_no_second_cell():
    """Where the unit stands first, 9,4 would be read as 9 and a cell too many."""
    (row,) = parse_csv("name,unit,value\ncalcium,mg/dL,9,4\n")
    assert given(told([row]))["state"] == "unreadable"
    (row,) = parse_csv("name;unit;value\ncalcium;mg/dL;9,4\n")
    assert given(told([row]))["state"] == "unreadable"


def test_rows_without_a_cell_are_no_results():
    assert parse_csv("name,value,unit\n\n,,\n , ,\n") == []
    assert parse_csv("name,value,unit\nca\n") == [{"name": "ca", "value": "", "unit": ""}]


@pytest.mark.parametrize(
    "text",
    [
        "name,value,unit\n" + "ca,9,mg/dL\n" * (MOST_ROWS + 1),
        "name,value,unit" + ",x" * MOST_COLUMNS + "\nca,9,mg/dL\n",
        "name,value,unit,value\nca,9,mg/dL,7\n",
        "name,value,unit\nca," + "9" * 200_000 + ",mg/dL\n",
        'name,value,unit\n"ca,9,mg/dL\nphosphate,7,mg/dL\n',
        'name,value,unit\n"ca"x,9,mg/dL\n',
        "name|value|unit\nca|9|mg/dL\n",
    ],
    ids=["rows", "columns", "twice", "cell", "open quote", "quote", "bars"],
)
def test_tables_that_are_none(tmp_path, text):
    path = tmp_path / "labs.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match="LABS_UNREADABLE"):
        told(path)


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", "µ,value,unit,name".encode("latin-1"), b"a\0"])
def test_bytes_that_are_no_table(tmp_path, raw):
    path = tmp_path / "labs.csv"
    path.write_bytes(raw)
    with pytest.raises(InputError, match="LABS_UNREADABLE"):
        told(path)


def test_rows_that_are_no_mappings():
    with pytest.raises(InputError, match="LABS_UNREADABLE"):
        told([["calcium", 9]])


# Work ---------------------------------------------------------------------------------------


def work(n):
    """Calls of functions, and steps of generators, that an assessment of n results takes."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    rows = [lab("calcium", 9 + k % 7 / 10, "mg/dL") for k in range(n)]
    sys.setprofile(count)
    try:
        assess(None, rows, ADULT, as_of=TODAY)
    finally:
        sys.setprofile(None)
    return calls


def test_work_grows_as_the_number_of_results():
    work(1)
    none, small, large = work(0), work(100), work(400)
    assert 3 < (large - none) / (small - none) < 5


def _result(value, level):
    return replace(
        results([lab("calcium", 9, "mg/dL")], knowledge(), as_of=TODAY, max_age_days=9)[0],
        value=value,
        level=level,
    )


@hypothesis.given(
    st.lists(
        st.tuples(
            st.none() | st.sampled_from([0.0, 1.0, 1.05, 1.2, 1.4, 1.6, 2.0]),
            st.sampled_from([None, "low", "normal", "high"]),
        )
    )
)
def test_contradictions_are_those_of_every_pair(pairs):
    """Against the plain definition, by every pair."""

    def apart(a, b, share):
        return abs(a - b) > share * min(a, b)

    every = combinations([pair for pair in pairs if pair[0] is not None], 2)
    expected = any(
        apart(a, b, 0.5) or (one != other and apart(a, b, DISAGREE))
        for (a, one), (b, other) in every
    )
    assert _contradict([_result(*pair) for pair in pairs]) == expected
