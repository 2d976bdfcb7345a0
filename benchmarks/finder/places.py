"""Where deposits are said to lie, by phantoms that know it: `python -m benchmarks.finder.places`.

Masks and skeleton are the truth's (the finder's errors are counted elsewhere): the skeleton is
that of the same body without deposits, a deposit what of it reads 130 HU and more.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from benchmarks.finder.tables import _table as table

from calcimetry.anatomy import Anatomy, find_body, find_bone
from calcimetry.describe import locate, places
from calcimetry.phantom.body import make, realise
from calcimetry.phantom.spec import PhantomSpec
from calcimetry.records import Place, Runs, Scan
from calcimetry.runs import dense_objects, from_mask

REGIONS = ("hand", "elbow", "knee", "shoulder", "thigh")
SPACINGS = ((0.625, 0.5, 0.5), (1.25, 0.8, 0.8))
SEEDS = range(100, 104)


@dataclass(frozen=True, slots=True)
class Row:
    """One deposit: where it truly lies, and where it is said to."""

    region: str
    site: str
    tissue: str
    place: Place


def rows(seeds: Sequence[int] = SEEDS, deposits: int = 9) -> Iterator[Row]:
    """Deposits of all regions, seeds and spacings."""
    for region in REGIONS:
        for n, seed in enumerate(seeds):
            spacing = SPACINGS[n % len(SPACINGS)]
            made = make(region, seed=seed, spacing=spacing, deposits=deposits, table=False)
            anatomy = _anatomy(made.spec)
            kept = [(d, _dense(made.scan, d)) for d in made.truth.deposits]
            kept = [(d, runs) for d, runs in kept if len(runs)]
            deposits = [runs for _, runs in kept]
            seen = locate(made.scan, deposits, anatomy, 130.0)
            found = places(made.scan, deposits, seen, anatomy, None)
            for (deposit, _), place in zip(kept, found, strict=True):
                yield Row(region, str(deposit.site), str(deposit.tissue), place)


def _anatomy(spec: PhantomSpec) -> Anatomy:
    """Body and skeleton of the same phantom with nothing in it."""
    bare = realise(replace(spec, deposits=(), mimics=False)).scan
    body = find_body(bare)
    return Anatomy(body, find_bone(bare, dense_objects(bare.hu, 130.0), body))


def _dense(scan: Scan, deposit) -> Runs:  # type: ignore[no-untyped-def]
    mask = np.zeros(scan.hu.shape, np.bool_)
    mask[deposit.box] = (deposit.imaged > 0.3) & (scan.hu[deposit.box] >= 130)
    return from_mask(mask)


def confusion(found: Sequence[Row]) -> str:
    """Truth down, what is said across."""
    said = sorted({str(row.place.tissue) for row in found})
    lines = []
    for true in sorted({row.tissue for row in found}):
        counts = Counter(str(row.place.tissue) for row in found if row.tissue == true)
        lines.append(
            [true, str(sum(counts.values())), *(str(counts.get(word, 0)) for word in said)]
        )
    return table(["truth", "n", *said], lines)


def main() -> None:
    """Print the table; with `--all` every deposit under it."""
    found = list(rows())
    right = sum(row.tissue == row.place.tissue for row in found)
    print(confusion(found))
    print(f"{right} of {len(found)} as the truth has it")
    if "--all" in sys.argv:
        for row in found:
            place = row.place
            print(row.region, row.site, row.tissue, place.tissue, place.skin_depth_mm, end=" ")
            print(place.bone_distance_mm, place.joint_distance_mm)


if __name__ == "__main__":
    main()
