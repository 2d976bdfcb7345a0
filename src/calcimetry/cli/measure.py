"""calcimetry measure SCAN -o OUT"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from calcimetry.plan import Plan
    from calcimetry.records import Examination


def measure(
    scan: Annotated[
        Path, typer.Argument(help="DICOM folder or file, or NIfTI file.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the results.", show_default=False)
    ],
    kvp: Annotated[
        float | None, typer.Option(help="Tube voltage, where the file does not say it.")
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Series to take: UID, number or description.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="HU at and above which a voxel is dense.")
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(help="Your own, as c=0.764 (mg/cm3 HA per HU).")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Anatomy label map (NIfTI) of this scan.")
    ] = None,
    segment: Annotated[
        str | None,
        typer.Option(help="Make the label map with your own totalsegmentator or moose."),
    ] = None,
    site: Annotated[str | None, typer.Option(help="Body part, as 'hand' or 'left knee'.")] = None,
    hu_as_is: Annotated[
        bool, typer.Option("--hu-as-is", help="Measure values that are clearly no HU as HU.")
    ] = False,
    plan: Annotated[Path | None, typer.Option(help="TOML file with parameters.")] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also write report.pdf.")] = False,
    jobs: Annotated[int | None, typer.Option(help="Threads; all cores unless told.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print examination.json.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace earlier results.")] = False,
) -> None:
    """Find and measure the deposits of one CT."""
    from calcimetry.cli.progress import stages
    from calcimetry.output import FILES
    from calcimetry.whole import OutputFolder

    chosen = _plan(plan, threshold)
    _one_label_map(labels, segment)
    with OutputFolder(out, force=force, ours=FILES) as folder, stages(quiet=quiet) as stage:
        from calcimetry.anatomy import segment as run_segmenter
        from calcimetry.examine import measure as examine
        from calcimetry.output import fill
        from calcimetry.scan import read

        stage("reading the scan")
        volume = read(scan, series=series, kvp=kvp, jobs=_jobs(jobs), hu_as_is=hu_as_is)
        if segment is not None:
            stage(f"running {segment}")
            labels = run_segmenter(volume, segment, folder.path, jobs=_jobs(jobs))
        exam = examine(
            volume,
            chosen,
            calibration=calibration,
            labels=labels,
            site=site,
            jobs=_jobs(jobs),
            progress=stage,
        )
        stage("writing the results")
        facts = fill(exam, folder, pdf=pdf)
    _say(facts, exam, out, json=json, quiet=quiet)


def _plan(path: Path | None, threshold: float | None) -> Plan:
    from calcimetry.plan import Plan

    plan = Plan() if path is None else Plan.from_toml(path)
    if threshold is None:
        return plan
    return plan.changed("find", {"threshold_hu": threshold}, where="--threshold")


def _one_label_map(labels: Path | None, segment: str | None) -> None:
    from calcimetry.errors import UsageError

    if labels is not None and segment is not None:
        raise UsageError(
            "BAD_OPTION",
            found="both --labels and --segment",
            expected="one of them",
            where="--segment",
            remedy="leave one out",
        )


def _jobs(asked: int | None) -> int:
    import os

    from calcimetry.errors import UsageError

    if asked is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if asked >= 1:
        return asked
    raise UsageError(
        "BAD_OPTION",
        found=f"--jobs {asked}",
        expected="1 or more",
        where="--jobs",
        remedy="give the number of threads, or leave it out",
    )


def _say(facts: dict[str, Any], exam: Examination, out: Path, *, json: bool, quiet: bool) -> None:
    from calcimetry.records import Severity

    if json:
        import json as codec

        typer.echo(codec.dumps(facts, indent=1, allow_nan=False))
    elif not quiet:
        from calcimetry.cli.screen import show

        show(facts, out)
    if any(flag.severity is Severity.WITHHELD for flag in exam.flags):
        raise typer.Exit(5)
