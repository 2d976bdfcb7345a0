"""What the command line costs before it does anything."""

from __future__ import annotations

import json
import subprocess
import sys
from time import perf_counter

HEAVY = ("numpy", "scipy", "numba", "pydicom", "nibabel", "pyarrow", "onnxruntime", "rich")


def test_help_imports_nothing_heavy():
    script = (
        "import sys; sys.argv = ['calcimetry', '--help']\n"
        "from calcimetry.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "measure" in done.stdout
    assert done.stderr.strip() == "[]"


def test_help_takes_few_times_what_python_takes():
    def best(*words: str) -> float:
        times = []
        for _ in range(5):
            begin = perf_counter()
            subprocess.run([sys.executable, *words], capture_output=True, check=True)
            times.append(perf_counter() - begin)
        return min(times)

    # typer alone is about four times a bare interpreter; 0.2 s was the bar where that took 0.02.
    assert best("-m", "calcimetry", "--help") < 10 * best("-c", "import json, argparse, pathlib")


def test_info_lists_the_plan_with_its_sources(run, capsys):
    assert run("info", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    about = facts["plan"]["find"]["threshold_hu"]
    assert about["value"] == 130.0
    assert "Agatston" in about["source"]
    assert facts["versions"]["numpy"]
    assert set(facts["plugins"]) == {
        "calcimetry.anatomy",
        "calcimetry.calibrations",
        "calcimetry.exporters",
    }
    assert run("info") == 0
    assert "find.threshold_hu = 130.0 HU" in capsys.readouterr().out


def test_version(run, capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("calcimetry ")
