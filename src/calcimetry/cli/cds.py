"""calcimetry cds"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from calcimetry.cli.process import Stopped
from calcimetry.cli.say import say


def cds(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: one that is free.")] = 8095,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another name by which it may be called; may be repeated."),
    ] = None,
) -> None:
    """Serve assessments to a clinical system by CDS Hooks 2.0 (patient-view). Research use."""
    from calcimetry.serve.cds import serve

    with suppress(Stopped):  # to be told to end is how a service ends well
        serve(host, port, allow_host or (), _say)


def _say(address: str) -> None:
    say(f"CDS Hooks on {address}; stop with Ctrl-C", err=True)
