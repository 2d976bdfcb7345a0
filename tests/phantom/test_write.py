from __future__ import annotations

import csv
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from calcimetry.errors import OutputError, UsageError
from calcimetry.phantom import (
    Phantom,
    generate,
    make,
    write_dicom,
    write_nifti,
    write_truth,
)


@pytest.fixture(scope="module")
def small() -> Phantom:
    return make("hand", seed=3, spacing=(4.0, 1.5, 1.5), deposits=3)


def read(folder: Path) -> list[pydicom.FileDataset]:
    files = [pydicom.dcmread(path) for path in folder.iterdir()]
    return sorted(files, key=lambda d: float(d.ImagePositionPatient[2]))


def test_dicom_comes_back_as_it_was(small: Phantom, tmp_path: Path) -> None:
    slices = read(write_dicom(small.scan, tmp_path / "ct"))
    assert len(slices) == small.scan.hu.shape[0]
    hu = np.stack([d.pixel_array.astype(int) + int(d.RescaleIntercept) for d in slices])
    assert np.array_equal(hu, small.scan.hu)
    first, last = slices[0], slices[-1]
    assert np.allclose(first.ImagePositionPatient, small.scan.affine[:3, 3], atol=1e-5)
    assert np.allclose(
        last.ImagePositionPatient, small.scan.to_lps(np.array([len(slices) - 1, 0, 0])), atol=1e-4
    )
    assert [float(v) for v in first.PixelSpacing] == [1.5, 1.5]
    assert first.KVP == 120
    assert first.Laterality == "R"
    assert len({d.SOPInstanceUID for d in slices}) == len(slices)
    assert all(d.SOPInstanceUID.startswith("2.25.") for d in slices)


def test_the_same_scan_makes_the_same_bytes(small: Phantom, tmp_path: Path) -> None:
    one, two = (write_dicom(small.scan, tmp_path / name) for name in "ab")
    assert all((two / p.name).read_bytes() == p.read_bytes() for p in one.iterdir())
    changed = replace(small.scan, hu=small.scan.hu + np.int16(1))
    other = write_dicom(changed, tmp_path / "c")
    uids = [read(folder)[0].SeriesInstanceUID for folder in (one, other)]
    assert uids[0] != uids[1]


def test_a_compressed_transfer_syntax_keeps_the_pixels(small: Phantom, tmp_path: Path) -> None:
    scan = replace(small.scan, hu=small.scan.hu[:4])
    slices = read(write_dicom(scan, tmp_path / "rle", transfer_syntax=RLELossless))
    assert slices[0].file_meta.TransferSyntaxUID == RLELossless
    assert np.array_equal(slices[2].pixel_array.astype(int) - 1024, scan.hu[2])


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) not installed")
@pytest.mark.parametrize("region", ["hand", "trunk"])
def test_dciodvfy_finds_no_error(region: str, tmp_path: Path) -> None:
    scan = make(region, spacing=(20.0, 6.0, 6.0)).scan
    folder = write_dicom(scan, tmp_path / "ct")
    for path in sorted(folder.iterdir())[:3]:
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
        assert "Error" not in done.stdout + done.stderr
        assert "CTImage" in done.stdout + done.stderr


def test_nifti_and_labels_lie_on_the_same_voxels(small: Phantom, tmp_path: Path) -> None:
    image = nib.load(write_nifti(small.scan, tmp_path / "scan.nii.gz"))
    hu = np.asarray(image.dataobj)
    assert hu.dtype == np.int16
    assert np.array_equal(hu.transpose(2, 1, 0), small.scan.hu)
    write_truth(small.truth, small.scan, tmp_path)
    labels = nib.load(tmp_path / "truth_labels.nii.gz")
    assert np.allclose(labels.affine, image.affine)
    values = np.asarray(labels.dataobj)
    assert values.dtype == np.uint8
    assert set(np.unique(values)) == set(range(len(small.truth.deposits) + 1))
    for number, item in enumerate(small.truth.deposits, 1):
        middle = np.argwhere(values == number).mean(0)
        x, y, z = (labels.affine @ [*middle, 1])[:3]
        assert np.linalg.norm(np.array([-x, -y, z]) - item.centroid_mm) < 4.5


def test_truth_table_holds_the_truth(small: Phantom, tmp_path: Path) -> None:
    path = write_truth(small.truth, small.scan, tmp_path)
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["deposit"]) for row in rows] == [1, 2, 3]
    for row, item in zip(rows, small.truth.deposits, strict=True):
        assert row["family"] == item.family
        assert row["touches_bone"] == str(item.touches_bone).lower()
        assert float(row["mass_mg"]) == pytest.approx(item.mass_mg, rel=1e-5)
        assert float(row["x_mm"]) == pytest.approx(item.centroid_mm[0], abs=1e-3)
    assert not (tmp_path / "negatives.csv").exists()


@pytest.mark.parametrize(("form", "name"), [("dicom", "scan"), ("nifti", "scan.nii.gz")])
def test_generate_writes_scan_truth_and_spec(form: str, name: str, tmp_path: Path) -> None:
    out = tmp_path / "made"
    scan = generate("hand", out, seed=1, spacing=(8.0, 3.0, 3.0), form=form)
    assert scan == out / name
    assert scan.exists()
    files = {path.name for path in out.iterdir()}
    assert files == {name, "truth.csv", "truth_labels.nii.gz", "phantom.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["made"]  # nothing temporary is left
    with pytest.raises(OutputError, match="OUT_NOT_EMPTY"):
        generate("hand", out, seed=1, spacing=(8.0, 3.0, 3.0), form=form)


def test_generate_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="PHANTOM_UNKNOWN_FORM"):
        generate("hand", tmp_path / "x", form="bmp")
    with pytest.raises(UsageError, match="PHANTOM_UNKNOWN_REGION"):
        generate("tail", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_place_that_cannot_be_written_is_an_output_error(small: Phantom, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(OutputError, match="OUT_NOT_WRITABLE"):
        write_dicom(small.scan, blocked / "ct")
    with pytest.raises(OutputError, match="OUT_NOT_WRITABLE"):
        write_nifti(small.scan, blocked / "scan.nii.gz")
