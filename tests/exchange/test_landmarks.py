"""landmarks.npz: what is written is what is read, with soft tissue and without."""

from __future__ import annotations

import numpy as np
import pytest

from calcimetry.exchange import landmark_bytes, saved_landmarks
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


def test_equal_landmarks_give_equal_bytes_and_damaged_ones_nothing(tmp_path):
    marks = Landmarks(BONE, SKIN, SOFT)
    assert landmark_bytes(marks) == landmark_bytes(marks)
    (tmp_path / "landmarks.npz").write_bytes(landmark_bytes(marks)[:200])
    assert saved_landmarks(tmp_path) is None
