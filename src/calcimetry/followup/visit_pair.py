"""Two visits laid over each other, and what some of their deposits hold on either."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from calcimetry.followup.alignment import Alignment
from calcimetry.followup.change import error_of_ratio
from calcimetry.followup.comparability import Comparability
from calcimetry.followup.difference import difference
from calcimetry.followup.events import Events
from calcimetry.followup.repeatability import Repeatability
from calcimetry.followup.summed_mass import ImageGain, SummedMass, reconcile, summed_mass
from calcimetry.followup.visit import Visit

_SURE_CUT = 0.03  # error of the cut, of the mass, up to which there is nothing to better


@dataclass(frozen=True, eq=False)
class VisitPair:
    """Two visits, how they compare, how one lies over the other."""

    visits: tuple[Visit, Visit]
    comparability: Comparability
    alignment: Alignment
    repeatability: Repeatability
    events: Events

    @property
    def days(self) -> float | None:
        dates = [visit.date for visit in self.visits]
        if dates[0] is None or dates[1] is None:
            return None
        try:
            a, b = (date.fromisoformat(text[:10]) for text in dates if text)
        except ValueError:
            return None
        return float((b - a).days)


def amounts_of(
    pair: VisitPair, first: Iterable[int], second: Iterable[int]
) -> tuple[SummedMass, SummedMass]:
    """What the deposits hold on either visit."""
    first_, second_ = (
        summed_mass(
            [visit.deposits[n] for n in numbers],
            float(visit.facts["calibration"]["relative_sd"]),
            scale,
        )
        for visit, numbers, scale in zip(
            pair.visits, (first, second), pair.comparability.scale, strict=True
        )
    )
    return first_, second_


def from_difference_image(
    pair: VisitPair,
    first: Sequence[int],
    second: Sequence[int],
    amounts: tuple[SummedMass, SummedMass],
) -> tuple[SummedMass, SummedMass] | None:
    """Amounts by the difference of the images, where that is surer than two cuts from bone.

    Only of scans made alike, whose images are at hand, and of what is a deposit on one of them.
    """
    cuts = [part.cut_sd_mg > _SURE_CUT * (part.mass_mg or np.inf) for part in amounts]
    alike = not pair.comparability.widened and pair.comparability.same_calibration
    if not (first and second and any(cuts) and alike and _is_deposit(pair, first, second)):
        return None
    gain = _gain(pair, first, second)
    found = None if gain is None else reconcile(*amounts, gain)
    if found is None:
        return None
    same = pair.repeatability.same_cut_of(pair.comparability.widened)
    return found if error_of_ratio(*found, same) < error_of_ratio(*amounts, same) else None


def _is_deposit(pair: VisitPair, first: Sequence[int], second: Sequence[int]) -> bool:
    sides = zip(pair.visits, (first, second), strict=True)
    return any(visit.deposits[n]["kind"] == "deposit" for visit, ns in sides for n in ns)


def _gain(pair: VisitPair, first: Sequence[int], second: Sequence[int]) -> ImageGain | None:
    """The difference of the images in mg.

    What grows takes the place of the tissue around, and holds soft tissue of its own: of the HU
    that are won, a part that follows from the deposit's density and from the background is not
    mineral (as for the mass of one visit, docs/quantity.md).
    """
    centre = np.concatenate([pair.visits[0].shapes[n] for n in first]).mean(axis=0)
    found = difference(pair.visits, (first, second), pair.alignment.carrying(centre))
    if found is None:
        return None
    rows = [v.deposits[n] for v, ns in zip(pair.visits, (first, second), strict=True) for n in ns]
    mass, volume, background = (
        sum(float(row[name] or 0.0) for row in rows)
        for name in ("mass_mg", "volume_mm3", "background_hu")
    )
    facts = pair.visits[0].facts
    slope = float(facts["calibration"]["mg_cm3_per_hu"]) * pair.comparability.scale[0] / 1000.0
    water = float(facts["calibration"].get("water_hu") or 0.0)
    contrast = float(facts["plan"]["quantity"]["matrix_hu"]) + water - background / len(rows)
    slope /= 1.0 + max(slope * contrast * volume / max(mass, 1e-6), -0.5)
    return ImageGain(slope * found.value, slope * found.sd)
