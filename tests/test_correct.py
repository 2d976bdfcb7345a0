"""A reader's corrections: what they touch is measured as everything else, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import calcimetry as cm
from calcimetry.correct import Prepared
from calcimetry.edits import (
    Accept,
    AddByThreshold,
    Ball,
    CutFromBone,
    Draw,
    Edit,
    Erase,
    Merge,
    Reject,
    SetKind,
    SetPlace,
    SplitByPlane,
    SplitBySeeds,
)
from calcimetry.edits.apply import same_voxels
from calcimetry.errors import InputError, UsageError
from calcimetry.phantom import make
from calcimetry.records import Kind, Rule
from calcimetry.runs import voxels_of

SPACING = (1.2, 0.8, 0.8)


@pytest.fixture(scope="module")
def scan() -> cm.Scan:
    return make("hand", seed=3, spacing=SPACING).scan


@pytest.fixture(scope="module")
def exam(scan) -> cm.Examination:
    return cm.measure(scan, site="hand")


@pytest.fixture(scope="module")
def ready(scan, exam) -> Prepared:
    return cm.prepare(scan, exam)


def test_no_edits_are_no_change(scan, exam):
    assert cm.document(cm.remeasure(scan, exam)) == cm.document(exam)


def test_rejecting_all_leaves_nothing_counted(ready, exam):
    found = cm.remeasure(ready, edits=[Reject(d.number) for d in exam.listed])
    assert found.listed == ()
    assert found.totals.overall.count == 0
    assert found.totals.overall.mass_mg.value == 0
    assert len(found.objects) == len(exam.objects) + len(exam.listed)
    rejected = found.objects[-len(exam.listed) :]
    assert {item.kind for item in rejected} == {Kind.OTHER}
    assert {item.rule for item in rejected} == {Rule.READER}
    assert "CORRECTED" in {flag.code for flag in found.flags}


def test_what_was_split_and_merged_has_the_same_mass(ready, exam):
    for deposit in exam.listed[:3]:
        cut = SplitByPlane(deposit.number, deposit.centroid_mm, (1.0, 0.2, 0.0))
        split = cm.remeasure(ready, edits=[cut])
        new = max(d.number for d in split.listed)
        assert new > len(exam.listed)
        back = cm.remeasure(ready, edits=[cut, Merge((deposit.number, new))])
        (own,) = (d for d in back.listed if d.number == deposit.number)
        mass = deposit.quantity.mass_mg.value
        assert own.quantity.mass_mg.value == pytest.approx(mass, rel=1e-9)
        assert own.uid == deposit.uid


def test_groups_keep_their_numbers_and_parts_of_one_are_in_one(ready, exam):
    before = {d.number: d.group for d in exam.listed}
    assert sorted(set(before.values())) == list(range(1, len(set(before.values())) + 1))
    cut = SplitByPlane(1, exam.listed[0].centroid_mm, (1.0, 0.2, 0.0))
    split = cm.remeasure(ready, edits=[cut])
    after = {d.number: d.group for d in split.listed}
    assert {n: after[n] for n in before} == before
    assert after[max(after)] == before[1]
    assert split.totals.overall.groups == exam.totals.overall.groups
    left = cm.remeasure(ready, edits=[Reject(1), Reject(2)])
    assert all(d.group == before[d.number] for d in left.listed)


def test_undo_is_one_edit_less_and_equal_lists_give_equal_documents(ready, exam):
    edits: list[Edit] = [Reject(1), SetPlace(2, side="left"), Accept(-1)]
    twice = [cm.document(cm.remeasure(ready, edits=edits)) for _ in range(2)]
    assert twice[0] == twice[1]
    corrected = cm.remeasure(ready, edits=edits)
    one_less = cm.remeasure(ready.scan, corrected, corrected.edits[:-1])
    assert cm.document(one_less) == cm.document(cm.remeasure(ready, edits=edits[:-1]))
    assert cm.document(cm.remeasure(ready.scan, corrected, ())) == cm.document(exam)


def test_what_no_edit_touches_is_as_it_was(ready, exam):
    found = cm.remeasure(ready, edits=[Reject(1)])
    before = {d.number: d for d in exam.listed}
    assert all(d is before[d.number] for d in found.listed)


def test_what_is_touched_is_measured_as_a_whole_examination_would(ready, scan, exam):
    """Erased and drawn again, a deposit has the numbers that measuring gave it."""
    deposit = exam.listed[0]
    z, y, x = voxels_of(deposit.runs)[0].tolist()
    corner = tuple(scan.to_lps(np.array([z, y, x])).tolist())
    dot = Ball(corner, 0.01)
    erased = cm.remeasure(ready, edits=[Erase(dot, deposit.number)])
    own = next(d for d in erased.listed if d.number == deposit.number)
    assert own.runs.voxels == deposit.runs.voxels - 1
    assert own.uid != deposit.uid
    assert own.rule is deposit.rule  # erasing says nothing of what it is
    back = cm.remeasure(ready, edits=[Erase(dot, deposit.number), Draw(dot, deposit.number)])
    own = next(d for d in back.listed if d.number == deposit.number)
    assert own.uid == deposit.uid
    assert own.quantity == deposit.quantity
    assert own.place == deposit.place


def test_a_neighbour_that_shares_the_background_is_measured_again(ready, exam):
    deposit = exam.listed[0]
    seeds = (deposit.centroid_mm, tuple(np.add(deposit.centroid_mm, (2.0, 0, 0)).tolist()))
    found = cm.remeasure(ready, edits=[SplitBySeeds(deposit.number, seeds)])
    parts = [d for d in found.listed if d.number in (deposit.number, len(exam.listed) + 1)]
    together = sum(d.quantity.mass_mg.value for d in parts)
    assert together == pytest.approx(deposit.quantity.mass_mg.value, rel=0.1)


def test_a_cut_from_bone_is_what_the_finder_cuts():
    """Rules alone leave deposits in the bone they touch; cutting gives what measuring gives."""
    scan = make("hand", seed=3, spacing=(1.0, 0.7, 0.7)).scan
    whole = cm.measure(scan, cm.Plan().changed("find", {"finder": "rules"}))
    finder = cm.measure(scan)
    skeleton = [item for item in whole.objects if item.rule is Rule.SKELETON and item.runs]
    held = np.any([item.runs.mask() for item in skeleton], axis=0)
    cut = [d for d in finder.listed if held[tuple(voxels_of(d.runs)[0])]]
    assert cut
    bones = [-item.number for item in skeleton]
    ready = cm.prepare(scan, whole)
    found = []
    for bone in bones:
        try:
            found += cm.remeasure(ready, edits=[CutFromBone(bone)]).listed
        except UsageError as error:
            assert error.code == "BAD_EDIT"  # noqa: PT017  no deposit in this bone
    for deposit in cut:
        (own,) = (d for d in found if same_voxels(d.runs, deposit.runs))
        assert own.uid == deposit.uid
        assert own.quantity.mass_mg == deposit.quantity.mass_mg
        assert own.place == deposit.place


def test_a_missed_deposit_is_added_by_threshold(scan):
    mine = replace(scan, hu=scan.hu.copy())
    exam = cm.measure(mine)
    z, y, x = voxels_of(exam.listed[0].runs)[0].tolist()
    at = tuple(mine.to_lps(np.array([z, y, x])).tolist())
    edits = [Reject(1, Kind.NOISE), AddByThreshold(at, 30.0, 200.0)]
    found = cm.remeasure(mine, exam, edits)
    added = found.listed[-1]
    assert added.kind is Kind.DEPOSIT
    assert added.confidence == 1.0
    assert added.quantity.mass_mg.value > 0


def test_a_place_is_told_by_the_reader(ready):
    found = cm.remeasure(ready, edits=[SetPlace(1, site="finger", side="right", tissue="skin")])
    place = next(d for d in found.listed if d.number == 1).place
    assert (place.site, place.side, place.tissue) == ("finger", "right", "skin")
    assert place.region
    assert set(found.totals.by_tissue) >= {"skin"}


def test_a_corrected_examination_is_kept_and_corrected_again(ready, exam, scan, tmp_path):
    edits = (Reject(1, note="a sesamoid", reader="r1"), Accept(-1))
    corrected = cm.remeasure(ready, edits=edits)
    cm.write(corrected, tmp_path / "a", scan=scan)
    back = cm.load(tmp_path / "a")
    assert back.edits == edits
    assert cm.document(back) == cm.document(corrected)
    assert cm.document(back.original) == cm.document(exam)
    undone = cm.remeasure(scan, back, ())
    cm.write(exam, tmp_path / "before", scan=scan)
    cm.write(undone, tmp_path / "undone", scan=scan)
    for name in ("landmarks.npz", "crops.npz", "objects.npz", "examination.json"):
        one, other = tmp_path / "before" / name, tmp_path / "undone" / name
        assert one.read_bytes() == other.read_bytes(), name
    again = cm.remeasure(scan, back, (*edits, SetKind(2, Kind.UNCERTAIN)))
    assert again.landmarks is not None
    assert next(d for d in again.listed if d.number == 2).kind is Kind.UNCERTAIN
    cm.write(back, tmp_path / "b")
    for path in sorted((tmp_path / "a").rglob("*.*")):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.is_dir() or other.read_bytes() == path.read_bytes(), path.name


def test_another_scan_is_refused(scan, exam):
    other = replace(scan, hu=np.roll(scan.hu, 1, axis=2))
    with pytest.raises(InputError, match="OTHER_SCAN"):
        cm.remeasure(other, exam, [Reject(1)])
    small = cm.Scan.of(np.ascontiguousarray(scan.hu[1:]), scan.affine)
    with pytest.raises(InputError, match="OTHER_SCAN"):
        cm.prepare(small, exam)


def test_examinations_without_voxels_are_refused(scan, exam):
    old = replace(exam, objects=tuple(replace(item, runs=None) for item in exam.objects))
    with pytest.raises(InputError, match="EXAM_WITHOUT_VOXELS"):
        cm.prepare(scan, old)
    with pytest.raises(UsageError, match="BAD_ARGUMENT"):
        cm.remeasure(scan)


def test_however_the_scan_lies_corrections_are_the_same(scan, exam):
    """Measured in a pose of its own: turned upside down, the same edits give the same masses."""
    turned = cm.Scan.of(
        np.ascontiguousarray(scan.hu[::-1, :, ::-1]), scan.affine @ np.diag([-1.0, 1, -1, 1])
    )
    flipped = cm.measure(turned)
    masses = []
    for volume, found in ((scan, exam), (turned, flipped)):
        deposit = found.listed[0]
        axis = volume.affine[:3, 0] / np.linalg.norm(volume.affine[:3, 0])
        cut = SplitByPlane(deposit.number, deposit.centroid_mm, tuple(axis.tolist()))
        parts = cm.remeasure(volume, found, [cut])
        masses.append(sorted(d.quantity.mass_mg.value for d in parts.listed))
    assert masses[0] == pytest.approx(masses[1], rel=1e-6)


KINDS = st.sampled_from([Kind.DEPOSIT, Kind.UNCERTAIN, Kind.VESSEL, Kind.BONE])
TARGETS = st.sampled_from([1, 2, 3, -1, -2])


@given(
    st.lists(st.one_of(st.builds(Reject, TARGETS), st.builds(SetKind, TARGETS, KINDS)), max_size=5)
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_totals_count_what_is_a_deposit(ready, edits):
    try:
        found = cm.remeasure(ready, edits=edits)
    except UsageError as error:
        assert error.code == "BAD_EDIT"  # noqa: PT017
        return
    counted = [d for d in found.listed if d.kind is Kind.DEPOSIT]
    total = sum(d.quantity.mass_mg.value for d in counted)
    assert found.totals.overall.mass_mg.value == pytest.approx(total)
    assert found.totals.overall.count == len(counted)
    numbers = [d.number for d in found.listed]
    assert numbers == sorted(set(numbers))


def test_edits_stand_in_the_document(ready, tmp_path: Path):
    document = cm.document(cm.remeasure(ready, edits=[Reject(1)]))
    assert document["edits"][0] | {"edit": "reject", "target": 1} == document["edits"][0]
