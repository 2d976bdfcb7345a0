"""What an examination says to the clinic: how many deposits, how large, how deep, where.

Words of the bounds: under 3 cm is the only size seen in the evidence; all others are rules
of this program (note.size).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calcimetry.clinic.base import Knowledge
from calcimetry.clinic.history import History, _stands_in
from calcimetry.clinic.shapes import NUMBER, misfit
from calcimetry.errors import InputError
from calcimetry.exchange import saved_document
from calcimetry.records import Examination

LARGE_MM = 30.0
SHALLOW_MM = 10.0
TUMORAL_MM, TUMORAL_MM3 = 50.0, 10_000.0
NEAR_JOINT_MM = 30.0
MANY = 20
WORDS = ("kind", "site", "region", "nearest_joint", "nearest_bone", "tissue", "shape")
SIZES = ("bone_distance_mm", "joint_distance_mm", "skin_depth_mm", "long_axis_mm", "diameter_mm")
VALUE = {"value": NUMBER}
SHAPE = {  # of a document, what is read here
    "deposits": [
        {"deposit": int, "volume_mm3": NUMBER}
        | dict.fromkeys(WORDS, str)
        | dict.fromkeys(SIZES, NUMBER)
    ],
    "objects": [{"kind": str}],
    "totals": {"overall": {"mass_mg": VALUE, "volume_mm3": VALUE}},
    "scan": {"date": str},
}
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


def read_examination(given: Mapping[str, Any] | Examination | str | Path) -> Mapping[str, Any]:
    """The document of an examination: as it is, from its folder or file, or from the record.

    Raises InputError: NOT_AN_EXAMINATION, SCHEMA_MISMATCH, EXAM_DAMAGED.
    """
    if isinstance(given, Examination):
        return _of_record(given)
    if isinstance(given, Mapping):
        return _checked(given, "exam")
    return saved_document(Path(given))


def _checked(document: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The document, if all that is read of it has its type."""
    wrong = misfit(document, SHAPE)
    rows = document.get("deposits")
    if rows is None:
        wrong = "a mapping without deposits"
    elif wrong is None and any(row.get("deposit") is None for row in rows):
        wrong = "a deposit without a number"
    if wrong is not None:
        raise _not_one(wrong, where)
    return document


def extent(document: Mapping[str, Any] | None, history: History, base: Knowledge) -> Extent:
    """Number, size, depth and places, with their facts."""
    rows = [] if document is None else [d for d in document["deposits"] if _counts(d)]
    places = {int(d["deposit"]): _places(d, base) for d in rows}
    sizes = [size for size in map(_size, rows) if size]
    largest = max(sizes, default=None) if document is not None else history.largest_mm
    depths = [d["skin_depth_mm"] for d in rows if d.get("skin_depth_mm") is not None]
    regions = tuple(sorted({d["region"] for d in rows if d.get("region")}))
    overall = _within(document, "totals", "overall")
    found = Extent(
        count=len(rows) if document is not None else history.count,
        largest_mm=largest,
        deepest_mm=max(depths, default=None),
        mass_mg=_within(overall, "mass_mg").get("value"),
        volume_mm3=_within(overall, "volume_mm3").get("value"),
        regions=regions,
        scan_date=_within(document, "scan").get("date"),
        places=places,
    )
    facts = _facts(found, rows, history, document)
    named = {f"place.{p}" for words in places.values() for p in words}
    return Extent(**{**_fields(found), "facts": frozenset(facts | named)})


def _within(document: Mapping[str, Any] | None, *names: str) -> Mapping[str, Any]:
    """The object at the end of a chain of names; an empty one where it is missing or null."""
    found = document or {}
    for name in names:
        found = found.get(name) or {}
    return found


def _fields(found: Extent) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Extent.__slots__}


def _facts(
    found: Extent, rows: list[Any], history: History, document: Mapping[str, Any] | None
) -> set[str]:
    facts: set[str] = set()
    sheets = any(d.get("shape") == "sheet" or d.get("tissue") == "fascia" for d in rows)
    if sheets or "fascia" in history.places:
        facts.add("extent.sheets")
    if any(_tumoral(d, found.places[int(d["deposit"])]) for d in rows) or _told_mass(
        found, history
    ):
        facts.add("extent.periarticular_mass")
    if found.largest_mm is not None:
        facts.add("extent.over_3cm" if found.largest_mm > LARGE_MM else "extent.under_3cm")
    many = (found.count or 0) > MANY and len(found.regions) >= 2
    diffuse = len(found.regions) >= 3 or many or "extent.sheets" in facts
    diffuse = diffuse or _told_diffuse(history)
    facts |= {"extent.diffuse"} if diffuse else set()
    if not diffuse and found.count:
        facts.add("extent.localised")
    if found.deepest_mm is not None and found.deepest_mm <= SHALLOW_MM:
        facts |= {"extent.superficial", "extent.accessible"}
        facts |= {"extent.superficial_small"} if "extent.under_3cm" in facts else set()
    told = history.places & {"fingertip", "hand", "elbow", "knee", "scrotum", "leg"}
    if document is None and told:
        facts.add("extent.accessible")  # places just under the skin
    vessels = any(o.get("kind") == "vessel" for o in (document or {}).get("objects") or ())
    joints = any(d.get("tissue") == "periarticular" for d in rows)
    joints = joints or "periarticular" in history.places
    facts |= {"place.arterial"} if vessels else set()
    if joints and (vessels or "arterial" in history.places):
        facts.add("extent.arterial_and_joint")
    return facts


def _told_mass(found: Extent, history: History) -> bool:
    if "periarticular" in history.places:
        return True
    large = found.largest_mm is not None and found.largest_mm >= TUMORAL_MM
    return large and bool(history.places & set(BIG_JOINTS))


def _told_diffuse(history: History) -> bool:
    return "trunk_wall" in history.places and len(history.places) >= 3


def _tumoral(row: Mapping[str, Any], places: tuple[str, ...]) -> bool:
    size, volume = _size(row), row.get("volume_mm3")
    big = (size or 0.0) >= TUMORAL_MM or (volume or 0.0) >= TUMORAL_MM3
    near = row.get("joint_distance_mm")
    joint = near is not None and near <= NEAR_JOINT_MM
    joint = joint or row.get("tissue") == "periarticular" or bool(set(places) & set(BIG_JOINTS))
    return bool(joint and (big or row.get("shape") == "lobulated mass"))


def _places(row: Mapping[str, Any], base: Knowledge) -> tuple[str, ...]:
    keys = ("site", "region", "nearest_joint", "tissue")
    text = " ".join(str(row.get(key) or "") for key in keys).lower().replace("_", " ")
    near = row.get("bone_distance_mm")
    if near is not None and near <= NEAR_JOINT_MM:
        text += " " + str(row.get("nearest_bone") or "").lower().replace("_", " ")
    terms = ((name, about) for name, about in base.terms.items() if about["group"] == "place")
    return tuple(
        name for name, about in terms if any(_stands_in(word, text) for word in about["names"])
    )


def _counts(row: Mapping[str, Any]) -> bool:
    return bool(row.get("kind", "deposit") == "deposit")


def _size(row: Mapping[str, Any]) -> float | None:
    size: float | None = row.get("long_axis_mm") or row.get("diameter_mm")
    return size


def _of_record(exam: Examination) -> Mapping[str, Any]:
    rows = []
    for deposit in exam.deposits:
        place, form = deposit.place, deposit.form
        row = {name: getattr(place, name) for name in place.__slots__}
        row |= {"deposit": deposit.number, "kind": str(deposit.kind), "shape": form.shape}
        row |= {"long_axis_mm": form.long_axis_mm, "diameter_mm": form.diameter_mm}
        rows.append(row | {"volume_mm3": deposit.quantity.volume_mm3.value})
    overall = exam.totals.overall
    totals = {
        "mass_mg": {"value": overall.mass_mg.value},
        "volume_mm3": {"value": overall.volume_mm3.value},
    }
    objects = [{"kind": str(item.kind)} for item in exam.objects]
    scan = {"date": exam.scan.acquisition.date}
    return {"deposits": rows, "objects": objects, "totals": {"overall": totals}, "scan": scan}


def _not_one(found: str, where: str) -> InputError:
    return InputError(
        "NOT_AN_EXAMINATION",
        found=found,
        expected="examination.json as `calcimetry measure` writes it",
        where=where,
        remedy="give the folder that was named with -o",
    )
