"""What a first start costs: kernels, processor seconds cold and warm, and megabytes installed.

    python -m benchmarks.start [--runs N]

The scan is the demo's (`calcimetry phantom hand`), measured on one thread. Cold: by a process
whose cache of kernels is an empty folder. Warm: by processes that come after it, from start to
files; the least of N. Seconds are of the processor, all of a process; on a machine that others
use too they can still be twice what they are alone, as caches are shared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

INSIDE = """
import json, sys
from time import process_time
from numba.core import event
import calcimetry as cm
from calcimetry.kernels.compiled import KERNELS

compiled, seconds = [], {}

class Watch(event.Listener):
    def on_start(self, told):
        compiled.append(1)
    def on_end(self, told):
        pass

def timed(name, work):
    begin = process_time()
    found = work()
    seconds[name] = process_time() - begin
    return found

event.register("numba:compile", Watch())
timed("imports", lambda: (cm.read, cm.measure, cm.write))
scan = timed("reading", lambda: cm.read(sys.argv[1]))
exam = timed("first measure", lambda: cm.measure(scan))
timed("second measure", lambda: cm.measure(scan))
timed("writing", lambda: cm.write(exam, sys.argv[2]))
entered = sum(bool(kernel.overloads) for kernel in KERNELS)
print(json.dumps({"compiled": len(compiled), "entered": entered, "kernels": len(KERNELS),
                  "specialisations": sum(len(kernel.overloads) for kernel in KERNELS),
                  "seconds": seconds}))
"""


def processor_seconds(command: list[str], cache: Path) -> tuple[float, str]:
    """All processor seconds of a process that keeps its kernels in `cache`, and its output."""
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
    )
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{command[:4]} ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime, said


def installed_mb() -> dict[str, float]:
    """Megabytes on disk of calcimetry and of all that it cannot run without, biggest first."""
    from calcimetry.sbom import ROOT, needed

    def size(name: str) -> float:
        files = metadata.distribution(name).files or ()
        paths = (Path(str(file.locate())) for file in files)
        return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6

    sizes = {name: size(name) for name in needed((ROOT, frozenset()))}
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    verb = [sys.executable, "-m", "calcimetry"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache, scan = folder / "kernels", str(folder / "hand" / "scan")
        subprocess.run([*verb, "phantom", "hand", "-o", folder / "hand"], check=True)

        def measure(run: int) -> float:
            out = str(folder / f"out-{run}")
            order = [*verb, "measure", scan, "-o", out, "--quiet", "--jobs", "1"]
            return processor_seconds(order, cache)[0]

        def inside(kernels: Path, out: str) -> dict[str, Any]:
            order = [sys.executable, "-c", INSIDE, scan, str(folder / out)]
            found: dict[str, Any] = json.loads(processor_seconds(order, kernels)[1])
            return found

        cold = measure(0)
        warm = min(measure(1 + run) for run in range(runs))
        first, later = inside(folder / "empty", "first"), inside(cache, "later")
    report(cold, warm, first, later)


def report(cold: float, warm: float, first: dict[str, Any], later: dict[str, Any]) -> None:
    sizes = installed_mb()
    rows = {
        "kernels entered from Python": f"{later['entered']} of {later['kernels']}",
        "compilations, with what kernels call": str(first["compiled"]),
        "cold, start to files, processor seconds": f"{cold:.1f}",
        "warm, start to files, processor seconds": f"{warm:.2f}",
        **{f"warm, {what}": f"{s:.2f}" for what, s in later["seconds"].items()},
        "installed, MB": f"{sum(sizes.values()):.0f}",
        "of it the biggest": ", ".join(f"{n} {mb:.0f}" for n, mb in list(sizes.items())[:5]),
    }
    print("| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
