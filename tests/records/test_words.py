"""Every record prints in a line or a few, without arrays, paths and names."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import calcimetry as cm
from calcimetry import records
from calcimetry.assemble import totals_of
from calcimetry.phantom import make
from calcimetry.records import (
    RESEARCH_USE,
    Crops,
    Finding,
    Flag,
    Frame,
    Kind,
    Landmarks,
    Likeness,
    Objects,
    OtherObject,
    Rule,
    SoftTissue,
    Source,
)
from drawn import deposit, examination, other

SECRETS = ("Doe", "Jane", "/home", ".dcm")


def everything():
    """A record of each kind, with names and paths wherever one could stand."""
    made = make("hand", seed=3, spacing=(4.0, 2.0, 2.0)).scan
    facts = records.Acquisition(
        manufacturer="Maker", kvp=120.0, series_description="Jane Doe", body_part="Doe Jane",
        patient_link="0" * 8 + ":" + "1" * 16, study_uid="1.2.3",
    )  # fmt: skip
    source = Source("/home/Jane/Doe.dcm", "dicom", {"Doe.dcm": "ab" * 32})
    scan = replace(made, acquisition=facts, source=source)
    points = np.zeros((5000, 3), np.float32)
    soft = SoftTissue(np.zeros((20, 30, 40), np.uint8), np.eye(4))
    listed = [deposit(n, mass_mg=1.0 * n, site="Jane Doe") for n in range(1, 40)]
    flags = tuple(Flag(f"FLAG_{n}", "found", names=("Doe.dcm",)) for n in range(9))
    exam = examination(
        listed,
        frame=Frame.of((8, 9, 10), np.eye(4)),
        acquisition=facts,
        provenance=records.Provenance.of(source),
        flags=flags,
        landmarks=Landmarks(points, points, soft),
        crops=Crops(np.zeros((9, 6), np.int32), np.zeros(99999, np.int16), ("2.25.1",) * 9),
        objects=[Kind.BONE, Kind.VESSEL],
        calibration=records.Calibration(0.76, 0.1, "table", per_slice=(0.76,) * 500),
        pictures={"front.png": b"0" * 1000},
    )
    runs = listed[0].runs
    counts = np.zeros(1)
    yield from (scan, facts, source, exam.provenance, scan.frame, scan.stored, runs, *flags[:1])
    yield Objects(runs, *[counts] * 8)
    yield Finding(runs, Kind.DEPOSIT, "isolated", 0.9, flags)
    yield from (exam, exam.landmarks, soft, exam.crops, exam.calibration, exam.totals)
    yield from (exam.totals.overall, exam.objects[0], listed[0], listed[0].quantity)
    yield from (listed[0].form, replace(listed[0].place, site=None), listed[0].mass_mg)


def test_the_records_above_are_all_that_there_are():
    known = {type(record) for record in everything()}
    public = {getattr(records, name) for name in records.__all__}
    assert {kind for kind in public if dataclasses.is_dataclass(kind)} <= known


def test_a_line_or_a_few_without_arrays_paths_and_names():
    for record in everything():
        text = repr(record)
        assert text.count("\n") <= 3, text
        assert len(text) < 700, text
        for secret in (*SECRETS, "array(", "dtype", " object at 0x"):
            assert secret not in text, text


def test_what_an_examination_says():
    exam = examination([deposit(1, mass_mg=12.3), deposit(2, kind="uncertain")], objects=["bone"])
    first = repr(exam).splitlines()[0]
    assert first.startswith("Examination(1 deposit")
    assert "1 uncertain" in first
    assert "left out: 1 bone" in repr(exam)
    assert repr(exam.listed[0]) == "Deposit(1: sure, 12.3 mg)"


def test_groups_likeness_and_what_is_not_listed():
    listed = [
        deposit(1, mass_mg=2.0, group=1, likeness=Likeness.VESSEL),
        deposit(2, mass_mg=1.0, group=1),
        deposit(3, group=2, kind="uncertain", likeness=Likeness.SESAMOID),
    ]
    objects = [replace(other(1, "bone"), rule=Rule.UNLIKELY, likeness=Likeness.SESAMOID)]
    exam = examination(listed, objects=objects)
    exam = replace(exam, totals=totals_of(exam.listed, exam.objects, exam.calibration))
    assert repr(exam).startswith("Examination(2 deposits in 1 group, ")
    assert "left out: 1 bone; not listed: 1 with mg unknown; flags" in repr(exam)
    assert repr(listed[0]) == "Deposit(1: sure, 2.00 mg)"
    assert repr(listed[2]) == "Deposit(3: uncertain, sesamoid-like, mg unknown)"
    assert repr(objects[0]) == "OtherObject(1: bone, sesamoid-like, 40.0 mm3, drawn by hand)"
    html = exam._repr_html_()
    assert "Not listed: 1 with mg unknown, unlikely to be deposits." in html
    assert "<td>uncertain, sesamoid-like</td>" in html


class Reader(HTMLParser):
    """Tags and texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, _):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_a_notebook_shows_a_small_table_of_text():
    evil = Flag("EVIL", "<script>alert(1)</script>\u202e")
    listed = [deposit(n, mass_mg=1.0 * n, tissue="<b>skin") for n in range(1, 31)]
    html = examination(listed, flags=(evil,))._repr_html_()
    reader = Reader(html)
    assert reader.tags.count("tr") == 1 + 20
    assert set(reader.tags) == {"table", "thead", "tbody", "tr", "th", "td", "p"}
    assert "\u202e" not in html
    assert "10 more in exam.table()." in reader.texts
    assert reader.texts[-1] == RESEARCH_USE


def test_help_tells_units(capsys):
    help(cm.Deposit)
    text = capsys.readouterr().out
    assert "hydroxyapatite with its 95 % interval, mg" in text
    assert "LPS x, y, z, mm" in text


@pytest.mark.parametrize("kind", [Kind.BONE, Kind.METAL])
def test_other_objects_say_what_they_are(kind):
    item = other(3, kind)
    assert isinstance(item, OtherObject)
    assert repr(item) == f"OtherObject(3: {kind}, 40.0 mm3, drawn by hand)"
