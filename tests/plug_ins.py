"""Plug-ins as they are installed: a module, and a distribution whose metadata names it."""

from __future__ import annotations

from pathlib import Path

import pytest


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, group: str, name: str, source: str
) -> None:
    """Install a distribution that brings one entry point, `made` of a module with this source."""
    module = f"plug_in_{name.replace('-', '_')}_{abs(hash(folder))}"
    site = folder / f"site-{name}"
    about = site / f"{name}_package-1.2.dist-info"
    about.mkdir(parents=True)
    (site / f"{module}.py").write_text(source, encoding="utf-8")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:made\n")
    monkeypatch.syspath_prepend(str(site))
