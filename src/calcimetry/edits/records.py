"""The corrections that a reader can make."""

from __future__ import annotations

from dataclasses import dataclass

from calcimetry.records import Kind

Point = tuple[float, float, float]
"""LPS mm, (x, y, z)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What every correction may say of itself.

    note : why, in the reader's words
    reader : a code of who made it; no name is asked for
    time : when, ISO 8601
    """

    note: str = ""
    reader: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True)
class Ball:
    """All voxels whose middles lie in a ball.

    centre_mm : LPS
    """

    centre_mm: Point
    radius_mm: float


@dataclass(frozen=True, slots=True)
class Strokes:
    """Voxels as stretches along x of the scan's array: (z, y, first x, one past the last x)."""

    stretches: tuple[tuple[int, int, int, int], ...]


Region = Ball | Strokes


@dataclass(frozen=True, slots=True)
class Accept(Edit):
    """It is a deposit: what was uncertain, or left out (a negative number), is counted."""

    target: int


@dataclass(frozen=True, slots=True)
class Reject(Edit):
    """It is no deposit, and is left out.

    kind : what it is, where the reader says so
    """

    target: int
    kind: Kind = Kind.OTHER


@dataclass(frozen=True, slots=True)
class SetKind(Edit):
    """It is of another kind, listed or not."""

    target: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class SetPlace(Edit):
    """Where it lies, as far as the reader says; what is None stays as it was measured.

    site : in words, as `calcimetry.sites` knows them; its region follows
    """

    target: int
    tissue: str | None = None
    side: str | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True)
class SplitByPlane(Edit):
    """Two of one: what lies on the side that the normal points to becomes an object of its own."""

    target: int
    point_mm: Point
    normal_mm: Point


@dataclass(frozen=True, slots=True)
class SplitBySeeds(Edit):
    """One for each seed, by watershed of the HU between them; the first seed's keeps the number."""

    target: int
    seeds_mm: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class CutFromBone(Edit):
    """The deposits in what was taken for bone, by the finder's probability of every voxel; or,
    where a plane is given, what lies on the side that its normal points to."""

    target: int
    point_mm: Point | None = None
    normal_mm: Point | None = None


@dataclass(frozen=True, slots=True)
class Merge(Edit):
    """One of several, with the number and kind of the first."""

    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Draw(Edit):
    """Voxels added to an object, or to a new deposit; they are taken from any other object."""

    region: Region
    target: int | None = None


@dataclass(frozen=True, slots=True)
class Erase(Edit):
    """Voxels taken from an object, or from all."""

    region: Region
    target: int | None = None


@dataclass(frozen=True, slots=True)
class AddByThreshold(Edit):
    """A deposit that was missed: the connected voxels at and above a threshold in a ball.

    Of several parts that which is nearest to the middle; voxels of other deposits and of bone stay
    theirs.
    """

    centre_mm: Point
    radius_mm: float
    threshold_hu: float
