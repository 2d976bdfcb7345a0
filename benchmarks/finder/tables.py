"""Markdown tables of the study, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from benchmarks.finder.natural import Seen
from benchmarks.finder.study import GENERATORS, Called, FalseAlarm, Outcome

LEAST_MM = 4.0


def wilson(hits: int, count: int) -> str:
    """Share with its 95 % interval (Wilson 1927, doi 10.1080/01621459.1927.10502953)."""
    if count == 0:
        return "-"
    z, p = 1.96, hits / count
    middle = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(p * (1 - p) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    low, high = abs(100 * (middle - half)), 100 * (middle + half)
    return f"{hits}/{count} = {100 * p:.0f} % ({low:.0f}-{high:.0f})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def counted(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Deposits of LEAST_MM or more that have dense voxels and lie within the field."""
    return [
        o
        for o in outcomes
        if not (o.null or o.cut) and o.share_deposit is not None and o.diameter_mm >= LEAST_MM
    ]


def by(outcomes: Sequence[Outcome], title: str, key: Callable[[Outcome], str]) -> str:
    names = sorted({key(o) for o in outcomes})
    rows = []
    for name in names:
        row = [name]
        for generator in GENERATORS:
            part = [o for o in outcomes if o.generator == generator and key(o) == name]
            row.append(wilson(sum(o.hit for o in part), len(part)))
            row.append(wilson(sum(o.listed for o in part), len(part)))
        rows.append(row)
    head = [title, *(f"{g}: {what}" for g in GENERATORS for what in ("deposit", "or uncertain"))]
    return _table(head, rows)


def size(o: Outcome) -> str:
    for low, high in ((4, 6), (6, 10), (10, 16)):
        if o.diameter_mm < high:
            return f"{low:02d}-{high} mm"
    return "16 mm and more"


def density(o: Outcome) -> str:
    for low, high in ((0, 180), (180, 300), (300, 500)):
        if o.density_mg_cm3 < high:
            return f"{low:03d}-{high} mg/cm3"
    return "500 mg/cm3 and more"


def nulls(outcomes: Sequence[Outcome]) -> str:
    rows = []
    for generator in GENERATORS:
        part = [o for o in outcomes if o.null and o.generator == generator]
        rows.append([generator, wilson(sum(o.hit for o in part), len(part))])
    return _table(["null insertions", "called deposit"], rows)


def natural(rows: Iterable[tuple[str, float, Sequence[FalseAlarm], dict[str, int]]]) -> str:
    return _table(
        ["scan", "s", "false deposits >= 3 mm", "their mm3", "findings by kind"],
        [
            [
                case,
                f"{seconds:.1f}",
                str(len(false)),
                ", ".join(f"{f.volume_mm3:.0f}" for f in sorted(false, key=lambda f: -f.volume_mm3))
                or "-",
                ", ".join(f"{k} {n}" for k, n in sorted(found.items())),
            ]
            for case, seconds, false, found in rows
        ],
    )


def truths(rows: Iterable[Seen]) -> str:
    return _table(
        ["scan", "middle (z, y, x)", "mm3 at 180 HU", "called deposit", "or uncertain"],
        [
            [
                s.case,
                str(s.at),
                f"{s.volume_mm3:.0f}",
                f"{100 * s.deposit:.0f} %",
                f"{100 * s.listed:.0f} %",
            ]
            for s in rows
        ],
    )


SURENESS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 1.0001)


def reliability(found: Sequence[Called]) -> str:
    """What is called a deposit, by how sure the finder says it is: the share that is one."""
    rows = []
    for low, high in pairwise(SURENESS):
        part = [c for c in found if low <= c.confidence < high]
        mean = f"{np.mean([c.confidence for c in part]):.2f}" if part else "-"
        row = [f"{low:.2f} to {min(high, 1):.2f}", mean]
        for generator in GENERATORS:
            mine = [c for c in part if c.generator == generator]
            row.append(wilson(sum(c.right for c in mine), len(mine)))
        rows.append(row)
    return _table(["confidence", "mean", *(f"{g}: is one" for g in GENERATORS)], rows)


def froc(outcomes: Sequence[Outcome], false: Sequence[FalseAlarm], scans: int) -> str:
    """Sensitivity of counted deposits against false deposits a natural scan."""
    rows = []
    for least in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98):
        row = [f"{least}", f"{sum(f.confidence >= least for f in false) / max(scans, 1):.2f}"]
        for generator in GENERATORS:
            part = [o for o in outcomes if o.generator == generator]
            row.append(wilson(sum(o.hit and o.confidence >= least for o in part), len(part)))
        rows.append(row)
    return _table(["confidence >=", "false a natural scan", *GENERATORS], rows)
