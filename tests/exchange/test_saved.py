"""Folders of examinations that are damaged: a coded error that names the file and the place."""

from __future__ import annotations

import copy
import gzip
import io
import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

import calcimetry as cm
from calcimetry.errors import CalcimetryError, InputError
from calcimetry.exchange import (
    saved_crops,
    saved_document,
    saved_labels,
    saved_landmarks,
    saved_pictures,
)
from calcimetry.phantom import make as make_phantom
from calcimetry.report import render

LIMIT = 256 * 2**20


@pytest.fixture(scope="session")
def kept(tmp_path_factory) -> Path:
    """A small examination, written once."""
    out = tmp_path_factory.mktemp("kept") / "exam"
    phantom = make_phantom("hand", seed=3, spacing=(3.0, 1.6, 1.6))
    cm.write(cm.measure(phantom.scan), out, scan=phantom.scan)
    return out


@pytest.fixture
def exam(kept, tmp_path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "exam"))


def read_all(folder: Path) -> None:
    """All that a report and a follow-up read of a folder."""
    document = saved_document(folder)
    saved_landmarks(folder)
    saved_crops(folder, document)
    saved_labels(folder, document)
    render(document, saved_pictures(folder))


def refused(folder: Path, name: str, code: str = "EXAM_DAMAGED") -> str:
    with pytest.raises(InputError) as caught:
        read_all(folder)
    assert caught.value.code == code
    assert caught.value.where == str(folder / name)
    return caught.value.found


def change(folder: Path, *changes) -> None:
    """Set values by their place: ("deposits", 0, "uid", VALUE)."""
    path = folder / "examination.json"
    document = json.loads(path.read_text())
    for *place, last, value in changes:
        part = document
        for key in place:
            part = part[key]
        part[last] = value
    path.write_text(json.dumps(document))


def test_what_was_written_is_read(exam):
    read_all(exam)
    document = saved_document(exam / "examination.json")
    assert document == json.loads((exam / "examination.json").read_text())


@pytest.mark.parametrize(
    ("version", "rows", "totals"),
    [
        ("1.3", ("group", "likeness"), ("unlisted", "unlisted_mass_mg")),
        ("1.2", ("group", "likeness", "rule"), ("unlisted", "unlisted_mass_mg")),
    ],
)
def test_an_older_one_that_lacks_what_came_later_is_read(exam, version, rows, totals):
    path = exam / "examination.json"
    document = json.loads(path.read_text())
    assert document["schema_version"] == "1.4"
    document["schema_version"] = version
    for row in document["deposits"] + document["objects"]:
        for name in rows:
            del row[name]
    for name in totals:
        del document["totals"][name]
    del document["totals"]["overall"]["groups"]
    path.write_text(json.dumps(document))
    read_all(exam)
    found = cm.load(path)
    assert all(item.group is None and item.likeness is None for item in found.listed)
    assert (found.totals.unlisted, found.totals.overall.groups) == (None, None)


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ((("deposits", 0, "uid", 5),), "deposits[0].uid"),
        ((("deposits", 0, "confidence", 7),), "deposits[0].confidence"),
        ((("deposits", 0, "rule", "no code"),), "deposits[0].rule"),
        ((("objects", 0, "rule", 3),), "objects[0].rule"),
        ((("deposits", 0, "group", 0),), "deposits[0].group"),
        ((("objects", 0, "likeness", "Vessel!"),), "objects[0].likeness"),
        ((("totals", "unlisted", -1),), "totals.unlisted"),
        ((("deposits", 0, "x_mm", None),), "place"),
        ((("deposits", 0, "mass_mg", "3"),), "deposits[0].mass_mg"),
        ((("deposits", 1, "deposit", 1),), "twice"),
        ((("deposits", {}),), "deposits"),
        ((("scan", "affine_ijk_to_lps_mm", [[0.0] * 4] * 4),), "affine"),
        ((("scan", "shape_zyx", [0, 1, 2]),), "shape_zyx"),
        ((("scan", "date", "0000-00-00"),), "date"),
        ((("plan", "find", "threshold_hu", "many"),), "plan.find.threshold_hu"),
        ((("scan", "kvp", 1e16),), "too large"),
        ((("totals", "overall", "mass_mg", None),), "totals.overall.mass_mg"),
        ((("flags", ["KVP_UNKNOWN"]),), "flags[0]"),
    ],
)
def test_a_document_that_is_not_as_its_schema_says(exam, changed, place):
    change(exam, *changed)
    assert place in refused(exam, "examination.json")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "NOT_AN_EXAMINATION"),
        (b"\xff\xfe", "NOT_AN_EXAMINATION"),
        (b"[]", "NOT_AN_EXAMINATION"),
        (b'{"schema": "calcimetry-assessment"}', "NOT_AN_EXAMINATION"),
        (b"[" * 5000, "NOT_AN_EXAMINATION"),
        (b'{"schema": NaN}', "NOT_AN_EXAMINATION"),
        (b'{"schema": 1e999}', "NOT_AN_EXAMINATION"),
        (b'{"schema": "calcimetry-examination", "schema_version": "2.0"}', "SCHEMA_MISMATCH"),
        (b'{"schema": "calcimetry-examination"}', "SCHEMA_MISMATCH"),
        (b'{"schema": "calcimetry-examination", "schema_version": "1.1"}', "EXAM_DAMAGED"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "NOT_AN_EXAMINATION"),
    ],
)
def test_files_that_are_no_document(exam, content, code):
    (exam / "examination.json").write_bytes(content)
    refused(exam, "examination.json", code)
    with pytest.raises(InputError) as caught:
        cm.assess(exam / "examination.json", None, None)
    assert caught.value.code == code


def test_things_that_are_no_files(exam):
    (exam / "examination.json").unlink()
    refused(exam, "examination.json", "NOT_AN_EXAMINATION")
    os.mkfifo(exam / "examination.json")  # it would be waited for
    assert "no regular file" in refused(exam, "examination.json", "NOT_AN_EXAMINATION")


PLACES = st.lists(st.one_of(st.integers(0, 3), st.text(max_size=3)), max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_change_is_shown_or_refused(kept, exam, data):
    """A document with one value changed or gone, and its report: no error but coded ones."""
    document = json.loads((kept / "examination.json").read_text())
    part, key = document, data.draw(st.sampled_from(sorted(document)))
    while isinstance(part[key], dict | list) and part[key] and data.draw(st.booleans()):
        part = part[key]
        key = data.draw(
            st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part)))
        )
    if data.draw(st.booleans()):
        part[key] = data.draw(VALUES)
    else:
        del part[key]
    (exam / "examination.json").write_text(json.dumps(document))
    try:
        render(saved_document(exam), {})
    except CalcimetryError as error:
        assert error.exit_code == 3  # noqa: PT017


def test_pictures_are_ours_plain_and_whole(exam):
    front = exam / "pictures" / "front.png"
    whole = front.read_bytes()
    (exam / "pictures" / "holiday.png").write_text("the user's own")
    (exam / "pictures" / "side.txt").write_text("the user's own")
    assert "holiday.png" not in saved_pictures(exam)
    for content in (b"", b"no", whole[:-20], whole[:60], whole[:30] + b"x" + whole[31:]):
        front.write_bytes(content)
        refused(exam, "pictures/front.png")
    front.unlink()
    front.symlink_to("side.png")
    assert "link" in refused(exam, "pictures/front.png")
    front.unlink()
    read_all(exam)  # one that is missing is left out
    shutil.rmtree(exam / "pictures")
    assert saved_pictures(exam) == {}
    (exam / "pictures").symlink_to(exam.parent)
    refused(exam, "pictures")


def png(size, text) -> bytes:
    chunk, out = PngImagePlugin.PngInfo(), io.BytesIO()
    if text is not None:
        chunk.add_text("calcimetry", text)
    Image.new("L", size).save(out, "PNG", pnginfo=chunk)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        png((9000, 1), "{}"),
        png((8, 8), "no json"),
        png((8, 8), "[]"),
        png((8, 8), "[" * 9000),
        png((8, 8), '{"slice": "one"}'),
        png((8, 8), '{"lps_to_pixel": 5, "mm_per_pixel": 1}'),
        png((8, 8), '{"lps_to_pixel": [[1, 0, 0], [0, 1, 0]], "mm_per_pixel": 1}'),
        png((8, 8), '{"lps_to_pixel": [[1, 0, 0, 0], [0, 1, 0, NaN]], "mm_per_pixel": 1}'),
        png((8, 8), '{"lps_to_pixel": [[1, 0, 0, 0], [0, 1, 0, 0]], "mm_per_pixel": 0}'),
        png((8, 8), '{"lps_to_pixel": [[1, 0, 0, 0], [0, 1, 0, 0]]}'),
    ],
)
def test_pictures_of_another_make_are_refused(exam, content):
    (exam / "pictures" / "front.png").write_bytes(content)
    refused(exam, "pictures/front.png")


def relabelled(exam: Path, edit, affine=None, header=None) -> None:
    image = nib.load(exam / "labels.nii.gz")
    values = edit(np.asarray(image.dataobj).copy())
    made = nib.Nifti1Image(values, image.affine if affine is None else affine(image.affine))
    content = bytearray(made.to_bytes())
    for at, part in (header or {}).items():
        content[at : at + len(part)] = part
    (exam / "labels.nii.gz").write_bytes(gzip.compress(bytes(content)))


NAN = np.float32(np.nan).tobytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda exam: relabelled(exam, lambda v: np.where(v == 1, 9, v).astype(np.uint8)),
        lambda exam: relabelled(exam, lambda v: np.where(v == 1, 0, v).astype(np.uint8)),
        lambda exam: relabelled(exam, lambda v: v[:-1]),
        lambda exam: relabelled(exam, lambda v: v[..., None]),
        lambda exam: relabelled(exam, lambda v: v + np.float32(0.5)),
        lambda exam: relabelled(exam, lambda v: v.astype(np.complex64)),
        lambda exam: relabelled(exam, lambda v: v, affine=lambda a: a @ np.diag([1, 1, 1.1, 1])),
        lambda exam: relabelled(exam, lambda v: v, header={280: NAN}),  # an affine's number
        lambda exam: relabelled(exam, lambda v: v, header={108: NAN}),  # where voxels begin
        lambda exam: relabelled(exam, lambda v: v, header={70: b"\xff\x7f"}),  # the datatype
        lambda exam: relabelled(exam, lambda v: v, header={42: b"\xff\x7f"}),  # the shape
        lambda exam: (exam / "labels.nii.gz").write_bytes(b""),
        lambda exam: (exam / "labels.nii.gz").write_bytes(gzip.compress(b"short")),
        lambda exam: (exam / "labels.nii.gz").write_bytes(
            (exam / "labels.nii.gz").read_bytes()[:-9]
        ),
    ],
)
def test_labels_that_are_damaged_or_another_examination_s(exam, damage, capfd):
    damage(exam)
    refused(exam, "labels.nii.gz")
    assert capfd.readouterr() == ("", "")  # nibabel says what it would mend


def test_labels_do_not_swell(exam):
    (exam / "labels.nii.gz").write_bytes(
        gzip.compress(nib.load(exam / "labels.nii.gz").to_bytes() + bytes(LIMIT))
    )
    assert "more than its voxels take" in refused(exam, "labels.nii.gz")


def test_a_document_of_a_scan_beyond_all_memory(exam):
    shape = [10**6, 10**6, 10**6]
    change(exam, ("scan", "shape_zyx", shape), ("scan", "stored_shape_ijk", shape))
    document = saved_document(exam)
    with pytest.raises(InputError) as caught:
        saved_labels(exam, document)
    assert caught.value.code == "TOO_BIG"


def test_a_document_in_memory_is_not_touched(exam):
    document = saved_document(exam)
    before = copy.deepcopy(document)
    saved_labels(exam, document)
    saved_crops(exam, document)
    assert document == before
