"""A CDS Hooks 2.0 service (hook `patient-view`) on the same functions as `calcimetry assess`.

    GET  /cds-services                          discovery
    POST /cds-services/calcinosis-assessment    cards for one patient
    POST /cds-services/calcinosis-assessment/feedback

It works on what comes in `prefetch` and fetches nothing itself; it stores and logs nothing.
Specification: https://cds-hooks.hl7.org/2.0/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from calcimetry.clinic.base import Statement, knowledge
from calcimetry.clinic.conclude import Assessment, assess
from calcimetry.clinic.document import short
from calcimetry.clinic.fhir import missing_extra
from calcimetry.errors import CalcimetryError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

SERVICE = "calcinosis-assessment"
HOOK = "patient-view"
SUMMARY = 140  # characters, the specification's limit
LARGEST = 32 * 1024 * 1024  # bytes of a request
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
    if not isinstance(request.get("prefetch"), dict) or not any(request["prefetch"].values()):
        return 412, "prefetch is missing; this service does not fetch by itself"
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
    return made


def app() -> Starlette:
    """The service as an ASGI application. Raises UsageError MISSING_EXTRA."""
    try:
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError as error:
        raise missing_extra("calcimetry cds", "starlette") from error
    knowledge()
    warm = {"prefetch": {"patient": {"resourceType": "Patient"}}}
    respond(warm)  # the first request must not wait for imports
    path = f"/cds-services/{SERVICE}"
    routes = [
        Route("/cds-services", _discovery, methods=["GET"]),
        Route(path, _call, methods=["POST"]),
        Route(f"{path}/feedback", _feedback, methods=["POST"]),
    ]
    return Starlette(routes=routes)


def serve(host: str, port: int) -> None:
    """Serve until interrupted. Raises UsageError MISSING_EXTRA."""
    try:
        import uvicorn
    except ImportError as error:
        raise missing_extra("calcimetry cds", "uvicorn") from error
    uvicorn.run(app(), host=host, port=port, log_level="warning", access_log=False)


async def _discovery(request: Request) -> Response:
    del request
    return _json(200, services())


async def _call(request: Request) -> Response:
    from starlette.concurrency import run_in_threadpool

    body = await request.body()
    if len(body) > LARGEST:
        return _json(413, {"message": "the request is too large"})
    try:
        content = json.loads(body)
    except ValueError:
        return _json(400, {"message": "the body is no JSON"})
    wrong = problem(content)
    if wrong is not None:
        return _json(wrong[0], {"message": wrong[1]})
    try:
        return _json(200, await run_in_threadpool(partial(respond, content)))
    except CalcimetryError as error:
        return _json(400, {"code": error.code, "message": error.found})


async def _feedback(request: Request) -> Response:
    await request.body()  # nothing is stored
    return _json(200, {})


def _json(status: int, content: Mapping[str, Any]) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse(content, status_code=status)


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
