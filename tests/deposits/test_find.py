"""The finder's own steps: what its findings say of one another."""

from __future__ import annotations

import numpy as np

from calcimetry.deposits.evidence import listed_of
from calcimetry.deposits.find import _rejoined
from calcimetry.deposits.rules import Verdict
from calcimetry.records import Kind, Rule
from calcimetry.runs import from_mask
from calcimetry.scan import from_array


def _box(z, y, x):
    mask = np.zeros((20, 30, 30), bool)
    mask[z, y, x] = True
    return from_mask(mask)


def test_only_what_touches_the_deposit_cut_from_it_is_one_with_it():
    scan = from_array(np.full((20, 30, 30), 300, np.int16), spacing=(1.0, 1.0, 1.0), kvp=120)
    near, far = slice(8, 12), slice(20, 24)
    runs = [_box(near, near, slice(8, 12)), _box(near, near, slice(12, 15)), _box(near, near, far)]
    core = Verdict(Kind.DEPOSIT, Rule.SPLIT_FROM_BONE, 0.8)
    rest = Verdict(Kind.UNCERTAIN, Rule.ISOLATED_LOW_PROBABILITY, 0.5)
    listed = listed_of(runs, scan.hu.shape)
    final = _rejoined(scan, listed, [core, rest, rest])
    assert [verdict.kind for verdict in final] == [Kind.DEPOSIT, Kind.DEPOSIT, Kind.UNCERTAIN]
    assert _rejoined(scan, listed, [rest] * 3) == [rest] * 3, "nothing was cut from these"
