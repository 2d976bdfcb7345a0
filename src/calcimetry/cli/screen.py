"""What `calcimetry measure` shows in the terminal when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcimetry.cli.say import say
from calcimetry.escape import visible

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

MOST_ROWS = 20  # the rest are in the tables and the report


def show(facts: Mapping[str, Any], out: Path) -> None:
    """Print the deposits, biggest first, what was left out, the flags and where the files are."""
    deposits = facts["deposits"]
    if deposits:
        print_table(_table(deposits[:MOST_ROWS]))
    if len(deposits) > MOST_ROWS:
        say(f"... and {len(deposits) - MOST_ROWS} smaller ones in deposits.csv")
    say(_summary(facts["totals"]["overall"]))
    if facts["totals"]["unlisted"]:
        say(_unlisted(facts["totals"]))
    if facts["kinds"]:
        left = ", ".join(f"{count} {kind}" for kind, count in facts["kinds"].items())
        say(f"Left out: {left}; reasons in objects.csv.")
    for flag in facts["flags"]:
        say(f"{flag['severity']}: {flag['text']} [{flag['code']}]")
    say(f"Report: {out / 'report.html'}")
    say(facts["research_use"])


def print_table(table: Table, *, width: int | None = None) -> None:
    """Print a table to stdout; `width` is that of the text where stdout is no terminal."""
    from rich.console import Console

    wide = Console().is_terminal
    console = Console(highlight=False, soft_wrap=not wide, width=None if wide else width)
    console.print(table)


def text_of(value: object) -> Text:
    """A cell of a table from text of any origin: Rich reads no markup in it."""
    from rich.text import Text

    return Text(visible(value))


def _table(rows: list[Mapping[str, Any]]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    groups = [row["group"] for row in rows if row["group"] is not None]
    shared = len(set(groups)) < len(groups)  # else the column would tell nothing, and take room
    for name in ("#", "group") if shared else ("#",):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("tier", no_wrap=True)
    table.add_column("place", overflow="fold")
    table.add_column("mass mg (95 %)", no_wrap=True)
    for name in ("mm3", "mg/cm3", "slices"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        own, group, *others = _cells(row)
        table.add_row(*map(text_of, (own, group, *others) if shared else (own, *others)))
    return table


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    place = " ".join(row[key] for key in ("side", "site", "tissue") if row[key]) or "-"
    if (depth := row["skin_depth_mm"]) is not None:
        place += f", {number(depth)} mm deep"
    if row["tier"] == "uncertain" and row["likeness"]:
        place += f", {row['likeness']}-like"
    mass = number(row["mass_mg"])
    if row["mass_mg_low"] is not None:
        mass += f" ({interval(row['mass_mg_low'], row['mass_mg_high'])})"
    return (
        str(row["deposit"]),
        "-" if row["group"] is None else str(row["group"]),
        row["tier"],
        place,
        mass,
        number(row["volume_mm3"]),
        number(row["density_mg_cm3"]),
        f"{row['slice_first']}-{row['slice_last']}",
    )


def _unlisted(totals: Mapping[str, Any]) -> str:
    """What is too unlikely a deposit to be listed, in a line."""
    count, mass = totals["unlisted"], number(totals["unlisted_mass_mg"])
    objects, each = ("1 object", "") if count == 1 else (f"{count} objects", "each ")
    unlikely = f"{each}unlikely to be a deposit (UNLIKELY in objects.csv)"
    return f"Not listed: {objects} with {mass} mg, {unlikely}."


def _summary(total: Mapping[str, Any]) -> str:
    """Counted mass, of it sure, and what hangs on doubt: never one without the others."""
    count = total["count"]
    word = "deposit" if count == 1 else "deposits"
    mass, volume = total["mass_mg"], total["volume_mm3"]
    text = f"{count} {word}"
    if total["groups"] is not None and total["groups"] < count:
        text += f" in {total['groups']} group{'' if total['groups'] == 1 else 's'}"
    if count:
        text += (
            f", {number(mass['value'])} mg hydroxyapatite "
            f"({interval(mass['low'], mass['high'])}), {number(volume['value'])} mm3"
        )
    sure, doubt = (number(total[f"{tier}_mass_mg"]["value"]) for tier in ("sure", "uncertain"))
    doubted = f"{total['uncertain']} uncertain with {doubt} mg, not counted"
    return f"{text}; of it {sure} mg sure; {doubted}."


def number(value: float | None) -> str:
    """Three significant digits as in the report; a dash for what is not known."""
    from calcimetry.digits import shown

    return "-" if value is None else shown(value)


def interval(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{number(low)} to {number(high)}"
