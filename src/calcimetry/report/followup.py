"""The report's follow-up chapter, in the form that docs/report.md describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from calcimetry.digits import decimals, shown, signed
from calcimetry.report.numbers import given

FATES = (
    "stable", "grown", "shrunk", "new", "gone", "split", "merged", "not_covered", "doubtful",
)  # fmt: skip
"""Every fate that a document may hold, in the order in which a sentence counts them."""
_MOST_ROWS = 100
_COLUMNS = ("lineage", "visits", "deposits", "fate", "mass, mg", "change", "called", "remarks")


def chapter(document: Mapping[str, Any], drawings: Mapping[str, Markup]) -> dict[str, Any]:
    """Summary, table, notes and figures from a follow-up's document."""
    rows = sorted(document["lineages"], key=lambda row: -row["visit_to"])
    return {
        "summary": summary(document),
        "table": {
            "caption": "What became of each deposit",
            "columns": list(_COLUMNS),
            "rows": [_cells(row) for row in rows[:_MOST_ROWS]],
        },
        "notes": _notes(document),
        "figures": list(drawings.values()),
    }


def summary(document: Mapping[str, Any]) -> str:
    """What was withheld and why, first of all; then each pair of visits."""
    reasons = [flag["text"] for flag in document["flags"] if flag["severity"] == "withheld"]
    head = ["Total change withheld.", *reasons] if reasons else []
    return " ".join([*head, *(_sentence(pair) for pair in document["pairs"])])


def _sentence(pair: Mapping[str, Any]) -> str:
    total = pair["total"]
    fates = [f"{pair['fates'][f]} {f.replace('_', ' ')}" for f in FATES if f in pair["fates"]]
    names = f"Visit {pair['visit_from']} to {pair['visit_to']}"
    listed = ", ".join(fates) or "no deposits on either visit"
    if any(flag["severity"] == "withheld" for flag in pair["flags"]):
        return f"{names}: {listed}. Total withheld."
    if total["mass_pct"]["value"] is None:
        grown = total["mass_mg"]["value"]
        amount = "not known" if grown is None else f"{signed(grown, decimals(grown))} mg"
    else:
        amount = percent(total["mass_pct"])
    called = "beyond" if total["called"] else "within"
    return f"{names}: {listed}. Total mass {amount}, {called} what repeated scans differ by."


def percent(value: Mapping[str, Any]) -> str:
    """A change with its interval, in words."""
    if value["value"] is None:
        return ""
    change, low, high = (signed(value[name], 0) for name in ("value", "low", "high"))
    return f"{change} % ({low} to {high})"


def _cells(row: Mapping[str, Any]) -> list[str]:
    masses = [_mass(row["mass_from_mg"]), _mass(row["mass_to_mg"])]
    deposits = [_joined(row["deposits_from"]), _joined(row["deposits_to"])]
    density = row["change"]["density"]
    remarks = [density] * (density in ("hardened", "softened")) + row["flags"]
    return [
        str(row["lineage"]),
        f"{row['visit_from']} → {row['visit_to']}",
        " → ".join(deposits),
        row["fate"].replace("_", " "),
        " → ".join(masses),
        percent(row["change"]["mass_pct"]),
        "yes" if row["change"]["called"] else "no",
        ", ".join(remarks),
    ]


def _mass(value: float | None) -> str:
    return "-" if value is None else shown(value)


def _joined(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "-"


def _notes(document: Mapping[str, Any]) -> list[dict[str, str]]:
    rule = document["repeatability"]
    points = ", ".join(f"{100 * c:.0f} % at {given(m)} mg" for m, c in rule["points"])
    text = (
        f"A change is called only beyond the repeatability coefficient of its mass ({points}; "
        f"nothing below {given(rule['never_below_mg'])} mg) and beyond its own 95 % interval: "
        f"{rule['text']}."
    )
    notes = [{"text": text, "source": rule["source"]}]
    for pair in document["pairs"]:
        names = f"Visits {pair['visit_from']} and {pair['visit_to']}: "
        notes += [{"text": names + flag["text"]} for flag in pair["flags"]]
    for score in document["scores"]:
        notes.append(
            {
                "text": f"{score['name']}, entered by a reader: {given(score['from'])} to "
                f"{given(score['to'])}, {score['result']} by the {score['rule_pct']:.0f} % rule.",
                "source": "doi 10.1016/j.semarthrit.2022.151980",
            }
        )
    return notes
