"""calcimetry measure SCAN -o OUT"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calcimetry.cli.say import say

if TYPE_CHECKING:
    from calcimetry.plan import Plan
    from calcimetry.records import Examination

STAGES = 6  # reading, the four that `examine.measure` names, writing; a segmenter is one more


def measure(
    scan: Annotated[
        Path,
        typer.Argument(
            help="DICOM folder or file, NIfTI file, or .zip or .tar of either.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder for the results.", show_default=False),
    ] = None,
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
    site: Annotated[
        str | None, typer.Option(help="Body part, as 'hand', 'left knee' or 'linkes Knie'.")
    ] = None,
    hu_as_is: Annotated[
        bool, typer.Option("--hu-as-is", help="Measure values that are clearly no HU as HU.")
    ] = False,
    plan: Annotated[Path | None, typer.Option(help="TOML file with parameters.")] = None,
    identify: Annotated[
        bool,
        typer.Option(
            "--identify", help="Keep the series' description and body part as typed: names too."
        ),
    ] = False,
    no_link: Annotated[
        bool, typer.Option("--no-link", help="Leave out the keyed hash of the patient's ID.")
    ] = False,
    link_key: Annotated[
        Path | None, typer.Option(help="File of the study's key for that hash.")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also write report.pdf.")] = False,
    export: Annotated[
        str | None,
        typer.Option(help="Exporters (plug-ins) whose files are written too: NAME[,NAME]."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Threads; all cores unless told.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print examination.json.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace earlier results.")] = False,
    listing: Annotated[
        bool, typer.Option("--list", help="List the series of SCAN, and measure none.")
    ] = False,
) -> None:
    """Find and measure the deposits of one CT."""
    if listing:
        _list(scan, series, kvp=kvp, json=json)
        return
    out = _given(out)
    from tempfile import TemporaryDirectory

    from calcimetry.atomic import AtomicFolder
    from calcimetry.cli.progress import stages
    from calcimetry.cli.reading import say_read
    from calcimetry.link import chosen_key
    from calcimetry.outputs.examination import FILES

    chosen = _plan(plan, threshold)
    _check_options(labels, segment, site)
    exports = _exports(export)
    _check_calibration(calibration, chosen)
    key = None if no_link else chosen_key(link_key)
    count = STAGES + (segment is not None)
    with (
        AtomicFolder(out, force=force, ours=FILES) as folder,
        stages(count, quiet=quiet) as stage,
        TemporaryDirectory(prefix="calcimetry-") as made,
    ):
        from calcimetry.anatomy import segment as run_segmenter
        from calcimetry.examine import measure as examine
        from calcimetry.outputs.examination import fill
        from calcimetry.scan import read

        stage("reading the scan")
        volume = read(
            scan, series=series, kvp=kvp, jobs=_jobs(jobs), link_key=key, hu_as_is=hu_as_is
        )
        say_read(volume, quiet=quiet, err=json)
        if segment is not None:
            stage(f"running {segment}")
            labels = run_segmenter(volume, segment, Path(made), jobs=_jobs(jobs))
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
        anatomy = None if segment is None else Path(made)
        facts = fill(
            exam,
            folder,
            scan=volume,
            anatomy=anatomy,
            pdf=pdf,
            identify=identify,
            export=exports,
        )
    _say(facts, exam, out, json=json, quiet=quiet)


def _list(scan: Path, series: str | None, *, kvp: float | None, json: bool) -> None:
    from calcimetry.cli.reading import facts_of, show_series
    from calcimetry.scan import list_series, read

    found = list_series(scan, series=series) or (facts_of(read(scan, kvp=kvp)),)
    if not show_series(found, json=json):
        raise typer.Exit(3)


def _given(out: Path | None) -> Path:
    from calcimetry.errors import UsageError

    if out is not None:
        return out
    raise UsageError(
        "BAD_OPTION",
        found="no folder for the results",
        expected="-o OUT (only --list needs none)",
        where="-o / --out",
        remedy="name a new folder with -o",
    )


def _check_options(labels: Path | None, segment: str | None, site: str | None) -> None:
    """What is wrong with the call is said before a scan is read, which can take minutes."""
    from calcimetry.sites import check_site

    _one_label_map(labels, segment)
    check_site(site)
    if labels is not None:
        _check_file(labels)


def _exports(asked: str | None) -> tuple[str, ...]:
    """Names of exporters; one that cannot be had is said before the work."""
    if asked is None:
        return ()
    from calcimetry.outputs.exporters import exporters

    return tuple(exporters([name.strip() for name in asked.split(",")]))


def _check_file(labels: Path) -> None:
    from calcimetry.errors import InputError

    try:
        labels.stat()
    except OSError as error:
        raise InputError(
            "LABELMAP_UNREADABLE",
            found=(error.strerror or type(error).__name__).lower(),
            expected="a NIfTI file with a 3-D volume of whole numbers",
            where=str(labels),
            remedy="check the path given with --labels",
        ) from error


def _check_calibration(given: str | None, plan: Plan) -> None:
    if given is not None:
        from calcimetry.quantity import user_calibration

        user_calibration(given, plan)


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
    from calcimetry.threads import MOST

    if asked is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if asked >= 1:
        return min(asked, MOST)
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
        _name_files(exam)
    if any(flag.severity is Severity.WITHHELD for flag in exam.flags):
        raise typer.Exit(5)


def _name_files(exam: Examination) -> None:
    """The files that flags are about: the terminal names them, the results only count them."""
    from calcimetry.scan.flags import listed

    for flag in exam.flags:
        if flag.names:
            say(f"{flag.code}: {listed(flag.names)}")
