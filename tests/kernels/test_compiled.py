"""Kernels import and run wherever they can or cannot be cached."""

import os
import shutil
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import numpy as np
import pytest

import calcimetry
from calcimetry.kernels import compiled

PROGRAM = """
import numpy as np
from calcimetry.runs import find_runs, objects_of
hu = np.zeros((3, 4, 5), np.int16); hu[1, 2, 1:4] = 200
assert objects_of(hu, find_runs(hu, 130)).voxels.tolist() == [3]
"""


def run_without_writable_caches(tmp_path, **environment):
    package = tmp_path / "site" / "calcimetry"
    source = Path(calcimetry.__file__).parent
    for room in (".", "kernels", "records", "runs"):
        (package / room).mkdir(parents=True, exist_ok=True)
        for file in (source / room).glob("*.py"):
            shutil.copy(file, package / room)
    # A file where a folder is wanted cannot be written by anyone, root included.
    for blocked in (
        package / "runs" / "__pycache__",
        package / "kernels" / "__pycache__",
        tmp_path / "home",
    ):
        blocked.write_text("")
    names = {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(package.parent)} | environment
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "XDG", "COV"))}
    return subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM],
        env=kept | names,
        capture_output=True,
        text=True,
        check=False,
    )


def test_falls_back_to_a_private_temporary_cache(tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = run_without_writable_caches(tmp_path, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    (cache,) = temporary.glob("calcimetry-kernels-*")
    assert list(cache.rglob("*.nbi"))
    assert cache.stat().st_mode & 0o077 == 0


def test_a_cache_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(compiled.tempfile, "gettempdir", lambda: str(tmp_path))
    assert compiled._private_folder() is not None
    (folder,) = tmp_path.iterdir()
    folder.chmod(0o777)
    assert compiled._private_folder() is None


def test_without_any_folder_kernels_still_compile(monkeypatch):
    monkeypatch.setattr(compiled, "_private_folder", lambda: None)
    twice = compiled._kernel_elsewhere(lambda x: 2 * x)
    assert twice(21) == 42


def test_read_only_arrays_are_views_where_they_can_be():
    values = np.arange(6, dtype=np.int16).reshape(2, 3)
    view = compiled.read_only(values, np.int16)
    assert np.shares_memory(view, values)
    assert values.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1


def test_a_run_is_told_of_kernels_only_where_none_was_cached(tmp_path):
    watched = "\n".join(
        [
            "from calcimetry.kernels.compiled import first_compilation",
            "told = []",
            "with first_compilation(lambda number, of: told.append((number, of))):",
            *("    " + line for line in PROGRAM.strip().splitlines()),
            "print(told)",
        ]
    )

    def told():
        done = subprocess.run(
            [sys.executable, "-c", watched],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return literal_eval(done.stdout)

    first = told()
    numbers, totals = zip(*first, strict=True)
    assert numbers == tuple(range(1, len(first) + 1))
    assert len(set(totals)) == 1
    assert totals[0] >= len(first)
    assert told() == []
