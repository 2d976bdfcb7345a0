"""All words of the report, from one catalogue: `words/en.toml`; another language is a file.

A text is found by its dotted key and filled like `str.format`. A key that ends in `.one`
and `.other` has two forms, chosen by `count`. Terms (kinds, tissues, sites ...) that a
catalogue does not hold are shown as they stand in the document.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape

from calcimetry.errors import UsageError


@dataclass(frozen=True, slots=True)
class Words:
    """One language's texts; `table` is the catalogue as it was read."""

    language: str
    table: Mapping[str, Any]

    def text(self, key: str, /, **values: Any) -> Markup:
        """The text of `key`, safe for HTML, filled with `values` (escaped unless Markup)."""
        found = self.find(key)
        if isinstance(found, Mapping):
            found = found["one" if values.get("count") == 1 else "other"]
        if not isinstance(found, str):
            raise KeyError(key)
        return Markup(escape(found)).format(**values)

    def term(self, group: str, name: Any) -> str:
        """The word for a value of the document, such as a kind or a tissue."""
        found = self.find(f"{group}.{name}")
        return found if isinstance(found, str) else str(name)

    def find(self, key: str) -> Any:
        """What stands under a dotted key; None where there is nothing."""
        found: Any = self.table
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


@cache
def words(language: str) -> Words:
    """The catalogue of a language.

    Raises UsageError (UNKNOWN_LANGUAGE) when there is no such catalogue.
    """
    folder = files("calcimetry.report") / "words"
    known = sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".toml"))
    if language not in known:
        raise UsageError(
            "UNKNOWN_LANGUAGE",
            found=f"'{language}'",
            expected="one of " + ", ".join(known),
            where="language of the report",
            remedy="choose one of them, or add a catalogue (docs/report.md)",
        )
    table = tomllib.loads((folder / f"{language}.toml").read_text(encoding="utf-8"))
    return Words(language, table)
