"""Compressed frames that state another size than the header are not decoded."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.errors import InputError
from calcimetry.scan import read
from calcimetry.scan.dicom.codestream import sizes
from calcimetry.scan.dicom.header import read_header


@pytest.mark.parametrize("name", ["jpeg-lossless", "jpeg-ls", "jpeg-2000"])
def test_real_codestreams_state_the_size_of_the_header(tmp_path, make, name):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes[name])
    path = folder / "IM0001.dcm"
    header = read_header(path)
    assert list(sizes(path.read_bytes(), header.pixel_start)) == [(33, 40, 1)]


@pytest.mark.parametrize("name", ["jpeg-lossless", "jpeg-ls", "jpeg-2000"])
@pytest.mark.parametrize("size", [60_000, 41])
def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(tmp_path, make, name, size):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes[name])
    path = folder / "IM0003.dcm"
    data = path.read_bytes()
    wide = name == "jpeg-2000"
    old = struct.pack(">II", 40, 33) if wide else struct.pack(">HH", 33, 40)
    new = struct.pack(">II", size, 33) if wide else struct.pack(">HH", 33, size)
    assert data.count(old) >= 1
    at = data.index(old, data.index(b"\xe0\x7f\x10\x00OB"))
    path.write_bytes(data[:at] + new + data[at + len(old) :])
    with pytest.raises(InputError, match=rf"CANNOT_DECODE.*33 x {size} x 1"):
        read(folder)


@given(st.binary(max_size=200))
def test_any_bytes_end(data):
    item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(data) + 2)
    for start in (b"\xff\xd8", b"\xff\x4f", b""):
        assert len(list(sizes(item + start + data, 0))) <= 1 + len(data)
