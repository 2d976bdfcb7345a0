"""Makes every table and plot of docs/quantity-benchmark.md: `python benchmarks/quantity/run.py`.

Needs the `bench` extra (matplotlib). Takes about 20 minutes on two cores; `--quick` uses a
tenth of the deposits and writes nothing into docs. `--network ../shared/data/limbs` adds the
section on the finder's cut; `--only` makes one of the later sections by itself.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import plots
import scanner
import study as work
import tables
from benchmarks.quantity import cuts, simulation
from training.sources import TEST_LIMBS

DOCS = Path(__file__).parents[2] / "docs"
SEEDS = range(2000, 2500)  # 0-399 were used in development, 1000-1499 to set two error terms
SLICE_FACTORS = (2, 3, 4, 6, 8, 10, 12, 16, 20)  # 0.5 to 5 mm
PHASES = range(6)
SPECK_SEEDS = range(120)


def main() -> int:
    """Run all parts, print the tables, and write them with their plots into docs."""
    options = _options()
    began = time.monotonic()
    every = 10 if options.quick else 1
    if options.only:
        _only(options, every)
        return 0
    rows = work.study(SEEDS[::every], options.jobs)
    spheres = work.spheres(SLICE_FACTORS, PHASES[::every], options.jobs)
    specks = np.sum(work.null(SPECK_SEEDS[::every], options.jobs), axis=0)
    parts = [tables.HEAD, _scanner(), _simulation(options.simulation, every)]
    parts += [tables.spacing(spheres), tables.phantoms(rows), _network(options.network, every)]
    parts += [tables.zero(specks), tables.limits()]
    text = "\n\n".join(part for part in parts if part) + "\n"
    print(text)
    if not options.quick:
        (DOCS / "quantity-benchmark.md").write_text(text, encoding="utf-8")
        plots.draw(rows, spheres, DOCS / "img")
    print(f"{time.monotonic() - began:.0f} s")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of it, and no files")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--simulation", type=Path, help="clone of MolloiLab/cac-simulation; else drawn anew"
    )
    parser.add_argument(
        "--network", type=Path, help="folder of limb CTs: weigh what the finder cuts from bone"
    )
    parser.add_argument(
        "--only", choices=("simulation", "network"), help="make this section anew, keep the rest"
    )
    return parser.parse_args()


def _only(options: argparse.Namespace, every: int) -> None:
    """One section, put in the place of its like in the page."""
    if options.only == "simulation":
        section = _simulation(options.simulation, every)
    else:
        section = _network(options.network, every)
    print(section)
    if not options.quick:
        page = DOCS / "quantity-benchmark.md"
        page.write_text(_swapped(page.read_text(encoding="utf-8"), section), encoding="utf-8")


def _swapped(text: str, section: str) -> str:
    """The page with the section of this heading replaced, or put before the zero test."""
    heading = section.splitlines()[0]
    parts = re.split(r"(?m)^(?=## )", text)
    same = [n for n, part in enumerate(parts) if part.startswith(heading)]
    zero = [n for n, part in enumerate(parts) if part.startswith("## The zero test")]
    if same:
        parts[same[0]] = section + "\n\n"
    else:
        parts.insert(zero[0] if zero else len(parts), section + "\n\n")
    return "".join(parts).rstrip() + "\n"


def _network(folder: Path | None, every: int) -> str:
    """Deposits on real bones, cut by the finder; left out without limbs."""
    if folder is None:
        return ""
    paths = [folder / f"STS_{n:03d}_CT.nii.gz" for n in TEST_LIMBS]
    found = [path for path in paths if path.exists()][::every]
    return tables.network([row for n, path in enumerate(found) for row in cuts.limb(path, n, 20)])


def _scanner() -> str:
    if not scanner.ARCHIVE.exists():
        return f"(real scanner: left out, {scanner.ARCHIVE.name} is not here)"
    return tables.scanner(*scanner.measured())


def _simulation(folder: Path | None, every: int) -> str:
    """The published simulation: the authors' images where a clone holds them, else ours."""
    note = "" if folder else "Their images are not here (`--simulation DIR`, a clone, scores them)."
    try:
        cases = list(simulation.everything(folder))[::every]
    except FileNotFoundError as missing:
        note = f"The clone lacks {missing.filename and Path(missing.filename).name}."
        folder, cases = None, list(simulation.everything())[::every]
    if folder is not None:
        note += tables.published(simulation.published_results, folder)
    known = [score for case in cases for score in simulation.score(case)]
    dense = [s for case in cases if case.density == "normal" for s in simulation.score(case, "130")]
    empty = np.sum([simulation.blanks(case) for case in cases], axis=0)
    return tables.simulation(known, dense, empty, note, anew=folder is None)


if __name__ == "__main__":
    raise SystemExit(main())
