"""Damaged DICOM series: one kind of damage each, of those that real archives and copies do.

A mutant is drawn from its seed alone, so that one that fails can be made again.
"""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from benchmarks.fuzz import scans
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from calcimetry import phantom

MANY = 1 / 3
"""Beyond this share of the slices a change may be one that nobody can see."""

NUMBERS = (
    "", "0", "-1", "nan", "inf", "-inf", "1e308", "-1e308", "1e-30", "1e30", "1_0", "1,5", "abc",
    "1\\2\\3\\4\\5\\6\\7", "0x10", "+", "1e", "  ", "9" * 40, "1.2.3", "\x1b[31m", "1000", "0.001",
)  # fmt: skip
WORDS = ("", "\x00", "A" * 5000, "\u202e\u2066", "[/bold]", "=1+1", "\x1b]0;t\x07", "../..", "%s%n")
SHORTS = (0, 1, 2, 7, 8, 11, 12, 15, 16, 17, 31, 32, 255, 256, 4095, 32768, 65535)
DECIMALS = (
    "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope",
    "RescaleIntercept", "SliceThickness", "KVP", "InstanceNumber", "SeriesNumber",
    "AcquisitionNumber", "NumberOfFrames",
)  # fmt: skip
TEXTS = (
    "ImageType", "Modality", "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID",
    "StudyInstanceUID", "FrameOfReferenceUID", "ConvolutionKernel", "RescaleType", "Manufacturer",
    "BodyPartExamined", "SeriesDescription", "AcquisitionDate", "StudyDate", "PatientPosition",
    "ContrastBolusAgent", "SpecificCharacterSet", "PhotometricInterpretation", "Laterality",
)  # fmt: skip
US = (
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel", "Rows",
    "Columns",
)  # fmt: skip
SYNTAXES = (
    ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless,
    JPEGLSLossless, JPEG2000Lossless,
)  # fmt: skip


@dataclass(slots=True)
class Series:
    """A series on disk that is being damaged.

    touched : names of the files that were altered
    visible : whether the damage can be told from the files at all
    """

    folder: Path
    draw: random.Random
    touched: set[str] = field(default_factory=set)
    visible: bool = True

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def some(self) -> list[Path]:
        """One file, a few, half or all."""
        files = self.files()
        count = self.draw.choice((1, 1, 1, 2, 3, len(files) // 2, len(files)))
        return self.draw.sample(files, min(count, len(files)))

    def alter(self, path: Path, change: Callable[[Dataset], None]) -> None:
        if path.read_bytes()[128:132] != b"DICM":  # a stranger that another kind put here
            return
        data = pydicom.dcmread(path)
        change(data)
        data.save_as(path)
        self.touched.add(path.name)

    def write(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        self.touched.add(path.name)


def base(folder: Path) -> Path:
    """The undamaged series: a coarse phantom hand with deposits, 120 kVp."""
    made = phantom.make("hand", seed=3, spacing=(3.0, 1.5, 1.5))
    return phantom.write_dicom(made.scan, folder)


def damaged(seed: int, good: Path, folder: Path) -> tuple[list[str], bool]:
    """Write the mutant of a seed; gives its arguments, and whether its damage can be seen."""
    shutil.copytree(good, folder)
    series = Series(folder, random.Random(seed))
    with pydicom.config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = [series.draw.choice(KINDS) for _ in range(series.draw.choice((1, 1, 1, 2)))]
        # Bytes are damaged last: what pydicom makes of damaged files is not to be found out here.
        for kind in sorted(chosen, key=lambda kind: (kind in BYTES, kind is not recoded)):
            kind(series)
    share = len(series.touched) / max(1, len(series.files()))
    return [str(folder)], series.visible and share <= MANY


def _set(data: Dataset, keyword: str, value: bytes) -> None:
    """Any bytes as the value of an element, whatever its VR allows."""
    tag = pydicom.datadict.tag_for_keyword(keyword)
    vr = pydicom.datadict.dictionary_VR(tag)
    even = value + b" " * (len(value) % 2)
    data[tag] = pydicom.dataelem.RawDataElement(
        pydicom.tag.Tag(tag), vr, len(even), even, 0, False, True
    )


def decimal(series: Series) -> None:
    keyword, value = series.draw.choice(DECIMALS), series.draw.choice(NUMBERS)
    parts = {"PixelSpacing": 2, "ImagePositionPatient": 3, "ImageOrientationPatient": 6}
    text = "\\".join([value] * parts.get(keyword, 1)) if series.draw.random() < 0.5 else value
    for path in series.some():
        series.alter(path, lambda data: _set(data, keyword, text.encode("latin-1", "replace")))


def word(series: Series) -> None:
    keyword, value = series.draw.choice(TEXTS), series.draw.choice(WORDS)
    for path in series.some():
        series.alter(path, lambda data: _set(data, keyword, value.encode("utf-8")))


def short(series: Series) -> None:
    keyword, value = series.draw.choice(US), series.draw.choice(SHORTS)
    for path in series.some():
        series.alter(path, lambda data: _set(data, keyword, value.to_bytes(2, "little")))


def without(series: Series) -> None:
    keyword = series.draw.choice((*DECIMALS, *TEXTS, *US, "PixelData"))
    for path in series.some():
        series.alter(path, lambda data: data.__delattr__(keyword) if keyword in data else None)


def flipped_bits(series: Series) -> None:
    """In headers: what follows is pixels, where every value is a possible one."""
    for path in series.some():
        content = bytearray(path.read_bytes())
        end = max(1, content.rfind(b"\xe0\x7f\x10\x00"))
        for _ in range(series.draw.choice((1, 2, 8, 64))):
            content[series.draw.randrange(end)] ^= 1 << series.draw.randrange(8)
        series.write(path, bytes(content))


def noise(series: Series) -> None:
    """Bytes anywhere."""
    series.visible = False
    for path in series.some():
        content = path.read_bytes()
        at = series.draw.randrange(len(content))
        junk = series.draw.randbytes(series.draw.choice((1, 16, 512)))
        series.write(path, content[:at] + junk + content[at + len(junk) :])


def cut(series: Series) -> None:
    share = series.draw.choice((0.0, 0.001, 0.02, 0.2, 0.9, 0.999))
    for path in series.some():
        content = path.read_bytes()
        series.write(path, content[: int(len(content) * share)])


def tail(series: Series) -> None:
    for path in series.some():
        series.write(path, path.read_bytes() + series.draw.randbytes(777))


def replaced(series: Series) -> None:
    junk = series.draw.choice((b"", b"<html><body>404</body></html>" * 30, b"\0" * 4096, b"DICM"))
    for path in series.some():
        series.write(path, junk)


def gone(series: Series) -> None:
    files = series.files()
    first = series.draw.randrange(len(files))
    for path in files[first : first + series.draw.choice((1, 1, 2, 5))]:
        path.unlink()
    series.visible = 0 < first < len(files) - 6  # none can tell a shorter scan from a cut one


def doubled(series: Series) -> None:
    for path in series.some():
        shutil.copy(path, path.with_name(f"copy of {path.name}"))


def renamed(series: Series) -> None:
    for path in series.files():
        path.rename(path.with_name(f"{series.draw.randrange(10**9)}{path.stem[-4:]}"))


def strangers(series: Series) -> None:
    if (series.folder / "deep").exists():
        return
    (series.folder / "deep" / "er").mkdir(parents=True)
    (series.folder / "deep" / "er" / "notes.txt").write_text("hello")
    (series.folder / "Thumbs.db").write_bytes(series.draw.randbytes(9000))
    (series.folder / "link.dcm").symlink_to("nowhere")


def syntax_lie(series: Series) -> None:
    """The file says another transfer syntax than its data set has."""
    lie = str(series.draw.choice((*SYNTAXES, "1.2.3", ""))).encode()
    for path in series.some():
        was = str(pydicom.dcmread(path).file_meta.TransferSyntaxUID).encode()
        new = lie[: len(was)].ljust(len(was), b"\0")
        series.write(path, path.read_bytes().replace(was, new, 1))


def recoded(series: Series) -> None:
    """Another encoding, whole, and then cut or flipped in one file."""
    syntax = series.draw.choice(SYNTAXES)
    for path in series.files():
        data = pydicom.dcmread(path)
        if syntax.is_encapsulated:
            data.compress(syntax, generate_instance_uid=False)
            data.save_as(path)
            continue
        if syntax == ExplicitVRBigEndian:
            data.PixelData = np.frombuffer(data.PixelData, "<u2").astype(">u2").tobytes()
        data.file_meta.TransferSyntaxUID = syntax
        little, implicit = syntax != ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
        pydicom.dcmwrite(
            path, data, little_endian=little, implicit_vr=implicit, force_encoding=True
        )
    if series.draw.random() < 0.7:
        series.draw.choice((noise, cut))(series)


def nested(series: Series) -> None:
    """Sequences within sequences, of undefined length (PS3.5 7.5), before the pixels."""
    depth = series.draw.choice((3, 30, 300, 3000))
    begin = b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    for path in series.some()[:3]:
        content = path.read_bytes()
        at = content.rfind(b"\xe0\x7f\x10\x00")
        series.write(path, content[:at] + begin * depth + end * depth + content[at:])


def moved(series: Series) -> None:
    """A slice at another place."""
    by = series.draw.choice((0.05, 1.0, 3.0, 500.0, 1e7))
    axis = series.draw.randrange(3)

    def change(data: Dataset) -> None:
        place = [float(v) for v in data.ImagePositionPatient]
        place[axis] += by
        data.ImagePositionPatient = place

    for path in series.some():
        series.alter(path, change)


def pixels_of_another_kind(series: Series) -> None:
    """Values that no longer mean what the header says, in a few slices."""
    kind: Any = series.draw.choice(("swapped", "signed", "shifted", "zero", "ones"))

    def change(data: Dataset) -> None:
        values = np.frombuffer(data.PixelData, "<u2")
        new = {
            "swapped": values.byteswap(), "signed": values, "shifted": values + 1024,
            "zero": values * 0, "ones": values | 0xF000,
        }[kind]  # fmt: skip
        data.PixelData = new.astype("<u2").tobytes()
        if kind == "signed":
            data.PixelRepresentation = 1

    for path in series.some():
        series.alter(path, change)


BYTES = (flipped_bits, noise, cut, tail, replaced, syntax_lie, nested)
KINDS: tuple[Callable[[Series], None], ...] = (
    *(decimal,) * 5, *(short,) * 3, *(word,) * 2, *(flipped_bits,) * 3, *(without,) * 2, noise,
    cut, tail, replaced, gone, doubled, renamed, strangers, syntax_lie, recoded, nested, moved,
    pixels_of_another_kind,
)  # fmt: skip


def mutants(seed: int, count: int, folder: Path) -> Iterator[scans.Mutant]:
    """`count` mutants from a seed on."""
    return scans.mutants(base, damaged, seed, count, folder)


run = scans.run
