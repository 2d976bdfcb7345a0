"""How numbers are written wherever people read them (page, terminal, notebook, follow-up): to
three significant digits, never in powers of ten."""

from __future__ import annotations

import math

NNBSP = "\u202f"


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
