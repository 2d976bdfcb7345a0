"""What a run says of its input: what was read, what was passed over, and the table of --list.

On the terminal only: descriptions are typed by people and can name a patient, so none of this
goes into a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from calcimetry.cli.say import say

if TYPE_CHECKING:
    from calcimetry.records import Scan
    from calcimetry.scan import SeriesFacts

MOST_LINES = 5
LEFT_OUT = ("BROKEN_FILES", "DUPLICATE_SLICES", "MIXED_SERIES", "SEVERAL_STUDIES")
"""Flags that say what of the input was not read."""


def say_read(scan: Scan, *, quiet: bool, err: bool, title: str = "Read") -> None:
    """Say what was read and what was passed over, at once: before whatever ends the run.

    err : to stderr, where stdout is JSON or begins with something else; quiet : not at all
    """
    if quiet:
        return
    say(f"{title}: {described(scan)}", err=err)
    for line in passed_over(scan):
        say(line, err=err)


def say_examination(document: Mapping[str, Any], *, quiet: bool, title: str) -> None:
    """Say on stderr which examination was read: its scan, and how many deposits it lists."""
    if quiet:
        return
    facts, count = document["scan"], document["totals"]["overall"]["count"]
    number = facts.get("series_number")
    series = "series without number" if number is None else f"series {number}"
    line = _line(series, facts["shape_zyx"], facts["spacing_zyx_mm"], facts)
    say(f"{title}: {line}, {count} deposit{'' if count == 1 else 's'}", err=True)


def described(scan: Scan) -> str:
    """A scan in a line: series, slices, voxels, scanner, tube voltage, date."""
    return _line(_series(scan), scan.hu.shape, scan.spacing, asdict(scan.acquisition))


def _line(
    series: str, shape: Sequence[int], spacing: Sequence[float], facts: Mapping[str, Any]
) -> str:
    slices, rows, columns = shape
    scanner = " ".join(word for name in ("manufacturer", "model") if (word := facts.get(name)))
    known = [f"{facts[k]:g} {unit}" for k, unit in (("kev", "keV"), ("kvp", "kVp")) if facts.get(k)]
    edges = " x ".join(f"{edge:.3g}" for edge in spacing)
    parts = (
        series,
        f"{slices} slices of {rows} x {columns}",
        f"voxels {edges} mm (z, y, x)",
        scanner or "scanner not stated",
        known[0] if known else "kVp not stated",
        facts.get("date") or "date not stated",
    )
    return ", ".join(parts)


def _series(scan: Scan) -> str:
    facts = scan.acquisition
    if facts.series_number is None and not facts.series_description:
        return {"nifti": "NIfTI", "array": "array"}.get(scan.source.form, "series without number")
    number = "" if facts.series_number is None else f" {facts.series_number}"
    title = f" '{facts.series_description}'" if facts.series_description else ""
    return f"series{number}{title}"


def passed_over(scan: Scan) -> Iterator[str]:
    """Lines on what of the input was not read: other series with the reason, files."""
    others = scan.source.passed_over
    if others:
        yield f"Passed over: {len(others)} other series (--list shows them, --series chooses)"
        yield from (f"  {line}" for line in others[:MOST_LINES])
        if len(others) > MOST_LINES:
            yield f"  and {len(others) - MOST_LINES} more"
    for flag in scan.flags:
        if flag.code in LEFT_OUT:
            yield f"Left out: {flag.text} [{flag.code}]"


def show_series(found: Sequence[SeriesFacts], *, json: bool) -> bool:
    """Print the series of a path, as a table or JSON; whether any of them can be measured."""
    if json:
        import json as codec

        say(codec.dumps([_entry(facts) for facts in found], indent=1, allow_nan=False))
    else:
        _table(found)
    return any(facts.refusal is None for facts in found)


def _entry(facts: SeriesFacts) -> dict[str, Any]:
    return {**asdict(facts), "image_type": list(facts.image_type)}


def _table(found: Sequence[SeriesFacts]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from calcimetry.cli.screen import print_table, text_of

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    names = ("", "series", "description", "modality", "slices", "size", "spacing mm")
    for name in (*names, "kernel", "kVp", "plane", "why not"):
        table.add_column(name, justify="right" if name in ("slices", "spacing mm") else "left")
    for facts in found:
        table.add_row(*map(text_of, _cells(facts)))
    print_table(table, width=220)
    chosen = next((facts for facts in found if facts.chosen), None)
    say("None can be measured." if chosen is None else f"* is read: --series {chosen.key}")


def _cells(facts: SeriesFacts) -> tuple[str, ...]:
    return (
        "*" if facts.chosen else "",
        facts.key,
        facts.description or "-",
        facts.modality or "-",
        str(facts.slices),
        f"{facts.rows} x {facts.columns}",
        "-" if facts.spacing_mm is None else f"{facts.spacing_mm:.3g}",
        facts.kernel or "-",
        "-" if facts.kvp is None else f"{facts.kvp:g}",
        facts.plane or "-",
        facts.refusal or facts.reason,
    )


def facts_of(scan: Scan) -> SeriesFacts:
    """The row of a scan that is no DICOM series, for --list."""
    from calcimetry.scan import SeriesFacts

    facts, (slices, rows, columns) = scan.acquisition, scan.hu.shape
    return SeriesFacts(
        key=scan.source.form,
        description="",
        series_uid=None,
        series_number=None,
        modality="",
        slices=slices,
        rows=rows,
        columns=columns,
        spacing_mm=round(scan.spacing[0], 6),
        kernel=facts.kernel,
        kvp=facts.kvp,
        plane="axial",
        image_type=(),
        chosen=True,
        refusal=None,
        reason="",
    )
