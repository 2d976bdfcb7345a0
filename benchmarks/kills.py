"""Kill `calcimetry measure --force` at random moments: OUT must be whole or as it was.

    python -m benchmarks.kills [--times 100] [--seed 0]

By turns SIGKILL and SIGTERM, at a moment drawn between the start and the usual end. A run with
another threshold writes over an earlier one and a file of the user's; whether OUT is whole
is told by its document, tables, labels and pictures belonging together. Ends with 1 where one
does not, or where something is left after the next run.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

MEASURE = [sys.executable, "-m", "calcimetry", "measure"]


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--times", type=int, default=100)
    asked.add_argument("--seed", type=int, default=0)
    options = asked.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as made:
        scan, out = Path(made) / "scan.nii.gz", Path(made) / "beside" / "out"
        _make(scan)
        words = [*MEASURE, str(scan), "-o", str(out), "--quiet", "--force"]
        begin = time.perf_counter()
        subprocess.run([*words, "--kvp", "120"], check=True)
        usual = time.perf_counter() - begin
        (out / "pictures" / "holiday.jpg").write_bytes(b"mine")
        seen: Counter[str] = Counter()
        for turn in range(options.times):
            number = (signal.SIGKILL, signal.SIGTERM)[turn % 2]
            kvp = draw.choice(["80", "100", "120", "140"])
            before, beside = _state(out), set(out.parent.iterdir())
            code = _killed([*words, "--kvp", kvp], draw.uniform(0.2, 1.1) * usual, number)
            told = _judge(out, before, code)
            if number == signal.SIGTERM and set(out.parent.iterdir()) - beside - {out}:
                told = "a draft is left after SIGTERM"
            seen[told] += 1
            print(f"{turn + 1}: {number.name}, exit {code}: {told}")
        code = subprocess.run([*words, "--kvp", "120"]).returncode
        left = [path.name for path in out.parent.iterdir() if path != out]
        print(f"{dict(seen)}; left beside OUT after the next run: {left or 'nothing'}")
        return int(code != 0 or bool(left) or bool(set(seen) - {"as it was", "whole"}))


def _make(path: Path) -> None:
    from calcimetry.phantom import make, write_nifti

    write_nifti(make("hand", seed=0, spacing=(2.5, 1.4, 1.4)).scan, path)


def _killed(words: list[str], after: float, number: signal.Signals) -> int:
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    with suppress(subprocess.TimeoutExpired):
        return process.wait(after)
    process.send_signal(number)
    return process.wait(60)


def _state(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def _judge(out: Path, before: dict[str, bytes], code: int) -> str:
    now = _state(out)
    if now.get("pictures/holiday.jpg") != b"mine":
        return "the user's file is gone"
    if now == before:
        return "as it was" if code else "whole"
    document = json.loads(now["examination.json"])
    rows = list(csv.DictReader(now["deposits.csv"].decode().splitlines()))
    same = [row["mass_mg"] for row in rows] == [str(d["mass_mg"]) for d in document["deposits"]]
    pictured = {f"pictures/deposit-{row['deposit']}-axial-bone.png" for row in rows}
    whole = same and set(now) == set(before) and pictured <= set(now)
    return "whole" if whole else "neither as it was nor whole"


if __name__ == "__main__":
    sys.exit(main())
