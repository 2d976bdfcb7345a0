"""A CDS Hooks 2.0 service (hook `patient-view`) on the same functions as `calcimetry assess`.

    GET  /cds-services                          discovery
    POST /cds-services/calcinosis-assessment    cards for one patient
    POST /cds-services/calcinosis-assessment/feedback
    GET  /openapi.json                          all of this as OpenAPI 3.1

`guard.py` bounds what requests may ask for, `listen.py` what connections may. It works on what
comes in `prefetch` and fetches nothing itself; it stores and logs nothing.
Specification: https://cds-hooks.hl7.org/2.0/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from calcimetry.bounded import TextError, parse_json
from calcimetry.clinic.base import Statement, knowledge
from calcimetry.clinic.conclude import Assessment, assess
from calcimetry.clinic.document import short
from calcimetry.clinic.fhir import INVALID, missing_extra
from calcimetry.errors import CalcimetryError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

SERVICE = "calcinosis-assessment"
HOOK = "patient-view"
SUMMARY = 140  # characters, the specification's limit
MOST_TOLD = 20  # broken resources that a card names
SOURCE = {"label": "calcimetry (research use only)"}
PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "observations": "Observation?patient={{context.patientId}}&category=laboratory",
    "conditions": "Condition?patient={{context.patientId}}",
    "procedures": "Procedure?patient={{context.patientId}}",
    "medications": "MedicationStatement?patient={{context.patientId}}",
}


def services() -> dict[str, Any]:
    """What discovery answers."""
    about = "Type of calcinosis, what is urgent and what the evidence says. Research use only."
    service = {"hook": HOOK, "id": SERVICE, "title": "Calcinosis: type and options"}
    return {"services": [{**service, "description": about, "prefetch": PREFETCH}]}


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


def respond(request: Mapping[str, Any]) -> dict[str, Any]:
    """The cards for a request that has no problem."""
    values = [value for value in request["prefetch"].values() if isinstance(value, Mapping)]
    bundle = {"resourceType": "Bundle", "entry": [{"resource": value} for value in values]}
    return {"cards": cards(assess(labs=bundle))}


def cards(found: Assessment) -> list[dict[str, Any]]:
    """Urgent cards first, then one on type and options; none where nothing is to be said."""
    made = [_card(u.statement.shown, "critical", _cited(u.statement)) for u in found.urgent]
    if found.leading or found.panel.refused:
        made.append(_type_card(found))
    broken = [entry for entry in found.unknown if INVALID in entry]
    return [*made, _broken_card(broken)] if broken else made


def app(hosts: Collection[str] = ()) -> ASGIApp:
    """The service as an ASGI application. Raises UsageError MISSING_EXTRA.

    hosts : names by which it may be called, beside this machine's own (localhost, 127.0.0.1)
    """
    try:
        from starlette.applications import Starlette
        from starlette.exceptions import HTTPException
        from starlette.routing import Route
    except ImportError as error:
        raise missing_extra("calcimetry cds", "starlette") from error
    from calcimetry.clinic import guard

    _warm()
    bodies, threads = guard.Bodies(), guard.Threads()

    async def discovery(request: Request) -> Response:
        del request
        return guard.answer(200, services())

    async def description(request: Request) -> Response:
        del request
        return guard.answer(200, openapi())

    async def call(request: Request) -> Response:
        return guard.answer(*await threads.run(_answered, await bodies.read(request)))

    async def feedback(request: Request) -> Response:
        return guard.answer(*await threads.run(_taken, await bodies.read(request)))

    path = f"/cds-services/{SERVICE}"
    made = Starlette(
        routes=[
            Route("/cds-services", discovery, methods=["GET"]),
            Route("/openapi.json", description, methods=["GET"]),
            Route(path, call, methods=["POST"]),
            Route(f"{path}/feedback", feedback, methods=["POST"]),
        ],
        exception_handlers={HTTPException: guard.on_refusal, Exception: guard.on_bug},
    )
    made.router.redirect_slashes = False  # a redirect's address would be made of the Host's text
    return guard.Guard(made, {*guard.LOCAL, *hosts})


def serve(
    host: str, port: int, hosts: Collection[str] = (), ready: Callable[[str], None] = lambda _: None
) -> None:
    """Serve until interrupted.

    hosts : more names by which it may be called
    ready : told the address once requests are answered

    Raises UsageError MISSING_EXTRA, BAD_OPTION; ServiceError PORT_IN_USE, CANNOT_LISTEN.
    """
    try:
        from calcimetry.clinic import listen
    except ImportError as error:
        raise missing_extra("calcimetry cds", "uvicorn") from error
    listening = listen.sockets(host, port)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listening[0].getsockname()[1]}/cds-services"
    listen.serve(app({host, *hosts}), listening, lambda: ready(address))


@cache
def openapi() -> dict[str, Any]:
    """The service's description in OpenAPI 3.1."""
    file = resources.files("calcimetry.clinic") / "cds_openapi.json"
    described: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return described


def _warm() -> None:
    """Import and read what the first request would otherwise wait for."""
    knowledge()
    respond({"prefetch": {"patient": {"resourceType": "Patient"}}})


def _answered(body: bytes) -> tuple[int, dict[str, Any]]:
    """HTTP status and content for the body of a call."""
    try:
        content = parse_json(body)
    except TextError as error:
        return 400, {"message": f"the body is no JSON: {error}"}
    wrong = problem(content)
    if wrong is not None:
        return wrong[0], {"message": wrong[1]}
    try:
        return 200, respond(content)
    except CalcimetryError as error:
        return 400, {"code": error.code, "message": error.found}


def _taken(body: bytes) -> tuple[int, dict[str, Any]]:
    """Feedback is read and forgotten."""
    try:
        content = parse_json(body)
    except TextError as error:
        return 400, {"message": f"the body is no JSON: {error}"}
    return (200, {}) if isinstance(content, dict) else (400, {"message": "no JSON object"})


def _broken_card(broken: list[str]) -> dict[str, Any]:
    """What could not be read may have mattered. Its words are this program's, never the text's."""
    rest = len(broken) - MOST_TOLD
    lines = [f"- {entry}" for entry in broken[:MOST_TOLD]] + [f"- and {rest} more"] * (rest > 0)
    return _card("Part of the record could not be read and was not used", "info", "\n".join(lines))


def _card(summary: str, indicator: str, detail: str) -> dict[str, Any]:
    if len(summary) > SUMMARY:
        summary = summary[: SUMMARY - 1].rsplit(" ", 1)[0].rstrip(",;: ") + "…"
    card = {"uuid": str(uuid4()), "summary": summary, "indicator": indicator}
    return {**card, "detail": detail, "source": SOURCE}


def _type_card(found: Assessment) -> dict[str, Any]:
    labels = [found.base.types[name].data["label"].lower() for name in found.leading]
    leading = ", then ".join(labels) or "none given: results are stale, impossible or contradictory"
    lines = [f"**If calcinosis is present, the type best supported:** {leading}"]
    for weighed in found.types:
        if weighed.id in found.leading:
            lines += [f"- for {weighed.label}: {_cited(f.statement)}" for f in weighed.for_]
            lines += [f"- against {weighed.label}: {_cited(f.statement)}" for f in weighed.against]
    lines += [f"- {f.code}: {_cited(f.statement)}" for f in found.flags if f.severity != "info"]
    for option in found.options:
        said = option.forbids or option.evidence
        told = " ".join(_cited(s) for s in said[:2])
        lines.append(f"- {option.label}: **{option.stance}** (grade {option.grade}). {told}")
    lines += [_cited(found.base.note(name)) for name in ("note.no_advice", "note.research_use")]
    indicator = "warning" if found.panel.refused else "info"
    return _card(f"Calcinosis, type best supported: {leading}", indicator, "\n".join(lines))


def _cited(statement: Statement) -> str:
    references = knowledge().references
    sources = "; ".join(short(references[name]) for name in statement.refs)
    return f"{statement.shown} ({sources})"
