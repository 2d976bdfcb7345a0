"""The command line: one file per verb, each thin. Heavy imports wait until a verb runs.

Exit codes are those of `calcimetry.errors`; 0 done, 1 a bug, 130 interrupted.
"""

from __future__ import annotations

import os
import sys

import typer

from calcimetry import __version__
from calcimetry.cli import assess, cds, cite, claims, follow, info, measure, phantom, report
from calcimetry.cli.say import say
from calcimetry.errors import CalcimetryError

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
    app.command()(verb)


def main() -> None:
    """Run the command line; errors become one message on stderr and an exit code."""
    debug = "--debug" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        app(arguments)
    except CalcimetryError as error:
        _leave(str(error), error.exit_code, debug)
    except KeyboardInterrupt:
        _leave("interrupted; nothing was written", 130, debug)
    except BrokenPipeError:
        # The reader of our output left, as in `| head`: not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except MemoryError:
        _leave("OUT_OF_MEMORY: the scan does not fit into this machine's memory", 1, debug)
    except Exception as error:  # noqa: BLE001 - the last line of defence for people
        text = (
            f"BUG: {type(error).__name__}: {error}\n  to do: run again with --debug and report it"
        )
        _leave(text, 1, debug)


def _leave(text: str, code: int, debug: bool) -> None:
    if debug:
        raise  # noqa: PLE0704 - called from the handlers above only
    say(text, err=True)
    raise SystemExit(code)


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
