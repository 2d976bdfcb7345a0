"""Measured objects, numbered, named and summed: the parts of an examination. Nothing is judged."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from calcimetry.deposits import groups_of
from calcimetry.describe import form, shape_name, shape_numbers
from calcimetry.quantity import total
from calcimetry.records import (
    LISTED,
    Calibration,
    Deposit,
    Finding,
    Flag,
    Frame,
    OtherObject,
    Place,
    Quantity,
    Rule,
    Runs,
    Scan,
    Tier,
    Total,
    Totals,
)
from calcimetry.runs import voxels_of

_NAMESPACE = uuid.UUID("5b0c5a5e-9b1d-5c0e-8a54-6f2f6f0c6a11")  # fixed, so that UIDs repeat

Item = TypeVar("Item", Deposit, OtherObject)


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """A finding with all that was measured of it.

    place : of those that are listed
    axes_mm : of the ellipsoid of equal moments, longest first
    centroid_mm : LPS
    skeletal : it is a bone of the skeleton that distances to bone are measured to
    """

    finding: Finding
    quantity: Quantity
    place: Place | None
    axes_mm: tuple[float, float, float]
    centroid_mm: tuple[float, float, float]
    skeletal: bool = False


def ranked(described: Iterable[Described]) -> tuple[list[Described], list[Described]]:
    """Those that are listed, deposits first and then by falling mass; and all others by size."""
    listed: list[Described] = []
    others: list[Described] = []
    for item in described:
        (listed if item.finding.kind in LISTED else others).append(item)
    return sorted(listed, key=_rank), sorted(others, key=_size)


def _rank(item: Described) -> tuple[int, float, int, int]:
    runs = item.finding.runs
    mass = item.quantity.mass_mg.value or 0.0
    return LISTED.index(item.finding.kind), -mass, int(runs.row[0]), int(runs.start[0])


def _size(item: Described) -> tuple[int, int]:
    runs = item.finding.runs
    return -runs.voxels, int(runs.row[0])


def deposit_of(scan: Scan, number: int, item: Described) -> Deposit:
    """A listed object as a deposit of an examination."""
    finding, quantity, runs = item.finding, item.quantity, item.finding.runs
    numbers = shape_numbers(scan, runs, item.axes_mm)
    return Deposit(
        number=number,
        uid=uid_of(scan, runs),
        kind=finding.kind,
        confidence=finding.confidence,
        reason=finding.reason,
        rule=finding.rule,
        runs=runs,
        centroid_mm=item.centroid_mm,
        slices=slices_of(scan.frame, runs),
        place=item.place or Place(),
        form=form(
            scan,
            runs,
            shape=shape_name(numbers),
            volume_mm3=quantity.volume_mm3.value,
            numbers=numbers,
        ),
        quantity=replace(quantity, flags=()),
        flags=tuple(dict.fromkeys(finding.flags + quantity.flags)),
        likeness=finding.likeness,
    )


def object_of(number: int, item: Described) -> OtherObject:
    """An object that was left out."""
    finding = item.finding
    return OtherObject(
        number=number,
        kind=finding.kind,
        reason=finding.reason,
        rule=finding.rule,
        confidence=finding.confidence,
        volume_mm3=item.quantity.volume_mm3.value or 0.0,
        mass_mg=item.quantity.mass_mg.value,
        centroid_mm=item.centroid_mm,
        runs=finding.runs,
        likeness=finding.likeness,
    )


def grouped(
    frame: Frame, listed: Sequence[Deposit], objects: Sequence[OtherObject], *, last: int = 0
) -> tuple[tuple[Deposit, ...], tuple[OtherObject, ...]]:
    """The objects with their groups: numbers from 1, those of deposits first, then those of
    uncertain objects, then those of vessels, each by falling mass.

    A group whose objects have a number keeps it, and new ones begin after `last`: as after a
    reader's corrections.
    """
    pieces: list[Deposit | OtherObject] = [*listed, *objects]
    members: dict[int, list[Deposit | OtherObject]] = {}
    group = groups_of(frame, pieces)
    for piece, own in zip(pieces, group, strict=True):
        if own is not None:
            members.setdefault(own, []).append(piece)
    number: dict[int, int] = {}
    for own in sorted(members, key=lambda own: (*_group_rank(members[own]), own)):
        known = {piece.group for piece in members[own] if piece.group} - set(number.values())
        last = last if known else last + 1
        number[own] = min(known, default=last)
    numbers = [None if own is None else number[own] for own in group]
    return (
        tuple(in_group(d, n) for d, n in zip(listed, numbers[: len(listed)], strict=True)),
        tuple(in_group(o, n) for o, n in zip(objects, numbers[len(listed) :], strict=True)),
    )


def _group_rank(members: Sequence[Deposit | OtherObject]) -> tuple[int, float]:
    """Deposits before uncertain objects before vessels; then by falling mass."""
    kinds = [LISTED.index(m.kind) if m.kind in LISTED else len(LISTED) for m in members]
    masses = [m.mass_mg.value if isinstance(m, Deposit) else m.mass_mg for m in members]
    return min(kinds), -sum(mass or 0.0 for mass in masses)


def in_group(item: Item, number: int | None) -> Item:
    """The object with the number of its group; itself where that is what it has."""
    return item if item.group == number else replace(item, group=number)


def uid_of(scan: Scan, runs: Runs) -> str:
    """A UID that the same voxels get again: from their HU and where they lie.

    DICOM form for UUIDs (PS3.5 B.2). Files and patients do not enter, so that a scan read
    from DICOM and from NIfTI gives the same.
    """
    voxels = voxels_of(runs)
    values = scan.hu[tuple(voxels.T)].astype("<i2").tobytes()
    corners = scan.to_lps(voxels[[0, -1]]).round(1).tolist()
    return f"2.25.{uuid.uuid5(_NAMESPACE, f'{values.hex()} {corners}').int}"


def slices_of(frame: Frame, runs: Runs) -> tuple[int, int]:
    """The first and last slice that runs lie in, along the stored slice axis."""
    height = runs.shape[1]
    ends = [frame.stored.slice_index(int(runs.row[end]) // height) for end in (0, -1)]
    return min(ends), max(ends)


def totals_of(
    listed: Sequence[Deposit], objects: Sequence[OtherObject], scale: Calibration
) -> Totals:
    """Sums over all deposits, over those of each region and tissue, and over what was too unlikely
    a deposit to be listed."""
    masses = [item.mass_mg for item in objects if item.rule is Rule.UNLIKELY]
    known = [mass for mass in masses if mass is not None]
    return Totals(
        overall=_total(listed, scale),
        by_region=_grouped(listed, scale, lambda deposit: deposit.place.region),
        by_tissue=_grouped(listed, scale, lambda deposit: deposit.place.tissue),
        unlisted=len(masses),
        unlisted_mass_mg=sum(known) if len(known) == len(masses) else None,
    )


def _grouped(
    listed: Sequence[Deposit], scale: Calibration, key: Callable[[Deposit], str | None]
) -> dict[str, Total]:
    names = sorted({key(deposit) or "unknown" for deposit in listed})
    return {
        name: _total([d for d in listed if (key(d) or "unknown") == name], scale) for name in names
    }


def _total(listed: Sequence[Deposit], scale: Calibration) -> Total:
    """Counted mass, what of it is sure, and what hangs on doubt: summed together."""

    def of(tiers: Collection[Tier]) -> list[Quantity]:
        return [deposit.quantity for deposit in listed if deposit.tier in tiers]

    counted, sure, doubted = of((Tier.SURE, Tier.PROBABLE)), of((Tier.SURE,)), of((Tier.UNCERTAIN,))
    scores = [quantity.agatston for quantity in counted]
    known = [score for score in scores if score is not None]
    sums = total(counted, scale)
    return Total(
        count=len(counted),
        uncertain=len(doubted),
        mass_mg=sums.mass_mg,
        volume_mm3=sums.volume_mm3,
        agatston=sum(known) if len(known) == len(scores) else None,
        sure=len(sure),
        sure_mass_mg=total(sure, scale).mass_mg,
        uncertain_mass_mg=total(doubted, scale).mass_mg,
        groups=_groups(listed),
    )


def _groups(listed: Sequence[Deposit]) -> int | None:
    """Of how many groups the counted ones are; None where groups are not known."""
    groups = {deposit.group for deposit in listed if deposit.tier is not Tier.UNCERTAIN}
    return None if None in groups else len(groups)


def flags_by_code(*rooms: Iterable[Flag]) -> tuple[Flag, ...]:
    """Flags of all rooms; of two with one code the later says more, as it knows the outcome."""
    return tuple({flag.code: flag for flags in rooms for flag in flags}.values())
