"""A scan's own pose: the same for every way to lay its array down, and back again."""

from __future__ import annotations

from importlib import import_module
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calcimetry import from_array
from calcimetry.anatomy import (
    find_body,
    in_pose,
    into_pose,
    is_turned,
    out_of_pose,
    pose_of,
    water_equivalent_diameter,
)
from calcimetry.deposits.find import TRUNK_MM
from calcimetry.records import StoredGrid
from calcimetry.runs import from_mask, to_mask, voxels_of

module = import_module("calcimetry.anatomy.pose")

WAYS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]
SPACING = (2.0, 1.25, 0.75)


def _laid(hu, spacing, order, signs):
    """A scan of the same matter, in one of 48 ways: six orders, each axis either way."""
    turned = hu.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    return from_array(turned, spacing=tuple(spacing[axis] for axis in order), kvp=120)


def _limb(seed):
    """A tapering lump with an uneven rod in it, in noise."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices((30, 26, 34)) * np.array(SPACING)[:, None, None, None]
    wide = 9 + 3 * z / 60
    hu = np.where(np.hypot(y - 17, (x - 12) * 0.8) < wide, 40, -1000)
    hu[np.hypot(y - 14, x - 11) < 3 + z / 40] = 700
    return np.round(hu + rng.normal(0, 15, hu.shape)).astype(np.int16)


@given(seed=st.integers(0, 2**32 - 1), way=st.sampled_from(WAYS))
@settings(max_examples=25)
def test_the_same_array_however_it_is_laid_down(seed, way):
    hu = _limb(seed)
    first, other = _laid(hu, SPACING, *WAYS[0]), _laid(hu, SPACING, *way)
    posed = [in_pose(scan, pose_of(scan, jobs=2)) for scan in (first, other)]
    assert np.array_equal(posed[0].hu, posed[1].hu)
    assert posed[0].spacing == pytest.approx(posed[1].spacing)
    assert posed[0].hu.flags.c_contiguous


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_threads_do_not_change_what_is_counted(jobs):
    scan = from_array(_limb(5), spacing=SPACING, kvp=120)
    faces, profiles = module._counted(scan, jobs)
    kinds = (scan.hu >= module.SURFACES_HU[0]).astype(int) + (scan.hu >= module.SURFACES_HU[1])
    assert faces.tolist() == [int(np.abs(np.diff(kinds, axis=axis)).sum()) for axis in range(3)]
    for axis, profile in enumerate(profiles):
        rest = tuple(a for a in range(3) if a != axis)
        assert profile.tolist() == [
            (kinds >= 1).sum(axis=rest).tolist(),
            (kinds >= 2).sum(axis=rest).tolist(),
        ]


@given(profile=arrays(np.int64, (2, 12), elements=st.integers(0, 10**9)))
def test_a_profile_turned_round_gives_the_opposite_or_is_even(profile):
    one, other = (module._turned_round(p) for p in (profile, profile[:, ::-1]))
    tissue, dense = (p.astype(object) for p in profile)
    place = np.arange(12).astype(object)
    if (dense * place).sum() * tissue.sum() != (tissue * place).sum() * dense.sum():
        assert one != other


@given(
    mask=arrays(np.bool_, st.tuples(*[st.integers(2, 7)] * 3)),
    axes=st.permutations([0, 1, 2]),
    flipped=st.tuples(*[st.booleans()] * 3),
)
def test_runs_go_into_a_pose_and_out_of_it(mask, axes, flipped):
    hu = np.where(mask, 500, -1000).astype(np.int16)
    pose = StoredGrid(mask.shape[::-1], np.diag([0.7, 0.8, 2.0, 1.0]), tuple(axes), flipped)
    runs = from_mask(mask)
    moved = into_pose(runs, pose)
    assert np.array_equal(to_mask(moved), pose.to_scan(hu.T) == 500)
    back = out_of_pose(moved, pose)
    assert back.shape == runs.shape
    assert np.array_equal(voxels_of(back), voxels_of(runs))
    for column in ("row", "start", "stop"):
        assert np.array_equal(getattr(back, column), getattr(runs, column))
        assert getattr(back, column).dtype == np.int32


@pytest.mark.parametrize("way", WAYS[::7])
def test_a_pose_keeps_patient_coordinates(way):
    hu = np.full((30, 26, 34), -1000, np.int16)
    hu[4:25, 6:20, 6:28] = 40
    hu[20, 9, 11] = 1200
    scan = _laid(hu, SPACING, *way)
    posed = in_pose(scan, pose_of(scan))
    (one,), (other,) = np.argwhere(scan.hu == 1200), np.argwhere(posed.hu == 1200)
    assert posed.to_lps(other) == pytest.approx(scan.to_lps(one))
    assert posed.voxel_mm3 == pytest.approx(scan.voxel_mm3)


def test_a_scan_that_lies_in_its_pose_is_not_copied():
    scan = from_array(_limb(1), spacing=SPACING, kvp=120)
    posed = in_pose(scan, pose_of(scan))
    pose = pose_of(posed)
    assert not is_turned(pose)
    assert in_pose(posed, pose) is posed


def _leg(length_mm, wide_mm, tall_mm, axis):
    """A body of that length along an axis that the field cuts at both ends, a bone in it."""
    step = 4.0
    n, h, w = (round(mm / step) for mm in (length_mm, tall_mm + 40, wide_mm + 40))
    _, y, x = np.indices((n, h, w))
    y, x = (y - h / 2) * step, (x - w / 2) * step
    hu = np.where((y / tall_mm) ** 2 + (x / wide_mm) ** 2 < 0.25, 40, -1000)
    hu[np.hypot(y - tall_mm / 4, x) < 14] = 900
    order = {0: (0, 1, 2), 1: (1, 0, 2), 2: (2, 1, 0)}[axis]
    return from_array(hu.astype(np.int16).transpose(order), spacing=(step,) * 3, kvp=120)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_leg_laid_across_is_no_trunk(axis):
    """Cut along its length it is as big as a trunk; its own slices are not."""
    scan = _leg(700, 130, 120, axis)
    posed = in_pose(scan, pose_of(scan))
    assert np.nanmax(water_equivalent_diameter(posed, find_body(posed))) < TRUNK_MM
    if axis:
        assert np.nanmax(water_equivalent_diameter(scan, find_body(scan))) > TRUNK_MM


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_short_piece_of_a_trunk_is_one_and_is_only_set_upright(axis):
    scan = _leg(120, 380, 250, axis)
    pose = pose_of(scan)
    assert is_turned(pose) == (axis != 0)
    assert not any(pose.flipped)
    posed = in_pose(scan, pose)
    assert np.nanmedian(water_equivalent_diameter(posed, find_body(posed))) > TRUNK_MM


def test_what_is_too_big_to_copy_is_not_turned_end_for_end(monkeypatch):
    scan = from_array(_limb(2)[::-1, ::-1, ::-1], spacing=SPACING, kvp=120)
    flipped = [pose_of(scan).flipped]
    monkeypatch.setattr(module, "MOST_VOXELS", scan.hu.size - 1)
    flipped.append(pose_of(scan).flipped)
    assert any(flipped[0])
    assert not any(flipped[1])


@pytest.mark.parametrize("hu", [-1000, 40, 900])
def test_what_shows_nothing_lies_as_it_lies(hu):
    scan = from_array(np.full((8, 9, 10), hu, np.int16), spacing=(1.0, 1.0, 1.0), kvp=120)
    assert not is_turned(pose_of(scan))
