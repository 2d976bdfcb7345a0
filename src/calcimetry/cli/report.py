"""calcimetry report EXAM_DIR"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calcimetry.cli.say import say


def report(
    exam_dir: Annotated[
        Path, typer.Argument(help="A folder that `calcimetry measure` wrote.", show_default=False)
    ],
    identify: Annotated[
        list[str] | None,
        typer.Option(help="Shown on the page only, as name='A. Smith'; may be repeated."),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also write report.pdf.")] = False,
) -> None:
    """Make report.html (and report.pdf) of an examination again."""
    from calcimetry.exchange import replace_files, saved_document, saved_pictures
    from calcimetry.report import render, render_pdf

    person = dict(_pair(text) for text in identify or ())
    html = render(saved_document(exam_dir), saved_pictures(exam_dir), identify=person or None)
    files: dict[str, bytes] = {"report.html": html.encode()}
    if pdf:
        files["report.pdf"] = render_pdf(html)
    replace_files(exam_dir, files)
    say(f"Report: {exam_dir / 'report.html'}")


def _pair(text: str) -> tuple[str, str]:
    from calcimetry.errors import UsageError

    key, equals, value = text.partition("=")
    if equals and key.strip() and value.strip():
        return key.strip(), value.strip()
    raise UsageError(
        "BAD_OPTION",
        found=f"'{text}'",
        expected="NAME=VALUE",
        where="--identify",
        remedy="give it as name='A. Smith'",
    )
