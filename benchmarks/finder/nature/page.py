"""The page docs/finder-nature.md: prose above a mark, and a section for each part below it."""

from __future__ import annotations

import re
from pathlib import Path

MARK = "<!-- measured -->"
PARTS = ("judged", "guises", "sensitivity")

Section = list[tuple[str, str]]
"""Titles and tables of one part."""


def write(page: Path, part: str, section: Section, weights: str) -> None:
    """Put a part's section in place of the one that it has on the page; others stay."""
    text = page.read_text(encoding="utf-8")
    prose, _, measured = text.partition(MARK)
    sections = _sections(measured)
    tables = "\n".join(f"### {title}\n\n{body}" for title, body in section)
    sections[part] = f"{weights}\n\n{tables}"
    body = "\n".join(
        f"<!-- {name} -->\n\n## {name.capitalize()}\n\n{sections[name]}"
        for name in PARTS
        if name in sections
    )
    page.write_text(f"{prose}{MARK}\n\n{body.rstrip()}\n", encoding="utf-8")


def _sections(measured: str) -> dict[str, str]:
    """What each part's section holds, without its mark and heading."""
    pieces = re.split(r"<!-- (\w+) -->\n\n## \w+\n\n", measured)
    return {
        name: body.rstrip() + "\n" for name, body in zip(pieces[1::2], pieces[2::2], strict=True)
    }
