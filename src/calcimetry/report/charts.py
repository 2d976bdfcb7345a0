"""Small charts of the report: dot-and-bar rows, histograms, share bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from calcimetry.report import svg
from calcimetry.report.svg import Scale

Spread = tuple[float, float | None, float | None]
"""Value, low end, high end."""


def interval_bar(spread: Spread, scale: Scale) -> Markup:
    """A mark with its interval on an axis with ticks; hidden from readers of the numbers."""
    left, wide = 8.0, 144.0
    marks = [svg.line((left, 13), (left + wide, 13), svg.RULE)]
    for tick in scale.ticks:
        x = left + wide * scale.at(tick)
        marks.append(svg.line((x, 13), (x, 16), width=0.7))
        marks.append(svg.text(x, 24, svg.tick(tick), size=svg.TINY))
    body = svg.join([*marks, _row(spread, scale, (left, wide), 7)])
    return Markup('<svg class="bar" viewBox="0 0 160 26" aria-hidden="true">{}</svg>').format(body)


def _row(spread: Spread, scale: Scale, span: tuple[float, float], y: float) -> Markup:
    """The interval as a bar 4 units high, the value as an upright stroke over it."""
    value, low, high = spread
    x = [span[0] + span[1] * scale.at(v) for v in (value, low or 0.0, high or 0.0)]
    mark = svg.box(x[0] - 1, y - 5, 2, 10, svg.INK)
    if low is None or high is None:
        return mark
    return svg.box(x[1], y - 2, max(1.0, x[2] - x[1]), 4, svg.SOFT) + mark


def forest(rows: Sequence[tuple[str, Spread]], scale: Scale, alt: str) -> Markup:
    """A row for each thing: its name, its value, its interval; ticks above."""
    left, wide, step, top = 34.0, 280.0, 14.0, 18.0
    bottom = top + step * len(rows)
    parts = []
    for tick in scale.ticks:
        x = left + wide * scale.at(tick)
        parts.append(svg.line((x, top - 4), (x, bottom), svg.RULE, 0.7))
        parts.append(svg.text(x, top - 7, svg.tick(tick)))
    for k, (name, spread) in enumerate(rows):
        y = top + step * (k + 0.5)
        parts.append(svg.text(left - 8, y + 3.5, name, anchor="end"))
        parts.append(_row(spread, scale, (left, wide), y))
    return svg.drawing((330, bottom + 4), alt, parts, "chart")


@dataclass(frozen=True, slots=True)
class Bins:
    """Numbers of things between edges."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


def bins(values: Sequence[float], scale: Scale) -> Bins:
    """Values counted between 1-2-5 steps (logarithmic scale) or quarters of its ticks."""
    if scale.logarithmic:
        steps = [tick * base for tick in scale.ticks[:-1] for base in (1.0, 2.0, 5.0)]
        edges = (*steps, scale.ticks[-1])
    else:
        step = (scale.ticks[1] - scale.ticks[0]) / 2
        edges = tuple(step * k for k in range(round(scale.high / step) + 1))
    counts = [0] * (len(edges) - 1)
    for value in values:
        place = sum(edge <= value for edge in edges) - 1
        counts[min(max(place, 0), len(counts) - 1)] += 1
    return Bins(edges, tuple(counts))


def histogram(found: Bins, alt: str) -> Markup:
    """Bars of equal width with their counts, and the edges named below."""
    left, wide, high, top = 14.0, 304.0, 120.0, 16.0
    most, step = max(*found.counts, 1), wide / len(found.counts)
    base = top + high
    parts = [svg.line((left, base), (left + wide, base))]
    for k, count in enumerate(found.counts):
        tall = high * count / most
        x = left + step * k
        parts.append(svg.box(x + 1, base - tall, step - 2, tall))
        if count:
            parts.append(svg.text(x + step / 2, base - tall - 4, count))
    skip = math.ceil(len(found.edges) / 11)
    parts += [
        svg.text(left + step * k, base + 13, svg.tick(edge))
        for k, edge in enumerate(found.edges)
        if k % skip == 0
    ]
    return svg.drawing((330, base + 20), alt, parts, "chart")


def share_bar(share: float) -> Markup:
    """A part of the whole, as a bar."""
    part = svg.box(0, 0, 100 * min(1.0, max(0.0, share)), 10)
    body = svg.box(0, 0, 100, 10, svg.PALE) + part
    return Markup('<svg class="share" viewBox="0 0 100 10" aria-hidden="true">{}</svg>').format(
        body
    )
