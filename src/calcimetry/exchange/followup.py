"""A follow-up as one plain document (followup.json), and its table (lineage.csv)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from calcimetry.exchange.plain import DECIMALS, RESEARCH_USE, flag_rows, rounded
from calcimetry.followup.agreement import Agreement
from calcimetry.followup.change import scored
from calcimetry.followup.follow import FollowUp, PairChange
from calcimetry.followup.lineage import LineageChange
from calcimetry.followup.visit import Visit
from calcimetry.terms import scale
from calcimetry.versions import versions

SCHEMA_VERSION = "1.1"
LINEAGE_COLUMNS: Mapping[str, str] = {
    "lineage": "integer",
    "visit_from": "integer",
    "visit_to": "integer",
    "deposits_from": "text",
    "deposits_to": "text",
    "fate": "text",
    "mass_from_mg": "real",
    "mass_to_mg": "real",
    "mass_change_pct": "real",
    "mass_change_pct_low": "real",
    "mass_change_pct_high": "real",
    "density_change": "text",
    "called": "truth",
    "alignment_mm": "real",
    "flags": "text",
}
"""Columns of lineage.csv and what each holds. Add, do not rename."""


def followup_document(found: FollowUp) -> dict[str, Any]:
    """A follow-up as JSON-ready mappings; unknown numbers are None."""
    rule = asdict(found.repeatability)
    return {
        "schema": "calcimetry-followup",
        "schema_version": SCHEMA_VERSION,
        "research_use": RESEARCH_USE,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": versions(),
        "repeatability": {**rule, "points": [list(point) for point in rule["points"]]},
        "flags": flag_rows(found.flags),
        "visits": [_visit(visit) for visit in found.visits],
        "pairs": [_pair(pair) for pair in found.pairs],
        "lineages": [_row(row) for row in found.rows],
        "scores": _scores(found),
    }


def _visit(visit: Visit) -> dict[str, Any]:
    scan, total = visit.facts["scan"], visit.facts["totals"]["overall"]
    facts = {name: scan.get(name) for name in ("manufacturer", "model", "kvp", "kernel")}
    return {
        "visit": visit.number,
        "date": visit.date,
        **facts,
        "spacing_zyx_mm": scan["spacing_zyx_mm"],
        "series_uid": scan.get("series_uid"),
        "sha256_of_files": visit.facts["input"]["sha256_of_files"],
        "calibration_source": visit.facts["calibration"]["source"],
        "count": total["count"],
        "mass_mg": total["mass_mg"],
        "volume_mm3": total["volume_mm3"],
    }


def _pair(found: PairChange) -> dict[str, Any]:
    pair = found.pair
    counts: dict[str, int] = {}
    for row in found.rows:
        counts[row.fate] = counts.get(row.fate, 0) + 1
    alignment = pair.alignment
    return {
        "visit_from": pair.visits[0].number,
        "visit_to": pair.visits[1].number,
        "days": pair.days,
        "flags": flag_rows([*found.withheld, *found.flags, *pair.comparability.flags]),
        "widened": pair.comparability.widened,
        "same_calibration": pair.comparability.same_calibration,
        "scale": list(pair.comparability.scale),
        "alignment": {
            "pieces": len(alignment.motions),
            "agreement": round(alignment.score, 3),
            **_agreement(alignment.agreement),
            "by_skin": alignment.by_skin,
            "failed": alignment.failed,
        },
        "fates": dict(sorted(counts.items())),
        "total": _change(found.total),
    }


def _agreement(agreement: Agreement | None) -> dict[str, Any]:
    """How closely the visits lie over each other; None where nothing does."""
    if agreement is None or not agreement.count:
        return {"landmarks": 0, "gap_mm": None, "misfit": None, "skin_mm": None}
    return {
        "landmarks": agreement.count,
        "gap_mm": round(agreement.gap_mm, 2),
        "misfit": round(agreement.misfit, 2),
        "skin_mm": _rounded(agreement.skin_mm, 1),
    }


def _row(row: LineageChange) -> dict[str, Any]:
    return {
        "lineage": row.lineage,
        "visit_from": row.visits[0],
        "visit_to": row.visits[1],
        "deposits_from": list(row.first),
        "deposits_to": list(row.second),
        "fate": row.fate,
        "mass_from_mg": _rounded(row.amounts[0].mass_mg if row.first else None),
        "mass_to_mg": _rounded(row.amounts[1].mass_mg if row.second else None),
        "alignment_mm": _rounded(row.alignment_mm, 2),
        "flags": list(row.flags),
        "change": _change(row.change),
    }


def _change(change: Any) -> dict[str, Any]:
    out = {}
    for name, value in asdict(change).items():
        out[name] = (
            {key: _rounded(part) for key, part in value.items()}
            if isinstance(value, dict)
            else _rounded(value)
        )
    return out


def _rounded(value: Any, decimals: int = DECIMALS) -> Any:
    """A value as JSON has it; None for what is too large to be an amount, and for no number."""
    return None if isinstance(value, float) and not abs(value) < 1e12 else rounded(value, decimals)


def _scores(found: FollowUp) -> list[dict[str, Any]]:
    """Readers' scores from visit to visit, by the percent rule."""
    out = []
    for number, (given, by_visit) in enumerate(sorted(found.events.scores.items()), 1):
        name = scale(given) or f"score {number}"
        known = sorted(by_visit.items())
        pairs = list(pairwise(known))
        values = [(a[1], b[1]) for a, b in pairs]
        calls = scored(values, found.repeatability.scores)
        for (a, b), call in zip(pairs, calls, strict=True):
            out.append(
                {
                    "name": name,
                    "visit_from": a[0],
                    "visit_to": b[0],
                    "from": a[1],
                    "to": b[1],
                    "result": call,
                    "rule_pct": 100 * found.repeatability.scores,
                }
            )
    return out


def lineage_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The document's lineages as rows of lineage.csv."""
    return [
        {
            **{name: row.get(name) for name in LINEAGE_COLUMNS if name in row},
            "deposits_from": ";".join(map(str, row["deposits_from"])),
            "deposits_to": ";".join(map(str, row["deposits_to"])),
            "mass_change_pct": row["change"]["mass_pct"]["value"],
            "mass_change_pct_low": row["change"]["mass_pct"]["low"],
            "mass_change_pct_high": row["change"]["mass_pct"]["high"],
            "density_change": row["change"]["density"],
            "called": row["change"]["called"],
            "flags": ";".join(row["flags"]),
        }
        for row in facts["lineages"]
    ]
