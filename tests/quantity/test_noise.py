"""Noise and its correlation, measured on scans where they are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, signal

from calcimetry.kernels.compiled import entered
from calcimetry.quantity.noise import Noise, _correlation, _less_plane, noise_of

WHITE = np.zeros((3, 3, 3))
WHITE[1, 1, 1] = 1.0


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("count", [1, 4, 25])
def test_white_noise_sums_as_the_root_of_the_count(count: int) -> None:
    weights = np.zeros((8, 8, 8), np.float32)
    weights.ravel()[:count] = 1
    assert Noise(10.0, WHITE).sd_of_sum(weights) == pytest.approx(10.0 * np.sqrt(count))


def test_two_correlated_voxels() -> None:
    # var = s^2 (1 + 1 + 2 r) = 100 * (2 + 2 * 0.5) = 300
    kernel = np.zeros((1, 1, 3))
    kernel[0, 0] = [0.5, 1.0, 0.5]
    weights = np.zeros((5, 5, 5), np.float32)
    weights[2, 2, 2:4] = 1
    assert Noise(10.0, kernel).sd_of_sum(weights) == pytest.approx(np.sqrt(300))


def test_weights_of_a_half_count_a_quarter_in_variance() -> None:
    weights = np.zeros((5, 5, 5), np.float32)
    weights[2, 2, 2] = 0.5
    assert Noise(10.0, WHITE).sd_of_sum(weights) == pytest.approx(5.0)


@pytest.mark.parametrize(("sd", "blur"), [(8.0, 0.0), (25.0, 0.8)])
def test_noise_is_measured(make_scan, sd: float, blur: float) -> None:
    rng = np.random.default_rng(3)
    field = rng.normal(size=(40, 80, 80))
    field = ndimage.gaussian_filter(field, blur) if blur else field
    scan = make_scan(40 + sd * field / field.std())
    noise = noise_of(scan)
    assert noise.sd == pytest.approx(sd, rel=0.08)
    blocks = scan.hu.astype(float).reshape(8, 5, 16, 5, 16, 5).sum(axis=(1, 3, 5))
    weights = np.zeros((20, 20, 20), np.float32)
    weights[5:10, 5:10, 5:10] = 1
    assert noise.sd_of_sum(weights) == pytest.approx(blocks.std(), rel=0.12)


def test_a_scan_without_tissue_gets_typical_noise(make_scan) -> None:
    noise = noise_of(make_scan(np.full((6, 20, 20), -1000)))
    assert noise.sd == 15.0
    assert noise.correlation.max() == 1.0


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
