"""Headers: any encoding that files really have, no more memory than a header takes."""

from __future__ import annotations

import resource
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.errors import InputError
from calcimetry.scan import read
from calcimetry.scan.dicom import elements
from calcimetry.scan.dicom import header as header_module
from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.elements import BrokenFileError, NeedMoreError, OddError, Walked
from calcimetry.scan.dicom.header import GE_PRIVATE, MOST_HEADER, read_header
from calcimetry.scan.dicom.inflate import inflated

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
MB = 1 << 20


def codes(scan):
    return {f.code for f in scan.flags}


def declared(path: Path, syntax: str) -> None:
    """Rewrites the file's meta group alone, as archives do."""
    data = path.read_bytes()
    at = data.index(b"\x02\x00\x10\x00UI")
    length = int.from_bytes(data[at + 6 : at + 8], "little")
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    group = data.index(b"\x02\x00\x00\x00UL")
    size = int.from_bytes(data[group + 8 : group + 12], "little") + len(value) - length
    head = data[: group + 8] + struct.pack("<I", size) + data[group + 12 : at + 6]
    path.write_bytes(head + struct.pack("<H", len(value)) + value + data[at + 8 + length :])


@pytest.mark.parametrize(
    ("written", "said"),
    [("implicit", EXPLICIT), ("explicit", IMPLICIT), ("jpeg-ls", None), ("rle", None)],
)
def test_the_data_set_is_read_as_it_is_not_as_it_is_declared(tmp_path, make, written, said):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes[written])
    for path in folder.iterdir():
        if said:
            declared(path, said)
    assert np.array_equal(read(folder).hu, make.body())


def test_compressed_pixels_after_an_implicit_header(tmp_path, make):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes["jpeg-ls"])
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        syntax = data.file_meta.TransferSyntaxUID
        pydicom.dcmwrite(path, data, implicit_vr=False, little_endian=True)
        assert read_header(path).syntax == syntax


def test_ge_private_syntax_has_big_endian_pixels(tmp_path, make):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes["implicit"])
    for path in folder.iterdir():
        declared(path, GE_PRIVATE)
        data = bytearray(path.read_bytes())
        pixels = make.shape[1] * make.shape[2] * 2
        data[-pixels:] = np.frombuffer(data[-pixels:], "<u2").astype(">u2").tobytes()
        path.write_bytes(data)
    assert np.array_equal(read(folder).hu, make.body())


def test_an_unknown_syntax_is_named(tmp_path, make):
    folder = make.series(tmp_path / "s")
    for path in folder.iterdir():
        declared(path, "1.2.3.99")
    with pytest.raises(InputError, match=r"CANNOT_DECODE.*1\.2\.3\.99"):
        read(folder)


def test_compressed_pixels_called_uncompressed(tmp_path, make):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes["rle"])
    for path in folder.iterdir():
        declared(path, EXPLICIT)
    with pytest.raises(InputError, match=r"PIXEL_FORMAT.*compressed pixels"):
        read(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x28\x00\x10\x00US\x02\x00\x21\x00", b"\x28\x00\x10\x00UL\x04\x00\x21\x00\0\0"),
        (b"\x28\x00\x10\x00US\x02\x00\x21\x00", b"\x28\x00\x10\x00IS\x02\x0033"),
        (b"\x28\x00\x10\x00US\x02\x00\x21\x00", b"\x28\x00\x10\x00\x02\x00\x00\x00\x21\x00"),
        (b"\x28\x00\x03\x01US\x02\x00\x00\x00", b"\x28\x00\x03\x01SS\x02\x00\x00\x00"),
        (
            b"\x28\x00\x52\x10DS\x08\x00-1024.0 ",
            b"\x28\x00\x52\x10FD\x08\x00" + struct.pack("<d", -1024),
        ),
        (b"\x28\x00\x53\x10DS\x04\x001.0 ", b"\x28\x00\x53\x10US\x02\x00\x01\x00"),
        (b"\x28\x00\x53\x10DS\x04\x001.0 ", b"\x28\x00\x53\x10??\x04\x001.0 "),
    ],
    ids=["UL", "IS", "none", "SS", "FD", "US", "none known"],
)
def test_single_elements_of_another_vr(tmp_path, make, old, new):
    folder = make.series(tmp_path / "s")
    for path in folder.iterdir():
        data = path.read_bytes()
        assert data.count(old) == 1
        if new[4:6] == b"??":
            new = new[:4] + b"\x04\0\0\0" + new[8:]
        path.write_bytes(data.replace(old, new))
    scan = read(folder)
    assert np.array_equal(scan.hu, make.body())
    assert codes(scan) == set()


# ------------------------------------------------------------------------------- damage


def sequence(depth: int) -> bytes:
    """A private sequence of undefined length, so deep."""
    opened = b"\x09\x00\x01\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    return opened * depth + closed * depth


def put_in(path: Path, extra: bytes) -> None:
    """Before the elements of group 10 (the patient)."""
    data = path.read_bytes()
    at = data.index(b"\x10\x00\x10\x00PN")
    path.write_bytes(data[:at] + extra + data[at:])


@pytest.mark.parametrize("depth", [1, 20, 99])
def test_sequences_as_deep_as_objects_have_them(tmp_path, make, depth):
    folder = make.series(tmp_path / "s")
    for path in folder.iterdir():
        put_in(path, sequence(depth))
    assert np.array_equal(read(folder).hu, make.body())


@pytest.mark.parametrize("depth", [101, 300, 1000, 50_000])
def test_deeper_ones_are_broken_files(tmp_path, make, depth):
    folder = make.series(tmp_path / "s")
    put_in(folder / "IM0001.dcm", sequence(depth))
    scan = read(folder)
    assert codes(scan) == {"BROKEN_FILES"}
    with pytest.raises(InputError, match=r"BROKEN_FILE.*nested"):
        read(folder / "IM0001.dcm")


@pytest.mark.parametrize("depth", [300, 3000])
def test_deep_functional_groups_are_a_broken_file(tmp_path, make, depth):
    path = make.enhanced(tmp_path / "e.dcm")
    put_in(path, sequence(depth))
    with pytest.raises(InputError, match="BROKEN_FILE"):
        read(path)


def test_an_undefined_length_that_swallows_the_rest_is_a_broken_file(tmp_path, make):
    folder = make.series(tmp_path / "s")
    path = folder / "IM0001.dcm"
    data = path.read_bytes()
    for old in (b"\x08\x00\x18\x00UI", b"\x18\x00\x60\x00DS", b"\x28\x00\x02\x00US"):
        at = data.index(old)
        path.write_bytes(data[: at + 4] + b"UN\0\0\xff\xff\xff\xff" + data[at + 8 :])
        assert codes(read(folder)) == {"BROKEN_FILES"}


def test_a_file_cut_between_two_elements_is_a_broken_file(tmp_path, make):
    folder = make.series(tmp_path / "s")
    path = folder / "IM0001.dcm"
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\xe0\x7f\x10\x00OW")])
    assert codes(read(folder)) == {"BROKEN_FILES"}


def test_messages_hold_no_names_of_classes(tmp_path, make):
    folder = make.series(tmp_path / "s")
    rng = np.random.default_rng(1)
    whole = (folder / "IM0001.dcm").read_bytes()
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(132, 900, 6):
            data[place] = rng.integers(256)
        (folder / "IM0001.dcm").write_bytes(data)
        try:
            read(folder / "IM0001.dcm")
        except InputError as error:
            words = str(error)
            assert "Error" not in words
            assert "Exception" not in words


def test_a_frame_count_that_is_not_that_of_the_groups(tmp_path, make):
    path = make.enhanced(tmp_path / "e.dcm", NumberOfFrames=5)
    with pytest.raises(InputError, match=r"BROKEN_FILE.*states 5 frames and describes 6"):
        read(path)


@pytest.mark.parametrize("count", ["\u00b2".encode("latin-1"), b"0x", b"6."])
def test_a_frame_count_of_odd_letters(tmp_path, make, count):
    """A digit to Python's isdigit is none to its int, nor to DICOM."""
    path = make.enhanced(tmp_path / "e.dcm")
    data = path.read_bytes()
    at = data.index(b"\x28\x00\x08\x00IS\x02\x00") + 8
    path.write_bytes(data[:at] + count.ljust(2) + data[at + 2 :])
    assert len(read(path).hu) == 6


@given(st.binary(max_size=300), st.booleans())
def test_the_walk_ends_on_any_bytes(data, explicit):
    found = Walked()
    try:
        elements.walk(data, 0, len(data), explicit, found)
    except (NeedMoreError, OddError, BrokenFileError):
        return
    assert found.end <= len(data)


# ------------------------------------------------------------------------------- bounds


def bomb(path: Path, size: int) -> None:
    """A deflated file whose data set is one private element of zeros."""
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = machine.compress(b"\x09\x00\x01\x10OB\0\0" + struct.pack("<I", size))
    for _ in range(size // MB):
        packed += machine.compress(bytes(MB))
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    with path.open("wb") as file:
        file.write(b"\0" * 128 + b"DICM")
        pydicom.filewriter.write_file_meta_info(file, meta)
        file.write(packed + machine.flush())


def test_a_bomb_beside_a_series_is_not_inflated(tmp_path, make, monkeypatch):
    folder = make.series(tmp_path / "s")
    bomb(folder / "IM0000.dcm", 400 * MB)
    assert (folder / "IM0000.dcm").stat().st_size < MB
    asked = []
    real = header_module.inflated
    monkeypatch.setattr(
        header_module, "inflated", lambda file, most: asked.append(most) or real(file, most)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert codes(read(folder)) == {"BROKEN_FILES"}
    assert max(asked) <= MOST_HEADER
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 4 * MOST_HEADER
    with pytest.raises(InputError, match=r"BROKEN_FILE.*64 MB"):
        read(folder / "IM0000.dcm")


def test_zeros_behind_deflated_pixels_are_not_inflated(tmp_path, make, monkeypatch):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes["deflated"])
    path = folder / "IM0001.dcm"
    data = path.read_bytes()
    _, start = elements.file_meta(data, 132)
    plain = zlib.decompress(data[start:], -15)
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    trailing = b"\xfc\xff\xfc\xffOB\0\0" + struct.pack("<I", 300 * MB)
    packed = machine.compress(plain + trailing)
    for _ in range(300):
        packed += machine.compress(bytes(MB))
    path.write_bytes(data[:start] + packed + machine.flush())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert np.array_equal(read(folder).hu, make.body())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 100 * MB


def test_a_long_header_that_deflates_well(tmp_path, make):
    """Its file is smaller than the part of it that is looked at first."""
    folder = make.series(tmp_path / "s", np.zeros(make.shape, np.int16))
    for path in folder.iterdir():
        put_in(path, b"\x09\x00\x01\x10OB\0\0" + struct.pack("<I", 2 * MB) + bytes(2 * MB))
    make.compress(folder, make.syntaxes["deflated"])
    assert (folder / "IM0001.dcm").stat().st_size < 1 << 15
    assert not read(folder).hu.any()


def test_deflated_enhanced_ct(tmp_path, make):
    path = make.enhanced(tmp_path / "e.dcm")
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = make.syntaxes["deflated"]
    pydicom.dcmwrite(path, data, implicit_vr=False, little_endian=True)
    assert np.array_equal(read(path).hu, make.body())


def test_deflated_pixels_that_end_early(tmp_path, make):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes["deflated"])
    path = folder / "IM0001.dcm"
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(InputError, match=r"TRUNCATED_FILE|BROKEN_FILE"):
        read(folder)


@given(st.binary(max_size=5000), st.integers(1, 6000))
def test_inflating_gives_the_first_bytes(data, most):
    machine = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = machine.compress(data) + machine.flush()
    found, whole = inflated(BytesIO(packed), most)
    assert found == data[:most]
    assert whole == (len(data) <= most) or len(data) == most


def test_objects_without_images_may_be_long(tmp_path, make, monkeypatch):
    """Structures and waveforms can be larger than any header; they are no broken files."""
    monkeypatch.setattr(header_module, "_CHUNKS", (1 << 10, 1 << 12))
    monkeypatch.setattr(header_module, "MOST_HEADER", 1 << 12)
    path = make.series(tmp_path / "s", np.zeros((1, 33, 40), np.int16), Modality="RTSTRUCT")
    file = path / "IM0001.dcm"
    put_in(file, b"\x09\x00\x01\x10OB\0\0" + struct.pack("<I", 1 << 14) + bytes(1 << 14))
    found = read_header(file)
    assert found.pixel_start is None
    assert found.elements[t.MODALITY].strip() == b"RTSTRUCT"
    data = file.read_bytes().replace(b"RTSTRUCT", b"CT      ")
    file.write_bytes(data)
    with pytest.raises(BrokenFileError, match="does not end"):
        read_header(file)
