"""calcimetry cds"""

from __future__ import annotations

from typing import Annotated

import typer

from calcimetry.cli.say import say


def cds(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8095,
) -> None:
    """Serve assessments to a clinical system by CDS Hooks 2.0 (patient-view). Research use."""
    from calcimetry.clinic.cds import serve

    say(f"CDS Hooks on http://{host}:{port}/cds-services; stop with Ctrl-C", err=True)
    serve(host, port)
