"""Forty and more planted identifiers, scans that carry them, and a walk over every byte written."""

from __future__ import annotations

import base64
import gzip
import io
import re
import shutil
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pyarrow.parquet as pq
import pydicom
from pydicom.dataset import Dataset

TAGS = {
    "PatientName": "Quillfeather^Ottoline",
    "PatientID": "KX-7718204",
    "IssuerOfPatientID": "Brackenhollow",
    "OtherPatientNames": "Vandersnoot^Ottoline",
    "PatientBirthDate": "19470317",
    "PatientBirthName": "Thistlewaite",
    "PatientMotherBirthName": "Umberleigh",
    "PatientAddress": "Nettlecombe Lane",
    "PatientTelephoneNumbers": "5550199321",
    "PatientComments": "cousin of Fennimore",
    "AdditionalPatientHistory": "seen by Grimshawe",
    "Occupation": "glockenspielist",
    "AccessionNumber": "ACC88412",
    "StudyID": "STU77321",
    "InstitutionName": "Saint Eskibrook",
    "InstitutionAddress": "Wobbleton Road",
    "InstitutionalDepartmentName": "Larkspurward",
    "StationName": "CTROOMZEPHYR",
    "DeviceSerialNumber": "SN990017",
    "ReferringPhysicianName": "Haverstock^Isaura",
    "PerformingPhysicianName": "Ivorsen^Rolfgard",
    "OperatorsName": "Jellicoe^Pip",
    "NameOfPhysiciansReadingStudy": "Kettleburn^Silvanus",
    "RequestingPhysician": "Lovegrove^Una",
    "StudyDescription": "hand of Mrs Mandrake",
    "SeriesDescription": "recon for Nightshade 1.0",
    "ProtocolName": "protocol Oglethorpe",
    "ImageComments": "comment by Pettigrew",
    "RequestedProcedureDescription": "asked by Ravenscroft",
    "PerformedProcedureStepDescription": "done by Silverthorn",
    "BodyPartExamined": "TREMAYNE",
    "ContrastBolusAgent": "agent of Underhill",
    "CurrentPatientLocation": "bed Vexley",
    "AdmissionID": "ADM66120",
    "MedicalRecordLocator": "MRL30307",
}
"""DICOM elements and what stands in them; the words of each are looked for one by one."""

PRIVATE = ("Wigglesworth", "Xanthopoulos")  # in groups 0009 and 0029
OTHER_SERIES = "scout of Yarborough"
FILES = "Zellweger_IM"  # how image files begin
BROKEN = "Abernathy_broken.dcm"
COPY = "Blenkinsop_copy.dcm"
FOLDERS = ("Cholmondeley", "Dalrymple 19470317")  # above the scan, and above the results
LABEL_MAP = "Entwhistle_labels"
STRUCTURES = ("radius of Featherstone", "bone Gulliver")
SCHEME = ("map of Hollingberry", "reader Inglethorpe")  # title, made_by
LABS = "labs_Jamsheed.csv"
HISTORY, ENTRY = "history_Lindqvist.toml", "morbus Montgomery"
NIFTI = {
    "descrip": "Nakamura",
    "aux_file": "Osterhagen",
    "intent_name": "Pumphrey",
    "db_name": "Qvist",
}
SITE = "knee of Rosenkrantz"
SCORE = "score of Stavropoulos"
PLAN = "plan_Tuppington.toml"

_COMMON = """
of the for by to and a in hand recon protocol comment asked done agent bed scout cousin seen mrs
saint road lane map reader score radius bone knee factor morbus plan labs history labels broken
copy toml
"""


def tokens() -> list[str]:
    """Every planted word that names someone or something, in lower case."""
    planted = [*TAGS.values(), *PRIVATE, OTHER_SERIES, FILES, BROKEN, COPY, *FOLDERS, LABEL_MAP]
    planted += [*STRUCTURES, *SCHEME, LABS, HISTORY, *NIFTI.values(), SITE, SCORE, PLAN]
    words = {w for text in planted for w in re.split(r"[\W_]+", text.lower())}
    named = [w for w in words if len(w) > 5 and w not in _COMMON.split()]
    return [*sorted(named), "1947-03-17"]


def plant_in_dicom(folder: Path, into: Path) -> Path:
    """The series of a folder with all identifiers in it; a copy, a broken file, another series."""
    into.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        data = pydicom.dcmread(path)
        _plant(data)
        data.save_as(into / f"{FILES}{number:03d}.dcm", enforce_file_format=True)
    first = into / f"{FILES}000.dcm"
    (into / COPY).write_bytes(first.read_bytes())
    (into / BROKEN).write_text("<html>the export failed</html>")
    for number in range(3):
        data = pydicom.dcmread(into / f"{FILES}{number:03d}.dcm")
        data.SeriesInstanceUID, data.SeriesNumber = "2.25.99", "9"
        data.SeriesDescription = OTHER_SERIES
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"2.25.99.{number + 1}"
        data.save_as(into / f"{FILES}_other{number}.dcm", enforce_file_format=True)
    return into


def _plant(data: Dataset) -> None:
    for name, value in TAGS.items():
        setattr(data, name, value)
    for group, word in zip((0x0009, 0x0029), PRIVATE, strict=True):
        block = data.private_block(group, f"MAKER {word}", create=True)
        block.add_new(0x01, "LO", word)


def plant_in_nifti(path: Path, into: Path) -> Path:
    """The NIfTI file with identifiers in its header's texts."""
    image = nib.load(path)
    made = nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
    for field, word in NIFTI.items():
        made.header[field] = word.encode()
    into.parent.mkdir(parents=True, exist_ok=True)
    nib.save(made, into)
    return into


def plant_label_map(scan: Path, folder: Path) -> Path:
    """A label map of the scan, all of it two named "bones", with its scheme beside it."""
    image = nib.load(scan)
    numbers = np.ones(image.shape, np.uint8)
    numbers[image.shape[0] // 2 :] = 2
    made = nib.Nifti1Image(numbers, image.affine)
    made.header["descrip"] = NIFTI["descrip"].encode()
    folder.mkdir(parents=True, exist_ok=True)
    nib.save(made, folder / f"{LABEL_MAP}.nii.gz")
    names = "\n".join(f'{k} = "{name}"' for k, name in enumerate(STRUCTURES, 1))
    scheme = f'title = "{SCHEME[0]}"\n[kinds]\nbone = ["*"]\n[structures]\n{names}\n'
    scheme += f'[made_by]\nsegmenter = "{SCHEME[1]}"\nreader = "{SCHEME[1]}"\n'
    (folder / f"{LABEL_MAP}.toml").write_text(scheme)
    return folder / f"{LABEL_MAP}.nii.gz"


def found_in(folder: Path) -> dict[str, set[str]]:
    """The planted words in the names and in any byte of the files of a folder, by file."""
    hits = {}
    for path in sorted(folder.rglob("*")):
        words = found_in_bytes(str(path.relative_to(folder)).encode())
        if path.is_file():
            words |= found_in_bytes(path.read_bytes())
        if words:
            hits[str(path.relative_to(folder))] = words
    return hits


def found_in_bytes(content: bytes) -> set[str]:
    """The planted words in bytes, and in what they hold packed, encoded or drawn as text."""
    return {word for part in _unpacked(content) for word in _words_in(part)}


def _words_in(content: bytes) -> Iterator[str]:
    low = content.lower()
    for word in tokens():
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"):
            if word.encode(encoding) in low:
                yield word


def _unpacked(content: bytes) -> Iterator[bytes]:
    yield content
    if content[:2] == b"\x1f\x8b":
        yield from _unpacked(gzip.decompress(content))
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from _unpacked(archive.read(name))
    elif content[:4] == b"PAR1":
        table = pq.read_table(io.BytesIO(content))
        yield f"{table.schema} {table.schema.metadata} {table.to_pylist()}".encode()
    elif content[:4] == b"%PDF":
        yield from _of_pdf(content)
    elif content[:4] == b"\x89PNG":
        yield from _inflated(content, rb"zTXt|iTXt|iCCP")
    else:
        for text in re.findall(rb"base64,([A-Za-z0-9+/=]+)", content):
            yield from _unpacked(base64.b64decode(text))


def _of_pdf(content: bytes) -> Iterator[bytes]:
    """Its streams, and what a reader sees and is told, where poppler is here (CI has it)."""
    yield from _inflated(content, rb"stream\r?\n")
    if shutil.which("pdftotext") is None or shutil.which("pdfinfo") is None:
        return
    shown = subprocess.run(["pdftotext", "-", "-"], input=content, capture_output=True, check=True)
    yield shown.stdout
    about = subprocess.run(["pdfinfo", "-"], input=content, capture_output=True, check=True)
    yield about.stdout


def _inflated(content: bytes, mark: bytes) -> Iterator[bytes]:
    """What inflates within some bytes after a mark."""
    for match in re.finditer(mark, content):
        for skip in range(80 if mark.startswith(b"z") else 1):
            try:
                yield zlib.decompressobj().decompress(content[match.end() + skip :])
                break
            except zlib.error:
                continue
