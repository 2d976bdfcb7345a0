"""A service's sockets and server, and what becomes of clients that say nothing.

uvicorn waits without end for a request's head; here a head has `HEAD_SECONDS` to come, and what
a client goes on sending after it was refused has as many to end. On SIGTERM and SIGINT requests
have `GRACE_SECONDS` to be answered. Nothing is written to stderr or a log.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from calcimetry.errors import ServiceError, UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HEAD_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 5
GRACE_SECONDS = 3
BACKLOG = 512


class Protocol(H11Protocol):
    """uvicorn's HTTP/1.1 with a time for heads, and JSON where it would answer in plain text."""

    _timer: asyncio.TimerHandle | None = None
    _heard = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        self._heard = False
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._end(400, msg.lower().rstrip("."))

    def shutdown(self) -> None:
        # h11 refuses its own closing event in some states; closing the transport suits all.
        if self._idle():
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def timeout_keep_alive_handler(self) -> None:
        self.transport.close()

    def _idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if not self._idle():
            self._unwatch()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._late)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        refused = self.cycle is not None and self.cycle.more_body  # and goes on sending
        if self._heard and not refused:
            self._end(408, "the request took too long")
        else:
            self.transport.close()

    def _end(self, status: int, message: str) -> None:
        if not self.transport.is_closing():
            body = json.dumps({"message": message}).encode()
            head = f"HTTP/1.1 {status} \r\nContent-Type: application/json\r\n"
            head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            self.transport.write(head.encode() + body)
            self.transport.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def sockets(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on all addresses of a host; port 0: one that is free.

    Raises UsageError BAD_OPTION: no such host or port. ServiceError PORT_IN_USE, CANNOT_LISTEN.
    """
    if not host.strip() or not 0 <= port <= 65535:
        raise _bad(f"'{host}', port {port}", "a host and a port from 0 to 65535")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise _bad(f"'{host}' ({error})", "a name or an address of this machine") from error
    made: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((row[0], row[4]) for row in found):
            chosen = made[0].getsockname()[1] if made else port
            made.append(_bound(family, (address[0], chosen, *address[2:])))
    except OSError as error:
        if not made or error.errno == errno.EADDRINUSE:
            for one in made:
                one.close()
            raise _refused(error, host, port) from error
    return made


def serve(app: ASGIApp, listening: list[socket.socket], ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called once requests are answered."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    _Server(config, ready).run(listening)


def _bound(family: int, address: tuple[Any, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _bad(found: str, expected: str) -> UsageError:
    return UsageError(
        "BAD_OPTION",
        found=found,
        expected=expected,
        where="--host and --port",
        remedy="leave both out to listen on this machine only, at port 8095",
    )


def _refused(error: OSError, host: str, port: int) -> ServiceError:
    taken = error.errno == errno.EADDRINUSE
    where = f"{host}, port {port}"
    if taken:
        return ServiceError(
            "PORT_IN_USE",
            found="another program that listens there",
            expected="a free port",
            where=where,
            remedy="give another one with --port, or end the other program",
        )
    return ServiceError(
        "CANNOT_LISTEN",
        found=(error.strerror or str(error)).lower(),
        expected="an address of this machine and a port that may be used",
        where=where,
        remedy="give another --host or --port; ports below 1024 need privileges",
    )
