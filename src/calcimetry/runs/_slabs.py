"""Work over slabs of slices on a few threads; kernels let go of the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

Result = TypeVar("Result")


def slabs(length: int, jobs: int) -> list[tuple[int, int]]:
    """`length` slices cut into at most `jobs` even stretches (first, one past the last)."""
    pieces = max(1, min(jobs, length))
    cuts = [length * piece // pieces for piece in range(pieces + 1)]
    return list(pairwise(cuts))


def over_slabs(work: Callable[[int, int], Result], length: int, jobs: int) -> list[Result]:
    """`work(first, end)` for every slab, results in order; on this thread when there is one."""
    stretches = slabs(length, jobs)
    if len(stretches) == 1:
        return [work(*stretches[0])]
    with ThreadPoolExecutor(len(stretches)) as pool:
        return list(pool.map(lambda stretch: work(*stretch), stretches))


def over_chunks(work: Callable[[int, int], None], length: int, jobs: int, size: int = 32) -> None:
    """`work(first, end)` for short stretches, taken by whichever thread is free.

    For things of very different cost; for slices, which cost the same, `over_slabs`.
    """
    if jobs <= 1 or length <= size:
        work(0, length)
        return
    with ThreadPoolExecutor(jobs) as pool:
        begins = range(0, length, size)
        list(pool.map(lambda first: work(first, min(first + size, length)), begins))
