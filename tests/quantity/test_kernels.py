"""The kernels of quantity against the plain formulas that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, signal, special

from calcimetry.kernels.compiled import entered
from calcimetry.quantity.background import _levels, _logistic, _otsu, _probability
from calcimetry.quantity.crop import flooded
from calcimetry.quantity.deblend import deblend_weights
from calcimetry.quantity.noise import Noise, _correlation, _less_plane
from calcimetry.quantity.voxel_sums import voxel_sums
from calcimetry.runs import from_mask


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("sigma", [(0.1, 0.5, 0.9), (1.2, 0.8, 0.6)])
def test_shares_are_those_of_richardson_and_lucy(rng, sigma):
    own, other = np.zeros((2, 11, 16, 18), bool)
    own[4:7, 5:9, 6:10] = True
    other[3:9, 4:12, 10:14] = True
    excess = (300 * own + 700 * other + rng.normal(0, 20, own.shape)).astype(np.float32)

    def blur(volume):
        return ndimage.gaussian_filter(volume, sigma, mode="constant", truncate=3.0)

    support = own | other
    sharp = np.where(support, np.maximum(excess, 1.0), 0.0).astype(np.float64)
    for _ in range(8):
        sharp = sharp * blur(np.maximum(excess, 0.0) / np.maximum(blur(sharp), 1.0))
    part, whole = blur(np.where(own, sharp, 0.0)), blur(sharp)
    expected = part / np.maximum(whole, 1e-3)
    assert deblend_weights(excess, own, other, sigma) == pytest.approx(expected, abs=2e-5)


def test_noise_of_a_sum_is_that_of_the_whole_correlation(rng):
    half = rng.random((3, 5, 5))
    correlation = half + half[::-1, ::-1, ::-1]
    weights = np.zeros((12, 13, 14), np.float32)
    weights[2:9, 4:8, 5:13] = rng.random((7, 4, 8))
    spread = signal.fftconvolve(weights, correlation, mode="same")
    expected = 7.0 * np.sqrt(np.sum(weights * spread))
    assert Noise(7.0, correlation).sd_of_sum(weights) == pytest.approx(expected, rel=1e-5)
    assert Noise(7.0, correlation).sd_of_sum(np.zeros_like(weights)) == 0.0


@pytest.mark.parametrize("shape", [(5, 9, 8), (1, 7, 6), (4, 1, 1)])
def test_a_patch_less_its_plane_is_what_least_squares_leaves(rng, shape):
    patch = rng.integers(-200, 200, shape).astype(np.int16)
    design = np.stack([np.ones(patch.size), *np.indices(shape).reshape(3, -1)], axis=1)
    fit = np.linalg.lstsq(design, patch.ravel().astype(float), rcond=None)[0]
    left = (patch.ravel() - design @ fit).reshape(shape)
    out = np.empty(shape)
    assert entered(_less_plane)(patch, out) == pytest.approx(left.std())
    assert out == pytest.approx(left, abs=1e-9)


def test_correlation_is_that_of_all_pairs(rng):
    patches = rng.normal(size=(3, 6, 9, 8)) + 0.3
    found = _correlation(patches, (1.5, 0.8, 0.7))  # 2, 3 and 4 lags
    assert found.shape == (5, 7, 9)
    for dz, dy, dx in ((0, 0, 0), (2, 0, 0), (1, -3, 4), (-2, 3, -4)):
        expected = []
        for patch in patches:
            moved = np.full((10, 15, 16), np.nan)
            moved[2 + dz : 8 + dz, 3 + dy : 12 + dy, 4 + dx : 12 + dx] = patch
            pairs = moved[2:8, 3:12, 4:12] * patch
            expected.append(np.nanmean(pairs) / np.mean(patch * patch))
        assert found[2 + dz, 3 + dy, 4 + dx] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("jobs", [1, 3])
def test_plain_sums_are_those_of_the_voxels(rng, jobs):
    hu = rng.integers(-1000, 3000, (6, 11, 13)).astype(np.int16)
    masks = np.zeros((70, *hu.shape), bool)
    for n, mask in enumerate(masks[:-2]):
        mask[n % 4 : n % 4 + 2] = rng.random((2, 11, 13)) < 0.3
    masks[-2, 5, 10, 12] = True  # one voxel, in the corner
    masks[-1] = True
    slopes = rng.random(6)
    found = voxel_sums(hu, [from_mask(mask) for mask in masks], slopes, jobs=jobs)
    for n, mask in enumerate(masks):
        values, held = hu[mask].astype(int), np.flatnonzero(mask.any(axis=(1, 2)))
        assert (found.voxels[n], found.total[n]) == (values.size, values.sum())
        assert (found.peak[n], found.dense[n]) == (values.max(), (values >= 130).sum())
        assert found.slope[n] == pytest.approx(slopes[held[0] : held[-1] + 1].mean())


def test_plain_sums_of_nothing():
    assert len(voxel_sums(np.zeros((2, 3, 4), np.int16), [], np.ones(2)).voxels) == 0


def test_own_exponential_is_exact():
    level = np.linspace(-35, 35, 1001)
    found = level.copy()
    entered(_probability)(found)
    assert found == pytest.approx(special.expit(np.clip(level, -30, 30)), rel=1e-14)


def test_a_border_is_found_where_it_was_drawn(rng):
    at = np.argwhere(np.ones((9, 9, 9))).T / 4.0 - 1.0
    drawn = np.array([0.3, 2.0, -1.0, 1.5, 0.5, 0.0, -0.5, 0.2, 0.0, 0.4])
    z, y, x = at
    design = np.stack([z**0, z, y, x, z * z, y * y, x * x, z * y, z * x, y * x])
    target = special.expit(drawn @ design)
    weights = _logistic(np.ascontiguousarray(at), target)
    assert special.expit(weights @ design) == pytest.approx(target, abs=0.02)
    low, high = entered(_levels)(
        (-100 + 150 * target).astype(np.float32), target.astype(np.float32)
    )
    assert (low, high) == pytest.approx((-100, 50), abs=1e-3)


def test_otsu_parts_where_the_classes_differ_most(rng):
    values = np.concatenate([rng.normal(-100, 15, 300), rng.normal(40, 15, 700)]).round()
    low, high, share = _otsu(values.astype(np.float32))
    assert share == pytest.approx(0.7, abs=0.01)
    assert (low, high) == pytest.approx((-100, 40), abs=3)


def test_flood_reaches_over_corners_only_what_holds_a_seed(rng):
    room = rng.random((7, 8, 9)) < 0.12
    seeds = room & (rng.random(room.shape) < 0.1)
    labels, _ = ndimage.label(room, np.ones((3, 3, 3)))
    assert np.array_equal(flooded(seeds, room), np.isin(labels, labels[seeds]))
