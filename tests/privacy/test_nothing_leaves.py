"""No verb reaches for the network or leaves files beside its results (docs/privacy.md)."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from calcimetry.offline import SWITCHES
from process_watch import Watched, bare_environment, seen, traced, watched

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("privacy")]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "privacy.md"
LOOPBACK = (r"AF_UNIX", r"^socket\(AF_INET6, SOCK_STREAM\|SOCK_CLOEXEC,", r'^bind\(.*"::1"')
"""Sockets that docs/privacy.md lists for every verb: none that leaves the machine."""
SERVICE = (r"^socket\(AF_INET, SOCK_STREAM", r'^bind\(.*inet_addr\("127\.0\.0\.1"\)', r"^listen\(")
ANSWERS = (r"^(sendto|sendmsg)\(\d+, .*, NULL, 0\)$",)  # to who has called


def listed_files() -> list[re.Pattern[str]]:
    """The paths that docs/privacy.md lists as written outside OUT."""
    block = PAGE.read_text(encoding="utf-8").partition("```paths\n")[2].partition("```")[0]
    lines = [line.partition("#")[0].strip() for line in block.splitlines()]
    assert all(lines)
    return [
        re.compile(re.escape(line).replace(r"\*", r"[^/]*").replace(r"\?", r"[^/]"))
        for line in lines
    ]


def strangers(found: Watched, scene: Path, *ours: Path) -> list[str]:
    """What was written that is neither a result nor on the page's list."""
    homes = {str(scene / "home"): "~", str(scene / "tmp"): "$TMPDIR"}
    allowed = listed_files()
    return [
        path for path in _shown(found, homes, ours) if not any(p.fullmatch(path) for p in allowed)
    ]


def _shown(found: Watched, homes: dict[str, str], ours: tuple[Path, ...]) -> Iterator[str]:
    for path in found.written:
        drafts = [path.parts[len(out.parent.parts)] for out in ours if out.parent in path.parents]
        result = any(path == out or out in path.parents for out in ours)
        draft = any(name.startswith(".calcimetry-") for name in drafts)
        if result or draft or "__pycache__" in path.parts or str(path) == os.devnull:
            continue
        text = str(path)
        for folder, short in homes.items():
            text = text.replace(folder, short)
        yield text


def outside(found: Watched, *more: str) -> list[str]:
    return [
        call for call in found.sockets if not any(re.search(p, call) for p in (*LOOPBACK, *more))
    ]


def check(found: Watched, scene: Path, *ours: Path, code: int = 0) -> None:
    assert found.done.returncode == code, found.done.stderr
    assert outside(found) == []
    assert strangers(found, scene, *ours) == []
    assert list((scene / "tmp").iterdir()) == []  # what is temporary is gone at the end


def test_the_watch_sees_a_look_up_a_socket_and_files(strace, tmp_path):
    script = (
        "import os, socket, pathlib\n"
        "try:\n    socket.getaddrinfo('calcimetry.invalid', 443)\nexcept OSError:\n    pass\n"
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))\n"
        "(pathlib.Path.home() / '.cache').mkdir()\n"
        "(pathlib.Path.home() / '.cache' / 'id').write_text('me')\n"
        "pathlib.Path(os.environ['TMPDIR'], '.ses').touch()\n"
    )
    found = watched(strace, tmp_path, ["-c", script])
    assert found.done.returncode == 0, found.done.stderr
    assert any("connect(" in call and "htons(9)" in call for call in outside(found))
    assert {"~/.cache/id", "$TMPDIR/.ses"} <= set(strangers(found, tmp_path))


def test_the_network_is_loaded_and_lives_on_in_silence(strace, tmp_path):
    """onnxruntime's sender begins some seconds after its import."""
    script = (
        "import time; from calcimetry.deposits.network import load; assert load(); time.sleep(20)"
    )
    check(watched(strace, tmp_path, ["-c", script]), tmp_path)


def test_the_switches_stand_before_any_library_is_loaded(tmp_path):
    script = (
        "import os, sys, calcimetry\n"
        "assert 'onnxruntime' not in sys.modules\n"
        f"print([os.environ[name] for name in {list(SWITCHES)}])"
    )
    import sys

    off = dict.fromkeys(SWITCHES, "0")  # what a user's own settings say does not count
    environment = bare_environment(tmp_path) | off
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(list(SWITCHES.values())), done.stderr


@pytest.fixture(scope="module")
def examinations(strace, hand, tmp_path_factory) -> tuple[Path, Path]:
    """Two examinations, as `measure --pdf` leaves them; both runs were watched."""
    made = []
    for number in (1, 2):
        scene = tmp_path_factory.mktemp(f"measure{number}")
        out = scene / "out"
        command = ["-m", "calcimetry", "measure", hand, "-o", out, "--pdf", "--quiet"]
        check(watched(strace, scene, command), scene, out)
        assert (out / "report.pdf").stat().st_size > 1000
        made.append(out)
    return made[0], made[1]


def test_follow(strace, examinations, tmp_path):
    out = tmp_path / "followed"
    found = watched(strace, tmp_path, ["-m", "calcimetry", "follow", *examinations, "-o", out])
    assert found.done.returncode in (0, 5), found.done.stderr
    check(found, tmp_path, out, code=found.done.returncode)


def test_assess(strace, examinations, tmp_path):
    out = tmp_path / "assessed"
    (tmp_path / "labs.csv").write_text("name,value,unit,date\ncalcium,9.4,mg/dL,2026-11-01\n")
    command = ["-m", "calcimetry", "assess", "--exam", examinations[0], "--labs", "labs.csv"]
    check(watched(strace, tmp_path, [*command, "-o", out]), tmp_path, out)


def test_report(strace, examinations, tmp_path):
    command = ["-m", "calcimetry", "report", examinations[0], "--pdf"]
    check(watched(strace, tmp_path, command), tmp_path, examinations[0])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answer(service: subprocess.Popen[str], port: int) -> dict[str, object]:
    """What discovery says, once the service listens; it may take as long as it lives."""
    address = f"http://127.0.0.1:{port}/cds-services"
    while service.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=300) as answer:
                return dict(json.load(answer))
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the service ended before it answered")


def test_the_service_listens_on_this_machine_alone(strace, tmp_path):
    port = _free_port()
    line = traced(strace, tmp_path, ["-m", "calcimetry", "cds", "--port", port])
    with subprocess.Popen(
        line, env=bare_environment(tmp_path), cwd=tmp_path, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as service:  # fmt: skip
        try:
            assert _answer(service, port)["services"]
        finally:
            os.killpg(service.pid, signal.SIGINT)
            out, err = service.communicate(timeout=600)
    done = subprocess.CompletedProcess(line, service.returncode, out, err)
    found = seen(done, tmp_path)
    assert any("127.0.0.1" in call for call in found.sockets)
    assert outside(found, *SERVICE, *ANSWERS) == []
    assert strangers(found, tmp_path) == []
