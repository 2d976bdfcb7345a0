"""NIfTI in: versions, types, scaling, units, sform and qform."""

from __future__ import annotations

import gzip
import hashlib
import os

import nibabel as nib
import numpy as np
import pytest

from calcimetry.errors import InputError
from calcimetry.scan import list_series, read

HEADER_FLAGS = {"NIFTI_HEADER", "KVP_UNKNOWN", "CONTRAST_UNKNOWN"}


def codes(scan):
    return {f.code for f in scan.flags}


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "CT.NII.GZ"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_versions_and_compression(tmp_path, make, name, kind):
    image = kind(make.body().T, np.diag([-0.7, -0.8, 2.5, 1.0]))
    nib.save(image, tmp_path / name)
    scan = read(tmp_path / name, kvp=120)
    assert np.array_equal(scan.hu, make.body())
    assert scan.hu.flags.writeable
    assert scan.spacing == pytest.approx(make.spacing)
    assert codes(scan) == HEADER_FLAGS - {"KVP_UNKNOWN"}
    digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert scan.source.digests == {name: digest}
    assert scan.source.form == "nifti"


@pytest.mark.parametrize("kind", ["i1", "u1", "<u2", ">i2", "i4", "u4", "i8", "f4", ">f8"])
def test_types_and_byte_orders(tmp_path, make, kind):
    low = -100 if np.dtype(kind).itemsize == 1 and kind != "u1" else 0
    values = (np.arange(8 * 9 * 10).reshape(8, 9, 10) % 100 + max(low, 0)).astype(kind)
    header = nib.Nifti1Header(endianness=">" if kind.startswith(">") else "<")
    nib.save(nib.Nifti1Image(values, np.diag([-1, -1, 1, 1]), header), tmp_path / "ct.nii")
    scan = read(tmp_path / "ct.nii", hu_as_is=True)
    assert np.array_equal(scan.hu, values.T.astype(np.int16))


def test_scaling_rounding_and_values_that_are_no_number(tmp_path):
    values = np.full((5, 5, 5), -900.4, np.float32)
    values[0, 0, 0], values[1, 0, 0], values[2, 0, 0] = np.nan, 1e9, 200.6
    nib.save(nib.Nifti1Image(values, np.diag([-1, -1, 1, 1])), tmp_path / "f.nii.gz")
    scan = read(tmp_path / "f.nii.gz")
    assert scan.hu[0, 0, :4].tolist() == [-1024, 32767, 201, -900]
    assert "1 voxels" in next(f.text for f in scan.flags if f.code == "NOT_FINITE")
    image = nib.Nifti1Image(
        np.arange(125, dtype=np.int16).reshape(5, 5, 5), np.diag([-1, -1, 1, 1])
    )
    image.header.set_slope_inter(2, -1024)
    nib.save(image, tmp_path / "s.nii")
    assert read(tmp_path / "s.nii").hu.max() == 124 * 2 - 1024


def test_a_fourth_axis_of_one_is_no_matter(tmp_path, make):
    path = make.nifti(tmp_path / "ct.nii", make.body().T[..., np.newaxis])
    assert np.array_equal(read(path).hu, make.body())


def test_units_other_than_mm(tmp_path, make):
    image = nib.Nifti1Image(make.body().T, np.diag([-0.0007, -0.0008, 0.0025, 1.0]))
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "ct.nii")
    assert read(tmp_path / "ct.nii").spacing == pytest.approx(make.spacing)


def test_the_qform_when_alone(tmp_path, make):
    image = nib.Nifti1Image(make.body().T, np.diag([-0.7, -0.8, 2.5, 1.0]))
    image.header.set_qform(np.diag([-0.7, -0.8, 2.5, 1.0]), code=1)
    image.header["sform_code"] = 0
    raw = image.header.binaryblock + b"\0" * 4 + np.asarray(image.dataobj).tobytes("F")
    (tmp_path / "q.nii").write_bytes(raw)
    scan = read(tmp_path / "q.nii")
    assert np.array_equal(scan.hu, make.body())
    assert scan.spacing == pytest.approx(make.spacing)
    assert codes(scan) == HEADER_FLAGS | {"NIFTI_QFORM"}


def test_sheared_files_are_flagged(tmp_path, make):
    affine = np.diag([-0.7, -0.8, 2.5, 1.0])
    affine[1, 2] = 0.5
    scan = read(make.nifti(tmp_path / "ct.nii", affine=affine))
    assert "11.3 degrees" in next(f.text for f in scan.flags if f.code == "GANTRY_TILT")
    assert scan.voxel_mm3 == pytest.approx(0.7 * 0.8 * 2.5)


def test_thick_slices_show_in_the_affine(tmp_path, make):
    path = make.nifti(tmp_path / "ct.nii", affine=np.diag([-0.7, -0.8, 5.0, 1.0]))
    assert "5 mm" in next(f.text for f in read(path).flags if f.code == "THICK_SLICES")


def test_gzip_in_several_members(tmp_path, make):
    raw = make.nifti(tmp_path / "ct.nii").read_bytes()
    (tmp_path / "m.nii.gz").write_bytes(gzip.compress(raw[:7000]) + gzip.compress(raw[7000:]))
    assert np.array_equal(read(tmp_path / "m.nii.gz").hu, make.body())


def test_a_folder_with_one_nifti_file(tmp_path, make):
    make.nifti(tmp_path / "ct.nii.gz")
    (tmp_path / "notes.txt").write_text("hello")
    assert np.array_equal(read(tmp_path).hu, make.body())
    assert list_series(tmp_path) == ()


def test_a_volume_that_is_not_hu_is_doubted(tmp_path, make):
    path = make.nifti(tmp_path / "ct.nii", (make.body().T.astype(np.int32) + 1024).astype(np.int16))
    assert "HU_SCALE_DOUBTFUL" in codes(read(path))


def test_the_checksum_is_looked_at_even_after_the_last_voxel(tmp_path, make):
    raw = gzip.compress(make.nifti(tmp_path / "ct.nii").read_bytes(), mtime=0)
    damaged = raw[:-8] + bytes([raw[-8] ^ 1]) + raw[-7:]
    (tmp_path / "d.nii.gz").write_bytes(damaged)
    with pytest.raises(InputError, match="BROKEN_FILE"):
        read(tmp_path / "d.nii.gz")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "ct.nii")
    with pytest.raises(InputError, match=r"UNREADABLE.*pipe"):
        read(tmp_path / "ct.nii")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_states_fewer_voxels_than_the_file_has(tmp_path, suffix):
    hu = np.random.default_rng(0).integers(-1000, 1500, (12, 11, 10)).astype(np.int16)
    path = tmp_path / f"scan{suffix}"
    nib.save(nib.Nifti1Image(hu, np.eye(4)), path)
    raw = path.read_bytes()
    whole = gzip.decompress(raw) if suffix.endswith("gz") else raw
    short = whole[:46] + (8).to_bytes(2, "little") + whole[48:]  # dim[3], of 10
    path.write_bytes(gzip.compress(short) if suffix.endswith("gz") else short)
    with pytest.raises(InputError, match="BAD_NIFTI"):
        read(path)
    path.write_bytes(gzip.compress(whole + b"\0" * 90) if suffix.endswith("gz") else whole + b"\0")
    assert read(path, hu_as_is=True).hu.size == hu.size
