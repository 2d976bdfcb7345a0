"""calcimetry follow EXAM_DIR EXAM_DIR ... -o OUT"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calcimetry.cli.say import say

if TYPE_CHECKING:
    from calcimetry.followup import Visit


def follow(
    exam_dirs: Annotated[
        list[Path],
        typer.Argument(help="Folders that `calcimetry measure` wrote.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the results.", show_default=False)
    ],
    scans: Annotated[
        bool,
        typer.Option(
            "--scans", help="The arguments are scans: measure all with one plan, then follow."
        ),
    ] = False,
    plan: Annotated[
        Path | None, typer.Option(help="TOML file with parameters, for --scans.")
    ] = None,
    hu_as_is: Annotated[
        bool,
        typer.Option(
            "--hu-as-is", help="For --scans: measure values that are clearly no HU as HU."
        ),
    ] = False,
    events: Annotated[
        Path | None,
        typer.Option(help="TOML file: deposits operated on or extruded, readers' scores."),
    ] = None,
    repeatability: Annotated[
        str | None,
        typer.Option(help="people, phantom, or a TOML file of your own test-retest."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print followup.json.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace earlier results.")] = False,
) -> None:
    """Say what became of each deposit over two or more visits."""
    from calcimetry.atomic import AtomicFolder
    from calcimetry.followup import follow as follow_up
    from calcimetry.followup import read_events
    from calcimetry.outputs.followup import FILES, fill

    known = read_events(events)
    with AtomicFolder(out, force=force, ours=FILES) as folder:
        visits = (
            _measured(exam_dirs, plan, hu_as_is, quiet=quiet)
            if scans
            else _read(exam_dirs, quiet=quiet)
        )
        facts = fill(follow_up(visits, repeat=repeatability, events=known), folder)
    _say(facts, out, json=json, quiet=quiet)


def _read(folders: list[Path], *, quiet: bool) -> list[Visit]:
    """Visits from their folders, each said in a line as it is read."""
    from calcimetry.cli.reading import say_examination
    from calcimetry.visits import visit_of

    visits = []
    for number, folder in enumerate(folders, 1):
        visits.append(visit_of(folder, number))
        say_examination(visits[-1].facts, quiet=quiet, title=f"Visit {number}, read")
    return visits


def _measured(scans: list[Path], plan: Path | None, hu_as_is: bool, *, quiet: bool) -> list[Visit]:
    from calcimetry.cli.reading import say_read
    from calcimetry.examine import measure
    from calcimetry.link import chosen_key
    from calcimetry.plan import Plan
    from calcimetry.scan import read
    from calcimetry.visits import visit_of

    chosen = Plan() if plan is None else Plan.from_toml(plan)
    key = chosen_key(None)
    visits = []
    for number, path in enumerate(scans, 1):
        scan = read(path, link_key=key, hu_as_is=hu_as_is)
        say_read(scan, quiet=quiet, err=True, title=f"Visit {number}, read")
        visits.append(visit_of(measure(scan, chosen), number))
    return visits


def _say(facts: dict[str, Any], out: Path, *, json: bool, quiet: bool) -> None:
    if json:
        import json as codec

        typer.echo(codec.dumps(facts, indent=1, allow_nan=False))
    elif not quiet:
        from calcimetry.report.followup import summary

        say(summary(facts))
        say(f"Written: {out / 'lineage.csv'}, {out / 'report.html'}")
    if any(flag["severity"] == "withheld" for flag in facts["flags"]):
        raise typer.Exit(5)
