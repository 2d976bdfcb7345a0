"""Repeatability: how far two measurements of the same thing lie apart, by its mass."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from calcimetry.bounded import read_toml
from calcimetry.errors import UsageError

DEFAULT = "people"


@dataclass(frozen=True, slots=True)
class Repeatability:
    """95 % repeatability coefficients of mass, as fractions.

    name, text, source : which, and where it comes from
    points : (mass mg, coefficient), masses rising
    never_below_mg : no change of anything smaller is called
    drift_sd : day-to-day drift of one scanner's calibration, 1 SD
    same_cut : correlation of the segmentation's errors on two scans made alike
    density : coefficient of density; scores : of a reader's score
    across : added where the visits differ, by what differs
    """

    name: str
    text: str
    source: str
    points: tuple[tuple[float, float], ...]
    never_below_mg: float
    drift_sd: float
    same_cut: float
    density: float
    scores: float
    across: Mapping[str, float]

    def same_cut_of(self, widened: float) -> float:
        """`same_cut` of two visits; scans made otherwise have none of the cut's error in common."""
        return 0.0 if widened else self.same_cut

    def coefficient(self, mass_mg: float) -> float:
        """For a deposit of this mass; constant in mg below the first point."""
        first, coefficient = self.points[0]
        if mass_mg <= first:
            return coefficient * first / max(mass_mg, 1e-6)
        masses, values = np.array(self.points).T
        return float(np.interp(np.log(mass_mg), np.log(masses), values))


def repeatability(chosen: str | Path | None = None) -> Repeatability:
    """A profile by name, or a study's own test-retest from a TOML file.

    The file holds `points = [[mass_mg, percent], ...]` and may hold `never_below_mg`, `text`
    and `source`. Raises UsageError BAD_REPEATABILITY.
    """
    facts = _facts()
    if chosen is None or str(chosen) in facts["profiles"]:
        name = str(chosen or DEFAULT)
        return _made(name, facts["profiles"][name], facts)
    path = Path(chosen)
    try:
        own = read_toml(path)
        return _made("own", own, facts)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "BAD_REPEATABILITY",
            found=str(error),
            expected="points = [[mass_mg, percent], ...], masses rising, in TOML; or one of "
            + ", ".join(facts["profiles"]),
            where=str(path),
            remedy="mend the file, or name a profile",
        ) from error


@cache
def _facts() -> Mapping[str, Any]:
    text = files("calcimetry.followup").joinpath("repeatability.toml").read_text("utf-8")
    return tomllib.loads(text)


def _made(name: str, own: Mapping[str, Any], facts: Mapping[str, Any]) -> Repeatability:
    points = tuple((float(mass), float(percent) / 100) for mass, percent in own["points"])
    _check(points)
    across = facts["across"]
    return Repeatability(
        name=name,
        text=str(own.get("text", "the study's own test-retest")),
        source=str(own.get("source", "the user")),
        points=points,
        never_below_mg=float(own.get("never_below_mg", 1.0)),
        drift_sd=float(facts["drift"]["calibration_sd"]),
        same_cut=float(facts["segmentation"]["correlation"]),
        density=float(facts["density"]["coefficient"]) / 100,
        scores=float(facts["scores"]["coefficient"]) / 100,
        across={key: value / 100 for key, value in across.items() if key != "source"},
    )


def _check(points: Sequence[tuple[float, float]]) -> None:
    masses = [mass for mass, _ in points]
    rising = all(a < b for a, b in pairwise(masses))
    if not points or not rising or masses[0] <= 0 or any(value <= 0 for _, value in points):
        raise ValueError(f"points {list(points)}")
