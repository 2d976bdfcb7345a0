"""python -m benchmarks.fuzz texts --count 1000 --seed 1

Runs one fuzzer and prints how often each outcome came; exits 1 if there was a bug. What made a
bug stays in --keep.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

FUZZERS = ("dicom", "nifti", "texts")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("fuzzer", choices=FUZZERS)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    asked = parser.parse_args()
    module = importlib.import_module(f"benchmarks.fuzz.{asked.fuzzer}")
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for mutant in module.mutants(asked.seed, asked.count, Path(folder)):
            start = time.perf_counter()
            outcome = module.run(mutant)
            slowest = max(slowest, time.perf_counter() - start)
            outcomes[outcome] += 1
            if outcome.startswith("BUG"):
                print(f"{mutant.name}: {outcome}")
                shutil.copytree(mutant.folder, asked.keep / mutant.name, dirs_exist_ok=True)
            shutil.rmtree(mutant.folder)
    for outcome, times in outcomes.most_common():
        print(f"{times:6d} {outcome}")
    print(f"slowest: {slowest:.1f} s")
    return int(any(outcome.startswith("BUG") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
