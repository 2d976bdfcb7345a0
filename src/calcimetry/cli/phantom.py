"""calcimetry phantom REGION -o OUT"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calcimetry.cli.say import say


def phantom(
    region: Annotated[
        str, typer.Argument(help="hand, elbow, knee, shoulder or trunk.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="New folder.", show_default=False)],
    seed: Annotated[int, typer.Option(help="Equal seeds give equal scans.")] = 0,
    spacing: Annotated[tuple[float, float, float], typer.Option(help="Voxel edges z y x, mm.")] = (
        1.0,
        0.7,
        0.7,
    ),
    kvp: Annotated[float, typer.Option(help="Tube voltage.")] = 120.0,
    nifti: Annotated[bool, typer.Option("--nifti", help="NIfTI in place of DICOM.")] = False,
) -> None:
    """Make a scan of known truth: a limb or trunk with deposits, and the table of what is in it."""
    from calcimetry.phantom import generate

    form = "nifti" if nifti else "dicom"
    made = generate(region, out, seed=seed, spacing=spacing, kvp=kvp, form=form)
    say(f"Scan: {made}")
    say(f"Truth: {out / 'truth.csv'}")
