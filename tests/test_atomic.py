from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from calcimetry.atomic import AtomicFolder, atomic_file
from calcimetry.errors import OutputError

OURS = ("deposits.csv", "report.pdf", "pictures/view-#.png")


@contextmanager
def files_no_larger_than(size: int):
    """A full disk, as far as this process can tell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_files_appear_together_at_the_end(tmp_path):
    out = tmp_path / "deep" / "out"
    with AtomicFolder(out) as folder:
        folder.write("deposits.csv", "a\n")
        folder.write("pictures/front.png", b"png")
        assert not out.exists()
    assert names(out) == {"deposits.csv", "pictures"}
    assert (out / "deposits.csv").read_text() == "a\n"
    assert names(tmp_path / "deep") == {"out"}


def test_a_failure_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), AtomicFolder(tmp_path / "out") as folder:
        folder.write("deposits.csv", "a\n")
        raise ZeroDivisionError
    assert names(tmp_path) == set()


def test_a_failure_with_force_leaves_what_was_there(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "deposits.csv").write_text("old")
    with pytest.raises(ZeroDivisionError), AtomicFolder(tmp_path / "out", force=True) as folder:
        folder.write("deposits.csv", "new")
        raise ZeroDivisionError
    assert (tmp_path / "out" / "deposits.csv").read_text() == "old"
    assert names(tmp_path) == {"out"}


def test_force_replaces_ours_and_keeps_theirs(tmp_path):
    out = tmp_path / "out"
    (out / "pictures").mkdir(parents=True)
    for name in (
        "deposits.csv",
        "report.pdf",
        "notes.txt",
        "pictures/view-1.png",
        "pictures/view-x.png",
    ):
        (out / name).write_text("old")
    with AtomicFolder(out, force=True, ours=OURS) as folder:
        folder.write("deposits.csv", "new")
        folder.write("pictures/view-2.png", "new")
    assert names(out) == {"deposits.csv", "notes.txt", "pictures"}
    assert (out / "deposits.csv").read_text() == "new"
    assert names(out / "pictures") == {"view-2.png", "view-x.png"}


def test_an_empty_folder_may_be_used(tmp_path):
    with AtomicFolder(tmp_path / "a" / "..") as folder:
        folder.write("deposits.csv", "a")
    assert "deposits.csv" in names(tmp_path)


def test_what_a_writer_inside_is_refused_is_told_as_such(tmp_path):
    with pytest.raises(OutputError) as caught, AtomicFolder(tmp_path / "out") as folder:
        (folder.path / "none" / "file").write_text("x")
    assert caught.value.code == "OUT_NOT_WRITABLE"
    assert names(tmp_path) == set()


def test_a_file_appears_whole_or_keeps_what_it_held(tmp_path):
    path = tmp_path / "deep" / "table.csv"
    with atomic_file(path) as draft:
        draft.write_text("one")
        assert not path.exists()
    with pytest.raises(ZeroDivisionError), atomic_file(path) as draft:
        draft.write_text("two")
        raise ZeroDivisionError
    assert path.read_text() == "one"
    assert names(path.parent) == {"table.csv"}
    with pytest.raises(OutputError) as caught, files_no_larger_than(10), atomic_file(path) as draft:
        draft.write_text("three" * 10)
    assert caught.value.code == "DISK_FULL"
    assert path.read_text() == "one"


def test_a_folder_with_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(OutputError) as caught, AtomicFolder(tmp_path):
        pytest.fail("must not be entered")
    assert caught.value.code == "OUT_NOT_EMPTY"
    assert names(tmp_path) == {"mine.txt"}


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError) as caught, AtomicFolder(tmp_path / "out", force=True):
        pytest.fail("must not be entered")
    assert caught.value.code == "OUT_NOT_A_FOLDER"


def test_a_full_disk_leaves_nothing(tmp_path):
    with (
        pytest.raises(OutputError) as caught,
        files_no_larger_than(1000),
        AtomicFolder(tmp_path / "out") as folder,
    ):
        folder.write("deposits.csv", "a" * 500)
        folder.write("objects.csv", "a" * 5000)
    assert caught.value.code == "DISK_FULL"
    assert caught.value.exit_code == 6
    assert names(tmp_path) == set()


def test_a_folder_that_cannot_be_written():
    # /proc takes no folders, from root neither.
    with pytest.raises(OutputError) as caught, AtomicFolder(Path("/proc/calcimetry-out")):
        pytest.fail("must not be entered")
    assert caught.value.code == "OUT_NOT_WRITABLE"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a read-only file system")
def test_a_read_only_file_system(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount here")
    try:
        with pytest.raises(OutputError) as caught, AtomicFolder(tmp_path / "out"):
            pytest.fail("must not be entered")
        assert caught.value.code == "OUT_NOT_WRITABLE"
        assert os.strerror(errno.EROFS).lower() in caught.value.found
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_an_interrupted_run_leaves_nothing(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from calcimetry.atomic import AtomicFolder, atomic_file\n"
        "with AtomicFolder(Path(sys.argv[1])) as folder:\n"
        "    folder.write('deposits.csv', 'a')\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out")], capture_output=True
    )
    assert done.returncode != 0
    assert names(tmp_path) == set()
