"""What is compiled ahead is all that a scan asks for."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
from numba.core import event
from calcimetry.phantom.body import make
from calcimetry.warm import warm

import calcimetry as cm

warm()
compiled = []

class Watch(event.Listener):
    def on_start(self, told):
        compiled.append(told.data["dispatcher"].py_func.__qualname__)
    def on_end(self, told):
        pass

event.register("numba:compile", Watch())
scan = make("knee", seed=5, spacing=(2.0, 0.9, 0.9)).scan
exam = cm.measure(scan, jobs=2)
assert exam.deposits
print(",".join(compiled))
"""


def test_a_scan_compiles_nothing_after_warming():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
