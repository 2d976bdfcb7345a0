"""Figures of a follow-up, drawn as SVG: totals over time, lineages over time, paired crops."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
from markupsafe import Markup

from calcimetry.escape import page_text

INK, RULE, SOFT = "#24333b", "#d5dee3", "#9db4c0"
_COLOURS = {
    "grown": "#d55e00", "new": "#d55e00", "shrunk": "#0072b2", "gone": "#0072b2",
    "split": "#009e73", "merged": "#009e73",
}  # fmt: skip
_WIDE, _HIGH, _LEFT, _TOP, _BOTTOM = 640.0, 300.0, 64.0, 24.0, 44.0
_MOST_LINES, _MOST_CROPS = 40, 24

Positions = Mapping[int, float]


def figures(facts: Mapping[str, Any], pictures: Sequence[Mapping[str, bytes]]) -> dict[str, Markup]:
    """SVG by file name. `pictures` are the visits' saved PNGs, in order."""
    made = {"timeline.svg": timeline(facts), "lineages.svg": lineages(facts)}
    crops = paired_crops(facts, pictures)
    return {**made, "crops.svg": crops} if crops else made


def timeline(facts: Mapping[str, Any]) -> Markup:
    """Total mass of each visit with its 95 % interval."""
    visits = facts["visits"]
    at = _times(visits)
    tops = [v["mass_mg"]["high"] or v["mass_mg"]["value"] or 0.0 for v in visits]
    most = max([*tops, 1.0]) * 1.05
    known = [v for v in visits if v["mass_mg"]["value"] is not None]
    points = [(at[v["visit"]], _y(v["mass_mg"]["value"] / most)) for v in known]
    body = [_ticks(most), _line(points, INK)]
    for v, (x, y) in zip(known, points, strict=True):
        low, high = v["mass_mg"]["low"], v["mass_mg"]["high"]
        if low is not None and high is not None:
            body.append(_whisker(x, _y(low / most), _y(high / most)))
        body.append(Markup('<circle cx="{}" cy="{}" r="4" fill="{}"/>').format(_n(x), _n(y), INK))
    return _svg("Total mass at each visit, mg, with 95 % interval", body, _axis(visits, at))


def lineages(facts: Mapping[str, Any]) -> Markup:
    """A line for each lineage, on a logarithmic scale of mass; called changes in colour."""
    at, visits = _times(facts["visits"]), facts["visits"]
    rows = sorted(facts["lineages"], key=_heaviest, reverse=True)
    kept = list(dict.fromkeys(row["lineage"] for row in rows))[:_MOST_LINES]
    masses = [m for row in rows for m in (row["mass_from_mg"], row["mass_to_mg"]) if m]
    low, high = _decades(masses)
    body = [_decade_ticks(low, high)]

    def y(mass: float | None) -> float:
        return _y(0.0 if not mass else (np.log10(mass) - low) / (high - low))

    for row in rows:
        if row["lineage"] not in kept or row["fate"] == "not_covered":
            continue
        ends = [
            (at[row["visit_from"]], y(row["mass_from_mg"])),
            (at[row["visit_to"]], y(row["mass_to_mg"])),
        ]
        colour = _COLOURS.get(row["fate"], SOFT) if row["change"]["called"] else SOFT
        body += [_line(ends, colour), _name(row, ends[1])]
    return _svg("Mass of each lineage, mg; called changes in colour", body, _axis(visits, at))


def _heaviest(row: Mapping[str, Any]) -> float:
    return max(row["mass_from_mg"] or 0.0, row["mass_to_mg"] or 0.0)


def paired_crops(
    facts: Mapping[str, Any], pictures: Sequence[Mapping[str, bytes]]
) -> Markup | None:
    """The biggest lineages' axial crops of both visits side by side, in one orientation."""
    edge, gap = 150.0, 8.0
    parts: list[Markup] = []
    y = 0.0
    for row in sorted(facts["lineages"], key=_heaviest, reverse=True):
        pair = [
            _crop(pictures[visit - 1], numbers)
            for visit, numbers in (
                (row["visit_from"], row["deposits_from"]),
                (row["visit_to"], row["deposits_to"]),
            )
        ]
        if pair == [None, None] or len(parts) >= _MOST_CROPS:
            continue
        parts.append(_crop_row(row, pair, y, edge))
        y += edge + 18 + gap
    if not parts:
        return None
    wide = 2 * edge + gap
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img" '
        'aria-label="Axial crops of each lineage, earlier visit on the left">{}</svg>\n'
    ).format(_n(wide), _n(y), Markup("").join(parts))


def _crop(pictures: Mapping[str, bytes], numbers: Sequence[int]) -> bytes | None:
    return next(
        (
            pictures[f"deposit-{n}-axial-bone.png"]
            for n in numbers
            if f"deposit-{n}-axial-bone.png" in pictures
        ),
        None,
    )


def _crop_row(
    row: Mapping[str, Any], pair: Sequence[bytes | None], y: float, edge: float
) -> Markup:
    title = f"{row['lineage']}: {row['fate'].replace('_', ' ')}, visit {row['visit_from']} and "
    out = _text(0, y + 12, f"{title}{row['visit_to']}", "start")
    for k, png in enumerate(pair):
        x = k * (edge + 8)
        if png is None:
            out += Markup(
                '<rect x="{}" y="{}" width="{w}" height="{w}" fill="none" stroke="{r}"/>'
            ).format(_n(x), _n(y + 18), w=_n(edge), r=RULE)
            continue
        data = base64.b64encode(png).decode("ascii")
        out += Markup(
            '<image x="{}" y="{}" width="{w}" height="{w}" href="data:image/png;base64,{d}"/>'
        ).format(_n(x), _n(y + 18), w=_n(edge), d=data)
    return out


def _times(visits: Sequence[Mapping[str, Any]]) -> Positions:
    """Where each visit stands: by date where all are known, else evenly."""
    try:
        days = [float(date.fromisoformat(v["date"][:10]).toordinal()) for v in visits]
    except (TypeError, ValueError):
        days = [float(k) for k in range(len(visits))]
    if len(set(days)) < len(days):
        days = [float(k) for k in range(len(visits))]
    span = max(days) - min(days) or 1.0
    inner = _WIDE - _LEFT - 48
    return {
        v["visit"]: _LEFT + 24 + inner * (d - min(days)) / span
        for v, d in zip(visits, days, strict=True)
    }


def _y(share: float) -> float:
    return _HIGH - _BOTTOM - (_HIGH - _TOP - _BOTTOM) * float(np.clip(share, 0, 1))


def _decades(masses: Sequence[float]) -> tuple[float, float]:
    if not masses:
        return 0.0, 1.0
    low, high = np.floor(np.log10(min(masses)) - 0.05), np.ceil(np.log10(max(masses)))
    return float(low), float(max(high, low + 1))


def _decade_ticks(low: float, high: float) -> Markup:
    marks = [
        _tick((power - low) / (high - low), f"{10.0**power:g}")
        for power in range(int(low), int(high) + 1)
    ]
    return Markup("").join(marks)


def _ticks(most: float) -> Markup:
    step = 10.0 ** np.floor(np.log10(most))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if most / s <= 6)
    count = int(most / step)
    return Markup("").join(_tick(k * step / most, f"{k * step:g}") for k in range(count + 1))


def _tick(share: float, text: str) -> Markup:
    y = _y(share)
    rule = Markup('<line x1="{}" x2="{}" y1="{y}" y2="{y}" stroke="{}"/>').format(
        _n(_LEFT), _n(_WIDE - 8), RULE, y=_n(y)
    )
    return rule + _text(_LEFT - 6, y + 4, text, "end")


def _axis(visits: Sequence[Mapping[str, Any]], at: Positions) -> Markup:
    marks = [
        _text(at[v["visit"]], _HIGH - 22, str(v["visit"]), "middle")
        + _text(at[v["visit"]], _HIGH - 8, v["date"] or "", "middle")
        for v in visits
    ]
    return Markup("").join(marks)


def _line(points: Sequence[tuple[float, float]], colour: str) -> Markup:
    path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
    return Markup('<polyline points="{}" fill="none" stroke="{}" stroke-width="1.6"/>').format(
        path, colour
    )


def _whisker(x: float, low: float, high: float) -> Markup:
    return Markup(
        '<line x1="{x}" x2="{x}" y1="{}" y2="{}" stroke="{}" stroke-width="1.4"/>'
    ).format(_n(low), _n(high), SOFT, x=_n(x))


def _name(row: Mapping[str, Any], end: tuple[float, float]) -> Markup:
    return _text(end[0] + 5, end[1] + 3, str(row["lineage"]), "start")


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup(
        '<text x="{}" y="{}" font-size="11" font-family="sans-serif" text-anchor="{}" '
        'fill="{}">{}</text>'
    ).format(_n(x), _n(y), anchor, INK, page_text(text))


def _svg(alt: str, body: Sequence[Markup], axis: Markup) -> Markup:
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img" '
        'aria-label="{}">{}{}{}</svg>\n'
    ).format(_n(_WIDE), _n(_HIGH), alt, _text(8, 14, alt, "start"), Markup("").join(body), axis)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
