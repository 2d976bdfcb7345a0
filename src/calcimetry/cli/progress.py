"""A progress bar on stderr; silent with --quiet and where stderr is no terminal.

Where kernels have to be compiled first, it says so, on a terminal or not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from calcimetry.cli.say import say
from calcimetry.escape import visible

FIRST_RUN = "first run on this machine"


@contextmanager
def stages(total: int, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yields a function that is told the name of each stage as it begins; `total` of them come."""
    from calcimetry.kernels.compiled import first_compilation

    if quiet:
        yield _nothing
    elif not sys.stderr.isatty():
        with first_compilation(_say_once):
            yield _nothing
    else:
        with _bar(total) as show, first_compilation(_shown_by(show)):
            yield show


def _nothing(name: str) -> None:
    """Where nobody watches."""


def _say_once(number: int, of: int) -> None:
    if number == 1:
        say(f"{FIRST_RUN}: preparing {of} kernels, about a minute", err=True)


def _shown_by(show: Callable[[str], None]) -> Callable[[int, int], None]:
    return lambda number, of: show(f"{FIRST_RUN}: preparing {number} of {of}")


@contextmanager
def _bar(total: int) -> Iterator[Callable[[str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    named = TextColumn("{task.description:<26}", markup=False)  # names hold words of the user's
    columns = (named, BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=total)
        begun = False

        def show(name: str) -> None:
            nonlocal begun
            # What is said of kernels is said within a stage, and is no step forward.
            stage = not name.startswith(FIRST_RUN)
            bar.update(task, description=visible(name), advance=1 if begun and stage else 0)
            begun = begun or stage

        yield show
