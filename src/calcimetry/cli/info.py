"""calcimetry info"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from calcimetry.cli.say import say


def info(
    json: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
    warm: Annotated[
        bool, typer.Option("--warm", help="Compile the kernels ahead and say how long it took.")
    ] = False,
    sbom: Annotated[
        bool, typer.Option("--sbom", help="Print the software bill of materials (CycloneDX).")
    ] = False,
    new_link_key: Annotated[
        Path | None, typer.Option(help="Make a study's key for patients' links in a new file.")
    ] = None,
) -> None:
    """Show versions, the plan's parameters and the plug-ins that are installed."""
    if new_link_key is not None:
        _make_key(new_link_key)
        return
    if sbom:
        _print_sbom()
        return
    if warm:
        _warm()
    _show(_facts(), json=json)


def _show(facts: dict[str, Any], *, json: bool) -> None:
    if json:
        import json as codec

        typer.echo(codec.dumps(facts, indent=1))
        return
    for name, version in facts["versions"].items():
        say(f"{name} {version}")
    for group, names in facts["plugins"].items():
        say(f"{group}: {', '.join(names) or 'none'}")
    say("\nPlan")
    for section, parameters in facts["plan"].items():
        for name, about in parameters.items():
            unit = f" {about['unit']}" if "unit" in about else ""
            say(f"  {section}.{name} = {about['value']}{unit}: {about['text']}")


def _facts() -> dict[str, Any]:
    from calcimetry.anatomy import segmenters
    from calcimetry.plan import Plan
    from calcimetry.plugins import ANATOMY, GROUPS, installed
    from calcimetry.versions import versions

    return {
        "versions": versions(),
        "plugins": {group: installed(group) for group in GROUPS} | {ANATOMY: sorted(segmenters())},
        "plan": Plan().described(),
    }


def _make_key(path: Path) -> None:
    from calcimetry.link import new_key

    say(f"{path}: key {new_key(path)}")


def _print_sbom() -> None:
    import json as codec

    from calcimetry.sbom import bill_of_materials

    typer.echo(codec.dumps(bill_of_materials(), indent=1))


def _warm() -> None:
    from time import perf_counter

    from calcimetry.warm import warm

    begin = perf_counter()
    warm()
    say(f"kernels compiled or loaded in {perf_counter() - begin:.1f} s", err=True)
