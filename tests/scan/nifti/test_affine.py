"""sform, qform, pixdim and units: what is taken, what is flagged, what is refused."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from calcimetry.errors import GeometryError, InputError
from calcimetry.scan import from_array, read

GRID = np.array([[-0.7, 0, 0, 20], [0, -0.8, 0, 30], [0, 0, 2.5, -40], [0, 0, 0, 1.0]])


def write(path, make, *, sform=GRID, qform=None, unit="mm", codes=(1, 1), **fields):
    """A NIfTI-1 file with a header of any contents; `fields` are written as they come."""
    header = nib.Nifti1Header()
    values = make.body().T
    header.set_data_shape(values.shape)
    header.set_data_dtype(np.int16)
    header.set_xyzt_units(unit)
    if qform is not None:
        header.set_qform(qform, code=codes[1])
    else:
        header["pixdim"][1:4] = np.linalg.norm(GRID[:3, :3], axis=0)
    if sform is not None:
        with np.errstate(over="ignore"):
            header.set_sform(sform, code=codes[0])
    header["vox_offset"], header["scl_slope"], header["scl_inter"] = 352, 1, 0
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + b"\0" * 4 + values.tobytes("F"))
    return path


def codes_of(scan):
    return {f.code for f in scan.flags} - {"NIFTI_HEADER", "KVP_UNKNOWN", "CONTRAST_UNKNOWN"}


def with_edges(*edges):
    found = GRID.copy()
    found[:3, :3] = GRID[:3, :3] / np.linalg.norm(GRID[:3, :3], axis=0) * edges
    return found


def turned(degrees, axis="z"):
    found = GRID.copy()
    turn = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    found[:3, :3] = turn @ GRID[:3, :3]
    return found


def moved(by):
    found = GRID.copy()
    found[:3, 3] += by
    return found


def test_forms_that_agree(tmp_path, make):
    scan = read(write(tmp_path / "a.nii", make, qform=GRID))
    assert np.array_equal(scan.hu, make.body())
    assert codes_of(scan) == set()


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("factor", [0.5, 0.97, 1.03, 1.5, 10])
@pytest.mark.parametrize("qform", [None, GRID])
def test_edges_that_differ_are_refused(tmp_path, make, place, factor, qform):
    edges = np.array([0.7, 0.8, 2.5])
    edges[place] *= factor
    path = write(tmp_path / "a.nii", make, sform=with_edges(*edges), qform=qform)
    with pytest.raises(GeometryError, match=r"AFFINES_DISAGREE.*0\.7 x 0\.8 x 2\.5 mm") as caught:
        read(path)
    assert f"{edges[place]:.4g}" in caught.value.found


def test_edges_that_differ_in_rounding_are_taken(tmp_path, make):
    scan = read(write(tmp_path / "a.nii", make, sform=with_edges(0.7001, 0.8, 2.499), qform=GRID))
    assert codes_of(scan) == set()


def test_forms_of_opposite_handedness_are_refused(tmp_path, make):
    mirrored = np.diag([-1.0, 1, 1, 1]) @ GRID
    with pytest.raises(GeometryError, match=r"AFFINES_DISAGREE.*handedness"):
        read(write(tmp_path / "a.nii", make, sform=mirrored, qform=GRID))


@pytest.mark.parametrize("degrees", [90, 180])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_forms_with_other_axes_are_refused(tmp_path, make, degrees, axis):
    with pytest.raises(GeometryError, match=rf"AFFINES_DISAGREE.*{degrees} degrees apart"):
        read(write(tmp_path / "a.nii", make, sform=turned(degrees, axis), qform=GRID))


@pytest.mark.parametrize("sform", [turned(10), moved((0, 0, 60)), moved((5, 0, 0))])
def test_forms_that_differ_harmlessly_are_flagged_and_the_sform_taken(tmp_path, make, sform):
    scan = read(write(tmp_path / "a.nii", make, sform=sform, qform=GRID))
    assert codes_of(scan) == {"NIFTI_FORMS_DIFFER"}
    np.testing.assert_allclose(scan.stored.affine, np.diag([-1, -1, 1, 1]) @ sform, atol=1e-4)


@pytest.mark.parametrize(
    "sform",
    [np.zeros((4, 4)), GRID * [[0], [1], [1], [1]], np.full((4, 4), np.nan), GRID * [1, 0, 1, 1]],
)
def test_an_sform_that_is_no_geometry_gives_way_to_the_qform(tmp_path, make, sform):
    scan = read(write(tmp_path / "a.nii", make, sform=sform, qform=GRID))
    assert codes_of(scan) == {"NIFTI_QFORM"}
    np.testing.assert_allclose(scan.stored.affine, np.diag([-1, -1, 1, 1]) @ GRID, atol=1e-4)
    with pytest.raises(GeometryError, match=r"NO_AFFINE.*sform that is no geometry"):
        read(write(tmp_path / "b.nii", make, sform=sform))


@pytest.mark.parametrize(
    "fields",
    [
        {"quatern_b": 2.0},
        {"quatern_c": np.nan},
        {"qoffset_x": np.inf},
        {"pixdim": [1, 0, 0.8, 2.5, 0, 0, 0, 0]},
        {"pixdim": [1, 0.7, np.nan, 2.5, 0, 0, 0, 0]},
    ],
)
def test_a_qform_that_is_no_geometry(tmp_path, make, fields):
    with pytest.raises(GeometryError, match="NO_AFFINE"):
        read(write(tmp_path / "a.nii", make, sform=None, qform=GRID, **fields))
    scan = read(write(tmp_path / "b.nii", make, qform=GRID, **fields))
    assert scan.spacing == pytest.approx((2.5, 0.8, 0.7))


def test_a_sheared_sform_with_the_qform_nearest_to_it(tmp_path, make):
    sheared = GRID.copy()
    sheared[1, 2] = 2.5 * np.tan(np.radians(15))
    upright = GRID.copy()
    upright[:3, 2] *= np.linalg.norm(sheared[:3, 2]) / 2.5
    scan = read(write(tmp_path / "a.nii", make, sform=sheared, qform=upright))
    assert codes_of(scan) == {"GANTRY_TILT"}


@pytest.mark.parametrize("unit", ["meter", "micron"])
def test_units_that_millimetres_were_written_under_are_named(tmp_path, make, unit):
    with pytest.raises(GeometryError, match="VOXEL_SIZE") as caught:
        read(write(tmp_path / "a.nii", make, unit=unit))
    assert {"meter": "metre", "micron": "micron"}[unit] in caught.value.found
    assert {"meter": "700 x 800 x 2500 mm", "micron": "0.0007"}[unit] in caught.value.found


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3)])
def test_units_that_are_meant_are_taken(tmp_path, make, unit, factor):
    scaled = GRID.copy()
    scaled[:3] *= factor
    path = write(tmp_path / "a.nii", make, sform=scaled, qform=scaled, unit=unit)
    assert read(path).spacing == pytest.approx((2.5, 0.8, 0.7), rel=1e-5)


@pytest.mark.parametrize(
    ("edges", "found"),
    [
        ((0.7, 0.8, 25), "0.7 x 0.8 x 25 mm"),
        ((0.01, 0.8, 2.5), "0.01 x 0.8"),
        ((1e5, 1, 1), "1e+05 x 1 x 1 mm"),
        ((1e30, 1, 1), "1e+30 x 1 x 1 mm"),
        ((1e-30, 1, 1), "1e-30 x 1 x 1 mm"),
    ],
)
def test_voxels_that_no_ct_has(tmp_path, make, edges, found):
    fields = {"pixdim": [1, 0, 0, 0, 0, 0, 0, 0]}  # says nothing that could disagree
    with pytest.raises(GeometryError) as caught:
        read(write(tmp_path / "a.nii", make, sform=with_edges(*edges), **fields))
    assert caught.value.code == "VOXEL_SIZE"
    assert found in caught.value.found


@pytest.mark.parametrize("by", [2e6, -1e9, 1e30])
def test_places_of_kilometres(tmp_path, make, by):
    with pytest.raises(GeometryError) as caught:
        read(write(tmp_path / "a.nii", make, sform=moved((by, 0, 0))))
    assert caught.value.code == "PLACE_FAR"


def test_arrays_have_the_same_bounds():
    hu = np.full((8, 8, 8), -1000, np.int16)
    for spacing in ((25.0, 1, 1), (1, 1, 0.001)):
        with pytest.raises(GeometryError, match="VOXEL_SIZE"):
            from_array(hu, spacing=spacing)
    with pytest.raises(GeometryError, match=r"VOXEL_SIZE.*a scan of .* m"):
        from_array(np.full((400, 8, 8), -1000, np.int16), spacing=(10.0, 1, 1))
    with pytest.raises(GeometryError, match="PLACE_FAR"):
        from_array(hu, affine=np.eye(4) + np.outer([1e7, 0, 0, 0], [0, 0, 0, 1]))


@pytest.mark.parametrize("offset", [np.nan, np.inf, -np.inf, -5.0, 1e12])
def test_voxels_that_begin_nowhere(tmp_path, make, offset):
    with pytest.raises(InputError, match="BAD_NIFTI"):
        read(write(tmp_path / "a.nii", make, vox_offset=offset))


@pytest.mark.parametrize(
    "fields",
    [{"scl_slope": 1e30}, {"scl_slope": 1e-30}, {"scl_inter": np.inf}, {"scl_inter": 1e20}],
)
def test_scaling_that_no_ct_has(tmp_path, make, fields):
    with pytest.raises(InputError, match="BAD_NIFTI"):
        read(write(tmp_path / "a.nii", make, **fields))


@given(
    st.lists(st.floats(width=32), min_size=12, max_size=12),
    st.lists(st.floats(width=32), min_size=14, max_size=14),
    st.integers(0, 255),
)
def test_any_numbers_in_the_header_give_a_scan_or_a_coded_error(
    tmp_path_factory, make, rows, rest, unit
):
    path = tmp_path_factory.mktemp("any") / "a.nii"
    names = ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
    fields = dict(zip(names, rest, strict=False)) | {"pixdim": rest[6:]}
    for k, row in enumerate(("srow_x", "srow_y", "srow_z")):
        fields[row] = rows[4 * k : 4 * k + 4]
    write(path, make, qform=GRID, **fields, xyzt_units=unit)
    try:
        scan = read(path)
    except (GeometryError, InputError):
        return
    assert all(0.05 <= edge <= 20 for edge in scan.spacing)
