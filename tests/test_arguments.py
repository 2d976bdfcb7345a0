"""What is given from outside: wrong types and values get a coded error."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import calcimetry as cm
from calcimetry.arguments import label, threads
from calcimetry.errors import UsageError
from calcimetry.threads import MOST
from drawn import examination

HU = np.zeros((8, 8, 8), np.int16)
EDGES = (1.0, 1.0, 1.0)
CALLS = {
    "measure: a number": lambda: cm.measure(42),
    "measure: None": lambda: cm.measure(None),
    "measure: an examination": lambda: cm.measure(examination()),
    "measure: a plan that is none": lambda: cm.measure(HU, {"find": {}}, spacing=EDGES),
    "measure: spacing of a path": lambda: cm.measure("scan", spacing=EDGES),
    "measure: a scan's voltage": lambda: cm.measure(cm.from_array(HU, spacing=EDGES), kvp=80),
    "measure: a site that is a number": lambda: cm.measure(HU, spacing=EDGES, site=3),
    "measure: a calibration": lambda: cm.measure(HU, spacing=EDGES, calibration=[1]),
    "measure: a label map": lambda: cm.measure(HU, spacing=EDGES, labels=HU),
    "measure: jobs": lambda: cm.measure(HU, spacing=EDGES, jobs="2"),
    "read: an array": lambda: cm.read(HU),
    "read: a series": lambda: cm.read("scan", series=4),
    "read: jobs": lambda: cm.read("scan", jobs=2.5),
    "read: a key": lambda: cm.read("scan", link_key=3),
    "from_array: an acquisition": lambda: cm.from_array(HU, spacing=EDGES, acquisition="CT"),
    "write: a scan": lambda: cm.write(cm.from_array(HU, spacing=EDGES), "OUT"),
    "write: no folder": lambda: cm.write(examination(), None),
    "write: a path for a scan": lambda: cm.write(examination(), "OUT", scan="scan"),
    "load: a number": lambda: cm.load(3),
    "follow: one folder": lambda: cm.follow("OUT"),
    "follow: numbers": lambda: cm.follow([1, 2]),
    "assess: a number": lambda: cm.assess(3),
    "assess: labs": lambda: cm.assess(labs=3),
    "assess: history": lambda: cm.assess(history=[]),
    "assess: a day": lambda: cm.assess(as_of=2026),
    "document: a path": lambda: cm.document("OUT"),
    "label_volume: a path": lambda: cm.label_volume("OUT"),
    "write_followup: an examination": lambda: cm.write_followup(examination(), "OUT"),
    "assessment_document: a path": lambda: cm.assessment_document("OUT"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_wrong_type_is_said_with_a_code(call):
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.code == "BAD_ARGUMENT"


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: cm.from_array("no array", spacing=EDGES), "ARRAY_SHAPE"),
        (lambda: cm.from_array([[[1, 2], [3]]], spacing=EDGES), "ARRAY_SHAPE"),
        (lambda: cm.from_array(HU, spacing=EDGES, kvp="120"), "BAD_KVP"),
        (lambda: cm.read("scan", kvp="120"), "BAD_KVP"),
        (lambda: cm.from_array(HU), "ARRAY_GEOMETRY"),
        (lambda: cm.measure(HU), "ARRAY_GEOMETRY"),
        (lambda: cm.measure(HU, spacing=EDGES, subject="Jane Doe"), "BAD_OPTION"),
        (lambda: cm.measure(HU, spacing=EDGES, visit=1), "BAD_OPTION"),
        (lambda: cm.measure(HU, spacing=EDGES, jobs=0), "BAD_OPTION"),
    ],
)
def test_codes_that_there_were(call, code):
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.code == code


def test_spacing_that_is_no_number():
    with pytest.raises(cm.CalcimetryError, match="NO_AFFINE"):
        cm.from_array(HU, spacing="thin")


def test_what_was_given_is_not_repeated():
    """It could be a name."""
    with pytest.raises(UsageError) as caught:
        label("Jane Doe", "subject")
    assert "Jane" not in str(caught.value)


@given(st.text(max_size=70))
def test_labels_are_codes(text):
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    fits = (
        0 < len(text) <= 64
        and text[0] in letters
        and all(letter in letters + "-_." for letter in text)
    )
    if fits:
        assert label(text, "visit") == text
    else:
        with pytest.raises(UsageError, match="BAD_OPTION"):
            label(text, "visit")


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True))
def test_every_code_is_taken(text):
    assert label(text, "visit") == text


def test_threads():
    assert threads(3) == 3
    assert threads(10**6) == MOST
    if hasattr(os, "sched_getaffinity"):
        assert threads(None) == len(os.sched_getaffinity(0))


def test_paths_may_be_texts_or_paths(tmp_path):
    for path in (str(tmp_path / "none"), Path(tmp_path / "none")):
        with pytest.raises(cm.CalcimetryError, match="NOT_FOUND"):
            cm.read(path)
        with pytest.raises(cm.CalcimetryError, match="NOT_FOUND"):
            cm.measure(path)
