"""A scan that cannot fit is refused before it is read."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import calcimetry as cm
from calcimetry.errors import InputError
from calcimetry.phantom import write_dicom
from calcimetry.scan import memory

GIB = 2**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose memory and control groups are files of a folder."""
    for name, path in (("_MEMINFO", "meminfo"), ("_OWN_GROUPS", "own"), ("_GROUPS", "groups")):
        monkeypatch.setattr(memory, name, tmp_path / path)

    def put(name, text):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return put


def _scan():
    hu = np.full((8, 40, 40), -1000, np.int16)
    hu[:, 10:30, 10:30] = 40
    return cm.from_array(hu, spacing=(2.0, 1.0, 1.0))


@pytest.mark.parametrize("form", ["dicom", "nifti"])
def test_a_scan_that_cannot_fit_is_refused_before_its_pixels_are_read(
    machine, tmp_path, monkeypatch, form
):
    nib = pytest.importorskip("nibabel")
    path = tmp_path / "scan"
    if form == "dicom":
        write_dicom(_scan(), path)
    else:
        path = tmp_path / "scan.nii.gz"
        nib.save(nib.Nifti1Image(_scan().hu.T.copy(), np.eye(4)), path)
    machine("meminfo", "MemTotal: 900000 kB\nMemAvailable: 100000 kB\n")
    for name in ("calcimetry.scan.dicom.read.fill", "calcimetry.scan.nifti.read._inflate"):
        monkeypatch.setattr(name, lambda *_: pytest.fail("pixels were read"))
    with pytest.raises(InputError) as told:
        cm.read(path)
    assert told.value.code == "TOO_BIG"
    assert "0.1 GB are free" in told.value.found


def test_a_scan_that_fits_is_read(machine, tmp_path):
    write_dicom(_scan(), tmp_path / "scan")
    machine("meminfo", "MemAvailable: 400000 kB\n")
    assert cm.read(tmp_path / "scan").hu.shape == (8, 40, 40)


def test_free_memory_is_the_tightest_of_machine_and_groups(machine):
    assert memory.bytes_free() is None  # no such files: another system
    machine("meminfo", f"MemAvailable: {8 * GIB // 1024} kB\n")
    assert memory.bytes_free() == 8 * GIB
    machine("own", "0::/job/step\n")
    machine("groups/job/step/memory.max", "max\n")
    machine("groups/job/step/memory.current", f"{GIB}\n")
    assert memory.bytes_free() == 8 * GIB
    machine("groups/job/memory.max", f"{4 * GIB}\n")
    machine("groups/job/memory.current", f"{3 * GIB}\n")
    machine("groups/job/memory.stat", f"anon 5\ninactive_file {GIB}\n")
    assert memory.bytes_free() == 2 * GIB


def test_old_control_groups_count_too(machine):
    machine("own", "5:cpu:/\n4:memory:/job\n")
    machine("groups/memory/job/memory.limit_in_bytes", f"{4 * GIB}\n")
    machine("groups/memory/job/memory.usage_in_bytes", f"{3 * GIB}\n")
    machine("groups/memory/memory.limit_in_bytes", "9223372036854771712\n")
    machine("groups/memory/memory.usage_in_bytes", f"{3 * GIB}\n")
    assert memory.bytes_free() == GIB


def test_this_machine_has_room_for_a_small_scan():
    memory.check_room((10, 100, 100), "here")


@pytest.mark.parametrize("limit", ["v", "d"])
def test_limits_of_the_process_itself_count(limit):
    script = "from calcimetry.scan.memory import bytes_free\nprint(bytes_free())\n"
    shell = f"ulimit -{limit} 3000000; exec '{sys.executable}' -c '{script}'"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert 0 < int(done.stdout) < 3000000 * 1024
