"""How numbers are written wherever people read them (page, terminal, a follow-up's chapter): to
three significant digits, never in powers of ten. And numbers of the report: read from the
document by JSON pointer (RFC 6901), each carrying the document's own value:

    <data value="12.3456" data-at="/deposits/0/mass_mg">12.3 mg</data>

Nothing reaches the page but by its pointer, so a number in the report is the number in
examination.json; tests/report/test_report_numbers.py compares them all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from calcimetry.report.catalogue import Words

NNBSP = "\u202f"
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


def decimals(value: float, digits: int = 3) -> int:
    """How many decimals show `value` to `digits` significant digits; at most 4."""
    if value == 0 or not math.isfinite(value):
        return 0
    # Rounding can carry into a new digit: 9.996 is 10.0, not 10.00.
    shown = float(f"{abs(value):.{digits - 1}e}")
    return min(4, max(0, digits - 1 - math.floor(math.log10(shown))))


def plain(value: float, places: int, mark: str = ".") -> str:
    """A number with so many decimals; digits in groups of three from 10 000 on.

    mark : what parts whole from decimals, by language
    """
    text = f"{abs(value):.{places}f}"
    whole, _, part = text.partition(".")
    if len(whole) > 4:
        whole = f"{int(whole):_}".replace("_", NNBSP)
    sign = "\u2212" if value < 0 and float(text) else ""
    return f"{sign}{whole}{mark}{part}" if part else f"{sign}{whole}"


def shown(value: float, digits: int = 3, mark: str = ".") -> str:
    """A number to so many significant digits; whole numbers are shown whole."""
    return plain(value, 0 if isinstance(value, int) else decimals(value, digits), mark)


def signed(value: float, places: int) -> str:
    """A change: a number with its sign, none where it is shown as 0."""
    text = plain(value, places)
    return f"+{text}" if value > 0 and float(f"{value:.{places}f}") else text


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
