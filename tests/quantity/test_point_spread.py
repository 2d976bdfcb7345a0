"""The point spread, measured on scans where it is known."""

import numpy as np
import pytest
from scipy import ndimage

from calcimetry.plan import Plan
from calcimetry.quantity.point_spread import _edge_widths, point_spread_of


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
