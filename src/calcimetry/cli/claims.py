"""calcimetry claims"""

from __future__ import annotations

from typing import Annotated

import typer

from calcimetry.cli.say import say


def claims(
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Popular claims about calcinosis, each with a verdict and its sources."""
    import json as codec

    from calcimetry.clinic import claim_rows

    rows = claim_rows()
    if json:
        typer.echo(codec.dumps(rows, indent=1, ensure_ascii=False))
        return
    for row in rows:
        say(f'{row["id"]}  "{row["claim"]}"')
        say(f"  {row['verdict'].upper()} (grade {row['grade']}): {row['text']}")
        say(f"  Sources: {'; '.join(row['sources'])}")
