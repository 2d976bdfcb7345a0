"""What an examination says to the clinic: how many deposits, how large, how deep, where.

Words of the bounds: under 3 cm is the only size seen in the evidence; all others are rules
of this program (note.size).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from calcimetry.clinic.base import Knowledge
from calcimetry.clinic.history import History, _stands_in
from calcimetry.exchange import checked, load, parse
from calcimetry.records import Deposit, Examination, Kind, Place

LARGE_MM = 30.0
SHALLOW_MM = 10.0
TUMORAL_MM, TUMORAL_MM3 = 50.0, 10_000.0
NEAR_JOINT_MM = 30.0
MANY = 20
UNDER_THE_SKIN = {"fingertip", "hand", "elbow", "knee", "scrotum", "leg"}
BIG_JOINTS = ("elbow", "shoulder", "hip", "knee", "hand", "carpal_tunnel")


@dataclass(frozen=True, slots=True)
class Extent:
    """Of an examination (or of the history's words), what types and options ask for."""

    count: int | None = None
    largest_mm: float | None = None
    deepest_mm: float | None = None
    mass_mg: float | None = None
    volume_mm3: float | None = None
    regions: tuple[str, ...] = ()
    scan_date: str | None = None
    places: Mapping[int, tuple[str, ...]] = field(default_factory=dict)  # by deposit number
    facts: frozenset[str] = frozenset()


def examination_of(given: Examination | Mapping[str, Any] | str | Path) -> Examination:
    """The examination itself, from its document, or from its folder or file.

    Raises InputError: NOT_AN_EXAMINATION, SCHEMA_MISMATCH, EXAM_DAMAGED.
    """
    if isinstance(given, Examination):
        return given
    return parse(checked(given)) if isinstance(given, Mapping) else load(given)


def extent(exam: Examination | None, history: History, base: Knowledge) -> Extent:
    """Number, size, depth and places, with their facts."""
    counted = [] if exam is None else list(exam.deposits)
    places = {d.number: _places(d.place, base) for d in counted}
    sizes = [size for size in map(_size, counted) if size]
    depths = [d.place.skin_depth_mm for d in counted if d.place.skin_depth_mm is not None]
    overall = None if exam is None else exam.totals.overall
    found = Extent(
        count=len(counted) if exam is not None else history.count,
        largest_mm=max(sizes, default=None) if exam is not None else history.largest_mm,
        deepest_mm=max(depths, default=None),
        mass_mg=None if overall is None else overall.mass_mg.value,
        volume_mm3=None if overall is None else overall.volume_mm3.value,
        regions=tuple(sorted({d.place.region for d in counted if d.place.region})),
        scan_date=None if exam is None else exam.acquisition.date,
        places=places,
    )
    facts = _facts(found, counted, history, exam)
    named = {f"place.{p}" for words in places.values() for p in words}
    return replace(found, facts=frozenset(facts | named))


def _facts(
    found: Extent, counted: list[Deposit], history: History, exam: Examination | None
) -> set[str]:
    """The facts of which the condition beside them holds; see EXTENT_FACTS."""
    facts: set[str] = set()
    seen = _Seen(found, counted, history, exam, facts)
    for name, holds in EXTENT_FACTS:
        if holds(seen):
            facts.add(name)
    return facts


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the conditions of facts look at.

    facts : those that hold so far: a condition may ask for those above it
    """

    found: Extent
    counted: list[Deposit]
    history: History
    exam: Examination | None
    facts: set[str]

    def tissue(self, name: str) -> bool:
        return any(d.place.tissue == name for d in self.counted)

    @property
    def vessels(self) -> bool:
        return self.exam is not None and any(o.kind is Kind.VESSEL for o in self.exam.objects)


def _sheets(seen: _Seen) -> bool:
    sheets = any(d.form.shape == "sheet" for d in seen.counted) or seen.tissue("fascia")
    return sheets or "fascia" in seen.history.places


def _mass(seen: _Seen) -> bool:
    own = any(_tumoral(d, seen.found.places[d.number]) for d in seen.counted)
    return own or _told_mass(seen.found, seen.history)


def _diffuse(seen: _Seen) -> bool:
    found = seen.found
    many = (found.count or 0) > MANY and len(found.regions) >= 2
    wide = len(found.regions) >= 3 or many or "extent.sheets" in seen.facts
    return wide or _told_diffuse(seen.history)


def _shallow(seen: _Seen) -> bool:
    deepest = seen.found.deepest_mm
    return deepest is not None and deepest <= SHALLOW_MM


def _accessible(seen: _Seen) -> bool:
    return _shallow(seen) or (seen.exam is None and bool(seen.history.places & UNDER_THE_SKIN))


def _arterial_and_joint(seen: _Seen) -> bool:
    joints = seen.tissue("periarticular") or "periarticular" in seen.history.places
    return joints and (seen.vessels or "arterial" in seen.history.places)


def _over(seen: _Seen) -> bool:
    return seen.found.largest_mm is not None and seen.found.largest_mm > LARGE_MM


def _under(seen: _Seen) -> bool:
    return seen.found.largest_mm is not None and seen.found.largest_mm <= LARGE_MM


EXTENT_FACTS: tuple[tuple[str, Callable[[_Seen], bool]], ...] = (
    ("extent.sheets", _sheets),
    ("extent.periarticular_mass", _mass),
    ("extent.over_3cm", _over),
    ("extent.under_3cm", _under),
    ("extent.diffuse", _diffuse),
    ("extent.localised", lambda s: "extent.diffuse" not in s.facts and bool(s.found.count)),
    ("extent.superficial", _shallow),
    ("extent.accessible", _accessible),
    ("extent.superficial_small", lambda s: _shallow(s) and "extent.under_3cm" in s.facts),
    ("place.arterial", lambda s: s.vessels),
    ("extent.arterial_and_joint", _arterial_and_joint),
)
"""Facts and when they hold, in the order in which they are asked."""


def _told_mass(found: Extent, history: History) -> bool:
    if "periarticular" in history.places:
        return True
    large = found.largest_mm is not None and found.largest_mm >= TUMORAL_MM
    return large and bool(history.places & set(BIG_JOINTS))


def _told_diffuse(history: History) -> bool:
    return "trunk_wall" in history.places and len(history.places) >= 3


def _tumoral(deposit: Deposit, places: tuple[str, ...]) -> bool:
    size, volume = _size(deposit), deposit.quantity.volume_mm3.value
    big = (size or 0.0) >= TUMORAL_MM or (volume or 0.0) >= TUMORAL_MM3
    near = deposit.place.joint_distance_mm
    joint = near is not None and near <= NEAR_JOINT_MM
    joint = joint or deposit.place.tissue == "periarticular" or bool(set(places) & set(BIG_JOINTS))
    return bool(joint and (big or deposit.form.shape == "lobulated mass"))


def _places(place: Place, base: Knowledge) -> tuple[str, ...]:
    words = [place.site, place.region, place.nearest_joint, place.tissue]
    near = place.bone_distance_mm
    if near is not None and near <= NEAR_JOINT_MM:
        words.append(place.nearest_bone)
    text = " ".join(word or "" for word in words).lower().replace("_", " ")
    terms = ((name, about) for name, about in base.terms.items() if about["group"] == "place")
    return tuple(
        name for name, about in terms if any(_stands_in(word, text) for word in about["names"])
    )


def _size(deposit: Deposit) -> float | None:
    return deposit.form.long_axis_mm or deposit.form.diameter_mm
