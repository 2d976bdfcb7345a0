"""Small DICOM series and NIfTI files, right and wrong in every way the tests need."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

SHAPE = (6, 33, 40)  # z, y, x; JPEG 2000 wants 32 pixels for its five wavelet levels
SPACING = (2.5, 0.8, 0.7)
ORIGIN = (-5.0, -4.0, 100.0)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def body(shape: tuple[int, int, int] = SHAPE, seed: int = 1) -> NDArray[np.int16]:
    """HU without symmetry, so that any flip or swap shows; air at one end."""
    hu = np.random.default_rng(seed).integers(-1000, 1500, shape).astype(np.int16)
    hu[0, 0, 0] = -1000
    return hu


def slice_dataset(
    plane: NDArray[np.int16],
    position: tuple[float, float, float],
    *,
    series: str,
    orientation: tuple[float, ...] = AXIAL,
    syntax: str = ExplicitVRLittleEndian,
    intercept: float = -1024.0,
    slope: float = 1.0,
    **elements: Any,
) -> FileDataset:
    """One CT slice; `elements` set or (with None) remove DICOM elements by keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.Modality, data.Manufacturer, data.ManufacturerModelName = "CT", "ACME", "One"
    data.PatientName, data.PatientID = "Doe^Jane", "SECRET-1"
    data.AcquisitionDate, data.SeriesDescription = "20240229", "Body 2.5"
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3", series
    data.SeriesNumber, data.AcquisitionNumber, data.InstanceNumber = 4, 1, 1
    data.FrameOfReferenceUID = "1.2.9"
    data.KVP, data.SliceThickness, data.ConvolutionKernel = 120, 2.5, ["Br38f", "3"]
    data.ContrastBolusAgent, data.BodyPartExamined, data.PatientPosition = "", "HAND", "HFS"
    data.ImagePositionPatient, data.ImageOrientationPatient = list(position), list(orientation)
    data.PixelSpacing = [SPACING[1], SPACING[2]]
    data.Rows, data.Columns = plane.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = slope, intercept, "HU"
    stored = np.rint((plane - intercept) / slope).astype("<u2")
    data.PixelData = stored.tobytes()
    data["PixelData"].VR = "OW"
    for name, value in elements.items():
        if value is None:
            del data[name]
        else:
            setattr(data, name, value)
    return data


Change = Callable[[int, FileDataset], FileDataset | None]


def write_series(
    folder: Path,
    hu: NDArray[np.int16] | None = None,
    *,
    change: Change | None = None,
    series: str = "1.2.3.4",
    step: float = SPACING[0],
    prefix: str = "IM",
    **elements: Any,
) -> Path:
    """An axial series, its files named against the order of positions; `change` may alter
    or (returning None) leave out slice k."""
    folder.mkdir(parents=True, exist_ok=True)
    values = body() if hu is None else hu
    for k, plane in enumerate(values):
        position = (ORIGIN[0], ORIGIN[1], ORIGIN[2] + step * k)
        data = slice_dataset(plane, position, series=series, **elements)
        data.InstanceNumber = len(values) - k
        changed = data if change is None else change(k, data)
        if changed is not None:
            changed.save_as(folder / f"{prefix}{len(values) - k:04d}.dcm", enforce_file_format=True)
    return folder


def compress(folder: Path, syntax: str) -> Path:
    """Rewrite a series in another transfer syntax."""
    for path in sorted(folder.glob("*.dcm")):
        if syntax == JPEGLosslessSV1:
            _by_gdcm(path)
            continue
        data = pydicom.dcmread(path)
        if syntax == ExplicitVRBigEndian:
            data.PixelData = np.frombuffer(data.PixelData, "<u2").astype(">u2").tobytes()
        if syntax in (JPEG2000Lossless, JPEGLSLossless, RLELossless):
            data.compress(syntax, generate_instance_uid=False)
            data.save_as(path)
            continue
        data.file_meta.TransferSyntaxUID = syntax
        little, implicit = syntax != ExplicitVRBigEndian, syntax == "1.2.840.10008.1.2"
        pydicom.dcmwrite(
            path, data, little_endian=little, implicit_vr=implicit, force_encoding=True
        )
    return folder


def _by_gdcm(path: Path) -> None:
    """JPEG Lossless; in a process of its own, since gdcm prints to the terminal."""
    code = (
        "import gdcm, sys\n"
        "r = gdcm.ImageReader(); r.SetFileName(sys.argv[1]); assert r.Read()\n"
        "c = gdcm.ImageChangeTransferSyntax()\n"
        "c.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))\n"
        "c.SetInput(r.GetImage()); assert c.Change()\n"
        "w = gdcm.ImageWriter(); w.SetFileName(sys.argv[1]); w.SetFile(r.GetFile())\n"
        "w.SetImage(c.GetOutput()); assert w.Write()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True)


def write_enhanced(path: Path, hu: NDArray[np.int16] | None = None, **elements: Any) -> Path:
    """An enhanced multi-frame CT, its frames in no order."""
    values = body() if hu is None else hu
    order = np.random.default_rng(0).permutation(len(values))
    data = slice_dataset(values[0], ORIGIN, series="1.2.3.5")
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = EnhancedCTImageStorage
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "KVP"):
        del data[name]
    for name in ("RescaleSlope", "RescaleIntercept", "RescaleType", "ConvolutionKernel"):
        del data[name]
    data.NumberOfFrames = len(values)
    data.SharedFunctionalGroupsSequence = Sequence([_shared()])
    data.PerFrameFunctionalGroupsSequence = Sequence([_frame(int(k)) for k in order])
    data.PixelData = np.stack([values[k] + 1024 for k in order]).astype("<u2").tobytes()
    for name, value in elements.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def _item(**elements: Any) -> Sequence:
    data = Dataset()
    for name, value in elements.items():
        setattr(data, name, value)
    return Sequence([data])


def _shared() -> Dataset:
    data = Dataset()
    data.PixelMeasuresSequence = _item(PixelSpacing=[SPACING[1], SPACING[2]], SliceThickness=2.5)
    data.PlaneOrientationSequence = _item(ImageOrientationPatient=list(AXIAL))
    data.PixelValueTransformationSequence = _item(
        RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU"
    )
    data.CTXRayDetailsSequence = _item(KVP=100)
    data.CTReconstructionSequence = _item(ConvolutionKernel="Qr40")
    data.CTImageFrameTypeSequence = _item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    return data


def _frame(k: int) -> Dataset:
    data = Dataset()
    data.PlanePositionSequence = _item(
        ImagePositionPatient=[ORIGIN[0], ORIGIN[1], ORIGIN[2] + SPACING[0] * k]
    )
    data.FrameContentSequence = _item(FrameAcquisitionNumber=1, TemporalPositionIndex=1)
    return data


def write_nifti(
    path: Path, values: NDArray[Any] | None = None, affine: NDArray[Any] | None = None
) -> Path:
    """A NIfTI file whose axes run to the patient's left, back and head."""
    data = body().T if values is None else values
    matrix = np.diag([-0.7, -0.8, 2.5, 1.0]) if affine is None else affine
    nib.save(nib.Nifti1Image(data, matrix), path)
    return path


SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": "1.2.840.10008.1.2",
    "big-endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg-lossless": JPEGLosslessSV1,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
}


class Make:
    """All makers by short names."""

    shape, spacing, origin, syntaxes = SHAPE, SPACING, ORIGIN, SYNTAXES
    body = staticmethod(body)
    slice_dataset = staticmethod(slice_dataset)
    series = staticmethod(write_series)
    enhanced = staticmethod(write_enhanced)
    nifti = staticmethod(write_nifti)
    compress = staticmethod(compress)
