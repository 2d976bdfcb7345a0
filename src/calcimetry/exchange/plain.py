"""What every document has in common: rounded numbers, flags as rows, the line on research use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from calcimetry.records import Flag

RESEARCH_USE = (
    "Research use only. Not a medical device; not for diagnosis or for decisions on treatment."
)
DECIMALS = 4  # of every number with a unit: finer than any of them is known


def rounded(value: Any, decimals: int = DECIMALS) -> Any:
    """A value as JSON has it: floats rounded, NumPy's scalars as Python's, tuples as lists."""
    if isinstance(value, Mapping):
        return {key: rounded(item, decimals) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, decimals) for item in value]
    if hasattr(value, "item"):
        value = value.item()  # a NumPy scalar or zero-dimensional array
    return round(value, decimals) if isinstance(value, float) else value


def flag_rows(flags: Iterable[Flag]) -> list[dict[str, str]]:
    """Flags as they stand in every document, each in its order."""
    return [{"code": f.code, "severity": str(f.severity), "text": f.text} for f in flags]
