"""No test looks at a clock: what a machine takes says nothing about the code (benchmarks/ do)."""

from __future__ import annotations

import ast
from pathlib import Path

CLOCKS = {"time", "perf_counter", "monotonic", "process_time", "thread_time"}


def clocks_in(text: str) -> set[str]:
    """Names of clocks of the module `time` that a source calls or imports."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "time":
            found.add(node.attr)
        if isinstance(node, ast.ImportFrom) and node.module in ("time", "timeit"):
            found |= {name.name for name in node.names}
    return {name for name in found if name.removesuffix("_ns") in CLOCKS or name == "timeit"}


def test_clocks_are_seen():
    assert clocks_in("import time\nwhen = time.thread_time_ns()") == {"thread_time_ns"}
    assert clocks_in("from time import perf_counter, sleep") == {"perf_counter"}
    assert clocks_in("import time\ntime.sleep(1)") == set()


def test_no_test_looks_at_a_clock():
    tests = Path(__file__).parent
    found = {path.name: clocks_in(path.read_text(encoding="utf-8")) for path in tests.rglob("*.py")}
    assert {name: clocks for name, clocks in found.items() if clocks} == {}
