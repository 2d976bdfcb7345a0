"""Measured findings, numbered, named and summed: an examination. Nothing is judged here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from calcimetry import deposits as finder
from calcimetry.quantity import form, total
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
    Runs,
    Scan,
    Tier,
    Total,
    Totals,
)
from calcimetry.runs import voxels_of

_NAMESPACE = uuid.UUID("5b0c5a5e-9b1d-5c0e-8a54-6f2f6f0c6a11")  # fixed, so that UIDs repeat

Measured = tuple[Finding, Quantity]


def numbered_deposits(
    scan: Scan, pairs: Sequence[Measured], found: finder.Found, places: dict[int, Place]
) -> list[Deposit]:
    """Deposits and uncertain ones, numbered: those sure first, then by mass."""
    order = sorted(found.listed, key=lambda k: _rank(pairs[k]))
    centres = scan.to_lps(found.centroid[order]).tolist()
    made: list[Deposit] = []
    for at in order:
        finding, quantity = pairs[at]
        numbers = finder.shape_numbers(scan, finding.runs, found.evidence[at].axes_mm)
        made.append(
            Deposit(
                number=len(made) + 1,
                uid=uid_of(scan, finding.runs),
                kind=finding.kind,
                confidence=finding.confidence,
                reason=finding.reason,
                rule=finding.rule,
                runs=finding.runs,
                centroid_mm=tuple(centres[len(made)]),
                slices=slices_of(scan.frame, finding.runs),
                place=places[at],
                form=form(
                    scan,
                    finding.runs,
                    shape=finder.shape_name(numbers),
                    volume_mm3=quantity.volume_mm3.value,
                    numbers=numbers,
                ),
                quantity=replace(quantity, flags=()),
                flags=tuple(dict.fromkeys(finding.flags + quantity.flags)),
            )
        )
    return made


def _rank(pair: Measured) -> tuple[int, float, int, int]:
    finding, quantity = pair
    runs = finding.runs
    first = int(runs.row[0]), int(runs.start[0])
    return LISTED.index(finding.kind), -(quantity.mass_mg.value or 0.0), *first


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
    height = runs.shape[1]
    ends = [frame.stored.slice_index(int(runs.row[end]) // height) for end in (0, -1)]
    return min(ends), max(ends)


def other_objects(
    scan: Scan, pairs: Sequence[Measured], found: finder.Found
) -> tuple[OtherObject, ...]:
    """Dense objects of all other kinds, biggest first."""
    voxels = [evidence.voxels for evidence in found.evidence]
    rest = [k for k, (finding, _) in enumerate(pairs) if finding.kind not in LISTED]
    rest.sort(key=lambda k: (-voxels[k], int(pairs[k][0].runs.row[0])))
    centres, voxel = scan.to_lps(found.centroid[rest]).tolist(), scan.voxel_mm3
    return tuple(
        OtherObject(
            number=number,
            kind=pairs[k][0].kind,
            reason=pairs[k][0].reason,
            rule=pairs[k][0].rule,
            confidence=pairs[k][0].confidence,
            volume_mm3=voxels[k] * voxel,
            mass_mg=pairs[k][1].mass_mg.value,
            centroid_mm=tuple(centre),
            runs=pairs[k][0].runs,
        )
        for number, (k, centre) in enumerate(zip(rest, centres, strict=True), 1)
    )


def totals_of(listed: Sequence[Deposit], scale: Calibration) -> Totals:
    return Totals(
        overall=_total(listed, scale),
        by_region=_grouped(listed, scale, lambda deposit: deposit.place.region),
        by_tissue=_grouped(listed, scale, lambda deposit: deposit.place.tissue),
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
    )


def flags_by_code(*rooms: Iterable[Flag]) -> tuple[Flag, ...]:
    """Flags of all rooms; of two with one code the later says more, as it knows the outcome."""
    return tuple({flag.code: flag for flags in rooms for flag in flags}.values())
