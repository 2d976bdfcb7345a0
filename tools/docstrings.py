"""For the reference pages: docstrings as this project writes them, turned into Markdown.

`name : what it is` lines become lists, and headings underlined with dashes become bold lines.
mkdocs.yml names this file as an extension of griffe, which reads the source.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_HEADING = re.compile(r"^([A-Z][a-z]+)\n-{3,}$", re.M)
_ENTRY = re.compile(r"^([A-Za-z_][\w.]*(?:, [A-Za-z_][\w.]*)*) : (.*)$")


def to_markdown(text: str) -> str:
    """A docstring as Markdown: entries as a list, the lines that go on within their entry."""
    lines: list[str] = []
    listed = False
    for line in _HEADING.sub(r"**\1**\n", text).splitlines():
        entry = _ENTRY.match(line)
        if entry:
            lines += ([] if listed else [""]) + [f"- **{entry[1]}**: {entry[2]}"]
            listed = True
        elif listed and line.startswith(" "):
            lines.append("    " + line.strip())
        elif listed and not line.strip():
            lines.append(line)
            listed = False
        else:
            lines.append(line)
    return "\n".join(lines)


class Docstrings(griffe.Extension):
    """Rewrites every docstring as it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = to_markdown(obj.docstring.value)
