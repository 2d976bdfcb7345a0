"""What a service does with every request, good or bad: hosts, sizes, times, and errors.

Every answer is JSON, also the refusals. Nothing is logged, and no traceback is printed.

    400, 422, 500, 503 an error of ours, by its class: its code and what was found (`STATUS`)
    400 a Host that is not ours (a page of another site that had its name point here), no JSON
    413 a body larger than `LARGEST`, told by Content-Length before it is read, else by counting
    415 a body that does not call itself JSON
    408 a body that takes longer than `BODY_SECONDS` to come
    503 more requests, or more bytes of them, than are held at once; no answer in `ANSWER_SECONDS`
    500 a bug, named by its kind of error alone
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from calcimetry.bounded import TextError
from calcimetry.errors import (
    CalcimetryError,
    GeometryError,
    InputError,
    ServiceError,
    UsageError,
    WithheldError,
)

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL = ("localhost", "127.0.0.1", "::1")
LARGEST = 8 * 1024 * 1024  # bytes of a body: some 25,000 results, about 10 s of one core
MOST_BYTES = 256 * 1024 * 1024  # of all bodies that are held at once
MOST_REQUESTS = 400  # that are answered at once; more are told to come again
BODY_SECONDS = 20.0
ANSWER_SECONDS = 60.0
AT_ONCE = 2  # threads that compute; the interpreter's lock lets one run at a time
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

STATUS: Mapping[type[CalcimetryError], int] = {
    UsageError: 400,
    InputError: 400,
    GeometryError: 422,
    WithheldError: 422,
    ServiceError: 503,
}
"""HTTP status of an error by its class; 500 for those that no caller can mend."""

T = TypeVar("T")


def guarded(routes: Sequence[BaseRoute], hosts: Collection[str] = ()) -> Guard:
    """An application of these routes: every failure is JSON, foreign hosts are refused.

    hosts : names by which it may be called, beside this machine's own (`LOCAL`)
    """
    handlers = {
        HTTPException: on_refusal,
        CalcimetryError: on_error,
        TextError: on_text,
        Exception: on_bug,
    }
    made = Starlette(routes=routes, exception_handlers=handlers)
    made.router.redirect_slashes = False  # a redirect's address would be made of the Host's text
    return Guard(made, {*LOCAL, *hosts})


def answer(
    status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer; nothing of it may be kept by what lies between."""
    return JSONResponse(dict(content), status, {**HEADERS, **(headers or {})})


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> HTTPException:
    """An error that becomes a JSON answer."""
    return HTTPException(status, message, dict(headers or {}))


class Guard:
    """ASGI middleware around everything: only known hosts, and every failure as JSON.

    hosts : names and addresses by which the service may be called, without ports
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        if scope["type"] != "http":
            return  # no WebSockets
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        self._held += 1
        try:
            await self._passed(scope, receive, sent)
        except asyncio.CancelledError:  # the server is told to end and does not wait
            if not started:
                await error(503, "the service is shutting down")(scope, receive, sent)
        except Exception as bug:  # noqa: BLE001 - the last line of defence: an answer, no traceback
            if not started:
                await error(500, _bug(bug))(scope, receive, sent)
        finally:
            self._held -= 1

    async def _passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _host(scope) not in self._hosts:
            await error(400, "this host name is not one of the service's")(scope, receive, send)
        elif self._held > MOST_REQUESTS:
            await error(503, "too many requests at once")(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def error(status: int, message: str) -> Response:
    """A JSON answer that says what is wrong; the connection ends with it."""
    return answer(status, {"message": message}, {"Connection": "close"})


async def on_refusal(request: Request, raised: Exception) -> Response:
    """Starlette's own refusals (404, 405) and ours as JSON."""
    del request
    assert isinstance(raised, HTTPException)
    return answer(raised.status_code, {"message": raised.detail.lower()}, raised.headers)


async def on_error(request: Request, raised: Exception) -> Response:
    """An error of ours as JSON: its code and what was found, with the status of its class."""
    del request
    assert isinstance(raised, CalcimetryError)
    status = next((STATUS[kind] for kind in type(raised).__mro__ if kind in STATUS), 500)
    return answer(status, {"code": raised.code, "message": raised.found})


async def on_text(request: Request, raised: Exception) -> Response:
    """A body that is no JSON, or goes beyond its bounds (`bounded.parse_json`)."""
    del request
    return answer(400, {"message": f"the body is no JSON: {raised}"})


async def on_bug(request: Request, raised: Exception) -> Response:
    """A bug as JSON; `Guard` keeps it from being printed."""
    del request
    return error(500, _bug(raised))


class Bodies:
    """Reads bodies of requests, within bounds for each and for all together."""

    def __init__(self) -> None:
        self._bytes = 0

    async def read(self, request: Request) -> bytes:
        """The body. Raises HTTPException 400, 408, 413, 415, 503."""
        kind = request.headers.get("content-type", "application/json").partition(";")[0]
        if kind.strip().lower() != "application/json":
            raise refusal(415, "the body must be application/json")
        if _announced(request) > LARGEST:
            raise _too_large()
        held = 0
        parts = []
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in request.stream():
                    held += len(part)
                    self._bytes += len(part)
                    self._refuse(held)
                    parts.append(part)
        except TimeoutError as late:
            raise refusal(408, "the request took too long", {"Connection": "close"}) from late
        except ClientDisconnect as gone:
            raise refusal(400, "the request ended early") from gone
        finally:
            self._bytes -= held
        return b"".join(parts)

    def _refuse(self, held: int) -> None:
        if held > LARGEST:
            raise _too_large()
        if self._bytes > MOST_BYTES:
            raise refusal(503, "too much is being read at once", {"Retry-After": "5"})


class Threads:
    """Runs functions beside the event loop, few at once, in threads that no exit waits for."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE)

    async def run(self, function: Callable[..., T], *given: Any) -> T:
        """`function(*given)`. Raises what it raises, and HTTPException 503 after a time."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._free:
                return await _in_thread(function, *given)
        except TimeoutError as late:
            raise refusal(503, "no answer in time", {"Retry-After": "30"}) from late


async def _in_thread(function: Callable[..., T], *given: Any) -> T:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(act: Callable[[Any], None], what: Any) -> None:
        if not done.done():  # nobody waits any more
            act(what)

    def work() -> None:
        try:
            outcome: tuple[Callable[[Any], None], Any] = (done.set_result, function(*given))
        except Exception as raised:  # noqa: BLE001 - handed to the one who waits
            outcome = (done.set_exception, raised)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, *outcome)

    threading.Thread(target=work, daemon=True).start()
    return await done


def _host(scope: Scope) -> str:
    """The Host that was called, without its port, in small letters."""
    found = [value for name, value in scope["headers"] if name == b"host"]
    text = found[0].decode("latin-1").strip().lower() if len(found) == 1 else ""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].removesuffix(".")


def _announced(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else LARGEST + 1


def _too_large() -> HTTPException:
    return refusal(413, f"the request is larger than {LARGEST} bytes")


def _bug(raised: Exception) -> str:
    return f"a bug: {type(raised).__name__}; please report it with what was asked"
