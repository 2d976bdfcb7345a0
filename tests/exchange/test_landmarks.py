"""landmarks.npz: what is written is what is read, with soft tissue and without."""

from __future__ import annotations

import numpy as np
import pytest

from calcimetry.errors import InputError
from calcimetry.exchange import landmark_bytes, saved_landmarks
from calcimetry.exchange.archive import packed
from calcimetry.records import Landmarks, SoftTissue

RNG = np.random.default_rng(1)
BONE = RNG.uniform(-200, 300, (40, 3)).astype(np.float32)
SKIN = RNG.uniform(-200, 300, (9, 3)).astype(np.float32)
SOFT = SoftTissue(RNG.integers(0, 256, (4, 5, 6), np.uint8), np.diag([2.0, 2.0, 1.5, 1.0]))


@pytest.mark.parametrize("soft", [None, SOFT])
def test_landmarks_come_back(tmp_path, soft):
    (tmp_path / "landmarks.npz").write_bytes(landmark_bytes(Landmarks(BONE, SKIN, soft)))
    found = saved_landmarks(tmp_path)
    np.testing.assert_allclose(found.bone, BONE, atol=0.026)
    np.testing.assert_allclose(found.skin, SKIN, atol=0.026)
    if soft is None:
        assert found.soft is None
    else:
        np.testing.assert_array_equal(found.soft.code, soft.code)
        np.testing.assert_array_equal(found.soft.affine, soft.affine)


def test_equal_landmarks_give_equal_bytes_and_damaged_ones_are_refused(tmp_path):
    marks = Landmarks(BONE, SKIN, SOFT)
    assert landmark_bytes(marks) == landmark_bytes(marks)
    (tmp_path / "landmarks.npz").write_bytes(landmark_bytes(marks)[:200])
    assert refused(tmp_path)
    (tmp_path / "landmarks.npz").unlink()
    assert saved_landmarks(tmp_path) is None


def refused(folder) -> bool:
    with pytest.raises(InputError) as caught:
        saved_landmarks(folder)
    return caught.value.code == "EXAM_DAMAGED" and "landmarks.npz" in caught.value.where


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bone", np.zeros((5, 2), np.int16)),
        ("skin", np.zeros(3, np.int16)),
        ("bone", np.zeros((5, 3))),
        ("origin_mm", np.array([0.0, np.nan, 0.0])),
        ("origin_mm", np.array([0.0, np.inf, 0.0])),
        ("step_mm", np.array(np.nan)),
        ("step_mm", np.array([0.05])),
        ("soft", np.zeros((3, 3), np.uint8)),
        ("soft_affine_mm", np.zeros((4, 4))),
        ("soft_affine_mm", np.full((4, 4), np.nan)),
    ],
)
def test_arrays_that_are_no_landmarks_are_refused(tmp_path, name, values):
    (tmp_path / "landmarks.npz").write_bytes(landmark_bytes(Landmarks(BONE, SKIN, SOFT)))
    with np.load(tmp_path / "landmarks.npz") as archive:
        arrays = {**archive, name: values}
    (tmp_path / "landmarks.npz").write_bytes(packed(arrays.items()))
    assert refused(tmp_path)
