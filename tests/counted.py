"""Work, counted in calls of Python functions: the same number on every machine, however busy."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def calls(work: Callable[[], T]) -> tuple[T, int]:
    """What `work()` gives, and how many Python functions it and its new threads entered."""
    count = [0]

    def tell(_frame: Any, event: str, _argument: Any) -> None:
        count[0] += event == "call"

    sys.setprofile(tell)
    threading.setprofile(tell)
    try:
        result = work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return result, count[0]
