"""CDS Hooks 2.0: shapes of requests and answers, over real HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import urlparse

import jsonschema
import pytest

pytest.importorskip("uvicorn")

from calcimetry.clinic.cards import SUMMARY, services
from calcimetry.serve.cds import app, problem
from cds_requests import PATH, view
from clinic.test_bundle import PATIENT, bundle

DISCOVERY = {
    "type": "object",
    "required": ["services"],
    "properties": {
        "services": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["hook", "description", "id"],
                "properties": {
                    "hook": {"const": "patient-view"},
                    "title": {"type": "string"},
                    "description": {"type": "string"},
                    "id": {"type": "string", "pattern": "^[a-z-]+$"},
                    "prefetch": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
        }
    },
}
CARDS = {
    "type": "object",
    "required": ["cards"],
    "properties": {
        "cards": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["summary", "indicator", "source"],
                "additionalProperties": False,
                "properties": {
                    "uuid": {"type": "string"},
                    "summary": {"type": "string", "maxLength": SUMMARY},
                    "detail": {"type": "string"},
                    "indicator": {"enum": ["info", "warning", "critical"]},
                    "source": {
                        "type": "object",
                        "required": ["label"],
                        "properties": {"label": {"type": "string"}},
                    },
                },
            },
        }
    },
}


@pytest.fixture(scope="module")
def server():
    import uvicorn

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(app(), host="127.0.0.1", port=port, log_level="error", access_log=False)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join(60)


def send(url, body=None):
    assert urlparse(url).scheme == "http"
    data = (
        None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
    )
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_discovery(server):
    status, content = send(server + "/cds-services")
    assert status == 200
    jsonschema.validate(content, DISCOVERY)
    assert content == services()


def test_cards_for_an_emergency(server):
    status, content = send(server + PATH, view())
    assert status == 200
    jsonschema.validate(content, CARDS)
    indicators = [card["indicator"] for card in content["cards"]]
    assert indicators == ["critical", "critical", "info"]  # urgent first
    assert "alciphylaxis" in content["cards"][0]["summary"]
    assert "Research use only" in content["cards"][-1]["detail"]


def test_no_card_where_nothing_is_to_be_said(server):
    status, content = send(server + PATH, view(prefetch={"patient": PATIENT}))
    assert (status, content) == (200, {"cards": []})


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"hook": "order-sign"}, 400),
        ({"hookInstance": None}, 400),
        ({"context": {}}, 400),
        ({"context": {"userId": "Practitioner/1"}}, 400),
        ({"context": "1"}, 400),
        ({"prefetch": None}, 412),
        ({"prefetch": {}}, 412),
        ({"prefetch": {"patient": None}}, 412),
        ({"prefetch": {"patient": [1]}}, 400),
        ({"prefetch": {"patient": PATIENT, "observations": "x"}}, 400),
    ],
)
def test_requests_that_are_not_right(server, change, status):
    answer, content = send(server + PATH, view(**change))
    assert answer == status
    assert content["message"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 5000, b'{"a": NaN}', b'{"hook": 1, "hook": 2}']
)
def test_bodies_that_are_no_request(server, body):
    assert send(server + PATH, body)[0] == 400


def test_feedback_is_taken_and_forgotten(server):
    assert send(server + PATH + "/feedback", {"feedback": []}) == (200, {})


def test_a_good_request_has_no_problem():
    assert problem(view()) is None


ODD = [
    {"resourceType": "Observation", "code": {"coding": [{"code": ["2777-1"]}]}},
    {"resourceType": "Observation", "code": [1], "interpretation": 5},
    {"resourceType": "Bundle", "entry": 5},
    {"resourceType": "Bundle", "entry": [None, 5, {"resource": []}]},
    {"resourceType": ["Patient"]},
    {"resourceType": "Patient", "birthDate": {"a": 1}},
    {"entry": 3},
]


@pytest.mark.parametrize("resource", ODD)
def test_odd_resources_cost_themselves_alone(server, resource):
    prefetch = {**view()["prefetch"], "odd": resource}
    status, content = send(server + PATH, view(prefetch=prefetch))
    assert status == 200
    jsonschema.validate(content, CARDS)
    assert "alciphylaxis" in content["cards"][0]["summary"]


def test_what_could_not_be_read_is_said(server):
    broken = {"resourceType": "Observation", "code": {"coding": [{"code": ["2777-1"]}]}}
    _, content = send(server + PATH, view(prefetch={"observations": bundle(broken)}))
    assert "could not be read" in content["cards"][0]["summary"]
    assert "code.coding[0].code is not text" in content["cards"][0]["detail"]


def asked(body, more_body=False):
    """What the application answers, without a server that would swallow what it raises."""
    import asyncio

    sent = []
    messages = [{"type": "http.request", "body": body, "more_body": more_body}]

    async def receive():
        return messages.pop() if messages else await asyncio.Event().wait()

    async def told(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
    asyncio.run(app()({**scope, "query_string": b""}, receive, told))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_bug_is_an_answer_without_a_traceback(monkeypatch, capfd):
    from calcimetry.serve import cds

    monkeypatch.setattr(cds, "problem", lambda _: 1 / 0)
    status, content = asked(json.dumps(view(hookInstance="secret")).encode())
    assert status == 500
    assert "ZeroDivisionError" in content["message"]
    assert "secret" not in content["message"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("bound", "status"), [("BODY_SECONDS", 408), ("ANSWER_SECONDS", 503)])
def test_times_are_bounded(monkeypatch, bound, status):
    """A body that does not end, and an answer that does not come."""
    from calcimetry.serve import cds, http

    monkeypatch.setattr(http, bound, 0.05)
    go_on = threading.Event()
    monkeypatch.setattr(cds, "_answered", lambda _: (go_on.wait(30), {}))
    answer = asked(b"{}", more_body=status == 408)
    go_on.set()
    assert answer[0] == status
    assert answer[1]["message"]


def test_bodies_are_bounded_together(monkeypatch, server):
    from calcimetry.serve import http

    monkeypatch.setattr(http, "MOST_BYTES", 10)
    assert send(server + PATH, view())[0] == 503
    monkeypatch.setattr(http, "MOST_REQUESTS", 0)
    assert send(server + "/cds-services")[0] == 503
