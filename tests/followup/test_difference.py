"""The difference of two visits' images: what it finds, what it forgives, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.describe import UNKNOWN_HU
from calcimetry.followup.difference import difference
from calcimetry.followup.motion import Motion
from calcimetry.records import Scan

from .conftest import visit_with

SHAPE, SPACING = (24, 36, 36), (1.5, 1.0, 1.0)
MIDDLE = np.array([18.0, 18.0, 18.0])
MOVED = Motion.moved(np.array([2.3, -1.6, 3.4])).after(
    Motion.about(MIDDLE, np.array([0.05, 0.08, 0.03]))
)
DENSE = 600.0  # HU of the deposit above muscle
RADIUS = 4.0
SHAFT = 9.0, 18.0  # x and y of the bone, which is 12 mm thick


def scan_of(motion: Motion, times: float, seed: int, noise: float = 10.0) -> Scan:
    """Muscle and fat; a shaft of bone; a ball on it, `times` as dense: drawn at half the voxel."""
    axes = [(np.arange(2 * n) - 0.5) / 2 * s for n, s in zip(SHAPE, SPACING, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=False)
    here = motion.inverse()(np.stack([x, y, z], axis=-1).reshape(-1, 3))
    bone = np.hypot(here[:, 0] - SHAFT[0], here[:, 1] - SHAFT[1]) < 6.0
    ball = np.linalg.norm(here - MIDDLE, axis=1) < RADIUS
    hu = np.where(here[:, 1] > 28.0, -100.0, 50.0)
    hu[ball & ~bone] += DENSE * times
    hu[bone] = 1100.0
    fine = ndimage.gaussian_filter(hu.reshape(x.shape), 1.2)
    coarse = fine.reshape(SHAPE[0], 2, SHAPE[1], 2, SHAPE[2], 2).mean(axis=(1, 3, 5))
    coarse += np.random.default_rng(seed).normal(0, noise, SHAPE)
    affine = np.diag([*SPACING[::-1], 1.0])
    return Scan.of(np.rint(coarse).astype(np.int16), affine)


@cache
def drawn(moved: bool, times: float, seed: int) -> Scan:
    return scan_of(MOVED if moved else Motion.none(), times, seed)


def visit_of(motion: Motion, times: float, seed: int, cut_mm: float):
    """The ball, cut off `cut_mm` from where it meets the bone."""
    scan = drawn(motion is MOVED, times, seed)
    voxels = scan.to_lps(np.argwhere(np.ones(SHAPE, bool)))
    here = motion.inverse()(voxels)
    own = np.linalg.norm(here - MIDDLE, axis=1) < RADIUS + 0.5
    own &= np.hypot(here[:, 0] - SHAFT[0], here[:, 1] - SHAFT[1]) > 6.0 + cut_mm
    return replace(visit_with({1: (motion(MIDDLE), 50.0)}), scan=scan, whole={1: voxels[own]})


def true_value(times: float) -> float:
    axes = [np.arange(-4.5, 4.5, 0.15)] * 3
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3) + MIDDLE
    ball = np.linalg.norm(grid - MIDDLE, axis=1) < RADIUS
    outside = np.hypot(grid[:, 0] - SHAFT[0], grid[:, 1] - SHAFT[1]) >= 6.0
    return DENSE * (times - 1) * float((ball & outside).sum()) * 0.15**3


FIRST = visit_of(Motion.none(), 1.0, 1, 0.0)
WHOLE = true_value(2.0)
NUMBERS = ((1,), (1,))


@pytest.mark.parametrize("cut_mm", [-1.0, 0.0, 1.5])
@pytest.mark.parametrize("times", [1.0, 1.4, 0.6])
def test_the_change_is_found_however_either_visit_cut_it_from_bone(times, cut_mm):
    second = visit_of(MOVED, times, 2, cut_mm)
    start = Motion.moved(np.array([0.4, -0.3, 0.5])).after(MOVED)
    found = difference((FIRST, second), NUMBERS, start)
    assert found is not None
    noise = 0.03 * WHOLE
    error = found.value - (times - 1) * WHOLE
    assert abs(error) < 3 * np.hypot(found.sd, noise) + 0.1 * abs(times - 1) * WHOLE
    assert found.sd < 0.15 * WHOLE


def test_exchanging_the_visits_turns_the_sign():
    second = visit_of(MOVED, 1.4, 2, 0.0)
    there = difference((FIRST, second), NUMBERS, MOVED)
    back = difference((second, FIRST), NUMBERS, MOVED.inverse())
    assert there.value == pytest.approx(-back.value, abs=0.05 * WHOLE)


def test_another_bone_that_moved_beside_it_is_not_taken_for_growth():
    second = visit_of(MOVED, 1.0, 2, 0.0)
    bent = second.scan.hu.copy()
    at = second.scan.to_zyx(MOVED(MIDDLE + np.array([5.0, 0.0, 0.0])))
    z, y, x = np.rint(at).astype(int).tolist()
    bent[z - 5 : z + 6, y - 7 : y + 8, x + 2 : x + 8] = 1100
    beside = replace(second, scan=replace(second.scan, hu=bent))
    assert difference((FIRST, second), NUMBERS, MOVED) is not None
    assert difference((FIRST, beside), NUMBERS, MOVED) is None


def test_without_images_or_outside_of_them_nothing_is_said():
    second = visit_of(MOVED, 1.0, 2, 0.0)
    assert difference((replace(FIRST, scan=None), second), NUMBERS, MOVED) is None
    cut = replace(second.scan, hu=np.ascontiguousarray(second.scan.hu[:13]))
    assert difference((FIRST, replace(second, scan=cut)), NUMBERS, MOVED) is None


def test_what_lies_elsewhere_is_not_laid_over():
    """Nothing alike within reach: the fit runs off, and is not believed."""
    second = visit_of(MOVED, 1.0, 2, 0.0)
    far = Motion.moved(np.array([0.0, 9.0, 0.0])).after(MOVED)
    found = difference((FIRST, second), NUMBERS, far)
    assert found is None or abs(found.value) < 5 * found.sd


def test_images_kept_about_the_deposit_are_enough():
    """As a folder keeps them: some mm about each visit's own mask, the rest unknown."""
    second = visit_of(MOVED, 1.4, 2, 0.0)
    whole = difference((FIRST, second), NUMBERS, MOVED)
    kept = difference((_only_near(FIRST, 9.0), _only_near(second, 9.0)), NUMBERS, MOVED)
    assert kept.value == pytest.approx(whole.value, abs=0.03 * WHOLE)


def _only_near(visit, margin_mm):
    index = visit.scan.to_zyx(visit.whole[1])
    reach = margin_mm / np.array(SPACING)
    box = tuple(
        slice(max(int(a), 0), int(b))
        for a, b in zip(index.min(axis=0) - reach, index.max(axis=0) + reach + 1, strict=True)
    )
    hu = np.full(SHAPE, UNKNOWN_HU, np.int16)
    hu[box] = visit.scan.hu[box]
    return replace(visit, scan=replace(visit.scan, hu=hu))
