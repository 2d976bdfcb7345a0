"""What the command bears: signals, an output that nobody takes, and what the system refuses."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import calcimetry.scan
from calcimetry.cli import app
from calcimetry.phantom import generate

COMMAND = [sys.executable, "-m", "calcimetry"]
CLAIMS = [*COMMAND, "claims"]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_clear_up_and_are_told(tmp_path, number, code):
    words = [*COMMAND, "phantom", "trunk", "-o", tmp_path / "a" / "out", "--spacing", *"111"]
    run = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.rglob("new")):
        assert run.poll() is None
        time.sleep(0.01)
    run.send_signal(number)
    assert run.wait() == code
    assert run.stderr.read() == "interrupted; nothing was written\n"
    run.stderr.close()
    assert names(tmp_path) == set()


def test_a_signal_that_the_caller_ignores_stays_ignored(tmp_path):
    script = (
        "import os, signal\n"
        "from calcimetry.cli.process import catch_signals\n"
        "catch_signals()\n"
        "os.kill(os.getpid(), signal.SIGHUP)\n"
    )
    ignored = subprocess.run(["nohup", sys.executable, "-c", script], capture_output=True)
    assert ignored.returncode == 0
    assert subprocess.run([sys.executable, "-c", script], capture_output=True).returncode != 0


def test_a_run_that_ended_well_before_the_signal_says_so(run, tmp_path, monkeypatch, capsys):
    from calcimetry.cli import phantom
    from calcimetry.cli.process import Stopped

    def stopped(*_args, **_options):
        raise Stopped(signal.SIGTERM)

    monkeypatch.setattr(phantom.typer, "echo", stopped)
    assert run("phantom", "hand", "-o", tmp_path / "out", "--spacing", *"333") == 143
    assert capsys.readouterr().err == "interrupted; the results were written\n"
    assert "truth.csv" in names(tmp_path / "out")


def test_a_reader_that_leaves_is_no_error():
    words = " ".join([*CLAIMS, "--json"])
    shell = f"{words} | head -1 > {os.devnull}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [CLAIMS, [*COMMAND, "--help"], [*COMMAND, "info", "--json"]])
def test_a_full_disk_behind_stdout_is_told(words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 6
    assert done.stderr.startswith("STDOUT_NOT_WRITABLE: found no space left on device")
    assert "Traceback" not in done.stderr


def test_closed_and_full_streams_change_no_exit_code():
    for words, code in ((["claims"], 0), (["nonsense"], 2), (["cite", "no such"], 2)):
        line = " ".join([*COMMAND, *(f"'{word}'" for word in words)])
        for ending in (">&-", "2>&-", "2>/dev/full", ">&- 2>&-"):
            done = subprocess.run(
                ["bash", "-c", f"{line} >/dev/null {ending}"], capture_output=True
            )
            assert done.returncode == code, (words, ending)


def test_words_that_the_encoding_lacks_are_shown_by_number():
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(CLAIMS, capture_output=True, env=environment)
    assert done.returncode == 0
    assert done.stdout.isascii()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "OUT_OF_MEMORY"),
        (RecursionError("too deep"), "NESTED_TOO_DEEP"),
        (PermissionError(errno.EACCES, "Permission denied", "the scan"), "UNREADABLE"),
        (OSError(errno.EIO, "Input/output error"), "UNREADABLE"),
        (OSError(errno.EMFILE, "Too many open files", "the scan"), "UNREADABLE"),
    ],
)
def test_what_the_system_refuses_is_an_error_of_the_input(
    run, tmp_path, monkeypatch, capsys, error, code
):
    def refused(*_args, **_options):
        raise error

    monkeypatch.setattr(calcimetry.scan, "read", refused)
    assert run("measure", tmp_path, "-o", tmp_path / "out") == 3
    said = capsys.readouterr().err
    assert said.startswith(code)
    assert "the scan" in said or not getattr(error, "filename", None)
    assert names(tmp_path) == set()


def test_typer_leaves_paths_to_the_verbs(run, tmp_path, monkeypatch, capsys):
    for command in app.registered_commands:
        for hint in command.callback.__annotations__.values():
            for about in getattr(hint, "__metadata__", ()):
                assert about.readable is False
    plain = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK and plain(path, mode))
    (tmp_path / "scan.dcm").write_bytes(b"")
    assert run("measure", tmp_path / "scan.dcm", "-o", tmp_path / "out") == 3
    assert capsys.readouterr().err.startswith("EMPTY_FILE")


@pytest.mark.parametrize(
    "options",
    [
        ("--kvp", "nan"),
        ("--kvp", "inf"),
        ("--kvp", "0"),
        ("--spacing", "2", "2", "1e-7"),
        ("--spacing", "2", "nan", "1"),
        ("--spacing", "2", "-1", "1"),
        ("--spacing", "1e9", "1", "1"),
        ("--seed", "-1"),
    ],
)
def test_phantoms_that_no_scanner_has_are_refused(run, tmp_path, capsys, options):
    assert run("phantom", "hand", "-o", tmp_path / "out", *options) == 2
    assert capsys.readouterr().err.startswith("PHANTOM_BAD_VALUE")
    assert names(tmp_path) == set()


@pytest.mark.parametrize("where", ["| true", "> /dev/full"])
def test_results_are_written_whoever_takes_what_is_printed(scan, tmp_path, where):
    line = " ".join([*COMMAND, "measure", str(scan), "-o", str(tmp_path / "out"), where])
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True)
    assert done.returncode == (6 if "full" in where else 0)
    assert "report.html" in names(tmp_path / "out")


@pytest.fixture
def scan(tmp_path) -> Path:
    return generate("hand", tmp_path / "made", spacing=(3.0, 1.6, 1.6), form="nifti")


def test_force_keeps_what_is_the_user_s(run, scan, tmp_path):
    out = tmp_path / "out"
    (out / "pictures").mkdir(parents=True)
    for name in ("pictures/holiday.jpg", "pictures/deposit-a-axial-bone.png", "notes.txt"):
        (out / name).write_text("mine")
    (out / "pictures" / "deposit-99-axial-bone.png").write_text("of an earlier run")
    assert run("measure", scan, "-o", out, "--force", "--jobs", 100000, "--quiet") == 0
    for name in ("pictures/holiday.jpg", "pictures/deposit-a-axial-bone.png", "notes.txt"):
        assert (out / name).read_text() == "mine"
    assert not (out / "pictures" / "deposit-99-axial-bone.png").exists()
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert run("report", out) == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert names(tmp_path) == {"made", "out"}


@pytest.mark.parametrize("name", ["pictures", "report.html", "deposits.csv"])
def test_what_is_in_the_way_is_told_before_the_scan_is_read(run, tmp_path, capsys, name):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    for folder in (out, elsewhere):
        folder.mkdir()
    (elsewhere / "mine").write_text("mine")
    (out / name).symlink_to(elsewhere)
    assert run("measure", "no scan is here", "-o", out, "--force") == 6
    assert capsys.readouterr().err.startswith("OUT_IN_THE_WAY")
    assert names(out) == {name}
    assert names(elsewhere) == {"mine"}
