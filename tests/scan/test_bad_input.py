"""Every kind of bad input gives its code, its exit code and a message that says where."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest

import calcimetry.scan
from bad_scans import CASES
from calcimetry.errors import CalcimetryError, InputError
from calcimetry.scan import CATALOGUE, ERRORS, list_series, read


@pytest.mark.parametrize("kind", CASES)
def test_bad_input_has_its_code_and_names_the_place(tmp_path, make, kind, capfd):
    code, exit_code, names, maker = CASES[kind]
    path = maker(tmp_path, make)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CalcimetryError) as caught:
        read(path)
    error = caught.value
    assert (error.code, error.exit_code) == (code, exit_code)
    assert ERRORS[code][0] == exit_code
    assert names in str(error)
    assert all((error.found, error.expected, error.where, error.remedy))
    assert "Doe" not in str(error)
    assert len(str(error)) < 1500
    assert sorted(tmp_path.rglob("*")) == before
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_there_are_at_least_twenty_kinds():
    assert len(CASES) >= 20


def test_the_catalogue_holds_every_code_that_the_room_raises():
    room = Path(calcimetry.scan.__file__).parent
    source = "".join(path.read_text() for path in room.rglob("*.py") if path.name != "flags.py")
    for code in ERRORS:
        assert f'"{code}"' in source
    quoted = set(re.findall(r'"([A-Z]{2,}(?:_[A-Z]+)+)"', source))
    assert quoted <= ERRORS.keys() | CATALOGUE.keys() | OTHER_WORDS


OTHER_WORDS = {"AVERAGE_IP", "MAX_IP", "MIN_IP", "HU_MOD", "PIXEL_DATA"}


def test_long_lists_of_names_are_cut(tmp_path, make):
    make.series(tmp_path, make.body((60, 33, 40)), ImagePositionPatient=None)
    with pytest.raises(CalcimetryError, match="and 55 more"):
        read(tmp_path)


@pytest.mark.parametrize("function", [read, list_series])
def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch, function):
    def refuse(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match="UNREADABLE: found Permission denied"):
        function(tmp_path)


def test_a_slice_that_may_not_be_read_is_named(tmp_path, make, monkeypatch):
    make.series(tmp_path)
    real = Path.read_bytes

    def refuse(path):
        if path.name == "IM0002.dcm":
            raise OSError(5, "Input/output error")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match="UNREADABLE_FILE") as caught:
        read(tmp_path)
    assert caught.value.where == "IM0002.dcm"


def outcome(path: Path) -> int:
    """The exit code that reading leads to; errors that are not ours pass through."""
    try:
        read(path)
    except CalcimetryError as error:
        return error.exit_code
    return 0


def test_damaged_copies_of_headers_never_escape_as_other_errors(tmp_path, make):
    """Any cut or flipped byte ends in a scan or in a coded error."""
    source = make.series(tmp_path / "s")
    raw = (source / "IM0003.dcm").read_bytes()
    rng = np.random.default_rng(4)
    end = len(raw) - 33 * 40 * 2
    for _ in range(150):
        changed = bytearray(raw)
        for place in rng.integers(132, end, 3):
            changed[place] = rng.integers(256)
        if rng.random() < 0.3:
            changed = changed[: rng.integers(100, end)]
        (source / "IM0003.dcm").write_bytes(changed)
        assert outcome(source) in (0, 3, 4)


def test_damaged_enhanced_files_never_escape_as_other_errors(tmp_path, make):
    path = make.enhanced(tmp_path / "e.dcm")
    raw = path.read_bytes()
    end = len(raw) - make.body().nbytes
    rng = np.random.default_rng(5)
    for _ in range(100):
        changed = bytearray(raw)
        for place in rng.integers(132, end, 3):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        assert outcome(path) in (0, 3, 4)


def test_pydicom_settings_are_put_back(tmp_path, make):
    before = pydicom.config.settings.reading_validation_mode
    read(make.series(tmp_path))
    assert pydicom.config.settings.reading_validation_mode == before
