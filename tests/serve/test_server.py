"""The service as a process: where it listens, what silent and endless clients cost, how it ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

pytest.importorskip("uvicorn")

from calcimetry.errors import ServiceError, UsageError
from calcimetry.serve import server
from calcimetry.serve.http import LARGEST
from calcimetry.serve.server import sockets

PATH = b"/cds-services/calcinosis-assessment"


@contextmanager
def service(*options):
    """A running `calcimetry cds` and its port; it must end by SIGTERM and say nothing more."""
    command = [sys.executable, "-m", "calcimetry", "cds", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        line = process.stderr.readline().decode()
        port = re.search(r":(\d+)/cds-services", line)
        assert port, line + process.stderr.read().decode()
        try:
            yield process, int(port[1])
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                rest = process.communicate(timeout=600)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert rest == (b"", b"")
    assert process.returncode == 0


def head(method=b"POST", path=PATH, host=b"localhost", more=b""):
    return method + b" " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + more + b"\r\n"


def said(port, *parts):
    """Status and JSON of what the service answers to raw bytes."""
    with socket.create_connection(("127.0.0.1", port), 600) as talk:
        for part in parts:
            talk.sendall(part)
        return heard(talk)


def heard(talk):
    file = talk.makefile("rb")
    status = int(file.readline().split()[1])
    headers = dict(line.lower().split(b": ", 1) for line in iter(file.readline, b"\r\n"))
    assert headers[b"content-type"].strip() == b"application/json"
    return status, json.loads(file.read(int(headers[b"content-length"])))


@pytest.fixture(scope="module")
def running():
    with service("--allow-host", "clinic.example") as (_, port):
        yield port


JSON = b"Content-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([head(b"GET", b"/cds-services")], 200),
        ([head(b"GET", b"/openapi.json", b"[::1]:1")], 200),
        ([head(b"GET", b"/cds-services", b"Clinic.Example:80")], 200),
        ([head(b"GET", b"/cds-services", b"evil.example")], 400),
        ([head(b"GET", b"/cds-services", b"127.0.0.1.evil.example")], 400),
        ([head(b"GET", b"/cds-services", b"")], 400),
        ([b"GET /cds-services HTTP/1.0\r\n\r\n"], 400),
        ([b"\x16\x03\x01\x02\x00\r\n\r\n"], 400),  # TLS
        ([head(b"GET", b"/")], 404),
        ([head(b"GET", b"/cds-services/")], 404),
        ([head(b"GET")], 405),
        ([head(b"DELETE", b"/cds-services")], 405),
        ([head(more=JSON + b"Content-Length: 1\r\n"), b"{"], 400),
        ([head(more=JSON + b"Content-Length: 100000000\r\n")], 413),
        ([head(more=JSON + b"Content-Length: 99999999999999999\r\n")], 413),
        ([head(more=b"Content-Type: text/plain\r\nContent-Length: 2\r\n"), b"{}"], 415),
        ([head(more=b"Upgrade: websocket\r\nConnection: upgrade\r\n"), b"{}"], 400),
    ],
)
def test_every_answer_is_json(running, parts, status):
    assert said(running, *parts)[0] == status


def test_a_chunked_body_is_counted(running):
    with socket.create_connection(("127.0.0.1", running), 600) as talk:
        talk.sendall(head(more=JSON + b"Transfer-Encoding: chunked\r\n"))
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        for _ in range(LARGEST // 0x100000 + 1):
            talk.sendall(chunk)
        assert heard(talk)[0] == 413


def test_a_body_that_is_sent_in_spite_of_the_refusal_is_let_pass(running):
    with socket.create_connection(("127.0.0.1", running), 600) as talk:
        talk.sendall(head(more=JSON + b"Content-Length: 100000000\r\n"))
        for _ in range(100):
            talk.sendall(b" " * 1_000_000)
        assert heard(talk)[0] == 413


def test_many_at_once_are_all_answered(running):
    statuses = []

    def one():
        statuses.append(said(running, head(b"GET", b"/cds-services"))[0])

    threads = [threading.Thread(target=one) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 200


def test_it_ends_although_clients_hold_it():
    with service() as (process, port):
        held = [socket.create_connection(("127.0.0.1", port), 600) for _ in range(3)]
        held[1].sendall(b"GET /cds-ser")
        held[2].sendall(head(more=JSON + b"Content-Length: 50\r\n") + b"{")
        assert said(port, head(b"GET", b"/cds-services"))[0] == 200
        process.send_signal(signal.SIGTERM)
        process.wait(600)
        for talk in held:
            talk.close()


@pytest.mark.parametrize("sent", [b"", b"GET /cds-ser"])
def test_a_head_has_its_time(sent, monkeypatch):
    import uvicorn

    from calcimetry.serve.cds import app

    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    config = uvicorn.Config(app(), http=server.Protocol, log_level="critical", lifespan="off")
    running = uvicorn.Server(config)
    listening = sockets("127.0.0.1", 0)
    port = listening[0].getsockname()[1]
    thread = threading.Thread(target=running.run, args=(listening,), daemon=True)
    thread.start()
    with socket.create_connection(("127.0.0.1", port), 600) as talk:
        if sent:
            talk.sendall(sent)
            assert heard(talk)[0] == 408
        assert talk.recv(10) == b""  # closed
    running.should_exit = True
    thread.join(60)


@pytest.mark.parametrize(
    ("host", "port"),
    [("", 8095), (" ", 8095), ("127.0.0.1", -1), ("127.0.0.1", 65536), ("no such host", 8095)],
)
def test_hosts_and_ports_that_there_are_not(host, port):
    with pytest.raises(UsageError, match="BAD_OPTION"):
        sockets(host, port)


def test_a_port_in_use():
    (taken,) = sockets("127.0.0.1", 0)
    with taken, pytest.raises(ServiceError, match="PORT_IN_USE"):
        sockets("127.0.0.1", taken.getsockname()[1])


def test_an_address_of_another_machine():
    with pytest.raises(ServiceError, match="CANNOT_LISTEN"):
        sockets("192.0.2.1", 0)  # kept for documentation: no machine has it


def test_the_command_refuses_a_port_in_use():
    (taken,) = sockets("127.0.0.1", 0)
    with taken:
        command = [sys.executable, "-m", "calcimetry", "cds", "--port"]
        port = str(taken.getsockname()[1])
        done = subprocess.run([*command, port], capture_output=True, text=True, timeout=600)
    assert done.returncode == 7
    assert done.stderr.startswith("PORT_IN_USE")  # and no line that it listens
