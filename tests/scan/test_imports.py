"""Reading imports only what a scan needs: pydicom and nibabel take a third of a second each."""

from __future__ import annotations

import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

SCRIPT = """
import sys
from calcimetry import read
read(sys.argv[1])
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"nibabel", "pydicom"}))
"""


def imported(path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, path], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_a_classic_series_needs_neither(tmp_path, make):
    assert imported(make.series(tmp_path / "s")) == []


@pytest.mark.parametrize("syntax", ["jpeg-ls", "rle"])
def test_a_compressed_series_needs_pydicom(tmp_path, make, syntax):
    folder = make.compress(make.series(tmp_path / "s"), make.syntaxes[syntax])
    assert "nibabel" not in imported(folder)


def test_a_nifti_file_needs_nibabel(tmp_path):
    hu = np.full((20, 20, 20), -1000, np.int16)
    hu[4:16, 4:16] = 40
    path = tmp_path / "scan.nii"
    nib.save(nib.Nifti1Image(hu, np.diag([1.0, 1.0, 1.0, 1.0])), path)
    assert "nibabel" in imported(path)  # which imports pydicom itself, where it is installed
