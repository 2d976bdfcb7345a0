"""Noise, its correlation, and blur, measured on scans where they are known."""

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.plan import Plan
from calcimetry.quantity.noise import Noise, noise_of
from calcimetry.quantity.point_spread import _edge_widths, point_spread_of

WHITE = np.zeros((3, 3, 3))
WHITE[1, 1, 1] = 1.0


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


@pytest.mark.parametrize("sigma", [0.4, 0.7, 1.0])
def test_blur_is_measured_on_the_skin(make_scan, sigma: float) -> None:
    size, step = 240, 0.25
    y, x = (np.indices((size, size)) - size / 2) * step
    fine = np.where(np.hypot(y, x) < 22.0, 30.0, -1000.0)
    fine = ndimage.gaussian_filter(fine, sigma / step)
    plane = fine.reshape(size // 2, 2, size // 2, 2).mean(axis=(1, 3))
    hu = plane + np.random.default_rng(4).normal(0, 8, (10, *plane.shape))
    blur = point_spread_of(make_scan(hu, (2.0, 0.5, 0.5)), Plan())
    assert blur.measured
    assert blur.in_plane == pytest.approx(sigma, rel=0.15)


def test_the_edge_of_the_field_is_no_skin(make_scan) -> None:
    y, x = np.indices((120, 120)) - 60
    hu = np.where(np.hypot(y, x) < 44, 30.0, -1024.0)
    blur = point_spread_of(make_scan(np.repeat(hu[None], 8, axis=0), (2.0, 0.5, 0.5)), Plan())
    assert not blur.measured
    assert blur.in_plane == 0.6


def test_blur_from_the_plan_and_overlapping_slices(make_scan) -> None:
    plan = Plan().changed("quantity", {"point_spread_mm": 2.354820045})
    blur = point_spread_of(
        make_scan(np.zeros((4, 9, 9)), (1.0, 1.0, 1.0), slice_thickness_mm=5.0), plan
    )
    assert blur.in_plane == pytest.approx(1.0)
    # Box of 5 mm of which the voxel itself holds 1 mm: variance (25 - 1) / 12 more.
    assert blur.through_plane == pytest.approx(np.sqrt(1.0 + 2.0))


def _body(rng: np.random.Generator) -> np.ndarray:
    """A blurred body in air and padding, whose edges run along both axes, both ways."""
    hu = np.full((3, 60, 60), -1000.0)
    hu[:, 14:45, 12:47] = 40.0
    hu = ndimage.gaussian_filter(hu, (0, 0.9, 0.9)) + rng.normal(0, 5, hu.shape)
    hu[:, :, 55:] = -2000.0
    hu[:, 30:, :4] = -1024.0
    return hu


@pytest.mark.parametrize(
    "turned",
    [lambda a: a[:, ::-1], lambda a: a[:, :, ::-1], lambda a: a.transpose(0, 2, 1)],
    ids=["upside down", "mirrored", "transposed"],
)
def test_edges_are_seen_from_every_side(make_scan, turned) -> None:
    hu = _body(np.random.default_rng(4))
    one, other = (np.sort(_edge_widths(make_scan(volume))) for volume in (hu, turned(hu)))
    assert len(one) > 250
    assert one == pytest.approx(other, rel=1e-5)


def test_a_plane_too_small_for_an_edge_has_none(make_scan) -> None:
    assert len(_edge_widths(make_scan(_body(np.random.default_rng(4))[:, 12:17, 10:20]))) == 0
