"""Texts from elsewhere: read, or refused in words, within bounds of memory, depth and time."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimetry.bounded import (
    DEEPEST,
    LARGEST_TOML,
    MOST_MEMBERS,
    MOST_VALUES,
    TextError,
    decode,
    gunzip,
    parse_json,
    parse_toml,
    plain_bytes,
    read_bytes,
    read_json,
    read_text,
    read_toml,
    shown,
)

OPEN_FILES = Path("/proc/self/fd")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text()
    | st.floats(-1e299, 1e299, allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(VALUES)
def test_json_is_read_as_it_was_written(value):
    assert parse_json(json.dumps(value)) == value
    assert (
        parse_json(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")) == value
    )


@given(st.binary(max_size=200))
def test_bytes_are_read_or_refused(raw):
    for read in (parse_json, decode, gunzip):
        with suppress(TextError):
            read(raw)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": NaN}', "NaN"),
        ("[-Infinity]", "-Infinity"),
        ("[1e999]", "beyond 1e300"),
        ("1e999", "beyond 1e300"),
        ("[" + "1" * 400 + "]", "beyond 1e300"),
        ("[" + "1" * 5000 + "]", "digits"),
        ('{"a": {"b": 1, "c": 2, "b": 1}}', "'b' twice"),
        ("[" * 100_000, "nested"),
        ("[" * 100_000 + "]" * 100_000, "nested"),
        ('{"a":' * 900 + "1" + "}" * 900, "nested"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested"),
        ("", "Expecting value"),
        ("{'a': 1}", "Expecting"),
        ('"\0"', "Invalid control character"),
    ],
)
def test_what_is_no_json(text, words):
    with pytest.raises(TextError, match=words):
        parse_json(text)


def test_json_of_the_largest_depth():
    assert parse_json("[" * DEEPEST + "]" * DEEPEST)


def test_more_values_than_memory_is_for():
    with pytest.raises(TextError, match="values"):
        parse_json("[" + "{}," * MOST_VALUES + "{}]")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (r'"\ud83d"', "\ufffd"),
        (r'"\uDE00x"', "\ufffdx"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\uD83D\uDE00\uD83D"', "\U0001f600\ufffd"),
        (r'"\\ud83d"', r"\ud83d"),
        (r'"\\\ud83d"', "\\\ufffd"),
    ],
)
def test_half_a_character_is_a_replacement_character(text, read):
    assert parse_json(text) == read
    parse_json(text).encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])  # with their marks
def test_texts_with_a_mark(encoding):
    assert decode("µmol/L 漢".encode(encoding)) == "µmol/L 漢"
    assert parse_json('{"µ": "漢"}'.encode(encoding)) == {"µ": "漢"}


@pytest.mark.parametrize(
    "raw", ["µ".encode("latin-1"), "ab".encode("utf-16-le"), b"\xff\xfea", b"a\0"]
)
def test_bytes_that_are_no_text(raw):
    with pytest.raises(TextError):
        decode(raw)


def test_gzip_is_inflated_no_further_than_the_bound():
    packed = gzip.compress(b" " * 5000)
    assert gunzip(packed, 5000) == b" " * 5000
    with pytest.raises(TextError, match="more than 4999"):
        gunzip(packed, 4999)
    assert gunzip(packed + packed + b"\0" * 10, 10_000) == b" " * 10_000
    with pytest.raises(TextError, match="parts"):
        gunzip(gzip.compress(b"") * (MOST_MEMBERS + 1))


def test_a_bomb_takes_no_memory(monkeypatch):
    """What zlib is asked to give never exceeds the bound, whatever it could give."""
    asked = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, **options):
            self._engine = real(**options)

        def decompress(self, raw, most):
            asked.append(most)
            return self._engine.decompress(raw, most)

        def __getattr__(self, name):
            return getattr(self._engine, name)

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    with pytest.raises(TextError, match="more than"):
        gunzip(gzip.compress(b"0" * 50_000_000, 9), 1000)
    assert asked == [1001]


@pytest.mark.parametrize("damage", [lambda raw: raw[:-9], lambda raw: raw[:30] + b"x" + raw[31:]])
def test_damaged_gzip(damage):
    with pytest.raises(TextError, match="gzip"):
        gunzip(damage(gzip.compress(os.urandom(500))))


def test_files(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(gzip.compress(b'{"a": 1}'))
    assert read_json(path) == {"a": 1}  # gzip is told by its content, not by its name
    path.write_text("a", "utf-8")
    assert read_text(path) == "a"
    with pytest.raises(TextError, match="more than 0 bytes"):
        read_bytes(path, 0)
    for missing in (tmp_path / "none", tmp_path / "a.json" / "b", tmp_path / ("x" * 300)):
        with pytest.raises(TextError):
            read_bytes(missing)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_file_does_not_block(tmp_path, kind):
    path = tmp_path / kind
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(TextError, match="no regular file"):
        read_bytes(path)


def test_toml(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("\ufeffa = 1\nb = 2026-01-02\n[c]\nd = [1.5]\n", "utf-8")
    assert read_toml(path) == {"a": 1, "b": date(2026, 1, 2), "c": {"d": [1.5]}}
    path.write_text("#" * (LARGEST_TOML + 1), "utf-8")
    with pytest.raises(TextError, match="more than"):
        read_toml(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = " + "[" * 1000 + "]" * 1000, "nested"),
        ("a = " + "[" * 150 + "]" * 150, "nested"),
        (".".join("a" * 150) + " = 1", "nested"),
        (".".join("a" * 50_000) + " = 1", "dots"),
        ("a = 0x" + "f" * 6000, "beyond 1e300"),
        ("a = nan", "beyond 1e300"),
        ("a = 1\na = 2", "overwrite"),
        ("a = ", "Invalid value"),
    ],
)
def test_what_is_no_toml(text, words):
    with pytest.raises(TextError, match=words):
        parse_toml(text)


def test_nan_is_left_to_those_who_name_it():
    assert str(parse_toml("a = nan", finite=False)["a"]) == "nan"


@given(st.text() | st.integers() | st.lists(st.integers()))
def test_what_is_shown_is_one_short_line(value):
    line = shown(value)
    assert len(line) <= 80
    assert line.isprintable()


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="only Linux lists the open files")
def test_a_folder_is_refused_and_closed(tmp_path):
    before = len(list(OPEN_FILES.iterdir()))
    with pytest.raises(TextError, match="no regular file"):
        plain_bytes(tmp_path, 10)
    assert len(list(OPEN_FILES.iterdir())) == before
