"""Canonical axes: over every way to lay out a volume, each voxel keeps value and place."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from calcimetry.errors import CalcimetryError
from calcimetry.nifti import ras_of_lps
from calcimetry.records import Acquisition
from calcimetry.scan import from_array, read
from calcimetry.scan.grid import scan_affine, stored_grid, tilt_degrees

SHAPE = (5, 6, 7)  # z, y, x
LAYOUTS = list(product(permutations(range(3)), product((False, True), repeat=3)))
ANGLE = st.floats(-25, 25)


def laid_out(layout, turn=(0.0, 0.0, 0.0)):
    """A volume stored with axes swapped and flipped, patient and grid turned together."""
    order, flips = layout
    hu = np.random.default_rng(3).integers(-1000, 2000, SHAPE).astype(np.int16)
    affine = np.diag([0.7, 0.8, 2.5, 1.0])
    affine[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ affine[:3, :3]
    affine[:3, 3] = (-20, 30, 400)
    stored, matrix = hu.T.transpose(order), affine[:, [*order, 3]]
    for axis, flip in enumerate(flips):
        if flip:
            matrix[:3, 3] += matrix[:3, axis] * (stored.shape[axis] - 1)
            matrix[:3, axis] *= -1
            stored = np.flip(stored, axis)
    return hu, affine, stored, matrix


def holds(scan, hu, affine, stored, matrix):
    """The scan is the canonical volume, and its grid leads back to the stored one."""
    assert np.array_equal(scan.hu, hu)
    assert scan.hu.flags.c_contiguous
    np.testing.assert_allclose(scan.affine, affine, atol=2e-4)
    assert np.array_equal(scan.stored.from_scan(scan.hu), stored)
    assert np.array_equal(scan.stored.to_scan(stored), scan.hu)
    assert scan.stored.shape == stored.shape
    np.testing.assert_allclose(scan.stored.affine, matrix, atol=2e-4)
    mark = np.zeros(hu.shape, bool)
    mark[3, 2, 1] = True
    (place,) = np.argwhere(scan.stored.from_scan(mark))
    there = scan.stored.affine @ [*place, 1]
    np.testing.assert_allclose(scan.to_lps([3, 2, 1]), there[:3], atol=1e-9)
    assert scan.stored.slice_index(3) == place[scan.stored.axes[0]]
    np.testing.assert_allclose(scan.to_zyx(there[:3]), [3, 2, 1], atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_forty_eight_layouts_of_an_array(layout):
    hu, affine, stored, matrix = laid_out(layout)
    holds(from_array(stored.T, affine=matrix), hu, affine, stored, matrix)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_forty_eight_layouts_of_a_file(layout, tmp_path):
    hu, affine, stored, matrix = laid_out(layout, (8.0, -5.0, 12.0))
    nib.save(nib.Nifti1Image(stored, ras_of_lps(matrix)), tmp_path / "ct.nii.gz")
    holds(read(tmp_path / "ct.nii.gz"), hu, affine, stored, matrix)


@given(st.sampled_from(LAYOUTS), st.tuples(ANGLE, ANGLE, ANGLE))
def test_oblique_grids_are_swapped_never_mixed(layout, turn):
    hu, affine, stored, matrix = laid_out(layout, turn)
    holds(from_array(stored.T, affine=matrix), hu, affine, stored, matrix)


@given(st.tuples(*[st.floats(-180, 180)] * 3))
def test_any_rotation_gives_axes_that_run_with_the_patient(turn):
    _, _, stored, matrix = laid_out(LAYOUTS[0], turn)
    grid = stored_grid(stored.shape, matrix)
    assert sorted(grid.axes) == [0, 1, 2]
    affine = scan_affine(grid)
    own = np.diagonal(affine)[:3] / np.linalg.norm(affine[:3, :3], axis=0)
    assert (own > -1e-9).all()
    assert own.sum() >= 1.5
    assert np.linalg.det(affine[:3, :3]) == pytest.approx(0.7 * 0.8 * 2.5)


def test_tilt_is_the_angle_of_the_shear():
    affine = np.eye(4)
    affine[:3, 2] = (0, np.sin(np.radians(20)), np.cos(np.radians(20)))
    assert tilt_degrees(affine) == pytest.approx(20)


def dicom_affines():
    """Directions that CT series really have: head or feet first, prone, decubitus, tilted."""
    yield "supine", (1, 0, 0, 0, 1, 0)
    yield "prone", (-1, 0, 0, 0, -1, 0)
    yield "rows upwards", (1, 0, 0, 0, -1, 0)
    yield "decubitus", (0, 1, 0, -1, 0, 0)
    yield "coronal", (1, 0, 0, 0, 0, -1)
    yield "sagittal", (0, 1, 0, 0, 0, -1)


@pytest.mark.parametrize(("name", "directions"), list(dicom_affines()))
def test_dicom_in_every_direction(tmp_path, make, name, directions):
    values = make.body()
    across, down = np.reshape(directions, (2, 3)).astype(float)
    normal = np.cross(across, down)

    def turn(k, data):
        data.ImageOrientationPatient = [float(v) for v in directions]
        data.ImagePositionPatient = [float(v) for v in normal * 2.5 * k + (1, 2, 3)]
        return data

    scan = read(make.series(tmp_path, values, change=turn))
    stored = scan.stored.from_scan(scan.hu)
    assert np.array_equal(stored, values.transpose(2, 1, 0))
    for k, row, column in ((0, 0, 0), (3, 4, 5), (5, 32, 39)):
        place = (1, 2, 3) + across * 0.7 * column + down * 0.8 * row + normal * 2.5 * k
        z, y, x = np.rint(scan.to_zyx(place)).astype(int)
        assert scan.hu[z, y, x] == values[k, row, column]
    axial = abs(normal[2]) == 1
    assert {f.code for f in scan.flags} == (set() if axial else {"NON_AXIAL"})
    uids = scan.acquisition.sop_instance_uids
    ends = scan.hu.shape[scan.stored.axes.index(2)]
    assert len(uids) == ends


# --------------------------------------------------------------------------------- arrays


def test_arrays_with_spacing_are_taken_as_they_stand():
    hu = np.random.default_rng(0).integers(-1000, 900, (5, 6, 7))
    scan = from_array(hu, spacing=(3.0, 0.5, 0.4), kvp=100)
    assert np.array_equal(scan.hu, hu)
    assert scan.spacing == pytest.approx((3.0, 0.5, 0.4))
    assert scan.acquisition.kvp == 100
    assert {f.code for f in scan.flags} == {"ORIENTATION_ASSUMED", "CONTRAST_UNKNOWN"}
    assert len(scan.source.digests) == 1


def test_arrays_are_rounded_clipped_and_left_alone():
    hu = np.full((4, 4, 4), -1000.0)
    hu[0, 0] = (0.6, -0.6, 9e9, np.nan)
    scan = from_array(hu, spacing=(1, 1, 1), acquisition=Acquisition(contrast=False))
    assert scan.hu[0, 0].tolist() == [1, -1, 32767, -1024]
    assert np.isnan(hu[0, 0, 3])
    told = {"NOT_FINITE", "KVP_UNKNOWN", "ORIENTATION_ASSUMED"}
    assert {f.code for f in scan.flags} == told | {"HU_SCALE_DOUBTFUL"}  # one in 16 is no HU


def test_an_int16_array_is_copied_not_shared():
    hu = np.full((4, 4, 4), -1000, np.int16)
    scan = from_array(hu, spacing=(1, 1, 1))
    hu[0] = 5
    assert (scan.hu == -1000).all()


@pytest.mark.parametrize(
    ("code", "exit_code", "arguments"),
    [
        ("ARRAY_GEOMETRY", 2, {}),
        ("ARRAY_GEOMETRY", 2, {"spacing": (1, 1, 1), "affine": np.eye(4)}),
        ("ARRAY_SHAPE", 2, {"hu": np.zeros((5, 5)), "spacing": (1, 1, 1)}),
        ("ARRAY_SHAPE", 2, {"hu": np.zeros((5, 5, 5), complex), "spacing": (1, 1, 1)}),
        ("TOO_FEW_SLICES", 4, {"hu": np.zeros((3, 5, 5)), "spacing": (1, 1, 1)}),
        ("NO_AFFINE", 4, {"spacing": (1, 1, -1)}),
        ("NO_AFFINE", 4, {"spacing": (1, 1)}),
        ("NO_AFFINE", 4, {"spacing": (1, np.nan, 1)}),
        ("NO_AFFINE", 4, {"affine": np.eye(3)}),
        ("NO_AFFINE", 4, {"affine": np.diag([1, 0, 1, 1])}),
    ],
)
def test_bad_arrays(code, exit_code, arguments):
    hu = arguments.pop("hu", np.zeros((5, 5, 5), np.int16))
    with pytest.raises(CalcimetryError, match=code) as caught:
        from_array(hu, **arguments)
    assert caught.value.exit_code == exit_code
