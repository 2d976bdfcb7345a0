"""Threads of one job: results as if there were one, never more at work than asked for."""

from __future__ import annotations

import threading
import time

import pytest

from calcimetry.threads import MOST, Pool, each, over_chunks, over_slabs, slabs


class Busy:
    """Counts how many threads are at work at once; with `met`, the first so many wait for each
    other, so that all of them are seen, however late the machine lets them begin."""

    def __init__(self, met=1):
        self.lock, self.now, self.most = threading.Lock(), 0, 0
        self.begun, self.met = 0, met
        self.meeting = threading.Barrier(met)

    def __call__(self, item):
        with self.lock:
            self.begun += 1
            first = self.begun <= self.met
            self.now += 1
            self.most = max(self.most, self.now)
        if first:
            self.meeting.wait(600)
        time.sleep(0.002)
        with self.lock:
            self.now -= 1
        return item * item


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_order_from_no_more_threads_than_asked_for(jobs):
    work = Busy(jobs)
    assert each(work, range(40), jobs) == [k * k for k in range(40)]
    assert work.most == jobs


def test_helpers_join_what_is_handed_out_within_a_piece():
    """One long piece and a short one: who is done with the short one helps with the long."""
    work = Busy(2)
    with Pool(2) as pool:
        inner = pool.map(lambda n: pool.map(work, range(n)), [60, 1])
    assert inner[0] == [k * k for k in range(60)]
    assert work.most == 2


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_steps_within_steps_and_later_ones_end_and_stay_within_the_pool(jobs):
    work = Busy()
    with Pool(jobs) as pool:
        first = pool.submit(lambda: sum(pool.map(work, range(9))))
        second = pool.submit(lambda: first.result() + 1)
        middle = pool.map(lambda k: sum(pool.map(work, range(k))), range(8))
        assert second.result() == 205
        assert first.result() == 204
        assert second.result() == 205
    assert middle == [sum(j * j for j in range(k)) for k in range(8)]
    assert work.most <= jobs


def test_what_nobody_asks_for_is_not_waited_for():
    begun = threading.Event()
    with Pool(1) as pool:
        pool.submit(begun.set)
    assert not begun.is_set()


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_an_error_is_raised_and_nothing_further_is_begun(jobs):
    seen = []

    def work(item):
        seen.append(item)
        if item == 3:
            raise ValueError("three")
        time.sleep(0.001)

    with Pool(jobs) as pool:
        with pytest.raises(ValueError, match="three"):
            pool.map(work, range(1000))
        assert len(seen) < 1000  # begun before the error was known
        assert pool.map(str, range(3)) == ["0", "1", "2"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_error_of_a_later_step_comes_with_its_result(jobs):
    with Pool(jobs) as pool:
        failing = pool.submit(lambda: 1 // 0)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                failing.result()


def test_an_error_in_the_middle_leaves_no_thread_behind():
    before = threading.active_count()
    with pytest.raises(KeyError), Pool(4) as pool:
        pool.submit(lambda: time.sleep(0.01))
        raise KeyError
    assert threading.active_count() == before


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("length", [0, 1, 7, 100])
def test_slabs_and_chunks_cover_everything_once(jobs, length):
    seen = []
    over_chunks(lambda a, b: seen.extend(range(a, b)), length, jobs, size=4)
    assert sorted(seen) == list(range(length))
    found = over_slabs(lambda a, b: list(range(a, b)), length, jobs)
    assert [k for part in found for k in part] == list(range(length))
    assert len(slabs(length, jobs)) == max(1, min(jobs, length))


def test_a_hundred_thousand_threads_are_not_begun():
    with Pool(100_000) as pool:
        assert pool.size == MOST
        assert threading.active_count() <= MOST + 1
        assert each(lambda n: n + 1, range(500), pool) == list(range(1, 501))
    assert len(slabs(10_000, 100_000)) == MOST


def test_where_the_system_gives_no_more_threads_fewer_do_the_work(monkeypatch):
    plain, begun = threading.Thread.start, []

    def start(thread: threading.Thread) -> None:
        if len(begun) == 2:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        plain(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with Pool(8) as pool:
        assert each(lambda n: n * n, range(50), pool) == [n * n for n in range(50)]
    assert len(begun) == 2
