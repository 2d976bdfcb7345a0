"""What was found and measured on one scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from calcimetry.records.basics import Estimate, Flag, Kind, Rule
from calcimetry.records.runs import Runs
from calcimetry.records.scan import Acquisition, Frame, Provenance
from calcimetry.records.squeezed import squeezed, unsqueezed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calcimetry.edits import Edit
    from calcimetry.plan import Plan


@dataclass(frozen=True, slots=True)
class Place:
    """Where a deposit lies."""

    tissue: str | None = None
    side: str | None = None  # "left", "right"
    site: str | None = None
    region: str | None = None
    skin_depth_mm: float | None = None
    bone_distance_mm: float | None = None
    nearest_bone: str | None = None
    nearest_joint: str | None = None
    joint_distance_mm: float | None = None
    touches_bone: bool | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """Size and shape of a deposit; `numbers` are those behind the shape's name."""

    shape: str
    diameter_mm: float
    long_axis_mm: float
    short_axis_mm: float
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quantity:
    """How much there is of a deposit."""

    mass_mg: Estimate
    volume_mm3: Estimate
    density_mg_cm3: Estimate
    volume_130_mm3: float
    mean_hu: float
    max_hu: int
    agatston: float | None
    agatston_profile: str | None
    background_hu: float | None = None
    relative_error: Mapping[str, float] = field(default_factory=dict)  # 1 SD of mass, by cause
    peak_mg_cm3: float | None = None  # density of the plateau, as resolved
    detection_limit_mg: float | None = None  # a deposit of this mass is found 19 times in 20
    ceiling_voxels: int = 0  # at the largest HU that the file can hold: mass is a lower bound
    density_shares: Mapping[str, float] = field(default_factory=dict)  # of mass, by class
    flags: tuple[Flag, ...] = ()  # of measuring; a `Deposit` has them among its own


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns HU above background into mineral, and how well that is known.

    mg_cm3_per_hu : slope c, mg HA per cm3 for each HU above background
    relative_sd : 1 SD of c over its value
    source : which rung of the ladder: "rods", "user", "internal", "table"
    per_slice : c of each slice of the scan (the table depends on body size); None: the same
        everywhere. `mg_cm3_per_hu` is then their median
    water_hu : what water reads on this scan, where rods tell; else 0
    """

    mg_cm3_per_hu: float
    relative_sd: float
    source: str
    detail: str = ""
    flags: tuple[Flag, ...] = ()
    per_slice: tuple[float, ...] | None = None
    water_hu: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Deposit:
    """A deposit of an examination: `number` is its value in the label map."""

    number: int
    uid: str
    kind: Kind
    confidence: float
    reason: str
    rule: Rule | None  # that decided; None where the finder did not judge
    runs: Runs
    centroid_mm: tuple[float, float, float]  # LPS x, y, z
    slices: tuple[int, int]  # first and last, index along the stored slice axis, from 0
    place: Place
    form: Form
    quantity: Quantity
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class OtherObject:
    """A dense object that was judged not to be a deposit, and why."""

    number: int
    kind: Kind
    reason: str
    rule: Rule | None
    confidence: float
    volume_mm3: float
    mass_mg: float | None
    centroid_mm: tuple[float, float, float]
    runs: Runs | None = None  # None: of an examination that did not keep them


@dataclass(frozen=True, slots=True)
class Total:
    """A sum over deposits of kind `deposit`; `uncertain` ones are counted apart."""

    count: int
    uncertain: int
    mass_mg: Estimate
    volume_mm3: Estimate
    agatston: float | None


@dataclass(frozen=True, slots=True)
class Totals:
    overall: Total
    by_region: Mapping[str, Total]
    by_tissue: Mapping[str, Total]


@dataclass(frozen=True, slots=True, eq=False)
class SoftTissue:
    """Coarse HU of the soft tissue around deposits.

    code : uint8 (z, y, x); 0 was not kept, 255 holds something dense, any other is
        ``LOW_HU + STEP_HU * (code - 1)`` HU, cut off at LOW_HU and HIGH_HU
    affine : (4, 4), cells (i, j, k) to LPS mm
    """

    LOW_HU: ClassVar[float] = -200.0
    HIGH_HU: ClassVar[float] = 130.0
    STEP_HU: ClassVar[float] = 2.0

    code: NDArray[np.uint8]
    affine: NDArray[np.float64]

    def __reduce__(self) -> tuple[Any, ...]:
        return _carried, (SoftTissue, squeezed(self.code), squeezed(self.affine))


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """What of a body is kept to lay another visit over this one.

    bone : points of the bones' outer surface, LPS mm, float32 (n, 3)
    skin : points of the skin
    soft : soft tissue around deposits; None in examinations of older versions
    """

    bone: NDArray[np.float32]
    skin: NDArray[np.float32]
    soft: SoftTissue | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _carried, (Landmarks, squeezed(self.bone), squeezed(self.skin), self.soft)


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """The images about some deposits.

    box : int32 (n, 6), z0, z1, y0, y1, x0, x1 of each; the odd ones are one past the last
    hu : int16, the voxels of all boxes, one box after the other, each in raster order
    uids : of the deposit in each box
    """

    box: NDArray[np.int32]
    hu: NDArray[np.int16]
    uids: tuple[str, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return _carried, (Crops, squeezed(self.box), squeezed(self.hu), list(self.uids))


def _carried(record: type, *given: Any) -> Any:
    """A record that was pickled small: arrays come as (dtype, shape, bytes)."""
    parts = [unsqueezed(part) if isinstance(part, tuple) else part for part in given]
    return record(*(tuple(part) if isinstance(part, list) else part for part in parts))


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """All that was found and measured on one scan: a value, without the scan's voxels.

    created : when it was measured, ISO 8601, UTC
    landmarks, crops : what is kept of the scan for follow-up
    anatomy : the label map's scheme and maker
    site : the body part in the user's words
    skeleton : the objects that distances to bone are measured to; deposits by number, others by
        minus their number
    edits, original : a reader's corrections, and the examination that they were made of
    pictures : PNGs by name, where it was loaded with them; else they are made from the scan
    """

    frame: Frame
    acquisition: Acquisition
    provenance: Provenance
    plan: Plan
    calibration: Calibration
    deposits: tuple[Deposit, ...]
    objects: tuple[OtherObject, ...]
    totals: Totals
    flags: tuple[Flag, ...]
    timings: Mapping[str, float]  # seconds, by stage
    versions: Mapping[str, str]
    created: str
    landmarks: Landmarks | None = None
    crops: Crops | None = None
    site: str | None = None
    skeleton: tuple[int, ...] = ()
    anatomy: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    edits: tuple[Edit, ...] = ()
    original: Examination | None = field(default=None, repr=False)
