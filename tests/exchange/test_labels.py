"""labels.nii.gz: on the scan's grid for programs that know shear, and open to those that do not."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from calcimetry.exchange.folder import runs_of_labels
from calcimetry.exchange.labels import nifti_bytes, saved_labels
from calcimetry.records import Provenance
from calcimetry.runs import voxels_of
from calcimetry.scan import from_array, read
from calcimetry.scan.nifti.read import read_volume
from drawn import deposit, examination, runs_of

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def grid(tilt: float, order=(0, 1, 2)) -> np.ndarray:
    """Columns, rows, slices to LPS mm, the gantry tilted by so many degrees."""
    lean = np.radians(tilt)
    affine = np.eye(4)
    affine[:3, 0] = (0.8, 0, 0)
    affine[:3, 1] = (0, 0.9 * np.cos(lean), -0.9 * np.sin(lean))
    affine[:3, 2] = (0, 0, 2.5)
    affine[:3, 3] = (-30, -40, 200)
    return affine[:, [*order, 3]]


def written(tmp_path, affine, shape=(8, 9, 10)):
    """A label map with one voxel of deposit 1, and the scan it lies on."""
    scan = from_array(np.full(shape, -1000, np.int16), affine=affine)
    own = deposit(runs=runs_of(scan.hu.shape, (3, 2, 4)))
    exam = examination([own], frame=scan.frame, provenance=Provenance.of(scan.source))
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(nifti_bytes(exam))
    return path, scan


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("tilt", [0, 15, -22])
def test_nibabel_finds_the_scans_own_affine(tmp_path, tilt, order):
    path, scan = written(tmp_path, grid(tilt, order))
    image = nib.load(path)
    np.testing.assert_allclose(RAS @ image.affine, scan.stored.affine, atol=1e-4)
    (place,) = np.argwhere(np.asarray(image.dataobj))
    there = RAS @ image.affine @ [*place, 1]
    np.testing.assert_allclose(there[:3], scan.to_lps([3, 2, 4]), atol=1e-4)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("tilt", [0, 15, -22])
def test_itk_opens_it(tmp_path, tilt, order):
    sitk = pytest.importorskip("SimpleITK")
    path, scan = written(tmp_path, grid(tilt, order))
    image = sitk.ReadImage(str(path))
    assert sitk.GetArrayFromImage(image).sum() == 1
    edges = np.linalg.norm(scan.stored.affine[:3, :3], axis=0)
    np.testing.assert_allclose(image.GetSpacing(), edges, rtol=1e-5)
    directions = np.reshape(image.GetDirection(), (3, 3))
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-5)
    in_plane = [axis for axis in range(3) if axis != scan.stored.axes[0]]
    own = scan.stored.affine[:3, :3] / edges
    np.testing.assert_allclose(directions[:, in_plane], own[:, in_plane], atol=1e-5)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_itk_lays_a_tilted_series_and_its_labels_on_each_other(tmp_path, make, plane):
    sitk = pytest.importorskip("SimpleITK")
    lean = np.radians(15)
    cos, sin = float(np.cos(lean)), float(np.sin(lean))
    turned = {  # the slices are shifted along z, the shear is in another plane for each
        "axial": ([1, 0, 0, 0, cos, -sin], (0, 0, 2.5)),
        "coronal": ([1, 0, 0, 0, sin, -cos], (0, 2.5, 0)),
        "sagittal": ([0, 1, 0, sin, 0, -cos], (2.5, 0, 0)),
    }
    orientation, step = turned[plane]

    def tilt(k, data):
        data.ImageOrientationPatient = orientation
        data.ImagePositionPatient = [a + k * b for a, b in zip((-5, -4, 100), step, strict=True)]
        return data

    folder = make.series(tmp_path / "s", change=tilt)
    scan = read(folder)
    exam = examination(frame=scan.frame, provenance=Provenance.of(scan.source))
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(nifti_bytes(exam))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    series, labels = reader.Execute(), sitk.ReadImage(str(path))
    for one, other in zip(
        (series.GetOrigin(), series.GetSpacing(), series.GetDirection()),
        (labels.GetOrigin(), labels.GetSpacing(), labels.GetDirection()),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_our_own_reading_takes_the_sheared_grid(tmp_path):
    path, scan = written(tmp_path, grid(15))
    volume = read_volume(path)
    np.testing.assert_allclose(volume.affine, scan.stored.affine, atol=1e-4)
    assert volume.flags == ()
    stated = {
        "stored_shape_ijk": list(scan.stored.shape),
        "stored_affine_ijk_to_lps_mm": scan.stored.affine.round(6).tolist(),
    }
    labels, _ = saved_labels(tmp_path, {"scan": stated, "deposits": [{"deposit": 1}]})
    (runs,) = runs_of_labels(scan.stored.to_scan(labels)).values()
    np.testing.assert_array_equal(voxels_of(runs), [[3, 2, 4]])


def test_equal_examinations_give_equal_bytes(tmp_path):
    first, scan = written(tmp_path, grid(15))
    before = first.read_bytes()
    again, _ = written(tmp_path, scan.stored.affine)
    assert again.read_bytes() == before
