"""Examinations kept and loaded again: ``python -m benchmarks.roundtrip SCAN_OR_FOLDER ...``.

Every CT is measured, written, loaded and written again. The loaded examination's document must be
its examination.json, and the second folder the same bytes as the first. Prints a line for each scan
with the size of its pickle, and exits with 1 if any of them differs.
"""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import calcimetry as cm


def scans(given: list[str]) -> Iterator[Path]:
    """NIfTI files, and folders that hold DICOM."""
    for path in map(Path, given):
        files = sorted(path.rglob("*.nii*")) if path.is_dir() else [path]
        yield from files or [path]


def differing(first: Path, second: Path) -> list[str]:
    """Files of which the two folders hold other bytes."""
    names = {p.relative_to(base) for base in (first, second) for p in base.rglob("*.*")}
    plain = sorted(name for name in names if not (first / name).is_dir())
    return [str(n) for n in plain if _bytes(first / n) != _bytes(second / n)]


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def main() -> None:
    wrong = 0
    for path in scans(sys.argv[1:]):
        scan = cm.read(path)
        exam = cm.measure(scan)
        with tempfile.TemporaryDirectory() as base:
            one, two = Path(base) / "one", Path(base) / "two"
            cm.write(exam, one, scan=scan)
            began = perf_counter()
            back = cm.load(one)
            seconds = perf_counter() - began
            same = cm.document(back) == json.loads((one / "examination.json").read_text())
            cm.write(back, two)
            other = differing(one, two)
        wrong += not same or bool(other)
        size = len(pickle.dumps(exam)) / 1e6
        said = "the same" if same and not other else f"DIFFERS {'' if same else 'document'} {other}"
        print(f"{path.name}: {said}; loaded in {seconds:.2f} s, pickle {size:.2f} MB", flush=True)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
