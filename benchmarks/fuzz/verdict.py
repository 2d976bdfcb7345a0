"""What is wrong with a run on a damaged scan: the bars that every one must meet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.fuzz.zygote import KILLED, Outcome

MOST_MB = 3000.0
WITHIN = 0.05
"""Of the undamaged twin's masses, by which a damaged scan's may differ without a flag."""
WHOLE = {"deposits.csv", "deposits.parquet", "objects.csv", "labels.nii.gz", "examination.json"}
DONE = (0, 5)


def wrong(outcome: Outcome, out: Path, twin: dict[str, Any] | None) -> list[str]:
    """What a run did that none may do; empty for a good one.

    twin : the document of the undamaged scan; None where the damage may be one that nobody
        can see (other pixels, another spacing throughout)
    """
    found = []
    if outcome.code == KILLED:
        found.append("hangs")
    elif outcome.code not in (*DONE, 2, 3, 4):
        found.append(f"exit {outcome.code}")
    if "Traceback" in outcome.text or "BUG" in outcome.text:
        found.append("traceback")
    if outcome.peak_mb > MOST_MB:
        found.append(f"{outcome.peak_mb:.0f} MB")
    return found + _of_folder(outcome, out) + _of_masses(outcome, out, twin)


def _of_folder(outcome: Outcome, out: Path) -> list[str]:
    found = []
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    if outcome.code in DONE and not names >= WHOLE:
        found.append("OUT not whole")
    if outcome.code not in DONE and out.exists():
        found.append("OUT half written")
    rest = [path.name for path in out.parent.iterdir() if path.name.startswith(".")]
    return found + ([f"left behind: {len(rest)}"] if rest and outcome.code != KILLED else [])


def _of_masses(outcome: Outcome, out: Path, twin: dict[str, Any] | None) -> list[str]:
    if twin is None or outcome.code not in DONE or not (out / "examination.json").is_file():
        return []
    document = json.loads((out / "examination.json").read_text())
    if _remarks(document) - _remarks(twin) or _alike(_masses(document), _masses(twin)):
        return []
    return [f"silent: {_masses(document)} mg, not {_masses(twin)}"]


def _remarks(document: dict[str, Any]) -> set[str]:
    """Codes of what a reader is told beyond mere information."""
    return {flag["code"] for flag in document["flags"] if flag["severity"] != "info"}


def _masses(document: dict[str, Any]) -> list[float]:
    rows = [row for row in document["deposits"] if row["kind"] == "deposit"]
    return sorted((row["mass_mg"] or 0.0 for row in rows), reverse=True)


def _alike(one: list[float], two: list[float]) -> bool:
    return len(one) == len(two) and all(
        abs(a - b) <= WITHIN * max(a, b, 1.0) for a, b in zip(one, two, strict=True)
    )
