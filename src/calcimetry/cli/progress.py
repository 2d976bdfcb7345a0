"""A progress bar on stderr; silent with --quiet and where stderr is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from calcimetry.escape import visible


@contextmanager
def stages(total: int, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yields a function that is told the name of each stage as it begins; `total` of them come."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    named = TextColumn("{task.description:<26}", markup=False)  # names hold words of the user's
    columns = (named, BarColumn(), TimeElapsedColumn())
    hidden = quiet or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("starting", total=total)

        def begin(name: str) -> None:
            started = bar.tasks[0].description != "starting"
            bar.update(task, description=visible(name), advance=1 if started else 0)

        yield begin
