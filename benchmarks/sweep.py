"""Every scan given, measured by the command line: exit code, seconds, peak memory, deposits.

    python -m benchmarks.sweep SCAN [SCAN ...] [--table FILE]

A SCAN is anything that `calcimetry measure` takes, or a .tar.xz archive of it. Each runs in a
process of its own, after one that warms the kernels' cache.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

HEAD = (
    "| scan | exit | s | peak MB | deposits | uncertain | mass mg | left out |\n" + "|---" * 8 + "|"
)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    if ".tar" not in path.suffixes:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder, tarfile.open(path) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # 3.11.4 and later
        archive.extractall(folder)
        yield Path(folder)


def measured(path: Path) -> str:
    """One row of the table."""
    with unpacked(path) as scan, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "calcimetry", "measure", scan, "-o", f"{folder}/out"]
        begin = perf_counter()
        child = subprocess.Popen(
            [*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        out, err = child.communicate()
        seconds = perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    if child.returncode:
        return (
            f"| {path.name} | {child.returncode} | {seconds:.1f} | | | | | {err.splitlines()[0]} |"
        )
    facts = json.loads(out)
    total = facts["totals"]["overall"]
    left = ", ".join(f"{count} {kind}" for kind, count in facts["kinds"].items())
    return (
        f"| {path.name} | 0 | {seconds:.1f} | {peak:.0f} | {total['count']} | {total['uncertain']} "
        f"| {total['mass_mg']['value']:.0f} | {left} |"
    )


def row(path: Path) -> str:
    """`measured` in a process of its own, so that peak memory is this scan's alone."""
    script = f"from benchmarks.sweep import *; print(measured(Path({str(path)!r})))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", nargs="+", type=Path)
    parser.add_argument("--table", type=Path, help="also write the table to this file")
    asked = parser.parse_args()
    subprocess.run([sys.executable, "-m", "calcimetry", "info", "--warm"], capture_output=True)
    lines = [HEAD]
    print(HEAD, flush=True)
    for path in asked.scans:
        lines.append(row(path))
        print(lines[-1], flush=True)
    if asked.table:
        asked.table.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
