"""`python -m benchmarks.finder.orientation SCAN ...`: the same scan, lying in every way.

No voxel changes: only the affine says that the body lies otherwise, by the proper turns that keep
to the axes. What is measured should be the same each time. Prints a table: how many turns gave
just what the first did, and by how much others differed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from calcimetry import examine
from calcimetry.records import Examination, Kind, Scan, StoredGrid
from calcimetry.scan import from_array, read

NEAR_MM = 1.0
ALIKE = 0.01
"""Of the mass: what a turn may change."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of the list, in the coordinates of the scan that was not turned."""

    kind: Kind
    at: NDArray[np.float64]
    mass_mg: float


def turns() -> Iterator[NDArray[np.float64]]:
    """The 24 proper turns of patient coordinates, (4, 4), the one that changes nothing first."""
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            turn = np.eye(4)
            turn[:3, :3] = np.diag(signs)[list(order)]
            if np.linalg.det(turn) > 0:
                yield turn


def lying(scan: Scan, turn: NDArray[np.float64]) -> Scan:
    """The scan as if the body had lain otherwise: its array is another, its voxels are the same."""
    return from_array(scan.hu, affine=turn @ scan.affine, acquisition=scan.acquisition)


def listed(exam: Examination, turn: NDArray[np.float64]) -> list[Listed]:
    """Deposits and uncertain ones, turned back."""
    back = np.linalg.inv(turn)
    return [
        Listed(d.kind, (back @ [*d.centroid_mm, 1.0])[:3], d.quantity.mass_mg.value or 0.0)
        for d in exam.listed
    ]


def apart(some: Sequence[Listed], others: Sequence[Listed]) -> list[Listed]:
    """Those of `some` that have no like in `others`: of their kind and mass, where they lie."""
    return [a for a in some if not any(_alike(a, b) for b in others)]


def _alike(a: Listed, b: Listed) -> bool:
    same = a.kind is b.kind and abs(a.mass_mg - b.mass_mg) <= ALIKE * max(a.mass_mg, b.mass_mg)
    return same and bool(np.linalg.norm(a.at - b.at) <= NEAR_MM)


def row(path: Path, few: int) -> str:
    """A row of the table for one scan."""
    scan = read(path)
    ways = list(turns())[:: max(1, 24 // few)]
    found = [listed(examine.measure(lying(scan, way), jobs=2), way) for way in ways]
    first = found[0]
    wrong = [apart(other, first) + apart(first, other) for other in found[1:]]
    counts = [sum(item.kind is Kind.DEPOSIT for item in one) for one in found]
    masses = [sum(i.mass_mg for i in one if i.kind is Kind.DEPOSIT) for one in found]
    same = sum(not rows for rows in wrong)
    return (
        f"| {path.name.split('.')[0]} | {same} of {len(wrong)} | {min(counts)}-{max(counts)} "
        f"| {min(masses):.1f}-{max(masses):.1f} | {max(map(len, wrong))} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", type=Path, nargs="+")
    parser.add_argument("--turns", type=int, default=24, help="how many of the 24 are tried")
    parser.add_argument(
        "--as-it-lies", action="store_true", help="measure in the axes that the affine says"
    )
    asked = parser.parse_args()
    print("| scan | turns alike | deposits | their mg | most rows that differ |")
    print("| --- | --- | --- | --- | --- |")
    pose = _as_it_lies if asked.as_it_lies else examine.pose_of
    with mock.patch.object(examine, "pose_of", pose):
        for path in asked.scans:
            print(row(path, asked.turns), flush=True)


def _as_it_lies(scan: Scan, **_: object) -> StoredGrid:
    k, j, i = scan.hu.shape
    return StoredGrid((i, j, k), scan.affine)


if __name__ == "__main__":
    main()
