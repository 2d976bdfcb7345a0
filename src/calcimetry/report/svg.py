"""The drawing kit of every figure: inks, sizes of text, marks, scales and ticks, as inline SVG.

Marks take units of the drawing and give Markup; texts are escaped and made fit for a page. Lines
are dark on white, text is text, and nothing is told by colour alone. A figure that is also saved
as a file of its own (`drawing(..., alone=True)`) names its font; in a page it takes the page's.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from calcimetry.escape import page_text
from calcimetry.report.numbers import given

INK = "#1b2730"  # text, axes, values
MUTED = "#4a5a66"  # what is said beside them
SOFT = "#7d94a3"  # intervals, what is not called
RULE = "#b9c4cb"  # lines behind marks
FILL = "#5b7688"  # bars
PALE = "#e3e9ec"  # the rest of a bar

TINY, SMALL, TEXT = 7.5, 10.0, 11.0  # sizes of text


def n(value: float) -> str:
    """A coordinate: at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def join(parts: Iterable[Markup]) -> Markup:
    """Marks one after the other, the last one on top."""
    return Markup("").join(parts)


def text(
    x: float,
    y: float,
    said: object,
    *,
    anchor: str = "middle",
    size: float = SMALL,
    ink: str = INK,
    bold: bool = False,
) -> Markup:
    """Words whose base line is at y; anchor : start, middle, end"""
    weight = Markup(' font-weight="600"') if bold else ""
    return Markup(
        '<text x="{}" y="{}" font-size="{}"{} text-anchor="{}" fill="{}">{}</text>'
    ).format(n(x), n(y), n(size), weight, anchor, ink, page_text(str(said)))


def line(
    start: tuple[float, float], end: tuple[float, float], ink: str = INK, width: float = 1.0
) -> Markup:
    """A straight line between two points (x, y)."""
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="{}" stroke-width="{}"/>').format(
        n(start[0]), n(start[1]), n(end[0]), n(end[1]), ink, n(width)
    )


def path(
    points: Sequence[tuple[float, float]], ink: str = INK, width: float = 1.0, dash: str = ""
) -> Markup:
    """A line through points (x, y); `dash` as SVG's stroke-dasharray."""
    places = "M" + "L".join(f"{n(x)} {n(y)}" for x, y in points)
    broken = Markup(' stroke-dasharray="{}"').format(dash) if dash else ""
    return Markup('<path d="{}" fill="none" stroke="{}" stroke-width="{}"{}/>').format(
        places, ink, n(width), broken
    )


def box(
    x: float, y: float, width: float, height: float, fill: str = FILL, stroke: str = "none"
) -> Markup:
    """A rectangle from its upper left corner."""
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="{}" stroke="{}"/>').format(
        n(x), n(y), n(width), n(height), fill, stroke
    )


def dot(x: float, y: float, radius: float, ink: str = INK) -> Markup:
    """A filled circle with a white edge, so that it stands out from lines."""
    return Markup(
        '<circle cx="{}" cy="{}" r="{}" fill="{}" stroke="#fff" stroke-width="0.8"/>'
    ).format(n(x), n(y), n(radius), ink)


def data_uri(png: bytes) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def image(uri: str, x: float, y: float, width: float, height: float) -> Markup:
    """A picture by its data URI."""
    return Markup('<image href="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        uri, n(x), n(y), n(width), n(height)
    )


def drawing(
    size: tuple[float, float], alt: str, body: Iterable[Markup], kind: str = "", alone: bool = False
) -> Markup:
    """A whole figure of a size (width, height) with words for those who do not see it.

    kind : class by which the page's style knows it
    alone : whether it is also a file of its own
    """
    own = Markup(' xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"') if alone else ""
    named = Markup(' class="{}"').format(kind) if kind else ""
    return Markup('<svg{}{} viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        own, named, n(size[0]), n(size[1]), page_text(alt), join(body)
    )


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


def log_scale(values: Sequence[float], most: int = 5) -> Scale:
    """Whole decades round the positive values, at most so many: the upper ones."""
    positive = [value for value in values if value > 0] or [1.0]
    top = math.ceil(math.log10(max(positive)) + 1e-9)
    bottom = max(min(math.floor(math.log10(min(positive))), top - 1), top - most)
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


def tick(value: float) -> str:
    """A tick's number, narrow and never in powers of ten: from 10 000 on as k, then as M."""
    if value >= 1e6:
        return given(value / 1e6) + "M"
    return given(value / 1e3) + "k" if value >= 1e4 else given(value)
