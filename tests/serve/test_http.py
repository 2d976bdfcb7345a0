"""What every service does with an error of ours: a code, a status, nothing else."""

from __future__ import annotations

import asyncio
import json

import pytest

pytest.importorskip("starlette")

from starlette.routing import Route

from calcimetry.errors import (
    CalcimetryError,
    GeometryError,
    InputError,
    OutputError,
    ServiceError,
    UsageError,
    WithheldError,
)
from calcimetry.serve import http


def answered(raised):
    """Status and JSON of an application whose only page raises this."""
    sent = []

    async def page(_request):
        raise raised

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b""}
    app = http.guarded([Route("/", page)], ["clinic.example"])
    asyncio.run(app({**scope, "headers": [(b"host", b"Clinic.example:80")]}, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (UsageError, 400),
        (InputError, 400),
        (GeometryError, 422),
        (WithheldError, 422),
        (ServiceError, 503),
        (OutputError, 500),
        (CalcimetryError, 500),
    ],
)
def test_an_error_of_ours_is_its_code_and_what_was_found(kind, status, capfd):
    error = kind("SOME_CODE", found="this", expected="that", where="/a/path", remedy="none")
    assert answered(error) == (status, {"code": "SOME_CODE", "message": "this"})
    assert capfd.readouterr() == ("", "")


def test_a_bug_is_named_by_its_kind_alone(capfd):
    status, content = answered(ValueError("secret"))
    assert status == 500
    assert "ValueError" in content["message"]
    assert "secret" not in content["message"]
    assert capfd.readouterr() == ("", "")
