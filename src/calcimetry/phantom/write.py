"""Phantoms as files: a CT Image Storage series, NIfTI, and the truth beside them.

Files appear whole: everything is written under a temporary name and then renamed. UIDs come
from the content (under 2.25, DICOM PS3.5 B.2), so the same phantom gives the same bytes.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from calcimetry.atomic import AtomicFolder, atomic_file
from calcimetry.errors import UsageError
from calcimetry.escape import cell
from calcimetry.nifti import ras_of_lps
from calcimetry.phantom.body import make
from calcimetry.phantom.truth import Painted, Truth
from calcimetry.records import Scan

TRUTH_COLUMNS = (
    "deposit", "family", "site", "tissue", "touches_bone", "x_mm", "y_mm", "z_mm",
    "diameter_mm", "density_mg_cm3", "mass_mg", "volume_mm3", "mass_in_field_mg",
)  # fmt: skip
SPACING_MM, KVP = (0.1, 20.0), (40.0, 200.0)  # of phantoms: what scanners have, and somewhat more
_PAIRED = {"L", "R"}


def generate(
    region: str,
    out: Path,
    *,
    seed: int = 0,
    spacing: tuple[float, float, float] | None = None,
    kvp: float = 120.0,
    form: str = "dicom",
) -> Path:
    """A random phantom and its truth as files; returns the scan's path.

    `out` gets ``scan/`` (DICOM) or ``scan.nii.gz``, ``truth.csv``, ``truth_labels.nii.gz``,
    ``negatives.csv`` where something was painted that is no deposit, and ``phantom.json``
    (the spec). Raises OutputError where `out` cannot be written or is not empty, UsageError
    for an unknown region or form, or a
    value that no scan has (PHANTOM_BAD_VALUE).
    """
    if form not in ("dicom", "nifti"):
        raise UsageError(
            "PHANTOM_UNKNOWN_FORM",
            found=f"'{form}'",
            expected="dicom or nifti",
            where="the phantom's form",
            remedy="choose one of the two",
        )
    _refuse_unfit(seed, spacing, kvp)
    with AtomicFolder(out) as draft:
        phantom, folder = make(region, seed=seed, spacing=spacing, kvp=kvp), draft.path
        if form == "dicom":
            write_dicom(phantom.scan, folder / "scan")
        else:
            write_nifti(phantom.scan, folder / "scan.nii.gz")
        write_truth(phantom.truth, phantom.scan, folder)
        spec = json.dumps(dataclasses.asdict(phantom.spec), indent=1, default=float)
        (folder / "phantom.json").write_text(spec + "\n", encoding="utf-8")
    return out / ("scan" if form == "dicom" else "scan.nii.gz")


def _refuse_unfit(seed: int, spacing: tuple[float, ...] | None, kvp: float) -> None:
    """Raise UsageError PHANTOM_BAD_VALUE for what no scanner does; a NaN is within no bounds."""
    known = [
        ("a seed", [seed], (0, 2**63), "0 or more"),
        ("a spacing", spacing or (), SPACING_MM, "0.1 to 20 mm"),
        ("a tube voltage", [kvp], KVP, "40 to 200 kV"),
    ]
    for what, values, (low, high), words in known:
        if not all(low <= value <= high for value in values):
            raise UsageError(
                "PHANTOM_BAD_VALUE",
                found=f"{what} of {' '.join(f'{value:g}' for value in values)}",
                expected=words,
                where="the phantom",
                remedy="give one that a scanner has",
            )


def write_dicom(
    scan: Scan,
    folder: Path,
    *,
    transfer_syntax: str = ExplicitVRLittleEndian,
    patient_id: str = "PHANTOM",
) -> Path:
    """A scan as a folder of CT Image Storage files (DICOM PS3.3 A.3), one a slice.

    Stored values are HU + 1024. `transfer_syntax` may be any that pydicom can encode here.
    Returns the folder; raises OutputError where it cannot be written or is not empty.
    """
    base = _common(scan, patient_id)
    with AtomicFolder(folder) as draft:
        for z in range(scan.hu.shape[0]):
            slice_ = _slice(base, scan, z)
            _encode(slice_, UID(transfer_syntax))
            slice_.save_as(draft.path / f"CT{z + 1:04d}.dcm", enforce_file_format=True)
    return folder


def write_nifti(scan: Scan, path: Path) -> Path:
    """A scan as NIfTI, int16 HU on its stored grid."""
    return _nifti(scan, scan.hu, path)


def write_truth(truth: Truth, scan: Scan, folder: Path) -> Path:
    """``truth.csv`` and ``truth_labels.nii.gz`` (deposit numbers on the scan's stored grid).

    What was painted and is no deposit goes to ``negatives.csv``. Centroids are LPS mm.
    """
    labels = truth.labels()
    small = labels.astype(np.uint8 if len(truth.deposits) < 256 else np.uint16)
    _nifti(scan, small, folder / "truth_labels.nii.gz")
    _table(truth.deposits, folder / "truth.csv")
    if truth.negatives:
        _table(truth.negatives, folder / "negatives.csv")
    return folder / "truth.csv"


def _table(items: Sequence[Painted], path: Path) -> None:
    with (
        atomic_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(TRUTH_COLUMNS)
        writer.writerows(_row(number, item) for number, item in enumerate(items, 1))


def _row(number: int, item: Painted) -> list[str]:
    words = [cell(word) for word in (item.family, item.site or "", item.tissue or "")]
    touches = "" if item.touches_bone is None else str(item.touches_bone).lower()
    place = [f"{value:.3f}" for value in item.centroid_mm]
    sizes = (item.diameter_mm, item.density_mg_cm3, item.mass_mg, item.volume_mm3)
    numbers = [f"{value:.6g}" for value in (*sizes, item.mass_in_field_mg)]
    return [str(number), *words, touches, *place, *numbers]


def _nifti(scan: Scan, volume: NDArray[Any], path: Path) -> Path:
    image = nib.Nifti1Image(scan.stored.from_scan(volume), ras_of_lps(scan.stored.affine))
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine, 1, strip_shears=True)
    with atomic_file(path) as temporary:
        nib.save(image, temporary)
    return path


def _uid(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return f"2.25.{int.from_bytes(digest.digest()[:16], 'big')}"


def _common(scan: Scan, patient_id: str) -> Dataset:
    """All that the slices share: patient, study, series, frame of reference, equipment."""
    facts = scan.acquisition
    content = _uid(scan.hu.tobytes(), scan.affine.tobytes(), patient_id, repr(facts))
    date = (facts.date or "2000-01-01").replace("-", "")
    d = Dataset()
    d.SpecificCharacterSet = "ISO_IR 192"
    d.ImageType = list(facts.image_type or ("ORIGINAL", "PRIMARY", "AXIAL"))
    d.SOPClassUID = CTImageStorage
    for name in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(d, name, date)
    for name in ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"):
        setattr(d, name, "120000")
    d.AccessionNumber, d.Modality, d.ReferringPhysicianName = "", "CT", ""
    d.Manufacturer = facts.manufacturer or "calcimetry"
    d.ManufacturerModelName = facts.model or "phantom"
    d.SeriesDescription = facts.series_description or "phantom"
    d.PatientName, d.PatientID = f"{patient_id}^CALCIMETRY", patient_id
    d.PatientBirthDate, d.PatientSex = "", "O"
    if facts.body_part:
        d.BodyPartExamined = facts.body_part
    d.KVP = f"{facts.kvp:g}" if facts.kvp else ""
    d.ConvolutionKernel = facts.kernel or "STANDARD"
    d.PatientPosition = facts.patient_position or "HFS"
    d.StudyInstanceUID, d.SeriesInstanceUID = _uid(content, "study"), _uid(content, "series")
    d.StudyID, d.SeriesNumber, d.AcquisitionNumber = "1", str(facts.series_number or 1), "1"
    d.FrameOfReferenceUID, d.PositionReferenceIndicator = _uid(content, "frame"), ""
    if facts.laterality in _PAIRED:
        d.Laterality = facts.laterality
    _geometry(d, scan)
    _pixels(d, scan)
    return d


def _geometry(d: Dataset, scan: Scan) -> None:
    _, row, column = scan.spacing
    axes = scan.affine[:3, :2] / np.linalg.norm(scan.affine[:3, :2], axis=0)
    d.ImageOrientationPatient = [_decimal(v) for v in axes.T.ravel()]
    d.PixelSpacing = [_decimal(row), _decimal(column)]
    d.SliceThickness = _decimal(scan.acquisition.slice_thickness_mm or scan.spacing[0])


def _pixels(d: Dataset, scan: Scan) -> None:
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.Rows, d.Columns = scan.hu.shape[1:]
    top = int(scan.hu.max()) + 1024
    d.BitsAllocated, d.BitsStored = 16, 12 if top < 4096 else 16
    d.HighBit, d.PixelRepresentation = d.BitsStored - 1, 0
    d.RescaleIntercept, d.RescaleSlope, d.RescaleType = "-1024", "1", "HU"
    d.WindowCenter, d.WindowWidth = "200", "1000"


def _slice(base: Dataset, scan: Scan, z: int) -> Dataset:
    d = Dataset()
    d.update(base)
    d.SOPInstanceUID = _uid(base.SeriesInstanceUID, str(z))
    d.InstanceNumber = str(z + 1)
    position = scan.to_lps(np.array([z, 0, 0]))
    d.ImagePositionPatient = [_decimal(v) for v in position]
    stored = np.clip(scan.hu[z].astype(np.int32) + 1024, 0, 65535)
    d.PixelData = stored.astype("<u2").tobytes()
    d["PixelData"].VR = "OW"
    return d


def _encode(d: Dataset, syntax: UID) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = d.SOPClassUID
    meta.MediaStorageSOPInstanceUID = d.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax.is_encapsulated else syntax
    d.file_meta = meta
    if syntax.is_encapsulated:
        d.compress(syntax, generate_instance_uid=False)


def _decimal(value: float) -> str:
    """A DS of at most 16 characters (PS3.5 6.2); -0 becomes 0."""
    return f"{value + 0.0:.9g}" if abs(value) > 1e-9 else "0"
