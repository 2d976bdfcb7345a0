"""Small charts as inline SVG, made by hand: dot-and-bar rows, histograms, share bars.

Text is text, lines are dark on white, and nothing is told by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

INK, SOFT, RULE = "#1b2730", "#7d94a3", "#b9c4cb"


@dataclass(frozen=True, slots=True)
class Scale:
    """From a value to 0..1 along an axis, with the values that get a tick."""

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Place of a value; beyond an end it is that end."""
        if not self.logarithmic:
            share = (value - self.low) / (self.high - self.low)
        elif value <= self.low:
            return 0.0
        else:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        return min(1.0, max(0.0, share))


def log_scale(values: Sequence[float]) -> Scale:
    """Whole decades round the positive values, at most five."""
    positive = [value for value in values if value > 0] or [1.0]
    top = math.ceil(math.log10(max(positive)) + 1e-9)
    bottom = max(min(math.floor(math.log10(min(positive))), top - 1), top - 5)
    ticks = tuple(10.0**power for power in range(bottom, top + 1))
    return Scale(ticks[0], ticks[-1], True, ticks)


def linear_scale(values: Sequence[float]) -> Scale:
    """From 0 to a round number, with three to six ticks."""
    most = max([value for value in values if value > 0], default=1.0)
    step = next(
        base * 10.0**power
        for power in range(-3, 9)
        for base in (1, 2, 5)
        if most <= 5 * base * 10.0**power
    )
    count = max(2, math.ceil(most / step - 1e-9))
    return Scale(0.0, step * count, False, tuple(step * k for k in range(count + 1)))


Spread = tuple[float, float | None, float | None]
"""Value, low end, high end."""


def interval_bar(spread: Spread, scale: Scale) -> Markup:
    """A dot with its interval on an axis with ticks; hidden from readers of the numbers."""
    left, wide = 8.0, 144.0
    marks = Markup("").join(
        Markup(
            '<line x1="{x}" x2="{x}" y1="13" y2="16" stroke="{ink}" stroke-width="0.7"/>'
            '<text x="{x}" y="24" font-size="7.5" text-anchor="middle" fill="{ink}">{t}</text>'
        ).format(x=_n(left + wide * scale.at(tick)), t=_tick(tick), ink=INK)
        for tick in scale.ticks
    )
    return Markup(
        '<svg class="bar" viewBox="0 0 160 26" aria-hidden="true">'
        '<line x1="{a}" x2="{b}" y1="13" y2="13" stroke="{rule}"/>{marks}{row}</svg>'
    ).format(
        a=left, b=left + wide, rule=RULE, marks=marks, row=_row(spread, scale, (left, wide), 7)
    )


def _row(spread: Spread, scale: Scale, span: tuple[float, float], y: float) -> Markup:
    value, low, high = spread
    x = [span[0] + span[1] * scale.at(v) for v in (value, low or 0.0, high or 0.0)]
    bar = Markup("")
    if low is not None and high is not None:
        bar = Markup('<rect x="{}" y="{}" width="{}" height="4" rx="1" fill="{}"/>').format(
            _n(x[1]), _n(y - 2), _n(max(1.0, x[2] - x[1])), SOFT
        )
    return bar + Markup('<rect x="{}" y="{}" width="2" height="10" fill="{}"/>').format(
        _n(x[0] - 1), _n(y - 5), INK
    )


def forest(rows: Sequence[tuple[str, Spread]], scale: Scale, alt: str) -> Markup:
    """A row for each thing: its name, a dot, its interval; ticks above and below."""
    left, wide, step, top = 34.0, 280.0, 14.0, 18.0
    bottom = top + step * len(rows)
    grid = Markup("").join(
        Markup(
            '<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom}" stroke="{rule}" stroke-width="0.7"/>'
            '<text x="{x}" y="{t}" font-size="10" text-anchor="middle" fill="{ink}">{text}</text>'
        ).format(
            x=_n(left + wide * scale.at(tick)),
            top=top - 4,
            bottom=bottom,
            t=top - 7,
            text=_tick(tick),
            rule=RULE,
            ink=INK,
        )
        for tick in scale.ticks
    )
    body = Markup("").join(
        Markup('<text x="{}" y="{}" font-size="10" text-anchor="end" fill="{}">{}</text>').format(
            left - 8, _n(top + step * (k + 0.5) + 3.5), INK, name
        )
        + _row(spread, scale, (left, wide), top + step * (k + 0.5))
        for k, (name, spread) in enumerate(rows)
    )
    return _chart(330, bottom + 4, alt, grid + body)


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
    parts = [
        Markup('<line x1="{}" x2="{}" y1="{y}" y2="{y}" stroke="{ink}"/>').format(
            left, left + wide, y=base, ink=INK
        )
    ]
    for k, count in enumerate(found.counts):
        tall = high * count / most
        x = left + step * k
        parts.append(
            Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="#5b7688"/>').format(
                _n(x + 1), _n(base - tall), _n(step - 2), _n(tall)
            )
        )
        if count:
            parts.append(_label(x + step / 2, base - tall - 4, str(count)))
    skip = math.ceil(len(found.edges) / 11)
    parts += [
        _label(left + step * k, base + 13, _tick(edge))
        for k, edge in enumerate(found.edges)
        if k % skip == 0
    ]
    return _chart(330, base + 20, alt, Markup("").join(parts))


def share_bar(share: float) -> Markup:
    """A part of the whole, as a bar."""
    return Markup(
        '<svg class="share" viewBox="0 0 100 10" aria-hidden="true">'
        '<rect width="100" height="10" fill="#e3e9ec"/>'
        '<rect width="{}" height="10" fill="#5b7688"/></svg>'
    ).format(_n(100 * min(1.0, max(0.0, share))))


def _chart(width: float, height: float, alt: str, body: Markup) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(_n(width), _n(height), alt, body)


def _label(x: float, y: float, text: str) -> Markup:
    return Markup(
        '<text x="{}" y="{}" font-size="10" text-anchor="middle" fill="{}">{}</text>'
    ).format(_n(x), _n(y), INK, text)


def _tick(value: float) -> str:
    return f"{value:.4g}" if value < 10_000 else f"{value / 1000:g}k"


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
