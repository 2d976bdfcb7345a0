"""Kinds of bad input: how each is made, its code, its exit code, what a message must name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

Maker = Callable[[Path, Any], Path]
CASES: dict[str, tuple[str, int, str, Maker]] = {}


def case(code: str, exit_code: int, names: str = "") -> Callable[[Maker], Maker]:
    """A kind of bad input: its code, its exit code, and what the message must name."""

    def kept(maker: Maker) -> Maker:
        CASES[maker.__name__] = (code, exit_code, names, maker)
        return maker

    return kept


def only(wanted: int, alter: Callable[[Any], Any]) -> Callable[[int, Any], Any]:
    """Alters one slice of a series."""
    return lambda k, data: alter(data) if k == wanted else data


def without(*names: str) -> Callable[[Any], Any]:
    def alter(data):
        for name in names:
            del data[name]
        return data

    return alter


# ------------------------------------------------------------------------------ no scan


@case("NOT_FOUND", 3, "nowhere")
def missing_path(folder, make):
    return folder / "nowhere"


@case("UNREADABLE", 3, "IM0001.dcm")
def path_through_a_file(folder, make):
    return make.series(folder) / "IM0001.dcm" / "x"


@case("EMPTY_FOLDER", 3)
def empty_folder(folder, make):
    return folder


@case("NO_DICOM", 3, "2 files")
def folder_without_dicom(folder, make):
    (folder / "README").write_text("hello")
    (folder / "report.pdf").write_bytes(b"%PDF-1.4")
    return folder


@case("EMPTY_FILE", 3, "zero.dcm")
def empty_file(folder, make):
    (folder / "zero.dcm").touch()
    return folder / "zero.dcm"


@case("BROKEN_FILE", 3, "zero.dcm")
def folder_of_empty_files(folder, make):
    (folder / "zero.dcm").touch()
    return folder


@case("NOT_DICOM", 3, "notes.txt")
def text_file(folder, make):
    (folder / "notes.txt").write_text("not a scan, however long this text may be " * 9)
    return folder / "notes.txt"


@case("BROKEN_FILE", 3, "IM0001.dcm")
def header_cut_short(folder, make):
    path = make.series(folder) / "IM0001.dcm"
    path.write_bytes(path.read_bytes()[:500])
    return path


@case("NOT_CT", 3, "modality MR")
def mr_series(folder, make):
    return make.series(folder, Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")


@case("NOT_CT", 3, "modality PT")
def pet_series(folder, make):
    return make.series(folder, Modality="PT", SOPClassUID="1.2.840.10008.5.1.4.1.1.128")


@case("NOT_CT", 3, "modality SR")
def structured_report(folder, make):
    sr = "1.2.840.10008.5.1.4.1.1.88.33"
    return make.series(
        folder, np.zeros((1, 4, 4), np.int16), Modality="SR", SOPClassUID=sr, PixelData=None
    )


@case("NOT_CT", 3, "modality MR, modality PT")
def several_modalities_but_no_ct(folder, make):
    make.series(folder / "a", Modality="MR")
    make.series(folder / "b", Modality="PT", series="8.8")
    return folder


@case("ONLY_LOCALIZER", 3, "scout")
def localizer_only(folder, make):
    return make.series(folder, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])


@case("SECONDARY_CAPTURE", 3)
def secondary_capture(folder, make):
    return make.series(folder, SOPClassUID="1.2.840.10008.5.1.4.1.1.7", Modality="OT")


@case("SECONDARY_CAPTURE", 3)
def colour_images(folder, make):
    return make.series(folder, SamplesPerPixel=3)


@case("NOT_HU", 3, "projection")
def maximum_intensity_projection(folder, make):
    return make.series(folder, ImageType=["DERIVED", "SECONDARY", "AXIAL", "MIP"])


@case("NOT_HU", 3, "MGML")
def iodine_map(folder, make):
    return make.series(folder, RescaleType="MGML")


@case("PIXEL_FORMAT", 3, "slope 0")
def slope_of_zero(folder, make):
    def flat(_k, data):
        data.RescaleSlope = 0
        return data

    return make.series(folder, change=flat)


@case("NO_PIXELS", 3)
def headers_without_pixels(folder, make):
    return make.series(folder, PixelData=None)


@case("TRUNCATED_FILE", 3, "IM0002.dcm, IM0004.dcm")
def pixels_cut_short(folder, make):
    make.series(folder)
    for name in ("IM0002.dcm", "IM0004.dcm"):
        (folder / name).write_bytes((folder / name).read_bytes()[:-100])
    return folder


@case("CANNOT_DECODE", 3, "pylibjpeg-openjpeg")
def damaged_jpeg_2000(folder, make):
    make.compress(make.series(folder), make.syntaxes["jpeg-2000"])
    raw = (folder / "IM0003.dcm").read_bytes()
    (folder / "IM0003.dcm").write_bytes(raw[:-600])
    return folder


@case("CANNOT_DECODE", 3, "IM0003.dcm")
def damaged_jpeg_lossless(folder, make):
    make.compress(make.series(folder), make.syntaxes["jpeg-lossless"])
    raw = bytearray((folder / "IM0003.dcm").read_bytes())
    start = raw.index(b"\xff\xd8\xff")
    raw[start : start + 200] = b"\0" * 200
    (folder / "IM0003.dcm").write_bytes(raw)
    return folder


# ------------------------------------------------------------------------------ geometry


@case("TOO_FEW_SLICES", 4, "3 slice positions")
def three_slices(folder, make):
    return make.series(folder, make.body((3, 33, 40)))


@case("TOO_FEW_SLICES", 4, "1 slice position")
def all_at_one_place(folder, make):
    return make.series(folder, step=0.0)


@case("MISSING_SLICES", 4, "2.50 mm spacing expected, 5.00 mm found between IM0004.dcm")
def one_slice_missing(folder, make):
    return make.series(folder, change=only(3, lambda _: None))


@case("MISSING_SLICES", 4, "another kind: IM0003.dcm")
def one_slice_of_another_size(folder, make):
    def smaller(data):
        data.Rows, data.PixelData = 32, data.PixelData[: 32 * 40 * 2]
        return data

    return make.series(folder, change=only(3, smaller))


@case("UNEVEN_SPACING", 4, "2.50 mm spacing expected, 2.00 mm found between IM0003.dcm")
def uneven_spacing(folder, make):
    def move(data):
        data.ImagePositionPatient[2] -= 0.5
        return data

    return make.series(folder, change=only(4, move))


@case("SHIFTED_SLICES", 4, "IM0003.dcm")
def slice_moved_sideways(folder, make):
    def move(data):
        data.ImagePositionPatient[0] += 3
        return data

    return make.series(folder, change=only(3, move))


@case("SLICES_CLASH", 4, "IM0003.dcm, OTHER0003.dcm")
def two_images_at_one_place(folder, make):
    make.series(folder)
    return make.series(
        folder, make.body(seed=8), change=lambda k, d: d if k == 3 else None, prefix="OTHER"
    )


@case("NO_POSITION", 4, "IM0001.dcm")
def no_positions(folder, make):
    return make.series(folder, ImagePositionPatient=None)


@case("NO_POSITION", 4, "and 1 more")
def positions_that_are_no_numbers(folder, make):
    path = make.series(folder)
    for file in path.iterdir():
        raw = file.read_bytes()
        at = raw.index(b"-5.0\\-4.0\\") if b"-5.0\\-4.0\\" in raw else raw.index(b"-5\\-4\\")
        file.write_bytes(raw[:at] + b"xx" + raw[at + 2 :])
    return path


@case("NO_ORIENTATION", 4)
def no_orientation(folder, make):
    return make.series(folder, ImageOrientationPatient=None)


@case("NO_PIXEL_SPACING", 4)
def no_pixel_spacing(folder, make):
    return make.series(folder, PixelSpacing=None)


@case("BAD_ORIENTATION", 4, "0.5")
def orientation_not_of_unit_length(folder, make):
    return make.series(folder, ImageOrientationPatient=[1, 0, 0, 0, 0.5, 0])


# --------------------------------------------------------------------------------- NIfTI


def damage(path: Path, start: int, stop: int | None, value: bytes = b"") -> Path:
    raw = path.read_bytes()
    path.write_bytes(raw[:start] + value + (raw[stop:] if stop is not None else b""))
    return path


@case("EMPTY_FILE", 3, "ct.nii.gz")
def nifti_of_no_bytes(folder, make):
    (folder / "ct.nii.gz").touch()
    return folder / "ct.nii.gz"


@case("BAD_NIFTI", 3, "ct.nii")
def text_called_nifti(folder, make):
    (folder / "ct.nii").write_text("hello " * 200)
    return folder / "ct.nii"


@case("TRUNCATED_FILE", 3)
def nifti_cut_short(folder, make):
    return damage(make.nifti(folder / "ct.nii"), 5000, None)


@case("TRUNCATED_FILE", 3)
def compressed_nifti_cut_short(folder, make):
    return damage(make.nifti(folder / "ct.nii.gz"), 5000, None)


@case("BROKEN_FILE", 3)
def compressed_nifti_damaged(folder, make):
    return damage(make.nifti(folder / "ct.nii.gz"), 3000, 3100, b"\xff" * 100)


@case("NOT_ONE_VOLUME", 3, "(8, 8, 8, 3)")
def nifti_of_several_volumes(folder, make):
    return make.nifti(folder / "ct.nii", np.zeros((8, 8, 8, 3), np.int16))


@case("NOT_CT", 3)
def nifti_of_colours(folder, make):
    rgb = np.zeros((8, 8, 8), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    return make.nifti(folder / "ct.nii", rgb)


@case("NOT_CT", 3)
def nifti_of_complex_numbers(folder, make):
    return make.nifti(folder / "ct.nii", np.zeros((8, 8, 8), np.complex64))


@case("TOO_FEW_SLICES", 4)
def nifti_of_one_slice(folder, make):
    return make.nifti(folder / "ct.nii", np.zeros((8, 8, 1), np.int16))


@case("NO_AFFINE", 4, "neither sform nor qform")
def nifti_without_affine(folder, make):
    image = nib.Nifti1Image(np.zeros((8, 8, 8), np.int16), None)
    nib.save(image, folder / "ct.nii")
    return folder / "ct.nii"


@case("NO_AFFINE", 4, "not finite")
def nifti_with_infinite_affine(folder, make):
    image = nib.Nifti1Image(np.zeros((8, 8, 8), np.int16), np.eye(4))
    image.header["srow_x"][0] = np.nan
    (folder / "ct.nii").write_bytes(image.header.binaryblock + b"\0" * 4 + bytes(1024))
    return folder / "ct.nii"


@case("NO_AFFINE", 4, "without volume")
def nifti_with_flat_affine(folder, make):
    flat = np.diag([1.0, 1.0, 0.0, 1.0])
    image = nib.Nifti1Image(np.zeros((8, 8, 8), np.int16), np.eye(4))
    image.header.set_sform(flat, code=1)
    (folder / "ct.nii").write_bytes(image.header.binaryblock + b"\0" * 4 + bytes(1024))
    return folder / "ct.nii"


@case("SEVERAL_SCANS", 3, "2 NIfTI files")
def folder_of_several_nifti(folder, make):
    make.nifti(folder / "a.nii")
    make.nifti(folder / "b.nii")
    (folder / "a.json").write_text("{}")  # as converters write beside them
    return folder
