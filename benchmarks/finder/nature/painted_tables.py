"""Markdown tables of guises and of what was painted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from benchmarks.finder.nature.guises import Alike
from benchmarks.finder.nature.sensitivity import Fate
from benchmarks.finder.tables import _table as table
from benchmarks.finder.tables import wilson
from numpy.typing import NDArray

ALIKE = 0.05
"""Of the mass: what a guise may change."""


def alike(pairs: Sequence[Alike], key: Callable[[Alike], str], title: str) -> str:
    """What scans and their guises have in common."""
    lines = []
    names = list(dict.fromkeys(map(key, pairs)))
    for name in [*names, "all"][: None if len(names) > 1 else 1]:
        part = [p for p in pairs if name in (key(p), "all")]
        both = [had for p in part for had in (*p.there, *p.back)]
        listed = [had for p in part for had in p.listed]
        ratios = np.array([m for p in part for m in p.masses])
        within = int((np.abs(ratios - 1) <= ALIKE).sum())
        deposits = [str(sum(len(p.there) for p in part)), str(sum(len(p.back) for p in part))]
        lines.append(
            [name, *deposits, wilson(sum(both), len(both)), wilson(sum(listed), len(listed)),
             wilson(within, len(ratios)), *_spread(np.abs(ratios - 1))]
        )  # fmt: skip
    head = [
        title, "deposits as it is", "in the guise", "in common", "at least listed",
        "mass within 5 %", "mass differs by, median", "90 % by less than",
    ]  # fmt: skip
    return table(head, lines)


def _spread(apart: NDArray[np.float64]) -> list[str]:
    if not len(apart):
        return ["-", "-"]
    return [f"{100 * q:.1f} %" for q in np.quantile(apart, (0.5, 0.9))]


SIZES = ((3, 4), (4, 5), (5, 6), (6, 8), (8, 12))
DENSITIES = ((0, 180), (180, 300), (300, 600), (600, 9999))
LEAST_MM = 4.0

Key = Callable[[Fate], str]


def size(fate: Fate) -> str:
    for low, high in SIZES:
        if low <= fate.diameter_mm < high:
            return f"{low}-{high} mm"
    return "under 3 mm" if fate.diameter_mm < SIZES[0][0] else "12 mm and more"


def density(fate: Fate) -> str:
    low, high = next(d for d in DENSITIES if d[0] <= fate.density_mg_cm3 < d[1])
    return f"{low} mg/cm3 and more" if high > 2000 else f"{low}-{high} mg/cm3"


def counted(fates: Iterable[Fate], where: str | None = None) -> list[Fate]:
    """Those of 4 mm and more, of one place or all."""
    return [f for f in fates if f.diameter_mm >= LEAST_MM and where in (f.where, None)]


def found(fates: Sequence[Fate], key: Key, title: str, wheres: Sequence[str]) -> str:
    """Shares called deposit, and listed, of each place."""
    lines = []
    for name in [*sorted({key(f) for f in fates}, key=_natural_order), "all"]:
        line = [name]
        for where in wheres:
            part = [f for f in fates if f.where == where and name in (key(f), "all")]
            line += [wilson(sum(getattr(f, how) for f in part), len(part))
                     for how in ("called", "listed")]  # fmt: skip
        lines.append(line)
    heads = [f"{where}: {what}" for where in wheres for what in ("deposit", "or uncertain")]
    return table([title, *heads], lines)


def _natural_order(name: str) -> tuple[int, str]:
    number = re.match(r"\d+", name)
    return (int(number[0]) if number else -1, name)


def crossed(fates: Sequence[Fate]) -> str:
    """Called deposit, by size down and density across."""
    across = sorted({density(f) for f in fates}, key=_natural_order)
    lines = []
    for name in sorted({size(f) for f in fates}, key=_natural_order):
        cells = [[f for f in fates if (size(f), density(f)) == (name, d)] for d in across]
        lines.append([name, *(wilson(sum(f.called for f in c), len(c)) for c in cells)])
    return table(["diameter", *across], lines)


def masses(fates: Sequence[Fate], wheres: Sequence[str]) -> str:
    """Errors of mass of what was called, by size, and how often the interval holds it."""
    lines = []
    for where in wheres:
        for name in sorted({size(f) for f in fates}, key=_natural_order):
            part = [f for f in fates if (f.where, size(f)) == (where, name) and f.error is not None]
            errors = np.array([f.error for f in part])
            bias = f"{100 * np.median(errors):+.0f} %" if part else "-"
            lines.append(
                [where, name, str(len(part)), bias, *_spread(np.abs(errors)),
                 wilson(sum(bool(f.covered) for f in part), len(part))]
            )  # fmt: skip
    head = ["place", "diameter", "n", "bias", "middle error", "90 % by less than", "in interval"]
    return table(head, lines)
