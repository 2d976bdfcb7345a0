"""Small records and words that all others are made of."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import StrEnum

from calcimetry.digits import decimals, plain

_NAMESPACE = uuid.UUID("0d8a6c5e-52b7-5f6b-9d0e-7a1c3e9f4b20")  # fixed, so that UIDs repeat

Box = tuple[slice, slice, slice]
"""A box of voxels, in array order (z, y, x); always with explicit start and stop."""


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    WITHHELD = "withheld"


class Kind(StrEnum):
    """What a dense object is."""

    DEPOSIT = "deposit"
    UNCERTAIN = "uncertain"
    VESSEL = "vessel"
    CARTILAGE = "cartilage"
    STONE = "stone"
    BONE = "bone"
    TOOTH = "tooth"
    CONTRAST = "contrast"
    METAL = "metal"
    EXTERNAL = "external"
    NOISE = "noise"  # what the noise of the scan explains
    OTHER = "other"  # what a reader left out without saying what it is


class Likeness(StrEnum):
    """What, other than a deposit, an object looks most like; people read "vessel-like"."""

    VESSEL = "vessel"
    CARTILAGE = "cartilage"
    BONE = "bone"
    SESAMOID = "sesamoid"
    CONTRAST = "contrast"
    METAL = "metal"
    TOOTH = "tooth"
    STONE = "stone"
    NOISE = "noise"
    ORGAN = "organ"


class Tier(StrEnum):
    """How far a listed object can be relied on to be a deposit."""

    SURE = "sure"  # counted; confidence of at least `SURE_CONFIDENCE`
    PROBABLE = "probable"  # counted
    UNCERTAIN = "uncertain"  # not counted: may be something else


SURE_CONFIDENCE = 0.9
"""Confidence from which a deposit is `sure`. Of natural ones on limbs, each patient left out of the
fit, 5 of 7 called with at least this are deposits and 16 of 21 of those called with less, vessel
calcium left out (docs/finder-nature.md); of painted ones nearly all (docs/finder-benchmark.md)."""


class Rule(StrEnum):
    """Which rule of the finder decided what a dense object is; `deposits.reasons` has its sentence.

    A code never changes its meaning; new rules get new codes.
    """

    EXTERNAL = "EXTERNAL"
    METAL = "METAL"
    LABEL_MAP = "LABEL_MAP"
    FIELD_EDGE = "FIELD_EDGE"
    LARGE_SPLIT_DOUBTED = "LARGE_SPLIT_DOUBTED"
    SPLIT_DOUBTED = "SPLIT_DOUBTED"
    SKELETON = "SKELETON"
    NOISE = "NOISE"
    SPLIT_AMID_BONES = "SPLIT_AMID_BONES"
    SPLIT_FROM_BONE = "SPLIT_FROM_BONE"
    CONTRAST_POOL = "CONTRAST_POOL"
    AIR_AROUND = "AIR_AROUND"
    WITHIN_TRUNK = "WITHIN_TRUNK"
    AT_RIBS = "AT_RIBS"
    TRUNK_WALL = "TRUNK_WALL"
    BESIDE_BONE = "BESIDE_BONE"
    CONTRAST_LEVEL = "CONTRAST_LEVEL"
    LINEAR = "LINEAR"
    SMALL_DEEP = "SMALL_DEEP"
    NETWORK_POSITIVE = "NETWORK_POSITIVE"
    ISOLATED = "ISOLATED"
    ISOLATED_LOW_PROBABILITY = "ISOLATED_LOW_PROBABILITY"
    UNDECIDED = "UNDECIDED"
    VESSEL_COURSE = "VESSEL_COURSE"
    REMAINDER = "REMAINDER"
    SATELLITE = "SATELLITE"
    OBJECT_STAGE = "OBJECT_STAGE"
    ROD = "ROD"
    UNLIKELY = "UNLIKELY"  # too unlikely a deposit to be listed
    READER = "READER"  # a reader's correction


LISTED = (Kind.DEPOSIT, Kind.UNCERTAIN)
"""Kinds with a row in deposits.csv and a number in the label map, in this order. They alone are
measured in full."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A coded remark on the fitness of a scan, a deposit or a number.

    code : a stable key (docs/errors.md)
    text : what was found; it gets into documents, so it names no file, folder or person
    severity : "info", "warning", or "withheld": a result is not given
    names : of the files that it is about; for the terminal alone
    """

    code: str
    text: str
    severity: Severity = Severity.WARNING
    names: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval; as text "12.3 (10.1 to 14.5)".

    value : None: withheld or unknown
    low, high : ends of the interval; `high` None: it has no upper end that is known
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "unknown"
        places = decimals(self.value if self.value else self.high or 0.0)
        text = plain(self.value, places)
        if self.low is None:
            return text
        if self.high is None:
            return f"{text} (at least {plain(self.low, places)})"
        return f"{text} ({plain(self.low, places)} to {plain(self.high, places)})"


def uid_from(text: str) -> str:
    """A UID in DICOM's form for UUIDs (PS3.5 B.2) that the same text gets again."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, text).int}"
