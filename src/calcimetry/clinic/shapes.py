"""Whether JSON has the types that are read, asked once at the door.

A shape says what may stand where: `str`, `int`, `NUMBER`, `[shape]` a list of such, and
`{name: shape}` an object of which these names are read. What is missing or null may be so. Code
behind the door needs no guards of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NUMBER = float  # stands for whole numbers too
_WORDS = {str: "text", int: "a whole number", NUMBER: "a number"}


def misfit(content: Any, shape: Any, where: str = "") -> str | None:
    """What has a wrong type and what it should be, as "code.coding[0].code is not text"."""
    if isinstance(shape, list):
        return _in_list(content, shape[0], where)
    if isinstance(shape, Mapping):
        return _in_object(content, shape, where)
    kinds = (int, float) if shape is NUMBER else shape
    fits = isinstance(content, kinds) and not isinstance(content, bool)
    return None if fits else f"{where or 'it'} is not {_WORDS[shape]}"


def _in_list(content: Any, shape: Any, where: str) -> str | None:
    if not isinstance(content, list | tuple):
        return f"{where or 'it'} is not a list"
    found = (misfit(part, shape, f"{where}[{k}]") for k, part in enumerate(content))
    return next((wrong for wrong in found if wrong), None)


def _in_object(content: Any, shape: Mapping[str, Any], where: str) -> str | None:
    if not isinstance(content, Mapping):
        return f"{where or 'it'} is not an object"
    before = f"{where}." if where else ""
    given = ((name, content.get(name)) for name in shape)
    found = (misfit(v, shape[name], before + name) for name, v in given if v is not None)
    return next((wrong for wrong in found if wrong), None)
