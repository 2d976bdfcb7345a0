"""Cutting deposits from what they touch, by a probability that is made up here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimetry.deposits.split import split_by_probability
from calcimetry.plan import Plan
from calcimetry.records import Scan
from calcimetry.runs import dense_objects, to_mask, voxels_of

PLAN = Plan().changed("find", {"deposit_probability": 0.5, "peak_probability": 0.85}).find


def scan_of(hu: np.ndarray) -> Scan:
    return Scan.of(hu.astype(np.int16), np.eye(4))


def bone_with_a_nodule(radius: float) -> tuple[Scan, np.ndarray]:
    """A long bone along z with a nodule grown onto it; the second is the nodule's mask."""
    z, y, x = np.indices((40, 40, 40))
    bone = np.hypot(y - 12, x - 20) < 6
    nodule = ((z - 20) ** 2 + (y - 19 - radius / 2) ** 2 + (x - 20) ** 2 < radius**2) & ~bone
    return scan_of(np.where(bone, 900, np.where(nodule, 500, 40))), nodule


def made_up(scan: Scan, dense, probability: np.ndarray) -> np.ndarray:
    return probability[tuple(voxels_of(dense.runs).T)].astype(np.float32)


def all_bone(among: np.ndarray) -> np.ndarray:
    return among


def no_bone(among: np.ndarray) -> np.ndarray:
    return np.zeros_like(among)


def cut(scan: Scan, dense, probability: np.ndarray, plan=PLAN, bones=all_bone, jobs=1):
    """As where all objects that may be bone are."""
    chance = made_up(scan, dense, probability)
    return split_by_probability(scan, dense, chance, plan, bones, jobs=jobs)


@pytest.mark.parametrize("radius", [3, 5, 7])
def test_a_nodule_is_cut_from_its_bone(radius):
    scan, nodule = bone_with_a_nodule(radius)
    dense = dense_objects(scan.hu, 130)
    assert len(dense) == 1
    pieces = cut(scan, dense, np.where(nodule, 0.95, 0.02))
    assert len(pieces.runs) == 2
    deposit = int(np.argmax(pieces.network_positive))
    assert pieces.network_positive.sum() == 1
    assert pieces.split_off[deposit]
    assert pieces.probability[deposit] == pytest.approx(0.95)
    assert np.array_equal(to_mask(pieces.runs[deposit]), nodule)


def test_an_object_that_is_mostly_deposit_is_taken_whole():
    z, y, x = np.indices((20, 20, 20))
    ball = (z - 10) ** 2 + (y - 10) ** 2 + (x - 10) ** 2 < 36
    core = (z - 10) ** 2 + (y - 10) ** 2 + (x - 10) ** 2 < 27
    scan = scan_of(np.where(ball, 300, 40))
    dense = dense_objects(scan.hu, 130)
    pieces = cut(scan, dense, np.where(core, 0.99, 0.3))
    assert len(pieces.runs) == 1
    assert pieces.network_positive[0]
    assert not pieces.split_off[0]
    assert pieces.probability[0] > 0.9
    assert pieces.runs[0].voxels == ball.sum()


def test_what_is_no_bone_is_never_cut():
    scan, nodule = bone_with_a_nodule(5)
    dense = dense_objects(scan.hu, 130)
    whole = cut(scan, dense, np.where(nodule, 0.95, 0.02), bones=no_bone)
    assert [runs.voxels for runs in whole.runs] == dense.voxels.tolist()
    assert whole.network_positive.all()
    assert not whole.split_off.any()
    assert whole.probability[0] == pytest.approx(0.95), "of its core, not of all of it"


def test_only_objects_that_hold_little_deposit_are_asked_to_be_bone():
    z, y, x = np.indices((20, 30, 60))
    balls = [(z - 10) ** 2 + (y - 14) ** 2 + (x - c) ** 2 < 50 for c in (10, 30, 50)]
    scan = scan_of(np.where(np.any(balls, axis=0), 300, 40))
    dense = dense_objects(scan.hu, 130)
    sure = balls[0] & (x < 14) | balls[1] & (x < 27)
    asked = []

    def bones(among):
        asked.append(among.copy())
        return among

    made = cut(scan, dense, np.where(sure, 0.95, 0.02), bones=bones)
    assert [one.tolist() for one in asked] == [[False, True, False]]
    assert made.split_off.tolist() == [False, True, False, False]
    assert made.network_positive.tolist() == [True, True, False, False]


def test_doubtful_or_tiny_marks_cut_nothing():
    scan, nodule = bone_with_a_nodule(5)
    dense = dense_objects(scan.hu, 130)
    doubtful = cut(scan, dense, np.where(nodule, 0.6, 0.0))
    assert not doubtful.network_positive.any()
    spot = np.zeros(scan.hu.shape)
    spot[20, 21, 20] = 1.0
    tiny = cut(scan, dense, spot)
    assert not tiny.network_positive.any()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.3))
def test_pieces_share_out_all_dense_voxels(seed, dense_share):
    rng = np.random.default_rng(seed)
    scan = scan_of(np.where(rng.random((9, 11, 13)) < dense_share, 400, 0))
    dense = dense_objects(scan.hu, 130)
    probability = rng.random(scan.hu.shape) ** 0.3
    pieces = cut(scan, dense, probability)
    count = sum(to_mask(runs).astype(int) for runs in pieces.runs)
    assert np.array_equal(count if len(pieces.runs) else np.zeros_like(scan.hu), scan.hu >= 130)
    assert len(pieces.objects) == len(pieces.runs) == len(pieces.probability)
    assert [runs.voxels for runs in pieces.runs] == pieces.objects.voxels.tolist()


def test_a_cut_keeps_to_what_is_surely_the_deposits():
    hu = np.zeros((3, 6, 30), np.int16)
    hu[1, 2:4, 2:28] = 900
    scan = scan_of(hu)
    dense = dense_objects(scan.hu, 130)
    x = np.tile(np.arange(2, 28), 2)
    probability = np.where(x < 8, 0.95, np.where(x < 11, 0.55, 0.01)).astype(np.float32)
    plan = Plan().find
    made = split_by_probability(scan, dense, probability, plan, all_bone)
    own = [runs for runs, off in zip(made.runs, made.split_off, strict=True) if off]
    assert [runs.voxels for runs in own] == [12]


def test_where_nothing_is_marked_nothing_is_cut():
    scan = scan_of(np.full((3, 4, 5), 300))
    dense = dense_objects(scan.hu, 130)
    made = cut(scan, dense, np.zeros(scan.hu.shape), Plan().find)
    assert not made.split_off.any()
    assert len(made.runs) == 1


def test_the_rim_on_the_side_away_from_the_bone_joins_its_core():
    scan, nodule = bone_with_a_nodule(7)
    _, y, _ = np.indices(scan.hu.shape)
    rim = nodule & (y >= np.flatnonzero(nodule.any(axis=(0, 2))).max() - 1)
    assert 0 < rim.sum() < 0.25 * (nodule & ~rim).sum()
    dense = dense_objects(scan.hu, 130)
    probability = np.where(nodule & ~rim, 0.95, 0.02)
    one, two = (cut(scan, dense, probability, jobs=n) for n in (1, 2))
    assert len(one.runs) == 2
    assert np.array_equal(to_mask(one.runs[0]), nodule)
    assert one.split_off.tolist() == [True, False]
    assert np.array_equal(one.objects.label, two.objects.label)


def test_a_big_leaving_stands_alone():
    hu = np.zeros((3, 6, 40), np.int16)
    hu[1, 2:4, 2:38] = 900  # in a row: bone, deposit, and as much bone beyond
    scan = scan_of(hu)
    dense = dense_objects(scan.hu, 130)
    x = np.indices(hu.shape)[2]
    probability = np.where((x >= 16) & (x < 24), 0.95, 0.01)
    made = cut(scan, dense, probability, Plan().find)
    assert made.split_off.tolist() == [True, False, False]
    assert made.objects.voxels.tolist() == [16, 28, 28]
    assert made.probability.tolist() == pytest.approx([0.95, 0.0, 0.0])
