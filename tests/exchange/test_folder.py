"""`load`: an examination comes back whole, and is written again as the same files."""

from __future__ import annotations

import gzip
import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import calcimetry as cm
import drawn
from calcimetry.describe import crops_about
from calcimetry.errors import InputError
from calcimetry.exchange import checked, load, parse
from calcimetry.exchange.folder import runs_of_labels
from calcimetry.phantom import make as make_phantom
from calcimetry.records import (
    LISTED,
    Acquisition,
    Calibration,
    Estimate,
    Flag,
    Form,
    Frame,
    Kind,
    Likeness,
    Place,
    Provenance,
    Quantity,
    Severity,
    Total,
    Totals,
)
from calcimetry.runs import from_mask, to_labels, voxels_of
from calcimetry.scan.grid import stored_grid
from drawn import deposit, examination

LEFT_OUT = [kind for kind in Kind if kind not in LISTED]


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> tuple[cm.Examination, Path]:
    scan = make_phantom("hand", seed=3, spacing=(3.0, 1.6, 1.6)).scan
    exam = cm.measure(scan)
    out = tmp_path_factory.mktemp("measured") / "exam"
    cm.write(exam, out, scan=scan)
    return exam, out


def files(folder: Path) -> dict[str, bytes]:
    """Every file by its path in the folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_what_is_loaded_and_written_is_the_same_bytes(measured, tmp_path):
    _, out = measured
    cm.write(load(out), tmp_path / "again")
    assert files(tmp_path / "again") == files(out)


def test_voxels_landmarks_and_documents_come_back(measured):
    exam, out = measured
    back = load(out)
    assert cm.document(back) == json.loads((out / "examination.json").read_text())
    assert len(exam.objects) > 0
    for one, other in zip(
        (*exam.listed, *exam.objects), (*back.listed, *back.objects), strict=True
    ):
        np.testing.assert_array_equal(voxels_of(one.runs), voxels_of(other.runs))
    np.testing.assert_allclose(exam.landmarks.bone, back.landmarks.bone, atol=0.03)
    assert back.frame.stored.axes == exam.frame.stored.axes


def test_an_examination_is_carried_without_the_scan(measured):
    exam, _ = measured
    back = pickle.loads(pickle.dumps(exam))
    assert cm.document(back) == cm.document(exam)
    for one, other in zip(exam.listed, back.listed, strict=True):
        np.testing.assert_array_equal(voxels_of(one.runs), voxels_of(other.runs))


def test_folders_of_older_versions_are_taken(measured, tmp_path):
    exam, out = measured
    old = Path(shutil.copytree(out, tmp_path / "old"))
    (old / "objects.npz").unlink()
    document = json.loads((old / "examination.json").read_text())
    document["schema_version"] = "1.0"
    for key in ("stored_axes_zyx", "stored_flipped_zyx"):
        del document["scan"][key]
    (old / "examination.json").write_text(json.dumps(document))
    back = load(old)
    assert all(item.runs is None for item in back.objects)
    for one, other in zip(exam.listed, back.listed, strict=True):
        np.testing.assert_array_equal(voxels_of(one.runs), voxels_of(other.runs))
    assert back.frame.stored.flipped == exam.frame.stored.flipped
    (old / "labels.nii.gz").unlink()
    with pytest.raises(InputError, match="NO_LABELS"):
        load(old)


def test_a_label_map_that_was_changed_is_not_passed_over(measured, tmp_path):
    _, out = measured
    folder = Path(shutil.copytree(out, tmp_path / "changed"))
    image = nib.load(folder / "labels.nii.gz")
    values = np.asarray(image.dataobj).copy()
    values[values == 1] = 2
    made = nib.Nifti1Image(values, image.affine).to_bytes()
    (folder / "labels.nii.gz").write_bytes(gzip.compress(made))
    with pytest.raises(InputError, match="EXAM_DAMAGED") as caught:
        load(folder)
    assert "changed" in caught.value.found


def test_a_document_by_itself_is_all_but_voxels(measured):
    exam, out = measured
    back = load(out / "examination.json")
    assert cm.document(back)["totals"] == cm.document(exam)["totals"]
    assert all(len(d.runs) == 0 for d in back.listed)


def test_labels_to_runs_is_the_way_back():
    rng = np.random.default_rng(0)
    volume = rng.integers(0, 4, (5, 6, 7)) * (rng.random((5, 6, 7)) < 0.6)
    found = runs_of_labels(volume)
    assert sorted(found) == sorted(set(np.unique(volume)) - {0})
    np.testing.assert_array_equal(
        to_labels(volume.shape, [found[n] for n in sorted(found)]), volume
    )
    for n, runs in found.items():
        own = from_mask(volume == n)
        for name in ("row", "start", "stop"):
            np.testing.assert_array_equal(getattr(runs, name), getattr(own, name))
    assert runs_of_labels(np.zeros((2, 2, 2), int)) == {}


numbers = st.floats(-1e6, 1e6).map(lambda x: round(x, 4))
maybe = st.none() | numbers
words = st.sampled_from([None, "hand", "knee", "left"])
estimates = st.builds(Estimate, maybe, maybe, maybe)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
flags = st.lists(
    st.builds(Flag, st.sampled_from(["A_FLAG", "B_FLAG"]), texts, st.sampled_from(Severity)),
    max_size=3,
    unique=True,
).map(tuple)
shares = st.dictionaries(st.sampled_from(["noise", "matrix"]), numbers)
places = st.builds(
    Place, words, words, words, words, maybe, maybe, words, words, maybe, st.none() | st.booleans()
)
forms = st.builds(Form, st.sampled_from(["nodule", "sheet"]), *[numbers] * 3, shares)
quantities = st.builds(
    Quantity,
    *[estimates] * 3,
    numbers,
    numbers,
    st.integers(-1000, 30000),
    maybe,
    words,
    maybe,
    shares,
    maybe,
    maybe,
    st.integers(0, 9),
    shares,
)
totals = st.builds(
    Total,
    st.integers(0, 9),
    st.integers(0, 9),
    estimates,
    estimates,
    maybe,
    st.none() | st.integers(0, 9),
    estimates,
    estimates,
    st.none() | st.integers(0, 9),
)
groups = st.none() | st.integers(1, 9)
likenesses = st.none() | st.sampled_from(Likeness)
labels = st.none() | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
slopes = st.none() | st.lists(st.floats(0.1, 2).map(lambda x: round(x, 6)), max_size=3).map(tuple)
calibrations = st.builds(
    Calibration,
    st.floats(0.1, 2).map(lambda x: round(x, 6)),
    st.floats(0, 1).map(lambda x: round(x, 6)),
    st.sampled_from(["rods", "table"]),
    texts,
    flags,
    slopes,
    st.floats(-20, 20).map(lambda x: round(x, 6)),
)
acquisitions = st.builds(
    Acquisition,
    kvp=maybe,
    contrast=st.none() | st.booleans(),
    date=st.sampled_from([None, "2026-11-28"]),
    image_type=st.lists(st.sampled_from(["ORIGINAL", "AXIAL"]), max_size=2).map(tuple),
    hu_ceiling=st.none() | st.integers(1000, 30000),
    study_uid=st.sampled_from([None, "1.2.3"]),
    sop_instance_uids=st.lists(st.just("1.2.3.4"), max_size=2).map(tuple),
)


@st.composite
def examinations(draw):
    """Any examination of up to three deposits."""
    listed = [
        replace(
            deposit(n, kind=draw(st.sampled_from(["deposit", "uncertain"]))),
            confidence=draw(st.floats(0, 1).map(lambda x: round(x, 4))),
            reason=draw(texts),
            centroid_mm=draw(st.tuples(numbers, numbers, numbers)),
            place=draw(places),
            form=draw(forms),
            quantity=draw(quantities),
            flags=draw(flags),
            likeness=draw(likenesses),
            group=draw(groups),
        )
        for n in range(1, 1 + draw(st.integers(0, 3)))
    ]
    order = draw(st.permutations([0, 1, 2]))
    edges = np.diag(draw(st.lists(st.floats(0.1, 9), min_size=3, max_size=3)))
    affine = np.eye(4)
    affine[:3, :3] = edges[:, order] * draw(st.sampled_from([1, -1]))
    affine[:3, 3] = draw(st.tuples(numbers, numbers, numbers))
    stored = stored_grid((8, 8, 8), affine)
    frame = Frame((8, 8, 8), affine, stored)
    return examination(
        listed,
        frame=frame,
        acquisition=draw(acquisitions),
        provenance=Provenance("nifti", draw(st.integers(0, 3)), draw(st.sampled_from([None, "a"]))),
        calibration=draw(calibrations),
        totals=Totals(draw(totals), {"hand": draw(totals)}, {}, draw(groups), draw(maybe)),
        objects=[
            replace(drawn.other(n, kind), likeness=draw(likenesses), group=draw(groups))
            for n, kind in enumerate(draw(st.lists(st.sampled_from(LEFT_OUT), max_size=3)), 1)
        ],
        flags=draw(flags),
        subject=draw(labels),
        visit=draw(labels),
        timings={"measuring": draw(st.floats(0, 99).map(lambda x: round(x, 3)))},
    )


@given(examinations())
@settings(max_examples=60, deadline=None)
def test_a_document_parsed_is_the_same_document(exam):
    document = json.loads(json.dumps(cm.document(exam)))
    assert cm.document(parse(checked(document))) == document


def test_crops_are_kept_of_deposits_on_bone_alone():
    scan = make_phantom("hand", seed=3, spacing=(3.0, 1.6, 1.6)).scan
    alone = deposit(1)
    cut = replace(alone, quantity=replace(alone.quantity, relative_error={"segmentation": 0.1}))
    assert crops_about(scan, [alone]) is None
    own = replace(cut, runs=from_mask(scan.hu > 250))
    assert crops_about(scan, [alone, own]).uids == (own.uid,)
