"""Threads that all steps of one job share: never more of them than it was given.

Kernels let go of the interpreter's lock, so threads are enough. A step hands out its pieces
(`each`, `over_slabs`, `over_chunks`) and works on them itself until none is left; threads of
the pool that are idle join in. What nobody waits for yet is handed out by `Pool.submit`. Steps
may so be handed out within steps and side by side, and results do not depend on who did what.

The contracts are those of `concurrent.futures`, but for one: there, a task that waits for tasks of
its own pool can wait forever, as they may never get a thread. Here whoever waits does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Condition, Thread
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Values = ParamSpec("Values")


MOST = 256
"""Threads that a job may have: more than any machine has cores for its work."""


class Pool:
    """The thread that makes it, and helpers: ``with Pool(jobs) as pool``.

    jobs : threads in all, `MOST` at most; with one there are no helpers

    A thread that waits for others takes nothing else on: so none can wait for itself.
    """

    def __init__(self, jobs: int) -> None:
        self.size = max(1, min(jobs, MOST))
        self._change = Condition()
        self._open: list[_Task] = []
        self._closed = False
        self._helpers = [Thread(target=self._help, daemon=True) for _ in range(self.size - 1)]

    def __enter__(self) -> Pool:
        for started, helper in enumerate(self._helpers):
            try:
                helper.start()
            except RuntimeError:  # the system gives no more: those that there are do the work
                del self._helpers[started:]
                break
        return self

    def __exit__(self, *about: object) -> None:
        """Helpers finish the piece that they are at, and begin no other."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        for helper in self._helpers:
            helper.join()

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """``[work(item) for item in items]``; after an error no further piece is begun."""
        if self.size == 1 or len(items) < 2:
            return [work(item) for item in items]
        return self.finished(self._handed_out(lambda k: work(items[k]), len(items)))

    def submit(
        self, work: Callable[Values, Result], *values: Values.args, **named: Values.kwargs
    ) -> Future[Result]:
        """`work(*values)`, begun by a thread that is idle, or by whoever asks for its result."""
        return Future(self, self._handed_out(lambda _: work(*values, **named), 1))

    def finished(self, task: _Task) -> list[Any]:
        """The results of a task, whose pieces are done here as long as there are any."""
        while (piece := self._next(task)) is not None:
            self._do(task, piece)
        with self._change:
            self._change.wait_for(lambda: task.done == task.begun)
        if task.error is not None:
            raise task.error
        return [task.results[k] for k in range(task.count)]

    def _handed_out(self, work: Callable[[int], Any], count: int) -> _Task:
        task = _Task(work, count)
        with self._change:
            self._open.append(task)
            self._change.notify_all()
        return task

    def _next(self, task: _Task) -> int | None:
        """The next piece of a task, from now on in hand; None when none is left."""
        with self._change:
            if task.begun == task.count:
                return None
            task.begun += 1
            if task.begun == task.count:
                self._open.remove(task)
            return task.begun - 1

    def _do(self, task: _Task, piece: int) -> None:
        error = None
        try:
            task.results[piece] = task.work(piece)
        except BaseException as raised:  # noqa: BLE001  whoever waits for the task raises it
            error = raised
        with self._change:
            task.done += 1
            if error is not None:
                self._given_up(task, error)
            if task.done == task.begun:
                self._change.notify_all()

    def _given_up(self, task: _Task, error: BaseException) -> None:
        task.error = task.error or error
        task.count = task.begun
        if task in self._open:
            self._open.remove(task)

    def _help(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closed or self._open)
                if self._closed:
                    return
                task = self._open[0]
            piece = self._next(task)
            if piece is not None:
                self._do(task, piece)


@dataclass(slots=True, eq=False)
class _Task:
    """Pieces 0 to count - 1: how many were begun, how many are done."""

    work: Callable[[int], Any]
    count: int
    begun: int = 0
    done: int = 0
    results: dict[int, Any] = field(default_factory=dict)
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Future(Generic[Result]):
    """A result that is asked for when it is needed."""

    pool: Pool
    task: _Task

    def result(self) -> Result:
        """It, worked out here where no helper has begun it; or the error that it came to."""
        found: Result = self.pool.finished(self.task)[0]
        return found


Jobs: TypeAlias = int | Pool
"""How many threads a function may use, or the pool that it is to share."""


def each(work: Callable[[Item], Result], items: Sequence[Item], jobs: Jobs) -> list[Result]:
    """``[work(item) for item in items]``, items taken by whichever thread is free."""
    if isinstance(jobs, Pool):
        return jobs.map(work, items)
    with Pool(min(jobs, len(items))) as pool:
        return pool.map(work, items)


def size_of(jobs: Jobs) -> int:
    """How many threads that is."""
    return jobs.size if isinstance(jobs, Pool) else max(1, min(jobs, MOST))


def slabs(length: int, jobs: Jobs) -> list[tuple[int, int]]:
    """`length` slices cut into at most `jobs` even stretches (first, one past the last)."""
    pieces = max(1, min(size_of(jobs), length))
    cuts = [length * piece // pieces for piece in range(pieces + 1)]
    return list(pairwise(cuts))


def over_slabs(work: Callable[[int, int], Result], length: int, jobs: Jobs) -> list[Result]:
    """`work(first, end)` for a slab for each thread; results in order."""
    return each(lambda stretch: work(*stretch), slabs(length, jobs), jobs)


def over_chunks(work: Callable[[int, int], None], length: int, jobs: Jobs, size: int = 32) -> None:
    """`work(first, end)` for short stretches, taken by whichever thread is free.

    For things of very different cost; for slices, which cost the same, `over_slabs`.
    """
    if size_of(jobs) == 1:
        work(0, length)
        return
    begins = range(0, length, size)
    each(lambda first: work(first, min(first + size, length)), begins, jobs)
