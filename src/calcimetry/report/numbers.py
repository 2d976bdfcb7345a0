"""Numbers of the report: read from the document by JSON pointer (RFC 6901), each carrying the
document's own value, written as numbers are everywhere (`digits`):

    <data value="12.3456" data-at="/deposits/0/mass_mg">12.3 mg</data>

Nothing reaches the page but by its pointer, so a number in the report is the number in
examination.json; tests/report/test_report_numbers.py compares them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from calcimetry.digits import decimals, plain
from calcimetry.report.language import Words

NBSP = "\u00a0"


def lookup(document: Any, pointer: str) -> Any:
    """The value that a JSON pointer names; None where the document does not hold it."""
    found = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(key)
        elif isinstance(found, list | tuple) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


def pointer(*parts: Any) -> str:
    """A JSON pointer from its parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def given_places(value: float) -> int:
    """How many decimals a number was given with, up to six."""
    return len(f"{value:.6f}".rstrip("0").partition(".")[2])


def given(value: float) -> str:
    """A number with as many decimals as it was given with, up to six."""
    return plain(value, given_places(value))


@dataclass(frozen=True, slots=True)
class Numbers:
    """Shows values of one document in one language."""

    document: Mapping[str, Any]
    words: Words

    def plain(self, value: float, places: int) -> str:
        """A number as the language writes it."""
        return plain(value, places, str(self.words.find("format.decimal_mark")))

    def show(
        self, at: str, unit: str = "", *, places: int | None = None, digits: int = 3
    ) -> Markup:
        """The number at `at` with its unit, or in words that it is withheld or not known."""
        value = lookup(self.document, at)
        if value is None:
            return self.missing(at)
        if places is None:
            places = 0 if isinstance(value, int) else decimals(value, digits)
        text = self.plain(value, places) + (NBSP + unit if unit else "")
        return Markup('<data value="{}" data-at="{}">{}</data>').format(repr(value), at, text)

    def percent(self, at: str) -> Markup:
        """The fraction at `at` as per cent, to two digits."""
        value = lookup(self.document, at)
        if value is None:
            return self.missing(at)
        text = self.plain(100 * value, decimals(100 * value, 2)) + NBSP + "%"
        return Markup('<data value="{}" data-at="{}">{}</data>').format(repr(value), at, text)

    def interval(self, low_at: str, high_at: str, unit: str, *, like: str) -> Markup:
        """ "9.9 to 14.8 mg", with as many decimals as the number at `like`; else empty."""
        low, high, value = (lookup(self.document, at) for at in (low_at, high_at, like))
        if low is None or high is None:
            return Markup("")
        places = decimals(value if value else high)
        ends = (self.show(low_at, places=places), self.show(high_at, unit, places=places))
        return self.words.text("format.interval", low=ends[0], high=ends[1])

    def missing(self, at: str) -> Markup:
        """Why there is no number: withheld when a flag of its deposit or scan says so."""
        withheld = any(self._withholds(place) for place in (at.rpartition("/")[0], ""))
        text = self.words.text("format.withheld" if withheld else "format.unknown")
        return Markup('<span class="absent" data-at="{}">{}</span>').format(at, text)

    def _withholds(self, place: str) -> bool:
        flags = lookup(self.document, f"{place}/flags") or ()
        return any(flag.get("severity") == "withheld" for flag in flags)
