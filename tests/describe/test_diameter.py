"""Diameters of shapes measured by hand."""

import numpy as np
import pytest

from calcimetry.describe import diameters, form
from calcimetry.records import Scan
from calcimetry.runs import from_mask


@pytest.fixture
def make_scan():
    """A scan of these HU; voxel edges along (z, y, x), mm."""

    def make(hu, spacing=(1.0, 1.0, 1.0)):
        affine = np.diag([*spacing[::-1], 1.0])
        return Scan.of(np.ascontiguousarray(np.round(hu), dtype=np.int16), affine)

    return make


def box(shape: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros((12, 30, 30), bool)
    mask[2 : 2 + shape[0], 4 : 4 + shape[1], 5 : 5 + shape[2]] = True
    return mask


def test_one_row_is_as_long_as_its_voxels(make_scan) -> None:
    size = diameters(make_scan(np.zeros((12, 30, 30)), (2.0, 0.5, 0.5)), from_mask(box((1, 1, 9))))
    assert size.axial == pytest.approx(4.5)  # nine voxels of 0.5 mm
    assert size.perpendicular == pytest.approx(0.5)
    assert size.longest == pytest.approx(4.5)
    assert size.equivalent == pytest.approx((6 / np.pi * 9 * 0.5) ** (1 / 3))


def test_rectangle_has_its_diagonal(make_scan) -> None:
    # 4 x 5 voxel centres span 3 x 4: diagonal 5; along (0.6, 0.8) a unit voxel adds 1.
    size = diameters(make_scan(np.zeros((12, 30, 30))), from_mask(box((1, 4, 5))))
    assert size.axial == pytest.approx(6.0)
    # Across it, the two other corners are 2 * 3 * 4 / 5 = 4.8 apart, and again 1 more.
    assert size.perpendicular == pytest.approx(5.8)


def test_column_is_long_in_three_dimensions_only(make_scan) -> None:
    size = diameters(make_scan(np.zeros((12, 30, 30)), (3.0, 1.0, 1.0)), from_mask(box((4, 1, 1))))
    assert size.longest == pytest.approx(12.0)
    assert size.axial == pytest.approx(1.0)


@pytest.mark.parametrize("spacing", [(1.0, 0.5, 0.5), (0.5, 0.5, 0.5), (2.0, 0.7, 0.7)])
def test_ball_has_one_diameter(make_scan, spacing: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(8):  # where the grid lies relative to the ball
        axes = [np.arange(-int(9 / s), int(9 / s) + 1) * s + rng.uniform(0, s) for s in spacing]
        z, y, x = np.meshgrid(*axes, indexing="ij")
        mask = z * z + y * y + x * x <= 7.0**2
        size = diameters(make_scan(np.zeros(z.shape), spacing), from_mask(mask))
        found.append((size.longest, size.axial, size.perpendicular, size.equivalent))
    longest, axial, across, equivalent = np.mean(found, axis=0)
    assert equivalent == pytest.approx(14.0, rel=0.01)
    # Of all chords the longest is taken, so it is up to a voxel too long, never too short.
    for value in (axial, across):
        assert 14.0 <= value <= 14.0 + spacing[2]
    assert 14.0 <= longest <= 14.0 + np.linalg.norm(spacing)


def test_longest_axial_is_taken_over_slices(make_scan) -> None:
    mask = box((1, 1, 3))
    mask[7, 20, 2:12] = True
    size = diameters(make_scan(np.zeros(mask.shape)), from_mask(mask))
    assert size.slice_index == 7
    assert size.axial == pytest.approx(10.0)


def test_form_takes_the_volume_that_it_is_given(make_scan) -> None:
    made = form(
        make_scan(np.zeros((12, 30, 30))),
        from_mask(box((3, 3, 3))),
        shape="nodular",
        volume_mm3=np.pi / 6 * 1000,
        numbers={"sphericity": 0.9},
    )
    assert made.diameter_mm == pytest.approx(10.0)
    assert made.shape == "nodular"
    assert made.numbers["sphericity"] == 0.9
    assert made.numbers["longest_3d_mm"] == pytest.approx(2 * np.sqrt(3) + 1)
