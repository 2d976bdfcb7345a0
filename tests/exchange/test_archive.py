"""Archives of arrays: what is read is what was packed, and nothing swells."""

from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calcimetry.exchange.archive import Archive, packed
from calcimetry.exchange.check import DamagedError

MIB = 2**20


@given(hnp.arrays(np.int16, hnp.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=5)))
def test_what_is_read_is_what_was_packed(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("archive") / "a.npz"
    path.write_bytes(packed([("a", values)]))
    found = Archive(path).read("a", "int16", (None, None, None), MIB)
    np.testing.assert_array_equal(found, values)


def stored(path, header: str, content: bytes, *, magic: bytes = b"\x93NUMPY\x01\x00") -> Archive:
    text = header.encode().ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.npy", magic + len(text).to_bytes(2, "little") + text + content)
    return Archive(path)


ROWS = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}"


@pytest.mark.parametrize(
    ("header", "content"),
    [
        (ROWS.format("<i2", "(100000000000, 3)"), b""),
        (ROWS.format("<i2", "(10, 3)"), bytes(59)),  # a byte short
        (ROWS.format("<i2", "(10, 3)"), bytes(61)),  # and one too many
        (ROWS.format("<i2", "(-10, -3)"), bytes(60)),
        (ROWS.format("<i2", "(0, 100000000000000000000)"), b""),
        (ROWS.format("|O", "(10, 3)"), bytes(60)),
        (ROWS.format("<f8", "(10, 3)"), bytes(240)),
        (ROWS.format("<i2", "(10,)"), bytes(20)),
        ("{'descr': '<i2', 'shape': (10, 3)}", bytes(60)),
        ("(" * 60, b""),
        ("no header", b""),
        (ROWS.format("no type", "(10, 3)"), bytes(60)),
    ],
)
def test_what_is_no_such_array_is_refused(tmp_path, header, content):
    archive = stored(tmp_path / "a.npz", header, content)
    with pytest.raises(DamagedError):
        archive.read("a", "int16", (None, 3), MIB)


@pytest.mark.parametrize("magic", [b"\x93NUMPY\x09\x00", b"\x93NUMPX\x01\x00", b""])
def test_headers_of_other_versions_are_refused(tmp_path, magic):
    archive = stored(tmp_path / "a.npz", ROWS.format("<i2", "(1, 3)"), bytes(6), magic=magic)
    with pytest.raises(DamagedError):
        archive.read("a", "int16", (None, 3), MIB)


def test_what_would_swell_is_refused_before_it_does(tmp_path):
    rows = 40 * MIB
    content = bytes(2 * 3 * rows)
    archive = stored(tmp_path / "a.npz", ROWS.format("<i2", f"({rows}, 3)"), content)
    del content
    tracemalloc.start()
    with pytest.raises(DamagedError, match="would take"):
        archive.read("a", "int16", (None, 3), 8 * MIB)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < MIB


def test_an_entry_that_states_less_than_it_holds_is_refused(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("a.npy", bytes(MIB))
    content = bytearray(out.getvalue())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (100).to_bytes(4, "little")
    (tmp_path / "a.npz").write_bytes(bytes(content))
    with pytest.raises(DamagedError):
        Archive(tmp_path / "a.npz").read("a", "int16", (None, 3), MIB)


@given(st.binary(max_size=400))
def test_any_bytes_are_an_archive_or_damaged(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("archive") / "a.npz"
    path.write_bytes(content)
    with pytest.raises(DamagedError):
        Archive(path).read("a", "int16", (None, 3), MIB)


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        Archive(tmp_path / "a.npz")
