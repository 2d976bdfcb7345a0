"""calcimetry follow EXAM_DIR EXAM_DIR ... -o OUT"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from calcimetry.records import Examination


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
    from calcimetry.followup import FILES, read_events
    from calcimetry.followup import follow as follow_up
    from calcimetry.followup.output import fill
    from calcimetry.whole import OutputFolder

    known = read_events(events)
    with OutputFolder(out, force=force, ours=FILES) as folder:
        visits: list[Any] = _measured(exam_dirs, plan) if scans else list(exam_dirs)
        facts = fill(follow_up(visits, repeat=repeatability, events=known), folder)
    _say(facts, out, json=json, quiet=quiet)


def _measured(scans: list[Path], plan: Path | None) -> list[Examination]:
    from calcimetry.examine import measure
    from calcimetry.plan import Plan
    from calcimetry.scan import read

    chosen = Plan() if plan is None else Plan.from_toml(plan)
    return [measure(read(path), chosen) for path in scans]


def _say(facts: dict[str, Any], out: Path, *, json: bool, quiet: bool) -> None:
    if json:
        import json as codec

        typer.echo(codec.dumps(facts, indent=1, allow_nan=False))
    elif not quiet:
        from calcimetry.followup.chapter import summary

        typer.echo(summary(facts))
        typer.echo(f"Written: {out / 'lineage.csv'}, {out / 'report.html'}")
    if any(flag["severity"] == "withheld" for flag in facts["flags"]):
        raise typer.Exit(5)
