"""The same limb, lying another way: the same deposits. Only the affine is turned."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.finder.orientation import apart, listed, lying, turns

from calcimetry.deposits import network
from calcimetry.examine import measure
from calcimetry.phantom.body import make
from calcimetry.runs import find_runs, from_mask, to_mask, voxels_of
from calcimetry.scan import from_array

ALL = list(turns())
SOME = [3, 9, 14, 17]
"""Turned about the length, set across both ways, and on end."""


@pytest.fixture(scope="module")
def hand():
    scan = make("hand", seed=3, spacing=(2.0, 1.2, 1.2)).scan
    return scan, measure(scan)


def _same(hand, turn):
    scan, first = hand
    other = measure(lying(scan, turn))
    rows = listed(first, np.eye(4)), listed(other, turn)
    assert len(rows[0]) == len(rows[1])
    assert not apart(*rows)
    assert not apart(*rows[::-1])
    assert first.totals.overall.mass_mg.value == pytest.approx(
        other.totals.overall.mass_mg.value, rel=1e-3
    )
    return other


def test_turns_are_the_24_proper_ones():
    assert len({turn.tobytes() for turn in ALL}) == 24
    assert np.array_equal(ALL[0], np.eye(4))


@pytest.mark.parametrize("k", SOME)
def test_the_same_deposits_however_the_hand_lies(hand, k):
    assert len(hand[1].deposits) >= 4
    other = _same(hand, ALL[k])
    scan = lying(hand[0], ALL[k])
    for deposit in other.listed:
        voxels = voxels_of(deposit.runs)
        middle = scan.to_lps(voxels.mean(axis=0))
        assert middle == pytest.approx(np.array(deposit.centroid_mm), abs=0.01)
        assert scan.hu[tuple(voxels.T)].min() >= 130, "runs are of the scan, not of its pose"
        z = sorted({scan.stored.slice_index(int(z)) for z in voxels[:, 0]})
        assert deposit.slices == (z[0], z[-1])
    slopes = other.calibration.per_slice
    assert slopes is None or len(slopes) == len(scan.hu)


@pytest.mark.slow
@pytest.mark.parametrize("k", [k for k in range(1, 24) if k not in SOME])
def test_the_same_deposits_in_all_other_ways(hand, k):
    _same(hand, ALL[k])


def test_the_network_looks_from_both_corners():
    """A block is no different seen from behind, to the bit, though grids begin elsewhere."""
    net = network.load()
    assert net is not None
    rng = np.random.default_rng(4)
    hu = np.full((19, 37, 41), -1000.0)
    hu[3:16, 6:30, 5:37] = 40
    hu[5:14, 9:15, 8:17] = 700
    hu[6:12, 20:24, 20:25] = 400
    hu = np.round(hu + rng.normal(0, 12, hu.shape)).astype(np.int16)
    answers = []
    for values in (hu, hu[::-1, ::-1, ::-1]):
        scan = from_array(values, spacing=(2.1, 1.1, 0.9), kvp=120)
        runs = find_runs(scan.hu, 130)
        volume = np.zeros(hu.shape, np.float32)
        volume[tuple(voxels_of(runs).T)] = network.probability(net, scan, runs)
        answers.append(volume)
    assert answers[0].max() > 0.5
    assert np.array_equal(answers[0], answers[1][::-1, ::-1, ::-1])
    assert to_mask(from_mask(answers[0] > 0)).any()
