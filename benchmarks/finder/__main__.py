"""Runs the study and writes its tables into docs/finder-benchmark.md, its montages beside."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np
from benchmarks.finder import confusion, tables
from benchmarks.finder.natural import CALCIFICATIONS, CLEAN, kinds, seen, true_objects
from benchmarks.finder.pictures import montage, tile
from benchmarks.finder.study import (
    GENERATORS,
    Called,
    Outcome,
    called,
    false_deposits,
    inserted,
    judged,
    outcomes,
)
from training.sources import TEST_LIMBS

from calcimetry.anatomy import labels_of
from calcimetry.deposits import network
from calcimetry.phantom.body import make
from calcimetry.records import Scan
from calcimetry.scan import read
from calcimetry.warm import warm

PHANTOMS = (
    ("hand", 901, (0.625, 0.5, 0.5)),
    ("hand", 902, (2.5, 0.6, 0.6)),
    ("elbow", 903, (1.0, 0.8, 0.8)),
    ("elbow", 904, (5.0, 0.8, 0.8)),
    ("knee", 905, (2.0, 0.8, 0.8)),
    ("shoulder", 906, (2.0, 1.0, 1.0)),
)
LABELLED = "chest_ct"
"""The scan of `get-trunks` that has a label map, which the finder is not shown."""

MARK = "<!-- measured -->"
Report = list[tuple[str, str]]


def main() -> None:
    asked = _arguments()
    warm()  # so that the first scan's time is like the others'
    report: Report = []
    natural, false_tiles = _natural(asked, report)
    montage(false_tiles, asked.out / "false.png")
    found, sureness, missed_tiles = _insertions(asked)
    montage(missed_tiles, asked.out / "missed.png")
    _tell(report, found, natural)
    limbs = [c for c in sureness if c.case.startswith("STS") and c.case not in CALCIFICATIONS]
    report.append(("Reliability of a deposit's confidence, limbs", tables.reliability(limbs)))
    net = network.load()
    digest = net.digest[:16] if net else "none"
    body = "\n".join(f"## {title}\n\n{table}" for title, table in report)
    text = asked.page.read_text(encoding="utf-8").split(MARK)[0]
    asked.page.write_text(f"{text}{MARK}\n\nWeights `{digest}`.\n\n{body}", encoding="utf-8")
    print(body)


def _arguments() -> argparse.Namespace:
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser("python -m benchmarks.finder", description=__doc__)
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    parser.add_argument("--trunks", type=Path, help="folder that get-trunks filled")
    parser.add_argument("--page", type=Path, default=root / "docs" / "finder-benchmark.md")
    parser.add_argument("--out", type=Path, required=True, help="folder for the montages")
    parser.add_argument("--deposits", type=int, default=24, help="a scan and generator")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def _scans(asked: argparse.Namespace) -> Iterator[tuple[str, Scan]]:
    for number in TEST_LIMBS:
        yield f"STS_{number:03d}", read(asked.data / "limbs" / f"STS_{number:03d}_CT.nii.gz")
    for path in (
        asked.data / "trunks" / "abdomen_crlm1006_1.5mm.nii.gz",
        asked.data / "trunks" / "head_1.5mm.nii.gz",
        asked.data / "abdomen_j2k",
        *(
            (asked.trunks / "chest_ct.nii.gz", asked.trunks / "aorta_cta.nii.gz")
            if asked.trunks
            else ()
        ),
    ):
        yield path.name.split(".")[0], read(path)


def _natural(asked: argparse.Namespace, report: Report):  # type: ignore[no-untyped-def]
    rows, truth, tiles, kept = [], [], [], ""
    for case, scan in _scans(asked):
        began = time.perf_counter()
        findings = judged(scan, jobs=asked.jobs)
        seconds = time.perf_counter() - began
        masks = true_objects(case, scan)
        known = np.any(masks, axis=0) if masks else None
        false = false_deposits(case, scan, findings, known)
        rows.append((case, seconds, false, kinds(findings)))
        truth += seen(case, scan, findings)
        tiles += [
            tile(scan, f.at, f"{case[-7:]} {f.volume_mm3:.0f} {f.confidence:.2f}") for f in false
        ]
        print(case, f"{seconds:.1f} s, {len(false)} false", flush=True)
        if case == LABELLED:
            labels = labels_of(scan, asked.trunks / "chest_labels.nii.gz")
            kept = confusion.table(confusion.confusion(scan, labels, findings))
    report.append(("Natural scans", tables.natural(rows)))
    report.append(("True calcifications", tables.truths(truth)))
    if kept:
        report.append(("Kinds on the contrast chest, against its label map", kept))
    return rows, tiles


def _insertions(asked: argparse.Namespace):  # type: ignore[no-untyped-def]
    found: list[Outcome] = []
    sureness: list[Called] = []
    tiles = []

    def judge(case: str, generator: str, scan: Scan, truth) -> None:  # type: ignore[no-untyped-def]
        findings = judged(scan, jobs=asked.jobs)
        new = list(outcomes(case, generator, scan, truth, findings))
        found.extend(new)
        sureness.extend(called(case, generator, scan, truth, findings))
        for o in tables.counted(new):
            if not o.hit:
                title = f"{case[-7:]} {o.family[:8]} {o.density_mg_cm3:.0f}"
                tiles.append(tile(scan, o.at, title))
        part = tables.counted(new)
        print(case, generator, tables.wilson(sum(o.hit for o in part), len(part)), flush=True)

    for case, scan in _scans(asked):
        for generator in GENERATORS:
            judge(case, generator, *inserted(scan, generator, crc32(case.encode()), asked.deposits))
    for region, seed, spacing in PHANTOMS:
        made = make(region, seed=seed, spacing=spacing)
        judge(f"{region} {spacing[0]} mm", "trained", made.scan, made.truth)
    return found, sureness, tiles


def _tell(report: Report, found: list[Outcome], natural) -> None:  # type: ignore[no-untyped-def]
    real = [o for o in found if o.case.startswith("STS")]
    limbs = tables.counted(real)
    bone = [o for o in limbs if o.site == "touching bone"]
    report += [
        ("Limbs: by place", tables.by(limbs, "place", lambda o: o.site)),
        ("Limbs: by size", tables.by(limbs, "diameter", tables.size)),
        ("Limbs: touching bone, by density", tables.by(bone, "density", tables.density)),
        ("Limbs: by shape", tables.by(limbs, "shape", lambda o: o.family)),
        ("Limbs: null insertions", tables.nulls(real)),
    ]
    others = [o for o in tables.counted(found) if not o.case.startswith("STS")]
    report.append(("Trunks and phantoms", tables.by(others, "scan", lambda o: o.case)))
    clean = [row for row in natural if row[0] in CLEAN]
    false = [f for row in clean for f in row[2]]
    report.append(("FROC on limbs (false: clean limbs)", tables.froc(limbs, false, len(clean))))
    assert set(CALCIFICATIONS)


if __name__ == "__main__":
    main()
