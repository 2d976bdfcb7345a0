"""The command line: one file per verb, each thin. Heavy imports wait until a verb runs.

Exit codes are those of `calcimetry.errors`; 0 done, 1 a bug, 128 + n ended by signal n (130
Ctrl-C, 143 SIGTERM, 129 a closed terminal).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO, cast, get_type_hints

import typer

from calcimetry import __version__
from calcimetry.atomic import published
from calcimetry.cli import assess, cds, cite, claims, follow, info, measure, phantom, report
from calcimetry.cli.process import (
    Output,
    Stopped,
    catch_signals,
    of_system,
    open_streams,
    out_of_memory,
    say,
    too_deep,
)
from calcimetry.errors import CalcimetryError
from calcimetry.escape import visible


def _unasked(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb whose paths typer does not try: what cannot be read has a code and a remedy here."""
    hints = get_type_hints(verb, include_extras=True)
    for hint in hints.values():
        for about in getattr(hint, "__metadata__", ()):
            about.readable = False
    verb.__annotations__ = hints
    return verb


app = typer.Typer(
    name="calcimetry",
    help="Finds and measures calcinosis (calcium phosphate in soft tissue) on CT. Research use.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # its import alone takes longer than all of --help may
    pretty_exceptions_enable=False,
)
for verb in (
    measure.measure,
    follow.follow,
    report.report,
    phantom.phantom,
    info.info,
    assess.assess,
    claims.claims,
    cite.cite,
    cds.cds,
):
    app.command()(_unasked(verb))


def main() -> None:
    """Run the command line; errors become one message on stderr and an exit code."""
    debug = "--debug" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    open_streams()
    catch_signals()
    stdout = sys.stdout
    output = None if stdout is None else Output(stdout)
    sys.stdout = cast(TextIO, output)
    try:
        code = _run(arguments)
        if output is not None and output.refusal is not None:
            raise output.refusal
    except (Exception, Stopped) as error:
        if debug:
            raise
        text, code = _told(error)
        say(text)
    finally:
        sys.stdout = stdout
    raise SystemExit(code)


def _run(arguments: list[str]) -> int:
    """The exit code of a verb that ended by itself."""
    try:
        code = app(arguments, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except Exception as error:
        if isinstance(error, CalcimetryError) or not hasattr(error, "show"):
            raise
        if hasattr(error, "message"):  # it quotes the call
            error.message = visible(error.message, keep="\n\t")
        with suppress(OSError):
            error.show()  # click's: a call that is wrong, with how it should be
        return int(getattr(error, "exit_code", 2))
    return code if isinstance(code, int) else 0


def _told(error: BaseException) -> tuple[str, int]:
    """What a person is told of an error, and the exit code."""
    if isinstance(error, Stopped):
        written = "the results were written" if published() else "nothing was written"
        return f"interrupted; {written}", error.exit_code
    known = _known(error)
    if known is not None:
        return str(known), known.exit_code
    text = f"BUG: {type(error).__name__}: {error}\n  to do: run again with --debug and report it"
    return text, 1


def _known(error: BaseException) -> CalcimetryError | None:
    if isinstance(error, CalcimetryError):
        return error
    if isinstance(error, MemoryError):
        return out_of_memory()
    if isinstance(error, RecursionError):
        return too_deep()
    return of_system(error) if isinstance(error, OSError) else None


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"calcimetry {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: bool = typer.Option(
        False, "--version", help="Print the version and leave.", callback=_print_version
    ),
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks; allowed anywhere."),
) -> None:
    del version, debug  # --debug is taken out of the arguments by main(); declared here for --help
