"""The soft tissue that is kept around deposits: where, and how faithfully."""

from __future__ import annotations

import numpy as np

from calcimetry.anatomy import soft_tissue
from calcimetry.records import SoftTissue
from calcimetry.runs import from_mask

from .conftest import BONE, FAT, MUSCLE, Stage

AROUND = 36.0


def _limb():
    stage = Stage((160, 120, 120), (2.0, 1.0, 1.0)).cylinder(60, 60, 55, FAT)
    stage.cylinder(60, 60, 40, MUSCLE).cylinder(60, 90, 4, BONE, z=(38, 46))
    mask = np.broadcast_to(np.hypot(stage.y - 60, stage.x - 90) <= 4, stage.hu.shape).copy()
    mask[:19] = mask[23:] = False
    return stage.scan(noise=0.0, blur_mm=0.0), mask


def test_only_what_lies_around_deposits_is_kept():
    scan, mask = _limb()
    kept = soft_tissue(scan, [from_mask(mask)])
    z = np.argwhere(kept.code)[:, 0] * 2.0
    assert 38 - AROUND - 2 <= z.min() <= 4
    assert 42 + AROUND - 4 <= z.max() <= 46 + AROUND + 2
    assert not soft_tissue(scan, []).code.any()


def test_codes_are_hu_and_what_is_dense_says_so():
    scan, mask = _limb()
    kept = soft_tissue(scan, [from_mask(mask)])

    def code(*zyx_mm):
        at = np.linalg.inv(kept.affine) @ np.array([*zyx_mm[::-1], 1.0])
        return int(kept.code[tuple(np.rint(at[2::-1]).astype(int))])

    def hu(*zyx_mm):
        return SoftTissue.LOW_HU + SoftTissue.STEP_HU * (code(*zyx_mm) - 1)

    assert abs(hu(40, 60, 60) - MUSCLE) <= SoftTissue.STEP_HU
    assert abs(hu(40, 60, 108) - FAT) <= SoftTissue.STEP_HU
    assert code(42, 60, 90) == 255
    assert hu(40, 60, 118) == SoftTissue.LOW_HU
