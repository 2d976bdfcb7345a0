"""calcimetry cite ID|report|calcimetry"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calcimetry.cli.say import say


def cite(
    what: Annotated[
        str,
        typer.Argument(
            help="Id of a statement or reference, or report, or calcimetry.", show_default=False
        ),
    ],
    style: Annotated[
        str, typer.Option(help="apa, vancouver, bibtex, ris or csl-json.")
    ] = "vancouver",
    assessment: Annotated[
        Path | None, typer.Option(help="For report: the folder or file of an assessment.")
    ] = None,
) -> None:
    """References of a statement, of an assessment's report, or of calcimetry."""
    from calcimetry.clinic.cite import cite as cited

    say(cited(what, style, assessment=assessment))
