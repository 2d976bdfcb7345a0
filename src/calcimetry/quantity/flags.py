"""Coded flags on a deposit's numbers: what the reader must know before using them."""

from __future__ import annotations

from dataclasses import dataclass

from calcimetry.quantity.integral import Integral
from calcimetry.quantity.mass import Mass
from calcimetry.quantity.volume import VolumeEstimate
from calcimetry.records import Box, Flag, Severity

_UNRESOLVED = 4.0  # radius over blur below which the volume is mostly model


@dataclass(frozen=True, slots=True, eq=False)
class FlagInputs:
    """What was measured on one deposit. `box` holds its voxels; `shape` is the scan's."""

    box: Box
    part: Integral
    size: VolumeEstimate
    mass: Mass
    at_ceiling: int
    shape: tuple[int, ...]
    withheld: Flag | None


def flags_of(inputs: FlagInputs) -> tuple[Flag, ...]:
    """All flags of one deposit's quantity."""
    found = [
        inputs.withheld,
        _detection(inputs.mass),
        _ceiling(inputs.at_ceiling),
        _tissues(inputs.part),
        _contact(inputs.part),
        _air(inputs.part),
        _resolution(inputs.size),
        _field(inputs),
    ]
    return tuple(flag for flag in found if flag is not None)


def _detection(mass: Mass) -> Flag | None:
    if mass.found:
        return None
    text = (
        f"mass {mass.mg:.2g} mg is not told from none "
        f"(critical {mass.critical_mg:.2g} mg, detection limit {mass.limit_mg:.2g} mg)"
    )
    return Flag("BELOW_DETECTION", text)


def _ceiling(voxels: int) -> Flag | None:
    if not voxels:
        return None
    text = f"{voxels} voxels at the largest HU that the file holds: mass is a lower bound"
    return Flag("AT_CEILING", text)


def _tissues(part: Integral) -> Flag | None:
    background = part.background
    if not background.levels:
        return Flag("BACKGROUND_ASSUMED", "too little soft tissue around: 40 +-50 HU assumed")
    if background.step == 0.0:
        return None
    low, high = sorted(background.levels)
    text = f"two tissues around ({low:.0f} and {high:.0f} HU), modelled with a border"
    return Flag("TWO_TISSUES", text, Severity.INFO)


def _contact(part: Integral) -> Flag | None:
    if not part.contact:
        return None
    text = "another dense object is within reach of the blur: the signal is shared by model"
    return Flag("SHARED_BORDER", text, Severity.INFO)


def _air(part: Integral) -> Flag | None:
    if part.captured > 0.995:
        return None
    text = f"air cuts off {1 - part.captured:.0%} of the blurred signal; put back by model"
    return Flag("AIR_WITHIN_REACH", text, Severity.INFO)


def _resolution(size: VolumeEstimate) -> Flag | None:
    if size.resolved >= _UNRESOLVED:
        return None
    text = "smaller than the blur resolves: volume and density rest on a model of the blur"
    return Flag("UNRESOLVED", text, Severity.INFO)


def _field(inputs: FlagInputs) -> Flag | None:
    sides = zip(inputs.box, inputs.shape, strict=True)
    if any(side.start == 0 or side.stop == size for side, size in sides):
        return Flag("CUT_BY_FIELD", "the edge of the scan cuts it: mass is a lower bound")
    return None
