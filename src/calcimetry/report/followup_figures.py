"""Figures of a follow-up, drawn as SVG: totals over time, lineages over time, paired crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from markupsafe import Markup

from calcimetry.report import svg

_COLOURS = {
    "grown": "#d55e00", "new": "#d55e00", "shrunk": "#0072b2", "gone": "#0072b2",
    "split": "#009e73", "merged": "#009e73",
}  # fmt: skip
_WIDE, _HIGH, _LEFT, _TOP, _BOTTOM = 640.0, 300.0, 64.0, 30.0, 44.0
_MOST_LINES, _MOST_CROPS = 40, 24
_EDGE, _GAP = 152.0, 8.0  # of a crop, and between two

Positions = Mapping[int, float]


def figures(
    document: Mapping[str, Any], pictures: Sequence[Mapping[str, bytes]]
) -> dict[str, Markup]:
    """SVG by file name. `pictures` are the visits' saved PNGs, in order."""
    made = {"timeline.svg": timeline(document), "lineages.svg": lineages(document)}
    crops = paired_crops(document, pictures)
    return {**made, "crops.svg": crops} if crops else made


def timeline(document: Mapping[str, Any]) -> Markup:
    """Total mass of each visit with its 95 % interval."""
    visits = document["visits"]
    at = _times(visits)
    tops = [v["mass_mg"]["high"] or v["mass_mg"]["value"] or 0.0 for v in visits]
    scale = svg.linear_scale(tops)
    known = [v for v in visits if v["mass_mg"]["value"] is not None]
    points = [(at[v["visit"]], _y(scale, v["mass_mg"]["value"])) for v in known]
    body = [_ticks(scale), svg.path(points, width=1.6)] if points else [_ticks(scale)]
    for v, (x, y) in zip(known, points, strict=True):
        low, high = v["mass_mg"]["low"], v["mass_mg"]["high"]
        if low is not None and high is not None:
            body.append(svg.line((x, _y(scale, low)), (x, _y(scale, high)), svg.SOFT, 2.4))
        body.append(svg.dot(x, y, 4))
    return _chart("Total mass at each visit, mg, with 95 % interval", [*body, _axis(visits, at)])


def lineages(document: Mapping[str, Any]) -> Markup:
    """A line for each lineage, on a logarithmic scale of mass; called changes in colour."""
    visits = document["visits"]
    at = _times(visits)
    rows = sorted(document["lineages"], key=_heaviest, reverse=True)
    kept = list(dict.fromkeys(row["lineage"] for row in rows))[:_MOST_LINES]
    shown = [row for row in rows if row["lineage"] in kept and row["fate"] != "not_covered"]
    masses = [m for row in rows for m in (row["mass_from_mg"], row["mass_to_mg"]) if m]
    # A mass at a whole decade stands apart from the bottom, where those that are gone end.
    scale = svg.log_scale([0.89 * m for m in masses] + masses, most=12)
    body = [_ticks(scale), *(_course(row, at, scale) for row in shown), *_names(shown, at, scale)]
    return _chart("Mass of each lineage, mg; called changes in colour", [*body, _axis(visits, at)])


def _course(row: Mapping[str, Any], at: Positions, scale: svg.Scale) -> Markup:
    """A lineage from one visit to the next; a called change is thicker too."""
    ends = [
        (at[row["visit_from"]], _y(scale, row["mass_from_mg"] or 0.0)),
        (at[row["visit_to"]], _y(scale, row["mass_to_mg"] or 0.0)),
    ]
    called = row["change"]["called"] and row["fate"] in _COLOURS
    return svg.path(ends, _COLOURS[row["fate"]], 2.2) if called else svg.path(ends, svg.SOFT, 1.4)


def _names(rows: Sequence[Mapping[str, Any]], at: Positions, scale: svg.Scale) -> list[Markup]:
    """Each lineage's name once where its line ends, lower ones moved aside by what is above."""
    last = {row["lineage"]: row for row in sorted(rows, key=lambda row: row["visit_to"])}
    made: list[Markup] = []
    lowest: dict[float, float] = {}
    for row in sorted(last.values(), key=lambda row: _y(scale, row["mass_to_mg"] or 0.0)):
        x = at[row["visit_to"]]
        y = max(_y(scale, row["mass_to_mg"] or 0.0), lowest.get(x, 0.0) + svg.TEXT)
        if y > _HIGH - _BOTTOM + svg.TEXT:
            continue  # no room below: those that are gone share the bottom
        lowest[x] = y
        made.append(svg.text(x + 6, y + 3, row["lineage"], anchor="start", size=svg.TEXT))
    return made


def _heaviest(row: Mapping[str, Any]) -> float:
    return max(row["mass_from_mg"] or 0.0, row["mass_to_mg"] or 0.0)


def paired_crops(
    document: Mapping[str, Any], pictures: Sequence[Mapping[str, bytes]]
) -> Markup | None:
    """The biggest lineages' axial crops of both visits side by side, in one orientation."""
    parts: list[Markup] = []
    for row in sorted(document["lineages"], key=_heaviest, reverse=True):
        pair = [
            _crop(pictures[visit - 1], numbers)
            for visit, numbers in (
                (row["visit_from"], row["deposits_from"]),
                (row["visit_to"], row["deposits_to"]),
            )
        ]
        if pair == [None, None] or len(parts) >= _MOST_CROPS:
            continue
        down, right = divmod(len(parts), 2)
        corner = (right * (2 * _EDGE + 3 * _GAP), down * (_EDGE + 18 + _GAP))
        parts.append(_crop_pair(row, pair, corner))
    if not parts:
        return None
    alt = "Axial crops of each lineage, earlier visit on the left"
    high = (len(parts) + 1) // 2 * (_EDGE + 18 + _GAP)
    return svg.drawing((_WIDE, high), alt, parts, alone=True) + "\n"


def _crop(pictures: Mapping[str, bytes], numbers: Sequence[int]) -> bytes | None:
    names = (f"deposit-{n}-axial-bone.png" for n in numbers)
    return next((pictures[name] for name in names if name in pictures), None)


def _crop_pair(
    row: Mapping[str, Any], pair: Sequence[bytes | None], corner: tuple[float, float]
) -> Markup:
    """The crops of both visits under a line of words, from an upper left corner."""
    left, y = corner
    title = f"{row['lineage']}: {row['fate'].replace('_', ' ')}, visit {row['visit_from']} and "
    title += str(row["visit_to"])
    parts = [svg.text(left, y + 12, title, anchor="start", size=svg.TEXT)]
    for k, png in enumerate(pair):
        x = left + k * (_EDGE + _GAP)
        if png is None:
            parts.append(svg.box(x, y + 18, _EDGE, _EDGE, "none", svg.RULE))
        else:
            parts.append(svg.image(svg.data_uri(png), x, y + 18, _EDGE, _EDGE))
    return svg.join(parts)


def _times(visits: Sequence[Mapping[str, Any]]) -> Positions:
    """Where each visit stands: by date where all are known, else evenly."""
    try:
        days = [float(date.fromisoformat(v["date"][:10]).toordinal()) for v in visits]
    except (TypeError, ValueError):
        days = [float(k) for k in range(len(visits))]
    if len(set(days)) < len(days):
        days = [float(k) for k in range(len(visits))]
    span = max(days) - min(days) or 1.0
    inner = _WIDE - _LEFT - 64
    return {
        v["visit"]: _LEFT + 28 + inner * (d - min(days)) / span
        for v, d in zip(visits, days, strict=True)
    }


def _y(scale: svg.Scale, value: float) -> float:
    return _HIGH - _BOTTOM - (_HIGH - _TOP - _BOTTOM) * scale.at(value)


def _ticks(scale: svg.Scale) -> Markup:
    """Rules across the figure with their values."""
    parts = []
    for value in scale.ticks:
        y = _y(scale, value)
        parts.append(svg.line((_LEFT, y), (_WIDE - 8, y), svg.RULE, 0.7))
        parts.append(svg.text(_LEFT - 6, y + 4, svg.tick(value), anchor="end", size=svg.TEXT))
    return svg.join(parts)


def _axis(visits: Sequence[Mapping[str, Any]], at: Positions) -> Markup:
    """Number and date of each visit below."""
    return svg.join(
        svg.text(at[v["visit"]], y, said, size=svg.TEXT)
        for v in visits
        for y, said in ((_HIGH - 22, v["visit"]), (_HIGH - 8, v["date"] or ""))
    )


def _chart(alt: str, body: Sequence[Markup]) -> Markup:
    title = svg.text(8, 14, alt, anchor="start", size=svg.TEXT)
    return svg.drawing((_WIDE, _HIGH), alt, [title, *body], alone=True) + "\n"
