"""crops.npz: boxes of a scan come back where they were, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from calcimetry.exchange.crops import UNKNOWN_HU, packed_crops, saved_crops

RNG = np.random.default_rng(2)
HU = RNG.integers(-1000, 2000, (8, 10, 12), dtype=np.int16)
AFFINE = np.array([[0.8, 0, 0, -20], [0, 0.8, 0, 5], [0, 0, 1.5, 100], [0, 0, 0, 1.0]])
UIDS = ["2.25.1", "2.25.2"]
FACTS = {
    "scan": {"shape_zyx": list(HU.shape), "affine_ijk_to_lps_mm": AFFINE.tolist()},
    "deposits": [{"uid": uid} for uid in (*UIDS, "2.25.3")],
}
BOXES = [
    (slice(0, 3), slice(2, 7), slice(1, 5)),
    (slice(2, 6), slice(5, 10), slice(4, 12)),  # overlaps the first
]


def test_boxes_come_back_and_the_rest_is_unknown(tmp_path):
    (tmp_path / "crops.npz").write_bytes(packed_crops(HU, BOXES, UIDS))
    scan = saved_crops(tmp_path, FACTS)
    kept = np.zeros(HU.shape, bool)
    for box in BOXES:
        kept[box] = True
    part = (slice(0, 6), slice(2, 10), slice(1, 12))  # the smallest that holds both
    assert scan.hu.shape == HU[part].shape
    np.testing.assert_array_equal(scan.hu[kept[part]], HU[kept])
    assert (scan.hu[~kept[part]] == UNKNOWN_HU).all()
    first = AFFINE @ [1, 2, 0, 1]
    np.testing.assert_allclose(scan.to_lps(np.zeros(3)), first[:3])


def test_no_boxes_and_no_file_are_no_images(tmp_path):
    assert saved_crops(tmp_path, FACTS) is None
    (tmp_path / "crops.npz").write_bytes(packed_crops(HU, [], []))
    assert saved_crops(tmp_path, FACTS) is None
    (tmp_path / "crops.npz").write_bytes(b"no archive")
    assert saved_crops(tmp_path, FACTS) is None


@pytest.mark.parametrize("keep", [0, 10, 60, 0.5, 0.9])
def test_a_file_cut_short_is_no_file(tmp_path, keep):
    whole = packed_crops(HU, BOXES, UIDS)
    short = keep if isinstance(keep, int) else int(keep * len(whole))
    (tmp_path / "crops.npz").write_bytes(whole[:short])
    assert saved_crops(tmp_path, FACTS) is None


@pytest.mark.parametrize("at", range(40, 900, 60))
def test_a_spoilt_file_raises_nothing(tmp_path, at):
    spoilt = bytearray(packed_crops(HU, BOXES, UIDS))
    spoilt[at % len(spoilt)] ^= 0xFF
    (tmp_path / "crops.npz").write_bytes(bytes(spoilt))
    saved_crops(tmp_path, FACTS)


def test_another_examination_s_images_are_not_taken(tmp_path):
    (tmp_path / "crops.npz").write_bytes(packed_crops(HU, BOXES, ["2.25.1", "2.25.9"]))
    assert saved_crops(tmp_path, FACTS) is None


def test_boxes_beyond_the_scan_are_not_taken(tmp_path):
    (tmp_path / "crops.npz").write_bytes(packed_crops(HU, BOXES, UIDS))
    small = {**FACTS, "scan": {**FACTS["scan"], "shape_zyx": [4, 6, 8]}}
    assert saved_crops(tmp_path, small) is None
