"""A CDS Hooks 2.0 service (hook `patient-view`) on the same functions as `calcimetry assess`.

    GET  /cds-services                          discovery
    POST /cds-services/calcinosis-assessment    cards for one patient
    POST /cds-services/calcinosis-assessment/feedback
    GET  /openapi.json                          all of this as OpenAPI 3.1

What the cards say is `calcimetry.clinic.cards`; `http.py` bounds what requests may ask for,
`server.py` what connections may. It fetches, stores and logs nothing.
Specification: https://cds-hooks.hl7.org/2.0/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from calcimetry.bounded import parse_json
from calcimetry.clinic.base import knowledge
from calcimetry.clinic.bundle import missing_extra
from calcimetry.clinic.cards import HOOK, SERVICE, respond, services

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp


def problem(request: Any) -> tuple[int, str] | None:
    """What is wrong with a request: HTTP status and words; None for a good one."""
    if not isinstance(request, dict):
        return 400, "the body is no JSON object"
    if request.get("hook") != HOOK:
        return 400, f"hook must be {HOOK}"
    if not isinstance(request.get("hookInstance"), str) or not request["hookInstance"]:
        return 400, "hookInstance is missing"
    context = request.get("context")
    if not isinstance(context, dict):
        return 400, "context is missing"
    for name in ("userId", "patientId"):
        if not isinstance(context.get(name), str) or not context[name]:
            return 400, f"context.{name} is missing"
    prefetch = request.get("prefetch")
    if not isinstance(prefetch, dict) or not any(prefetch.values()):
        return 412, "prefetch is missing; this service does not fetch by itself"
    if not all(value is None or isinstance(value, dict) for value in prefetch.values()):
        return 400, "a value of prefetch is no resource"
    return None


def app(hosts: Collection[str] = ()) -> ASGIApp:
    """The service as an ASGI application. Raises UsageError MISSING_EXTRA.

    hosts : names by which it may be called, beside this machine's own (localhost, 127.0.0.1)
    """
    try:
        from starlette.routing import Route

        from calcimetry.serve import http
    except ImportError as error:
        raise missing_extra("calcimetry cds", "starlette") from error
    _warm()
    bodies, threads = http.Bodies(), http.Threads()

    async def discovery(request: Request) -> Response:
        del request
        return http.answer(200, services())

    async def description(request: Request) -> Response:
        del request
        return http.answer(200, openapi())

    async def call(request: Request) -> Response:
        return http.answer(*await threads.run(_answered, await bodies.read(request)))

    async def feedback(request: Request) -> Response:
        return http.answer(*await threads.run(_taken, await bodies.read(request)))

    path = f"/cds-services/{SERVICE}"
    routes = [
        Route("/cds-services", discovery, methods=["GET"]),
        Route("/openapi.json", description, methods=["GET"]),
        Route(path, call, methods=["POST"]),
        Route(f"{path}/feedback", feedback, methods=["POST"]),
    ]
    return http.guarded(routes, hosts)


def serve(
    host: str, port: int, hosts: Collection[str] = (), ready: Callable[[str], None] = lambda _: None
) -> None:
    """Serve until interrupted.

    hosts : more names by which it may be called
    ready : told the address once requests are answered

    Raises UsageError MISSING_EXTRA, BAD_OPTION; ServiceError PORT_IN_USE, CANNOT_LISTEN.
    """
    try:
        from calcimetry.serve import server
    except ImportError as error:
        raise missing_extra("calcimetry cds", "uvicorn") from error
    listening = server.sockets(host, port)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listening[0].getsockname()[1]}/cds-services"
    server.serve(app({host, *hosts}), listening, lambda: ready(address))


@cache
def openapi() -> dict[str, Any]:
    """The service's description in OpenAPI 3.1."""
    file = resources.files("calcimetry.serve") / "cds_openapi.json"
    described: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return described


def _warm() -> None:
    """Import and read what the first request would otherwise wait for."""
    knowledge()
    respond({"prefetch": {"patient": {"resourceType": "Patient"}}})


def _answered(body: bytes) -> tuple[int, dict[str, Any]]:
    """HTTP status and content for the body of a call. Raises CalcimetryError, TextError."""
    content = parse_json(body)
    wrong = problem(content)
    return (200, respond(content)) if wrong is None else (wrong[0], {"message": wrong[1]})


def _taken(body: bytes) -> tuple[int, dict[str, Any]]:
    """Feedback is read and forgotten. Raises TextError."""
    content = parse_json(body)
    return (200, {}) if isinstance(content, dict) else (400, {"message": "no JSON object"})
