"""Markdown tables of what was judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from benchmarks.finder.nature.judged import CALCIUM, NOT_JUDGED, NOTHING, TONSIL, Result, Row, Truth
from benchmarks.finder.tables import _table as table
from benchmarks.finder.tables import wilson

from calcimetry.records import Tier

BANDS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0001)
GROUPS = ("limbs", "more", "trunks")
OF = {
    "deposit": lambda row: row.called,
    "of it sure": lambda row: row.tier is Tier.SURE,
    "of it probable": lambda row: row.tier is Tier.PROBABLE,
    "uncertain": lambda row: not row.called,
}


def precision(rows: Sequence[Row]) -> str:
    """Of what is called so, the share that is true soft-tissue calcification."""
    lines = []
    for group in (*GROUPS, "all"):
        for kind, of in OF.items():
            part = [r for r in rows if of(r) and group in (r.case.group, "all")]
            other = [r for r in part if not r.vascular]
            lines.append([group, kind, str(len(part)), *_counts(part), *_shares(part, other)])
    return table(
        [
            "scans", "called", "n", "true", "vascular", "other kinds", NOT_JUDGED,
            "true, vascular left out", "true, vascular wrong", "by mass, left out",
            "by mass, wrong",
        ],
        lines,
    )  # fmt: skip


def _counts(part: Sequence[Row]) -> list[str]:
    true, vascular = sum(r.true for r in part), sum(r.vascular for r in part)
    unknown = sum(r.judgement == NOT_JUDGED for r in part)
    return [str(n) for n in (true, vascular, len(part) - true - vascular - unknown, unknown)]


def _shares(part: Sequence[Row], other: Sequence[Row]) -> list[str]:
    return [
        *(wilson(sum(r.true for r in some), len(some)) for some in (other, part)),
        *(_by_mass(some) for some in (other, part)),
    ]


def _by_mass(rows: Sequence[Row]) -> str:
    total = sum(r.mass_mg for r in rows)
    return f"{100 * sum(r.mass_mg for r in rows if r.true) / total:.0f} %" if total else "-"


def reliability(rows: Sequence[Row]) -> str:
    """Stated confidence against the share that is true, by bands."""
    parts: dict[str, Callable[[Row], bool]] = {
        "all listed": lambda _: True,
        "listed, limbs": lambda r: r.case.group == "limbs",
        "called deposit": lambda r: r.called,
        "called deposit, limbs": lambda r: r.called and r.case.group == "limbs",
    }
    lines = []
    for low, high in pairwise(BANDS):
        band = [r for r in rows if low <= r.confidence < high]
        line = [f"{low:.1f} to {min(high, 1):.1f}"]
        for of in parts.values():
            some = [r for r in band if of(r)]
            other = [r for r in some if not r.vascular]
            stated = f"{np.mean([r.confidence for r in some]):.2f}" if some else "-"
            true, left = (wilson(sum(r.true for r in p), len(p)) for p in (some, other))
            line += [stated, true, left]
        lines.append(line)
    heads = [
        f"{part}: {what}" for part in parts for what in ("stated", "true", "vascular left out")
    ]
    return table(["confidence", *heads], lines)


def scans(results: Sequence[Result]) -> str:
    """False deposits and uncertain objects of each scan."""
    lines = []
    for found in results:
        rows, false = found.rows, [r for r in found.rows if r.false_alarm]
        lines.append(
            [
                found.case.name, found.case.region, str(sum(r.called for r in rows)),
                str(sum(r.called and r.true for r in rows)), str(len(false)),
                str(sum(r.judgement in CALCIUM for r in false)),
                str(sum(r.judgement == NOT_JUDGED for r in false)),
                str(sum(not r.called for r in rows)), str(found.unlisted),
            ]
        )  # fmt: skip
    head = [
        "scan", "shows", "deposits", "true", "false >= 3 mm", "of them calcium of another kind",
        "of them not judged", "uncertain", "too unlikely to be listed",
    ]  # fmt: skip
    return table(head, lines)


def false_alarms(results: Sequence[Result]) -> str:
    """False deposits of 3 mm and more a scan, by groups of scans and by region."""
    groups = {
        "limbs": [f for f in results if f.case.group == "limbs"],
        "limbs with nothing dense but bone": [f for f in results if f.case.clean],
        "the nine of more/": [f for f in results if f.case.group == "more"],
        "other trunks and head": [f for f in results if f.case.group == "trunks"],
    }
    for region in sorted({f.case.region for f in results}):
        groups[f"region: {region}"] = [f for f in results if f.case.region == region]
    lines = []
    for name, some in groups.items():
        if not some:
            continue
        false = [sum(r.false_alarm for r in f.rows) for f in some]
        own = [sum(r.false_alarm and r.judgement not in CALCIUM for r in f.rows) for f in some]
        doubt = [sum(not r.called for r in f.rows) for f in some]
        means = [f"{np.mean(n):.2f}, {max(n)}" for n in (false, own, doubt)]
        lines.append([name, str(len(some)), *means])
    head = ["scans", "n", "false >= 3 mm: mean, most", "no calcium either", "uncertain: mean, most"]
    return table(head, lines)


def truths(found: Sequence[Truth]) -> str:
    """Every true calcification and tonsillolith, by scan."""
    lines = [
        [
            t.case.name, t.what, _place(t.place), f"{t.volume_mm3:.0f}", f"{100 * t.called:.0f} %",
            f"{100 * t.listed:.0f} %", t.kind,
        ]
        for t in found
    ]  # fmt: skip
    head = [
        "scan",
        "by",
        "place (LPS mm)",
        "mm3",
        "called deposit",
        "or uncertain",
        "what is there",
    ]
    return table(head, lines)


def volume(found: Sequence[Truth]) -> str:
    """Of the true volume, how much is called and how much is listed."""
    lines = []
    for what, name in (
        ("true", "judged true"),
        ("outlined", "outlined"),
        (TONSIL, "tonsilloliths"),
    ):
        some = [t for t in found if t.what == what]
        whole = sum(t.volume_mm3 for t in some)
        if not whole:
            continue
        shares = [
            f"{100 * sum(share(t) * t.volume_mm3 for t in some) / whole:.0f} %"
            for share in (lambda t: t.called, lambda t: t.listed)
        ]
        counts = [
            f"{sum(share(t) >= 0.5 for t in some)}"
            for share in (lambda t: t.called, lambda t: t.listed)
        ]
        lines.append([name, str(len(some)), f"{whole:.0f}", *shares, *counts])
    head = [
        "true calcium", "n", "mm3", "called deposit, by volume", "or uncertain",
        "called, half or more of it: n", "or uncertain: n",
    ]  # fmt: skip
    return table(head, lines)


def kinds(results: Sequence[Result]) -> str:
    """What every judged object is called now."""
    pairs = [(j.judgement, kind) for found in results for j, kind in found.fates]
    count = Counter(pairs)
    words = Counter(kind for _, kind in pairs)
    first = [w for w in ("deposit", "uncertain") if w in words]
    said = [*first, *sorted(words.keys() - {*first, NOTHING}), *({NOTHING} & words.keys())]
    lines = [
        [name, str(sum(count[name, w] for w in said)), *(str(count[name, w] or "-") for w in said)]
        for name in sorted({name for name, _ in pairs}, key=lambda n: (n != "true", n))
    ]
    return table(["judged to be", "n", *said], lines)


def likenesses(rows: Iterable[Row]) -> str:
    """What listed objects were judged to be, and what the finder says that they look like."""
    count = Counter((r.judgement, r.likeness) for r in rows if r.likeness)
    said = sorted({word for _, word in count})
    lines = [
        [name, *(str(count[name, word] or "-") for word in said)]
        for name in sorted({name for name, _ in count}, key=lambda n: (n != "true", n))
    ]
    return table(["judged to be", *(f"{word}-like" for word in said)], lines)


def wrong(rows: Iterable[Row]) -> str:
    """Every deposit that is none, with its place."""
    lines = [
        [
            r.case.name, r.judgement, _place(r.place), f"{r.volume_mm3:.0f}", f"{r.mass_mg:.1f}",
            f"{r.confidence:.2f}", str(r.tier), r.rule,
        ]
        for r in sorted(rows, key=lambda r: (r.case.name, -r.volume_mm3))
    ]  # fmt: skip
    head = ["scan", "judged to be", "place (LPS mm)", "mm3", "mg", "confidence", "tier", "rule"]
    return table(head, lines)


def _place(place: tuple[float, float, float]) -> str:
    return ", ".join(f"{c:.0f}" for c in place)
