"""Numbers by DICOM's grammar; values under another VR than usual."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.scan.dicom import tags as t
from calcimetry.scan.dicom.values import number_of, numbers_of, usual


@pytest.mark.parametrize(
    ("word", "number"),
    [
        *((" 1.5 ", 1.5), ("-1024", -1024.0), ("+.5", 0.5), ("1.", 1.0), ("1E-3", 0.001)),
        *(("2\0", 2.0), ("0.78125000000000000001", 0.78125)),
        *(("-1024,0", -1024.0), ("0,977", 0.977), ("12,5", 12.5), ("1024,000", 1024.0)),
    ],
)
def test_numbers_that_dicom_has_and_decimal_commas(word, number):
    assert number_of(word) == number


@pytest.mark.parametrize(
    "word",
    [
        *("1_0", "nan", "inf", "-Infinity", "0x10", "1e999", "", "1 2", "--1", "1e", "e5"),
        *("\u0661\u0662", "1,024", "-12,500", "1,2,3", "1.5,2", "ten", "1+1", "\xb2"),
    ],
)
def test_what_is_no_number_or_may_be_two(word):
    assert number_of(word) is None


@given(st.text(max_size=20))
def test_any_text_gives_a_finite_number_or_none(word):
    found = number_of(word)
    assert found is None or math.isfinite(found)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=6))
def test_what_python_writes_is_read_again(values):
    assert numbers_of("\\".join(map(repr, values)).encode()) == tuple(values)


def test_one_bad_value_spoils_all():
    assert numbers_of(b"1\\x\\3") == ()
    assert numbers_of(b"1\\\\3 ") == (1.0, 3.0)


def test_an_element_of_more_numbers_than_any_is_none():
    """Each of a megabyte took 15 MB, and thousands were kept."""
    assert numbers_of(b"1\\" * 500_000) == ()


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        *((b"US", b"\x00\x02"), (b"UL", b"\0\x02\0\0"), (b"IS", b"512 "), (b"DS", b"512.0")),
        *((b"FL", struct.pack("<f", 512)), (b"UN", b"\x00\x02"), (b"LO", b" 512")),
    ],
)
def test_rows_under_any_vr(vr, value):
    assert usual(t.ROWS, vr, value)[:2] == b"\x00\x02"


@pytest.mark.parametrize("value", [b"five", b"70000", b"1.5", b""])
def test_an_unreadable_short_is_not_taken_for_a_missing_one(value):
    assert usual(t.BITS_STORED, b"IS", value) == b"\xff\xff"


@pytest.mark.parametrize(
    ("vr", "value"),
    [(b"FD", struct.pack("<d", 70)), (b"FL", struct.pack("<f", 70)), (b"DS", b"70.0 ")],
)
def test_a_double_under_any_vr(vr, value):
    assert struct.unpack("<d", usual(t.KEV, vr, value)) == (70.0,)


def test_a_text_element_that_holds_binary_numbers():
    spacing = usual(t.PIXEL_SPACING, b"FD", struct.pack("<2d", 0.78125, 0.5))
    assert numbers_of(spacing) == (0.78125, 0.5)
    assert usual(t.KVP, b"US", b"\x78\x00") == b"120"
    assert usual(t.KVP, b"DS", b"120 ") == b"120 "
