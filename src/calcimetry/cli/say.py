"""The one way from the verbs to the terminal: what is said is text, never a command to it."""

from __future__ import annotations

import typer

from calcimetry.escape import visible


def say(text: object, *, err: bool = False) -> None:
    """Print text of any origin; control characters in it are shown, newlines and tabs stay."""
    typer.echo(visible(text, keep="\n\t"), err=err)
