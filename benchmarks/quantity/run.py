"""Makes every table and plot of docs/quantity-benchmark.md: `python benchmarks/quantity/run.py`.

Needs the `bench` extra (matplotlib). Takes about 20 minutes on two cores; `--quick` uses a
tenth of the deposits and writes nothing into docs.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import plots
import scanner
import study as work
import tables

DOCS = Path(__file__).parents[2] / "docs"
SEEDS = range(2000, 2500)  # 0-399 were used in development, 1000-1499 to set two error terms
SLICE_FACTORS = (2, 3, 4, 6, 8, 10, 12, 16, 20)  # 0.5 to 5 mm
PHASES = range(6)
SPECK_SEEDS = range(120)


def main() -> int:
    """Run all parts, print the tables, and write them with their plots into docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of it, and no files")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    began = time.monotonic()
    every = 10 if options.quick else 1
    rows = work.study(SEEDS[::every], options.jobs)
    spheres = work.spheres(SLICE_FACTORS, PHASES[::every], options.jobs)
    specks = np.sum(work.null(SPECK_SEEDS[::every], options.jobs), axis=0)
    parts = [tables.HEAD, _scanner(), tables.spacing(spheres), tables.phantoms(rows)]
    parts += [tables.zero(specks), tables.limits()]
    text = "\n\n".join(part for part in parts if part) + "\n"
    print(text)
    if not options.quick:
        (DOCS / "quantity-benchmark.md").write_text(text, encoding="utf-8")
        plots.draw(rows, spheres, DOCS / "img")
    print(f"{time.monotonic() - began:.0f} s")
    return 0


def _scanner() -> str:
    if not scanner.ARCHIVE.exists():
        return f"(real scanner: left out, {scanner.ARCHIVE.name} is not here)"
    return tables.scanner(*scanner.measured())


if __name__ == "__main__":
    raise SystemExit(main())
