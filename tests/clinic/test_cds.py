"""CDS Hooks 2.0: shapes of requests and answers, and how fast they come, over real HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from datetime import date
from urllib.parse import urlparse

import jsonschema
import pytest

pytest.importorskip("uvicorn")

from calcimetry.clinic.cds import SUMMARY, app, problem, services
from clinic.test_fhir import PATIENT, bundle, condition, drug, observation

TODAY = date.today().isoformat()
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
    for _ in range(200):
        if running.started:
            break
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join(5)


def send(url, body=None):
    assert urlparse(url).scheme == "http"
    data = (
        None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
    )
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def view(**more):
    return {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/1", "patientId": "1"},
        "prefetch": {
            "patient": PATIENT,
            "observations": bundle(
                observation("2777-1", 7.1, "mg/dL", effectiveDateTime=TODAY),
                observation("17861-6", 9.4, "mg/dL", effectiveDateTime=TODAY),
            ),
            "conditions": bundle(condition("N18.6"), condition(text="Skin necrosis")),
            "medications": bundle(drug("Warfarin 5 MG Oral Tablet")),
            "procedures": None,
        },
        **more,
    }


PATH = "/cds-services/calcinosis-assessment"


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
    ],
)
def test_requests_that_are_not_right(server, change, status):
    answer, content = send(server + PATH, view(**change))
    assert answer == status
    assert content["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe"])
def test_bodies_that_are_no_request(server, body):
    assert send(server + PATH, body)[0] == 400


def test_feedback_is_taken_and_forgotten(server):
    assert send(server + PATH + "/feedback", {"feedback": []}) == (200, {})


def test_a_good_request_has_no_problem():
    assert problem(view()) is None


def test_it_answers_within_200_ms(server, shared_data):
    import gzip

    whole = json.loads(
        gzip.decompress((shared_data / "fhir" / "R4_Isaiah_Schaden.json.gz").read_bytes())
    )
    request = json.dumps(view(prefetch={"patient": PATIENT, "everything": whole})).encode()
    send(server + PATH, request)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        status, _ = send(server + PATH, request)
        times.append(time.perf_counter() - start)
        assert status == 200
    assert sorted(times)[0] < 0.2, times
