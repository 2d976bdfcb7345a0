"""Exporters: files of other packages beside ours, whole or not at all."""

from __future__ import annotations

import pytest

import calcimetry as cm
import plug_ins
from calcimetry.errors import ServiceError, UsageError
from calcimetry.plugins import EXPORTERS
from report.conftest import corners, make_deposit, make_exam, make_scan

GOOD = """
def made(exam, scan):
    shape = "none" if scan is None else str(scan.hu.shape)
    return {"masses.txt": str(len(exam.deposits)).encode(), "scan.txt": shape.encode()}
"""


@pytest.fixture(scope="module")
def scan():
    return make_scan()


@pytest.fixture(scope="module")
def exam(scan):
    places = corners(2, scan.hu.shape)
    return make_exam(scan, [make_deposit(scan, k + 1, at) for k, at in enumerate(places)])


@pytest.fixture
def plug_in(tmp_path, monkeypatch):
    def put(name: str, source: str) -> str:
        plug_ins.install(tmp_path, monkeypatch, EXPORTERS, name, source)
        return name

    return put


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_its_files_stand_beside_ours(exam, scan, plug_in, tmp_path):
    cm.write(exam, tmp_path / "o", scan=scan, export=[plug_in("good", GOOD)])
    assert (tmp_path / "o" / "exports" / "masses.txt").read_bytes() == b"2"
    assert (tmp_path / "o" / "exports" / "scan.txt").read_text() == str(scan.hu.shape)
    assert (tmp_path / "o" / "examination.json").exists()
    cm.write(cm.load(tmp_path / "o"), tmp_path / "o", force=True, export=["good"])
    assert (tmp_path / "o" / "exports" / "scan.txt").read_bytes() == b"none"


def test_what_an_earlier_run_exported_goes_with_it(exam, plug_in, tmp_path):
    out = tmp_path / "o"
    cm.write(exam, out, export=[plug_in("good", GOOD)])
    (out / "mine.txt").write_text("mine")
    cm.write(exam, out, force=True)
    assert not (out / "exports").exists()
    assert (out / "mine.txt").read_text() == "mine"


FAULTS = {
    "raises": ("def made(exam, scan): raise KeyError('x')", "KeyError: 'x'"),
    "no-files": ("def made(exam, scan): return 3", "TypeError"),
    "text": ("def made(exam, scan): return {'a.txt': 'text'}", "str as content of a.txt"),
    "climbs": ("def made(exam, scan): return {'../a.txt': b''}", "'../a.txt'"),
    "folder": ("def made(exam, scan): return {'a/b.txt': b''}", "'a/b.txt'"),
    "absolute": ("def made(exam, scan): return {'/a.txt': b''}", "'/a.txt'"),
    "hidden": ("def made(exam, scan): return {'.a': b''}", "'.a'"),
    "number": ("def made(exam, scan): return {1: b''}", "a file named 1"),
    "twice": ("def made(exam, scan): return {'a.txt': b'', 'A.TXT': b''}", "a second file"),
    "no-function": ("made = 3", "it loads to int"),
    "broken": ("import no_such_module_of_mine", "ModuleNotFoundError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_that_fails_is_named_and_all_is_as_it_was(exam, plug_in, tmp_path, fault):
    out = tmp_path / "o"
    cm.write(exam, out)
    before = contents(out)
    source, found = FAULTS[fault]
    with pytest.raises(ServiceError, match="PLUGIN_FAILED") as error:
        cm.write(exam, out, force=True, export=[plug_in("good", GOOD), plug_in(fault, source)])
    assert found in error.value.found
    assert f"'{fault}'" in error.value.where
    assert contents(out) == before


def test_two_exporters_do_not_share_a_name(exam, plug_in, tmp_path):
    same = "def made(exam, scan): return {'MASSES.txt': b''}"
    with pytest.raises(ServiceError, match=r"a second file named MASSES\.txt"):
        cm.write(exam, tmp_path / "o", export=[plug_in("good", GOOD), plug_in("same", same)])
    assert not (tmp_path / "o").exists()


def test_one_that_is_not_there(exam, tmp_path):
    with pytest.raises(UsageError, match="EXPORTER_UNKNOWN"):
        cm.write(exam, tmp_path / "o", export=["no-such"])


def test_the_command_names_one_that_is_not_there_before_it_reads(tmp_path):
    from calcimetry import cli

    words = ["measure", str(tmp_path / "none"), "-o", str(tmp_path / "o"), "--export", "no-such"]
    with pytest.raises(UsageError, match="EXPORTER_UNKNOWN"):
        cli.app(words)
