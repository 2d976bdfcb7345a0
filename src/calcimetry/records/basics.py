"""Small records and words that all others are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
    READER = "READER"  # a reader's correction


LISTED = (Kind.DEPOSIT, Kind.UNCERTAIN)
"""Kinds with a row in deposits.csv and a number in the label map, in this order. They alone are
measured in full."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A coded remark on the fitness of a scan, a deposit or a number.

    text : what was found; it gets into documents, so it names no file, folder or person
    names : of the files that it is about; for the terminal alone
    """

    code: str
    text: str
    severity: Severity = Severity.WARNING
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval. `value` None: withheld or unknown."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
