"""crops.npz: boxes of a scan come back where they were, and nothing else."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest

from calcimetry.describe import UNKNOWN_HU, laid_out
from calcimetry.errors import InputError
from calcimetry.exchange.archive import Archive, packed
from calcimetry.exchange.check import DamagedError
from calcimetry.exchange.crops import crop_bytes, saved_crops
from calcimetry.records import Crops, Frame

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


def packed_crops(uids=UIDS, boxes=BOXES):
    """The boxes as they are written."""
    ends = [[end for side in box for end in (side.start, side.stop)] for box in boxes]
    hu = np.concatenate([HU[box].ravel() for box in boxes])
    return crop_bytes(Crops(np.array(ends, np.int32), hu, tuple(uids)))


def test_boxes_come_back_and_the_rest_is_unknown(tmp_path):
    (tmp_path / "crops.npz").write_bytes(packed_crops())
    scan = laid_out(saved_crops(tmp_path, FACTS), Frame.of(HU.shape, AFFINE))
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
    (tmp_path / "crops.npz").write_bytes(crop_bytes(None))
    assert saved_crops(tmp_path, FACTS) is None


def refused(folder, facts=FACTS) -> bool:
    with pytest.raises(InputError) as caught:
        saved_crops(folder, facts)
    return caught.value.code == "EXAM_DAMAGED" and "crops.npz" in caught.value.where


@pytest.mark.parametrize("keep", [0, 10, 60, 0.5, 0.9])
def test_a_file_cut_short_is_refused(tmp_path, keep):
    whole = packed_crops()
    short = keep if isinstance(keep, int) else int(keep * len(whole))
    (tmp_path / "crops.npz").write_bytes(whole[:short])
    assert refused(tmp_path)


@pytest.mark.parametrize("at", range(40, 900, 60))
def test_a_spoilt_file_is_refused_or_what_it_was(tmp_path, at):
    spoilt = bytearray(packed_crops())
    spoilt[at % len(spoilt)] ^= 0xFF
    (tmp_path / "crops.npz").write_bytes(bytes(spoilt))
    found = None
    with suppress(DamagedError):  # a date or a version within the archive does not matter
        found = Archive(tmp_path / "crops.npz").read("hu", "int16", (None,), 2**20)
    if found is None:
        assert refused(tmp_path)
    else:
        np.testing.assert_array_equal(found, np.concatenate([HU[box].ravel() for box in BOXES]))


def test_another_examination_s_images_are_not_taken(tmp_path):
    (tmp_path / "crops.npz").write_bytes(packed_crops(["2.25.1", "2.25.9"]))
    assert refused(tmp_path)


def test_boxes_beyond_the_scan_are_not_taken(tmp_path):
    (tmp_path / "crops.npz").write_bytes(packed_crops())
    small = {**FACTS, "scan": {**FACTS["scan"], "shape_zyx": [4, 6, 8]}}
    assert refused(tmp_path, small)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("box", np.zeros((2, 5), np.int32)),
        ("box", np.array([[0, 3, 2, 7, 1, 5], [2, 6, 5, 10, 12, 4]], np.int32)),
        ("box", np.zeros((2, 6), np.int64)),
        ("uid", np.array([1, 2])),
        ("uid", np.array([["2.25.1"], ["2.25.2"]])),
        ("uid", np.array([])),
        ("hu", np.zeros(7, np.int16)),
        ("hu", np.zeros((3, 4), np.int16)),
        ("hu", np.zeros(9, np.float64)),
    ],
)
def test_arrays_of_other_shapes_and_kinds_are_refused(tmp_path, name, values):
    (tmp_path / "crops.npz").write_bytes(packed_crops())
    with np.load(tmp_path / "crops.npz") as archive:
        arrays = {**archive, name: values}
    (tmp_path / "crops.npz").write_bytes(packed(arrays.items()))
    assert refused(tmp_path)
