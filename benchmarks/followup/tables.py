"""Markdown tables of the studies, with 95 % intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from benchmarks.finder.tables import wilson
from benchmarks.followup.judged import BAR_MG, Outcome, Sum
from benchmarks.followup.visits import AS_FOUND, TRUE_MASKS

LEFT_OUT = ("partly", "too small")
TWO = ("split", "merged")
CHANGED = ("grown", "shrunk")
KINDS = ("phantom", "real")
_NAMES = {"phantom": "phantoms", "real": "real CTs"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def counted(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Lineages that neither a field's edge cuts nor the plan's smallest volume hides."""
    return [o for o in outcomes if o.truth not in LEFT_OUT]


def share(outcomes: Iterable[Outcome], right: Callable[[Outcome], bool]) -> str:
    part = list(outcomes)
    return wilson(sum(map(right, part)), len(part))


def _ways(outcomes: Sequence[Outcome], right: Callable[[Outcome], bool]) -> list[str]:
    found = [o for o in outcomes if o.way == AS_FOUND]
    true = [o for o in outcomes if o.way == TRUE_MASKS]
    return [share(true, right), share(found, right), share([o for o in found if o.found], right)]


_HEAD = ("true masks", "as found", "as found, of those found on every visit")


def fates(outcomes: Sequence[Outcome]) -> str:
    every = counted(outcomes)
    big = [o for o in every if o.big]
    plain = [o for o in big if o.truth not in TWO]
    groups = [
        (f"all of {BAR_MG:.0f} mg and more, but split and merged", plain),
        ("split and merged", [o for o in big if o.truth in TWO]),
        *((_NAMES[kind], [o for o in plain if o.kind == kind]) for kind in KINDS),
        *((name, [o for o in big if o.truth == name]) for name in sorted({o.truth for o in big})),
        (f"below {BAR_MG:.0f} mg", [o for o in every if not o.big]),
    ]
    rows = [[name, *_ways(part, lambda o: o.right)] for name, part in groups]
    return table(["what became of it", *_HEAD], rows)


def outside(outcomes: Iterable[Outcome]) -> str:
    """How many that lie outside the other field are called gone or new."""
    rows = []
    every = list(outcomes)
    for truth in ("not_covered", "partly"):
        part = [o for o in every if o.truth == truth]
        said = [
            str(sum(o.said in ("gone", "new") for o in part if o.way == way))
            + f" of {sum(o.way == way for o in part)}"
            for way in (TRUE_MASKS, AS_FOUND)
        ]
        rows.append(["outside" if truth == "not_covered" else "cut by a field's edge", *said])
    return table(["place on the other visit", *_HEAD[:2]], rows)


def wrong(outcomes: Iterable[Outcome]) -> str:
    """What was said instead, of all sizes."""
    rows = []
    every = counted(outcomes)
    for truth in sorted({o.truth for o in every}):
        row = [truth]
        for way in (TRUE_MASKS, AS_FOUND):
            said = Counter(
                o.said for o in every if o.truth == truth and o.way == way and not o.right
            )
            row.append(", ".join(f"{name} {n}" for name, n in said.most_common()) or "-")
        rows.append(row)
    return table(["truth", *_HEAD[:2]], rows)


def called(outcomes: Sequence[Outcome], sums: Sequence[Sum]) -> str:
    """How many deposits and totals of repeat pairs are called changed."""
    every = [o for o in outcomes if o.truth not in ("partly", "not_covered")]
    groups = [("all deposits", every)]
    groups += [(f"of {BAR_MG:.0f} mg and more", [o for o in every if o.big])]
    groups += [(_NAMES[kind], [o for o in every if o.kind == kind]) for kind in KINDS]
    groups += [("cut from bone in doubt", [o for o in every if not o.cut_known])]
    rows = [[name, *_ways(part, lambda o: o.called)] for name, part in groups]
    for name, part in [("totals", sums)] + [
        (f"totals, {_NAMES[kind]}", [s for s in sums if s.kind == kind]) for kind in KINDS
    ]:
        said = [_sums([s for s in part if s.way == way]) for way in (TRUE_MASKS, AS_FOUND)]
        rows.append([name, *said, ""])
    stray = [s for s in sums if s.way == AS_FOUND]
    rows.append(
        ["findings that are no inserted deposit", "-",
         wilson(sum(s.stray_called for s in stray), sum(s.stray for s in stray)), ""]
    )  # fmt: skip
    return table(["called changed", *_HEAD], rows)


def _sums(sums: Sequence[Sum]) -> str:
    return wilson(sum(s.called for s in sums), len(sums))


def spreads(outcomes: Iterable[Outcome]) -> str:
    """How far the masses of two scans of one state lie apart: 2.77 within-subject CoV."""
    rows = []
    paired = [o for o in outcomes if np.isfinite(o.times_said) and o.truth == "stable"]
    for low, high in ((0, 4), (4, 8), (8, 20), (20, 60), (60, 1e9)):
        row = [f"{low} mg and more" if high > 1e8 else f"{low}-{high} mg"]
        for way in (TRUE_MASKS, AS_FOUND):
            logs = np.array(
                [np.log(o.times_said) for o in paired
                 if o.way == way and low <= o.mass_mg[0] < high and o.times_said > 0]
            )  # fmt: skip
            if len(logs) < 2:
                row.append("-")
                continue
            row.append(f"{196 * np.sqrt(np.mean(logs**2)):.0f} % ({len(logs)})")
        rows.append(row)
    return table(["true mass", *(f"{way} (pairs)" for way in _HEAD[:2])], rows)


def changes(outcomes: Sequence[Outcome]) -> str:
    # What lies outside the other field has no change that could be called.
    every = [o for o in counted(outcomes) if o.truth in CHANGED and o.mass_mg[0] >= BAR_MG]

    def right(o: Outcome) -> bool:
        return o.called and (o.times_said > 1) == (o.truth == "grown")

    groups = [("all", every)]
    groups += [(name, [o for o in every if o.truth == name]) for name in CHANGED]
    groups += [(_NAMES[kind], [o for o in every if o.kind == kind]) for kind in KINDS]
    groups += [
        ("of 20 mg and more", [o for o in every if o.mass_mg[0] >= 20]),
        ("cut from bone known to 10 %", [o for o in every if o.cut_known]),
        ("cut from bone in doubt", [o for o in every if not o.cut_known]),
    ]
    rows = [[name, *_ways(part, right)] for name, part in groups]
    return table(["called, and in the right direction", *_HEAD], rows)


def alignment(groups: Iterable[tuple[str, Sequence[Outcome]]]) -> str:
    rows = []
    for name, outcomes in groups:
        for way in (TRUE_MASKS, AS_FOUND):
            errors = np.array([o.error_mm for o in outcomes if o.way == way])
            errors = errors[np.isfinite(errors)]
            if not len(errors):
                continue
            numbers = (np.median(errors), np.percentile(errors, 95), errors.max())
            within = wilson(int((errors <= 2.0).sum()), len(errors))
            rows.append([name, way, *(f"{v:.2f}" for v in numbers), within])
    return table(["pairs", "deposits", "median mm", "95 %", "most", "within 2 mm"], rows)
