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
from calcimetry.atomic import folder as folder_module
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


def old_run(out: Path) -> None:
    (out / "pictures").mkdir(parents=True)
    for name in ("deposits.csv", "report.pdf", "notes.txt", "pictures/view-1.png"):
        (out / name).write_text("old")


def rewrite(out: Path, **options) -> None:
    with AtomicFolder(out, force=True, ours=OURS, **options) as folder:
        folder.write("deposits.csv", "new")
        folder.write("pictures/view-2.png", "new")


def test_what_is_theirs_is_the_same_file_as_before(tmp_path):
    out = tmp_path / "out"
    old_run(out)
    (out / "deep" / "er").mkdir(parents=True)
    (out / "deep" / "er" / "deposits.csv").write_text("theirs")
    (out / "link").symlink_to("../elsewhere")
    (out / "pictures" / "holiday.jpg").write_text("theirs")
    os.mkfifo(out / "pipe")
    out.chmod(0o2750)
    (out / "deep").chmod(0o700)
    kept = ("notes.txt", "deep/er/deposits.csv", "link", "pictures/holiday.jpg", "pipe")
    before = {name: (out / name).lstat().st_ino for name in kept}
    with (out / "notes.txt").open("a") as still_open:
        rewrite(out)
        still_open.write(" and more")
    assert {name: (out / name).lstat().st_ino for name in kept} == before
    assert (out / "notes.txt").read_text() == "old and more"
    assert names(out) == {"deposits.csv", "deep", "link", "notes.txt", "pictures", "pipe"}
    assert names(out / "pictures") == {"holiday.jpg", "view-2.png"}
    assert out.stat().st_mode & 0o7777 == 0o2750
    assert (out / "deep").stat().st_mode & 0o7777 == 0o700
    assert names(tmp_path) == {"out"}


def test_an_empty_folder_keeps_its_mode(tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o700)
    rewrite(out)
    assert out.stat().st_mode & 0o777 == 0o700
    assert names(tmp_path) == {"out"}


def test_folders_of_ours_that_hold_nothing_more_go(tmp_path):
    out = tmp_path / "out"
    old_run(out)
    with AtomicFolder(out, force=True, ours=OURS) as folder:
        folder.write("deposits.csv", "new")
    assert names(out) == {"deposits.csv", "notes.txt"}


@pytest.mark.parametrize("name", ["deposits.csv", "report.pdf", "pictures"])
@pytest.mark.parametrize("kind", ["folder", "link", "dangling", "pipe", "file"])
def test_what_has_the_name_of_a_result_and_is_none_is_refused(tmp_path, name, kind):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    for folder in (out, elsewhere):
        folder.mkdir()
    (elsewhere / "mine").write_text("x")
    path = out / name
    if kind == "folder":
        path.mkdir()
        (path / "mine").write_text("x")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(elsewhere if kind == "link" else tmp_path / "nowhere")
    if (kind == "folder") == (name == "pictures") and kind in ("folder", "file"):
        rewrite(out)
        return
    with pytest.raises(OutputError) as caught, AtomicFolder(out, force=True, ours=OURS):
        pytest.fail("must not be entered")
    assert caught.value.code == "OUT_IN_THE_WAY"
    assert caught.value.where == str(path)
    assert names(out) == {name}
    assert names(elsewhere) == {"mine"}
    assert names(tmp_path) == {"out", "elsewhere"}


@pytest.mark.parametrize("leads", ["elsewhere", "nowhere"])
@pytest.mark.parametrize("force", [True, False])
def test_a_link_is_not_followed(tmp_path, leads, force):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to(leads)
    with pytest.raises(OutputError) as caught, AtomicFolder(tmp_path / "out", force=force):
        pytest.fail("must not be entered")
    assert caught.value.code == "OUT_NOT_A_FOLDER"
    assert "link" in caught.value.found
    assert names(tmp_path) == {"elsewhere", "out"}
    assert names(tmp_path / "elsewhere") == set()


def test_a_folder_within_a_linked_one_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    rewrite(tmp_path / "link" / "out")
    assert names(tmp_path / "elsewhere") == {"out"}


@pytest.mark.parametrize("start", ["absent", "empty", "full"])
def test_a_second_run_into_it_is_refused_and_the_first_ends_well(tmp_path, start):
    out = tmp_path / "out"
    if start != "absent":
        out.mkdir()
    if start == "full":
        (out / "notes.txt").write_text("theirs")
    with AtomicFolder(out, force=True, ours=OURS) as folder:
        folder.write("deposits.csv", "new")
        with pytest.raises(OutputError) as caught, AtomicFolder(out, force=True, ours=OURS):
            pytest.fail("must not be entered")
        assert caught.value.code == "OUT_IN_USE"
        with AtomicFolder(tmp_path / "other", force=True) as other:
            other.write("a", "b")
        assert folder.path.exists()
    assert (out / "deposits.csv").read_text() == "new"
    assert names(tmp_path) == {"out", "other"}


def test_files_that_came_meanwhile_are_not_written_over(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(OutputError) as caught, AtomicFolder(out) as folder:
        folder.write("deposits.csv", "ours")
        out.mkdir()
        (out / "deposits.csv").write_text("theirs")
    assert caught.value.code == "OUT_NOT_EMPTY"
    assert (out / "deposits.csv").read_text() == "theirs"
    assert names(tmp_path) == {"out"}


def test_what_is_saved_at_the_last_moment_is_not_lost(tmp_path, monkeypatch):
    out = tmp_path / "out"
    old_run(out)
    plain = folder_module.exchange

    def late(new: Path, old: Path) -> None:
        (old / "late.txt").write_text("theirs")
        (old / "pictures" / "late.png").write_text("theirs")
        (old / "notes.new").write_text("saved again")
        os.utime(old / "notes.new", (2e9, 2e9))
        (old / "notes.new").replace(old / "notes.txt")
        plain(new, old)

    monkeypatch.setattr(folder_module, "exchange", late)
    rewrite(out)
    assert names(out) == {"deposits.csv", "late.txt", "notes.txt", "pictures"}
    assert (out / "notes.txt").read_text() == "saved again"
    assert names(out / "pictures") == {"late.png", "view-2.png"}
    assert names(tmp_path) == {"out"}


def refuse(number: int):
    def refused(*_args, **_options):
        raise OSError(number, os.strerror(number))

    return refused


@pytest.mark.parametrize("lacking", ["exchange", "carry_over"])
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.EXDEV])
def test_without_exchange_or_second_names_files_change_one_by_one(
    tmp_path, monkeypatch, lacking, number
):
    out = tmp_path / "out"
    old_run(out)
    (out / "pictures" / "holiday.jpg").write_text("theirs")
    about = out.stat().st_ino
    monkeypatch.setattr(folder_module, lacking, refuse(number))
    rewrite(out)
    assert names(out) == {"deposits.csv", "notes.txt", "pictures"}
    assert names(out / "pictures") == {"holiday.jpg", "view-2.png"}
    assert out.stat().st_ino == about
    assert names(tmp_path) == {"out"}


@pytest.mark.parametrize("fails", range(1, 9))
def test_an_error_while_they_change_puts_all_back(tmp_path, monkeypatch, fails):
    out = tmp_path / "out"
    old_run(out)
    before = {path: path.read_text() for path in out.rglob("*") if path.is_file()}
    monkeypatch.setattr(folder_module, "exchange", refuse(errno.ENOSYS))
    plain, count = Path.rename, 0

    def rename(path: Path, new: Path) -> Path:
        nonlocal count
        count += 1
        if count == fails:
            raise OSError(errno.EIO, "input/output error", str(new))
        return plain(path, new)

    monkeypatch.setattr(Path, "rename", rename)
    if fails > 5:  # three are put aside, two take their place
        rewrite(out)
        return
    with pytest.raises(OutputError) as caught:
        rewrite(out)
    assert caught.value.code == "OUT_NOT_WRITABLE"
    assert {path: path.read_text() for path in out.rglob("*") if path.is_file()} == before
    assert names(tmp_path) == {"out"}


def test_the_current_folder_stays_what_it_is(tmp_path, monkeypatch):
    out = tmp_path / "out"
    old_run(out)
    monkeypatch.chdir(out / "pictures")
    rewrite(Path(".."))
    assert names(Path.cwd()) == {"view-2.png"}
    assert names(tmp_path) == {"out"}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB, mounted on a folder of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount")
    disk = tmp_path / "beside" / "disk"
    disk.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip("may not mount here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("where", [".", "out"])
def test_a_small_disk(small_disk, where):
    out = small_disk / where
    old_run(out)
    rewrite(out)
    assert names(out) == {"deposits.csv", "notes.txt", "pictures"}
    with pytest.raises(OutputError) as caught, AtomicFolder(out, force=True, ours=OURS) as folder:
        folder.write("deposits.csv", "newer")
        folder.write("report.pdf", b"x" * 2**21)
    assert caught.value.code == "DISK_FULL"
    assert names(out) == {"deposits.csv", "notes.txt", "pictures"}
    assert (out / "deposits.csv").read_text() == "new"
    assert names(small_disk.parent) == {"disk"}
    assert not any(name.startswith(".") for name in names(small_disk))


def test_folders_above_are_not_left_by_a_failure(tmp_path):
    with pytest.raises(ZeroDivisionError), AtomicFolder(tmp_path / "a" / "b" / "out"):
        raise ZeroDivisionError
    assert names(tmp_path) == set()


def test_an_error_in_reading_is_not_told_as_one_in_writing(tmp_path):
    with pytest.raises(FileNotFoundError), AtomicFolder(tmp_path / "out"):
        (tmp_path / "no scan").read_bytes()
    assert names(tmp_path) == set()


def test_planted_names_lead_nowhere(tmp_path):
    (tmp_path / "precious").write_text("mine")
    out = tmp_path / "out"
    with AtomicFolder(out) as folder:
        folder.write("report.html", "a")
        workspace, lock = folder.path.parent.name, next(tmp_path.glob("*.lock")).name
    for name in (workspace, ".calcimetry-0123456789ab-abcdefgh", ".partial-report.html"):
        (tmp_path / name).symlink_to("precious")
    with atomic_file(tmp_path / "report.html") as draft:
        draft.write_text("new")
    assert (tmp_path / "precious").read_text() == "mine"
    (tmp_path / lock).symlink_to("precious")
    with pytest.raises(OutputError) as caught, AtomicFolder(out, force=True):
        pytest.fail("must not be entered")
    assert caught.value.code == "OUT_NOT_WRITABLE"
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_link_of_the_file_s_name_is_replaced_not_followed(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "table.csv").symlink_to("precious")
    with atomic_file(tmp_path / "table.csv") as draft:
        draft.write_text("new")
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "table.csv").is_symlink()


def test_folders_that_only_look_like_ours_are_let_be(tmp_path):
    named = tmp_path / ".calcimetry-0123456789ab-abcdefgh"
    named.mkdir()
    (named / "mine").write_text("x")
    (tmp_path / ".calcimetry-notes").write_text("x")
    rewrite(tmp_path / "out")
    assert names(tmp_path) == {"out", named.name, ".calcimetry-notes"}
    assert names(named) == {"mine"}


def killed(tmp_path: Path, name: str, target: str = "out") -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from calcimetry.atomic import AtomicFolder\n"
        "with AtomicFolder(Path(sys.argv[1])) as folder:\n"
        "    folder.write('deposits.csv', 'a')\n"
        f"    os.kill(os.getpid(), signal.{name})\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / target)], capture_output=True)


def test_what_dead_runs_left_is_cleared_and_a_living_one_s_is_not(tmp_path):
    killed(tmp_path, "SIGKILL", "one")
    killed(tmp_path, "SIGKILL", "two")
    assert len(names(tmp_path)) == 2  # workspace and lock of the second, which cleared the first's
    with AtomicFolder(tmp_path / "three") as living:
        living.write("a", "b")
        rewrite(tmp_path / "one")
        assert len(names(tmp_path)) == 3
    assert names(tmp_path) == {"one", "three"}


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
