"""What the command line costs before it does anything."""

from __future__ import annotations

import json
import subprocess
import sys

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


def test_help_imports_a_handful_of_modules():
    """What `--help` costs beyond typer is importing: counted, as seconds are the machine's."""
    script = (
        "import sys, typer.main, typer.rich_utils; before = set(sys.modules)\n"
        "sys.argv = ['calcimetry', '--help']\n"
        "from calcimetry.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    added = [name for name in done.stderr.split() if name.partition(".")[0] != "typer"]
    ours = [name for name in added if name.partition(".")[0] == "calcimetry"]
    assert "calcimetry.cli.measure" in ours
    assert len(ours) <= 32, ours  # 23 when this was written, one of them for each verb
    others = set(added) - set(ours)
    assert len(others) <= 20, others  # 12 when this was written: ctypes, json, hashlib, tempfile


def test_info_lists_the_plan_with_its_sources(run, capsys):
    assert run("info", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    about = facts["plan"]["find"]["threshold_hu"]
    assert about["value"] == 130.0
    assert "Agatston" in about["source"]
    assert facts["versions"]["numpy"]
    assert set(facts["plugins"]) == {"calcimetry.anatomy", "calcimetry.exporters"}
    assert run("info") == 0
    assert "find.threshold_hu = 130.0 HU" in capsys.readouterr().out


def test_version(run, capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("calcimetry ")
