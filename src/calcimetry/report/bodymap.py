"""The whole views with numbers: labels stand in two columns beside the picture, each with a
line to its deposit, so that they never cover one another or what they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from calcimetry.report import svg
from calcimetry.report.numbers import given
from calcimetry.report.png import bar_length

TALL = 410.0  # units of height of the taller of the views
WIDE = 600.0  # units of width of both pictures together, at most
MARGIN = 34.0  # for the labels, on either side
STEP = 12.5  # least distance between labels

Point = tuple[int, float, float]
"""Number, and place (x, y) in units of the picture."""


def unit_mm(views: Sequence[Mapping[str, Any]]) -> float:
    """How many mm a unit of the drawings is, so that all views share one scale."""
    tall = max(view["height"] * view["mm_per_pixel"] for view in views)
    wide = sum(view["width"] * view["mm_per_pixel"] for view in views)
    return float(max(tall / TALL, wide / WIDE))


def place(view: Mapping[str, Any], deposit: Mapping[str, Any], unit: float) -> tuple[float, float]:
    """Where the centre of a deposit comes to lie, in units of the drawing."""
    lps = [deposit["x_mm"], deposit["y_mm"], deposit["z_mm"], 1.0]
    column, row = (
        sum(a * b for a, b in zip(line, lps, strict=True)) for line in view["lps_to_pixel"]
    )
    scale = view["mm_per_pixel"] / unit
    return column * scale, row * scale


def drawing(
    uri: str,
    view: Mapping[str, Any],
    points: Sequence[Point],
    unit: float,
    words: Mapping[str, str],
) -> Markup:
    """One view as SVG: picture, leader lines, numbers, letters of the sides, scale bar."""
    scale = view["mm_per_pixel"] / unit
    width, height = view["width"] * scale, view["height"] * scale
    tall = max(height, STEP * 3) + 42
    body = svg.image(uri, MARGIN, 14, width, height)
    body += _columns(points, width, height)
    body += _sides(width, height, words) + _bar(width, tall, unit)
    return Markup(
        '<svg class="map" viewBox="0 0 {w} {h}" role="group" aria-label="{alt}">{body}</svg>'
    ).format(w=svg.n(width + 2 * MARGIN), h=svg.n(tall), alt=words["alt"], body=body)


def room(view: Mapping[str, Any], unit: float) -> int:
    """How many labels a view has room for."""
    return 2 * int(max(1.0, view["height"] * view["mm_per_pixel"] / unit / STEP))


def _columns(points: Sequence[Point], width: float, height: float) -> Markup:
    """Half of the points to either side, by x, so that lines stay short."""
    order = sorted(points, key=lambda p: p[1])
    half = _split(order, width, int(max(1.0, height / STEP)))
    out = Markup("")
    for side, chosen in (("left", order[:half]), ("right", order[half:])):
        part = sorted(chosen, key=lambda p: p[2])
        for (number, x, y), label in zip(part, spread([p[2] for p in part], height), strict=True):
            out += _leader(number, (x + MARGIN, y + 14), label + 14, side, width)
    return out


def _split(order: Sequence[Point], width: float, most: int) -> int:
    """How many of the points go to the left: those left of the middle, within the room."""
    left = sum(x < width / 2 for _, x, _ in order)
    return max(len(order) - most, min(left, most))


def spread(wanted: Sequence[float], height: float) -> list[float]:
    """Heights as near as they can be to the wanted ones (rising), STEP apart, inside."""
    places: list[float] = []
    for y in wanted:
        places.append(max(y, places[-1] + STEP if places else STEP / 2))
    limit = height - STEP / 2
    for k in range(len(places) - 1, -1, -1):
        places[k] = min(places[k], limit)
        limit = places[k] - STEP
    return places


def _leader(number: int, at: tuple[float, float], label: float, side: str, width: float) -> Markup:
    edge = MARGIN - 4 if side == "left" else MARGIN + width + 4
    text = edge - 3 if side == "left" else edge + 3
    anchor = "end" if side == "left" else "start"
    ends = [(edge, label), at]
    marks = svg.path(ends, "#fff", 2.6) + svg.path(ends, width=0.8) + svg.dot(*at, 2)
    name = svg.text(text, label + 3.8, number, anchor=anchor, size=svg.TEXT, bold=True)
    return Markup('<a href="#deposit-{}"><g class="leader">{}</g></a>').format(number, marks + name)


def _sides(width: float, height: float, words: Mapping[str, str]) -> Markup:
    places = {
        "top": (MARGIN + width / 2, 10.0),
        "bottom": (MARGIN + width / 2, height + 26),
        "left": (MARGIN + 6, 24.0),
        "right": (MARGIN + width - 6, 24.0),
    }
    return svg.join(
        svg.text(x, y, words[name], size=svg.TEXT, ink=svg.MUTED) for name, (x, y) in places.items()
    )


def _bar(width: float, tall: float, unit: float) -> Markup:
    mm = bar_length(width * unit / 4)
    right, y = MARGIN + width, tall - 8
    left = right - mm / unit
    bar = svg.path([(left, y - 3), (left, y), (right, y), (right, y - 3)])
    return bar + svg.text(left - 4, y + 1, f"{given(mm)} mm", anchor="end")
