"""References (CSL-JSON items) in a word or two, as tables, cards and reports name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def short(reference: Mapping[str, Any]) -> str:
    """First author and year of a CSL-JSON item, else its title."""
    author = (reference.get("author") or [{}])[0]
    name = author.get("family") or author.get("literal")
    year = reference.get("issued", {}).get("date-parts", [[None]])[0][0]
    if name and year and not str(reference["id"]).startswith("calcimetry"):
        return f"{name} {year}"
    return str(reference["title"])
