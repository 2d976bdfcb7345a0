"""How long one correction takes: ``python -m benchmarks.edits``.

A drawn trunk of 400 x 512 x 512 voxels with bones and 300 deposits is measured once, prepared once,
and then corrected by one edit at a time, as a reader's workbench does. Seconds are wall-clock, the
median of `REPEATS`, each after one run that is not counted.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from time import perf_counter

import numpy as np

import calcimetry as cm
from calcimetry.edits import Accept, AddByThreshold, Ball, Draw, Edit, Erase, Reject, SplitByPlane
from calcimetry.edits.records import SetPlace

SHAPE, SPACING = (400, 512, 512), (1.0, 0.75, 0.75)
DEPOSITS, REPEATS = 300, 7


def trunk(seed: int = 0) -> cm.Scan:
    """An ellipse of muscle under fat, four long bones, and balls of calcium between them."""
    rng = np.random.default_rng(seed)
    y, x = np.arange(SHAPE[1]), np.arange(SHAPE[2])
    out = np.hypot((y[:, None] - 256) / 190, (x[None] - 256) / 240)
    plane = np.where(out < 1, np.where(out < 0.9, 50, -100), -1000).astype(np.int16)
    places = []
    for by, bx in ((170, 150), (170, 360), (340, 150), (340, 360)):
        far = np.hypot(y[:, None] - by, x[None] - bx)
        plane[far < 22] = 250
        plane[(far < 22) & (far > 16)] = 1200
    hu = np.repeat(plane[None], SHAPE[0], axis=0)
    hu += rng.integers(-12, 13, SHAPE, dtype=np.int16)
    bones = plane > 200
    near = np.argwhere((plane == 50) & (np.abs(out - 0.6) < 0.25))
    while len(places) < DEPOSITS:
        at = np.array([rng.integers(8, SHAPE[0] - 8), *near[rng.integers(len(near))]])
        apart = all(np.abs(at - other).max() > 18 for other in places)
        if apart and not bones[at[1] - 12 : at[1] + 12, at[2] - 12 : at[2] + 12].any():
            places.append(at)
            radius = rng.uniform(2.0, 4.0)
            box = tuple(slice(c - 8, c + 9) for c in at)
            grid = np.meshgrid(*(np.arange(-8, 9) * s for s in SPACING), indexing="ij")
            hu[box] += np.where(sum(g**2 for g in grid) < radius**2, 500, 0).astype(np.int16)
    return cm.from_array(hu, spacing=SPACING)


def timed(ready, edits: Sequence[Edit]) -> float:
    """Seconds of one correction, warm."""
    seconds = []
    for _ in range(REPEATS + 1):
        began = perf_counter()
        cm.remeasure(ready, edits=edits)
        seconds.append(perf_counter() - began)
    return statistics.median(seconds[1:])


def main() -> None:
    scan = trunk()
    exam = cm.measure(scan, cm.Plan().changed("find", {"finder": "rules"}), jobs=2)
    began = perf_counter()
    ready = cm.prepare(scan, exam, jobs=2)
    print(f"{len(exam.deposits)} listed, {len(exam.objects)} other objects", end="; ")
    print(f"prepared once in {perf_counter() - began:.2f} s")
    deposit = exam.deposits[0]
    at, n = deposit.centroid_mm, deposit.number
    edits: dict[str, list[Edit]] = {
        "accept": [Accept(exam.deposits[-1].number)],
        "reject": [Reject(n)],
        "bring back": [Reject(n), Accept(-len(exam.objects) - 1)],
        "set place": [SetPlace(n, site="thigh")],
        "split by a plane": [SplitByPlane(n, at, (1.0, 0.0, 0.0))],
        "erase a ball": [Erase(Ball(at, 1.5), n)],
        "draw a ball": [Draw(Ball(tuple(np.add(at, (8.0, 0, 0)).tolist()), 3.0))],
        "add by threshold": [Reject(n), AddByThreshold(at, 8.0, 200.0)],
        "twenty rejected": [Reject(d.number) for d in exam.deposits[:20]],
    }
    for name, one in edits.items():
        print(f"{name:18} {1000 * timed(ready, one):6.0f} ms")


if __name__ == "__main__":
    main()
