"""Runs parts of the study of nature and writes their tables into docs/finder-nature.md.

    python -m benchmarks.finder.nature [judged] [guises] [sensitivity] --work DIR --trunks DIR

What was made of each scan is kept in the work folder; a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path

from benchmarks.finder.nature import page, painted_tables, tables
from benchmarks.finder.nature.folds import Folds
from benchmarks.finder.nature.guises import (
    GUISES,
    PAINTED,
    REFORMATS,
    STABLE,
    STAYS,
    Alike,
    Listing,
    compared,
    painted,
)
from benchmarks.finder.nature.judged import Result, examined
from benchmarks.finder.nature.kept import kept
from benchmarks.finder.nature.matching import Judged, read_judged
from benchmarks.finder.nature.scans import Case, cases
from benchmarks.finder.nature.sensitivity import Fate, paintings
from benchmarks.finder.nature.sensitivity import painted as painted_fates
from benchmarks.finder.pictures import montage
from training.sources import cases as folded

from calcimetry.records import Scan
from calcimetry.scan import read


def main() -> None:
    asked = _arguments()
    unseen_by = {case.stem: case.unseen_by for case in folded(asked.data, asked.trunks)}
    folds = Folds(asked.objects_dir, asked.network_dir, unseen_by, asked.jobs)
    chosen = [c for c in cases(asked.data, asked.trunks) if _wanted(c.name, asked.scans)]
    for part in asked.parts or page.PARTS:
        section = WORK[part](asked, folds, chosen)
        page.write(asked.page, part, section, _weights(folds, [c.name for c in chosen]))
        print("\n".join(f"### {title}\n\n{body}" for title, body in section))


def _arguments() -> argparse.Namespace:
    root = Path(__file__).resolve().parents[3]
    parser = argparse.ArgumentParser("python -m benchmarks.finder.nature", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="all unless named")
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    parser.add_argument("--trunks", type=Path, help="folder that get-trunks filled")
    parser.add_argument("--page", type=Path, default=root / "docs" / "finder-nature.md")
    parser.add_argument("--work", type=Path, required=True, help="what is kept, and montages")
    parser.add_argument("--scans", nargs="+", help="only scans whose names begin so")
    parser.add_argument("--objects-dir", type=Path, help="CASE.npz: fitted without its patient")
    parser.add_argument("--network-dir", type=Path, help="the folds' networks: A.onnx, B.onnx")
    parser.add_argument("--deposits", type=int, default=24, help="painted into a scan at a time")
    parser.add_argument("--rounds", type=int, default=1, help="of painting each scan")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    unknown = set(asked.parts) - set(page.PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; parts: {', '.join(page.PARTS)}")
    return asked


def _wanted(name: str, starts: list[str] | None) -> bool:
    return starts is None or name.startswith(tuple(starts))


def _weights(folds: Folds, names: Iterable[str]) -> str:
    """A line that names the weights by their digests."""
    used: dict[str, set[str]] = {}
    for name in names:
        for file, digest in folds.weights(name).items():
            used.setdefault(file, set()).add(digest)
    told = "; ".join(
        f"{file} " + (" ".join(f"`{d}`" for d in sorted(digests)) if len(digests) < 4
                      else f"{len(digests)} of them")
        for file, digests in used.items()
    )  # fmt: skip
    return f"Weights: {told}. Fitted without the scan's patient: {folds.left_out()}."


def _judged(asked: argparse.Namespace, folds: Folds, chosen: list[Case]) -> page.Section:
    readers = read_judged(asked.data / "judged.csv")
    results: list[Result] = []
    for case in chosen:
        known = readers.get(case.name, [])
        wanted = [folds.weights(case.name), [str(j) for j in known]]

        def make(case: Case = case, known: list[Judged] = known) -> Result:
            return examined(case, read(case.path), known, folds.ask)

        results.append(kept(asked.work / "judged", case.name, wanted, make))
        called = sum(r.called for r in results[-1].rows)
        print(f"{case.name}: {called} of {len(results[-1].rows)} called deposit", flush=True)
    rows = [row for found in results for row in found.rows]
    false = [row for row in rows if row.called and not row.true]
    truths = [t for found in results for t in found.truths]
    montage([row.picture for row in false], asked.work / "nature-false.png")
    montage([t.picture for t in truths if t.called < 0.5], asked.work / "nature-missed.png")
    return [
        ("How right a call is", tables.precision(rows)),
        ("Reliability of the confidence", tables.reliability(rows)),
        ("False deposits a scan", tables.false_alarms(results)),
        ("True calcium", tables.volume(truths)),
        ("What was judged, and what it is called", tables.kinds(results)),
        ("What listed objects look like", tables.likenesses(rows)),
        ("Each true calcification", tables.truths(truths)),
        ("Each scan", tables.scans(results)),
        ("Each deposit that is none", tables.wrong(false)),
    ]


def _guises(asked: argparse.Namespace, folds: Folds, chosen: list[Case]) -> page.Section:
    named = {case.name: case for case in chosen}
    sources = [(n, n, False) for n in STABLE] + [(f"{n} painted", n, True) for n in PAINTED]
    pairs: list[Alike] = []
    for title, name, paint in sources:
        if name not in named:
            continue
        load = cache(partial(_source, named[name], paint))
        first = _listing(asked, folds, (title, name, "as it is"), load)
        for guise, (make, turn) in GUISES.items():
            other = _listing(asked, folds, (title, name, guise), lambda: make(load()))  # noqa: B023
            pairs.append(compared(title, guise, first, other, turn))
        print(painted_tables.alike(pairs[-len(GUISES) :], lambda p: p.case, "scan"), flush=True)
    if all(name in named for name in REFORMATS):
        first, other = (
            _listing(asked, folds, (n, n, "as it is"), partial(_source, named[n], False))
            for n in REFORMATS
        )
        pairs.append(compared(REFORMATS[0], "another reformat", first, other, STAYS))
    return [
        (
            "The same scan in other guises, by guise",
            painted_tables.alike(pairs, lambda p: p.guise, "guise"),
        ),
        ("By scan", painted_tables.alike(pairs, lambda p: p.case, "scan")),
    ]


def _source(case: Case, paint: bool) -> Scan:
    scan = read(case.path)
    return painted(scan, case.name) if paint else scan


def _listing(
    asked: argparse.Namespace, folds: Folds, what: tuple[str, str, str], load: Callable[[], Scan]
) -> Listing:
    title, case, guise = what
    key = f"{title}-{guise}".replace(" ", "_").replace(",", "")
    return kept(
        asked.work / "guises", key, folds.weights(case), lambda: Listing.of(folds.ask(case, load()))
    )


def _sensitivity(asked: argparse.Namespace, folds: Folds, chosen: list[Case]) -> page.Section:
    loads = {case.name: partial(read, case.path) for case in chosen}
    fates: list[Fate] = []
    for what in paintings(loads):
        for turn in range(asked.rounds):
            key = f"{what.name}-{what.slices}-{turn}".replace(" ", "_")
            wanted = [folds.weights(what.case), asked.deposits]
            draw = partial(painted_fates, what, folds.ask, turn, asked.deposits)
            fates += kept(asked.work / "sensitivity", key, wanted, draw)
        mine = painted_tables.counted(
            f for f in fates if (f.name, f.slices) == (what.name, what.slices)
        )
        print(what.name, what.slices, f"{sum(f.called for f in mine)} of {len(mine)}", flush=True)
    return _told(fates)


def _told(fates: list[Fate]) -> page.Section:
    bone, trunk = ("contact", "near"), ("subcutis", "wall muscle", "within")
    joints = [f for f in fates if f.where in bone and 3 <= f.diameter_mm < 12]
    real, drawn = ([f for f in joints if f.real is wanted] for wanted in (True, False))
    big, walls = (
        painted_tables.counted(real),
        [f for f in painted_tables.counted(fates) if f.where in trunk],
    )
    contact = [f for f in real if f.where == "contact"]
    found = painted_tables.found
    by_size, by_density, by_scan = painted_tables.size, painted_tables.density, lambda f: f.name
    return [
        ("Beside real joints, by size", found(real, by_size, "diameter", bone)),
        ("Of 4 mm and more, by slices", found(big, lambda f: f.slices, "slices", bone)),
        ("Of 4 mm and more, by density", found(big, by_density, "density", bone)),
        ("Of 4 mm and more, by scan", found(big, by_scan, "scan", bone)),
        ("In contact: called deposit, by size and density", painted_tables.crossed(contact)),
        ("Beside joints of phantoms, by size", found(drawn, by_size, "diameter", bone)),
        ("In trunks, 4 mm and more", found(walls, by_scan, "scan", trunk)),
        ("Mass, beside real joints", painted_tables.masses(real, bone)),
    ]


WORK = {"judged": _judged, "guises": _guises, "sensitivity": _sensitivity}

if __name__ == "__main__":
    main()
