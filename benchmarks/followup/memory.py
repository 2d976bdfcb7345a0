"""What following many visits holds in memory: ``python -m benchmarks.followup.memory``.

An elbow is drawn, measured and written ten times, laid down anew and dated each time. A process of
its own then follows the ten folders; its peak is compared with that of one that only imports the
program, and with what ten volumes would take.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import calcimetry as cm
from calcimetry.phantom import DepositSpec, PhantomSpec, Pose, Protocol, realise

VISITS = 10
DEPOSITS = (
    DepositSpec("brachialis", "nodule", 9.0, 500.0, 1),
    DepositSpec("forearm muscle", "nodule", 8.0, 600.0, 2),
    DepositSpec("forearm subcutis", "nodule", 6.0, 700.0, 3, (0.0, 0.0, 30.0)),
)
FOLLOW = "import sys, calcimetry as cm; cm.follow(sys.argv[1:])"
IMPORT = "import calcimetry.visits, calcimetry.followup.follow, calcimetry.exchange"


def visit(number: int, folder: Path) -> int:
    """Draw, measure and write one visit; the bytes of its volume."""
    how = Protocol(spacing=(0.8, 0.6, 0.6), table=False)
    pose = Pose((float(number), -5.0, 4.0 * number % 9), (6.0, -6.0, 3.0))
    scan = realise(PhantomSpec("elbow", 3, DEPOSITS, how, pose, number)).scan
    facts = replace(scan.acquisition, date=f"20{10 + number}-01-01")
    cm.write(cm.measure(replace(scan, acquisition=facts)), folder, scan=scan)
    return scan.hu.nbytes


def peak_mb(code: str, *given: str) -> float:
    """The most memory that a process of this code had, MB, as Linux tells it.

    Not `resource`'s number: that of a child begins with what its parent held.
    """
    told = f"{code}\nprint(open('/proc/self/status').read())"
    done = subprocess.run(
        [sys.executable, "-c", told, *given], check=True, capture_output=True, text=True
    )
    return float(done.stdout.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as base:
        folders = [Path(base) / str(n) for n in range(VISITS)]
        volumes = sum(visit(n, folder) for n, folder in enumerate(folders)) / 2**20
        idle = peak_mb(IMPORT)
        peak = peak_mb(FOLLOW, *map(str, folders))
    print(f"{VISITS} visits, {volumes:.0f} MB of volumes")
    print(f"peak {peak:.0f} MB, of which {idle:.0f} MB are the program's own")


if __name__ == "__main__":
    main()
