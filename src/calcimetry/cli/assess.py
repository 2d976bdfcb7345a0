"""calcimetry assess -o OUT"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from calcimetry.cli.say import say


def assess(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the results.", show_default=False)
    ],
    exam: Annotated[
        Path | None, typer.Option(help="A folder that `calcimetry measure` wrote.")
    ] = None,
    labs: Annotated[
        Path | None, typer.Option(help="labs.csv, or a FHIR R4 Bundle (.json, .json.gz).")
    ] = None,
    history: Annotated[Path | None, typer.Option(help="history.toml.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Day of the assessment, 2026-11-23; today if left out.")
    ] = None,
    max_age: Annotated[
        int, typer.Option(help="Results older than this many days are stale: no type is given.")
    ] = 365,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder with files.")] = False,
    json: Annotated[bool, typer.Option("--json", help="assessment.json to stdout too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing.")] = False,
) -> None:
    """Type of calcinosis, symptoms and options, with the evidence. Research use."""
    import json as codec

    from calcimetry import clinic
    from calcimetry.atomic import AtomicFolder
    from calcimetry.exchange import saved_pictures
    from calcimetry.outputs.assessment import FILES, fill

    with AtomicFolder(out, force=force, ours=FILES) as folder:
        document = None if exam is None else _read(exam, quiet=quiet)
        found = clinic.assess(document, labs, history, as_of=as_of, max_age_days=max_age)
        shown = None
        if exam is not None and document is not None and exam.is_dir():
            shown = document, saved_pictures(exam)
        assessed = fill(found, folder, shown)
    if json:
        typer.echo(codec.dumps(assessed, indent=1, allow_nan=False))
    elif not quiet:
        _say(assessed, out)
    if found.panel.refused:
        raise typer.Exit(5)


def _read(exam: Path, *, quiet: bool) -> dict[str, Any]:
    """The examination's document, said in a line."""
    from calcimetry.cli.reading import say_examination
    from calcimetry.exchange import saved_document

    document = saved_document(exam)
    say_examination(document, quiet=quiet, title="Examination, read")
    return document


def _say(document: dict[str, Any], out: Path) -> None:
    """Urgent things first, then the type, then the options."""
    for row in document["urgent"]:
        say(f"URGENT: {row['text']} [{row['code']}]")
    for row in document["flags"]:
        if row["severity"] != "info":
            about = f" ({row['detail']})" if row["detail"] else ""
            say(f"{row['severity']}: {row['text']}{about} [{row['code']}]")
    _say_types(document)
    for row in document["options"]:
        say(f"  {row['stance']:<9} {row['label']} (grade {row['grade']}) [{row['id']}]")
    say(f"Assessment: {out / 'assessment.json'}")
    say(document["research_use"])


def _say_types(document: dict[str, Any]) -> None:
    leading = document["leading"]
    say(f"Leading type: {', '.join(leading) or 'not decidable'}")
    for row in document["patterns"]:
        say(f"  lab pattern, {row['status']}: {row['label']} [{row['id']}]")
    for row in document["types"]:
        if not leading:
            say(f"  {row['id']}, missing to decide: {', '.join(row['missing']) or 'nothing'}")
        for side in ("for", "against") if row["id"] in leading else ():
            for finding in row[side]:
                say(f"  {row['id']}, {side}: {finding['text']} [{finding['id']}]")
