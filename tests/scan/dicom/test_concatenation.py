"""One enhanced image in several files: read whole, or refused."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from calcimetry.errors import InputError
from calcimetry.scan import read


def codes(scan):
    return {f.code for f in scan.flags}


@pytest.fixture
def parts(tmp_path, make):
    """A scan of 12 slices in three files; the last slices in the first file."""

    def write(total=3, uid="1.2.7", named=True):
        values = make.body((12, *make.shape[1:]))
        for k in range(3):
            chosen = values[k * 4 : k * 4 + 4]
            more = {"ConcatenationUID": uid} if uid else {}
            if named:
                more["InConcatenationNumber"] = 3 - k
            if total:
                more["InConcatenationTotalNumber"] = total
            path = make.enhanced(tmp_path / f"part{3 - k}.dcm", chosen, **more)
            _move(path, 10.0 * k)
        return values

    return write


def _move(path, by):
    """Shifts the frames along the table."""
    data = pydicom.dcmread(path)
    for frame in data.PerFrameFunctionalGroupsSequence:
        position = frame.PlanePositionSequence[0]
        x, y, z = position.ImagePositionPatient
        position.ImagePositionPatient = [x, y, z + by]
    data.SOPInstanceUID = f"1.2.7.{int(by)}"
    data.save_as(path)


@pytest.mark.parametrize("named", ["", "part1.dcm", "part3.dcm"])
def test_all_parts_are_read_from_any_of_them(tmp_path, parts, named):
    values = parts()
    scan = read(tmp_path / named)
    assert np.array_equal(scan.hu, values)
    assert codes(scan) == set()


@pytest.mark.parametrize("gone", [1, 2, 3])
@pytest.mark.parametrize("named", [False, True])
def test_a_missing_part_is_refused(tmp_path, parts, gone, named):
    parts()
    (tmp_path / f"part{gone}.dcm").unlink()
    path = next(tmp_path.glob("*.dcm")) if named else tmp_path
    with pytest.raises(InputError, match=rf"MISSING_PARTS.*missing: part {gone}"):
        read(path)


def test_parts_that_do_not_say_of_how_many(tmp_path, parts):
    values = parts(total=0)
    scan = read(tmp_path)
    assert np.array_equal(scan.hu, values)
    assert "CONCATENATION" in codes(scan)
    (tmp_path / "part1.dcm").unlink()
    with pytest.raises(InputError, match=r"MISSING_PARTS.*missing: part 1"):
        read(tmp_path)


def test_an_enhanced_file_of_one_part_stands_alone(tmp_path, make):
    path = make.enhanced(tmp_path / "a.dcm", InConcatenationNumber=1, InConcatenationTotalNumber=1)
    make.enhanced(tmp_path / "b.dcm", make.body(seed=4))
    scan = read(path)
    assert np.array_equal(scan.hu, make.body())
    assert "CONCATENATION" not in codes(scan)
