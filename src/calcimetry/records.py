"""The records that rooms hand to each other. Frozen, plain, without behaviour beyond geometry.

Axes and units, everywhere: arrays are ``(z, y, x)``; an affine maps the column vector
``(i, j, k, 1)`` = (x index, y index, z index) to LPS millimetres (DICOM PS3.3 C.7.6.2.1.1);
lengths mm, volumes mm3, masses mg of hydroxyapatite (HA), densities mg HA per cm3.
Unknown is ``None``, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calcimetry.plan import Plan

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


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How a scan was made, as far as its file says.

    `series_description` and `body_part` are as people typed them and can hold names: documents
    leave them out, or keep terms of anatomy alone (`exchange.document`).
    """

    modality: str = "CT"
    kvp: float | None = None
    kev: float | None = None  # virtual monoenergetic images only
    kernel: str | None = None
    contrast: bool | None = None
    manufacturer: str | None = None
    model: str | None = None
    date: str | None = None  # ISO 8601
    slice_thickness_mm: float | None = None
    body_part: str | None = None
    laterality: str | None = None
    patient_position: str | None = None
    image_type: tuple[str, ...] = ()
    hu_ceiling: int | None = None  # the largest HU that the file's pixels can hold
    study_uid: str | None = None
    series_uid: str | None = None
    frame_of_reference_uid: str | None = None
    series_number: int | None = None
    series_description: str | None = None
    sop_instance_uids: tuple[str, ...] = ()  # slice order of the scan
    patient_link: str | None = field(default=None, repr=False)  # keyed hash of the ID, see `link`


@dataclass(frozen=True, slots=True)
class StoredGrid:
    """The grid as it stands in the input: what output label maps are written on.

    A scan's array is the stored array with its axes permuted and flipped so that they
    run most nearly feet to head, front to back, right to left. No interpolation.

    shape : stored shape, order (i, j, k)
    affine : (4, 4), stored (i, j, k) to LPS mm
    axes : the stored axis that became (z, y, x) of the scan's array
    flipped : whether (z, y, x) runs against its stored axis
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    axes: tuple[int, int, int] = (2, 1, 0)
    flipped: tuple[bool, bool, bool] = (False, False, False)

    def from_scan(self, volume: NDArray[Any]) -> NDArray[Any]:
        """A (z, y, x) volume of the scan, as a view on the stored axes (i, j, k)."""
        step = tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flipped)
        return volume[step].transpose(np.argsort(self.axes))

    def to_scan(self, volume: NDArray[Any]) -> NDArray[Any]:
        """A stored (i, j, k) volume, as a view on the scan's axes (z, y, x)."""
        step = tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flipped)
        return volume.transpose(self.axes)[step]

    def slice_index(self, z: int) -> int:
        """The index along the stored slice axis of the scan's slice `z`."""
        return self.shape[self.axes[0]] - 1 - z if self.flipped[0] else z


@dataclass(frozen=True, slots=True)
class Source:
    """Where a scan came from. `digests` maps file name to SHA-256 of its bytes.

    `path` and the names in `digests` stay in memory: hospitals name files after patients.
    """

    path: str
    form: str  # "dicom", "nifti" or "array"
    digests: Mapping[str, str] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()  # other series by number and UID, with the reason


_AT_ONCE = 16_384  # points; for many more, BLAS would start threads of its own


def turned(points: NDArray[Any], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (..., 3) times a matrix (3, 3) each, on this thread alone: float64 (..., 3)."""
    flat = np.asarray(points, np.float64).reshape(-1, 3)
    found = np.empty_like(flat)
    for first in range(0, len(flat), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        found[part] = flat[part] @ matrix.T
    return found.reshape(np.shape(points))


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """One CT volume and its acquisition facts.

    hu : int16, C-contiguous (z, y, x); z runs most nearly feet to head, y front to back,
        x right to left of the patient
    affine : (4, 4) float64, (i, j, k) to LPS mm; k counts z, j counts y, i counts x
    """

    hu: NDArray[np.int16]
    affine: NDArray[np.float64]
    acquisition: Acquisition
    stored: StoredGrid
    source: Source
    flags: tuple[Flag, ...] = ()

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel edge lengths along (z, y, x), mm."""
        # Asked for thousands of times: without NumPy's own cost for so few numbers.
        x, y, z = (math.sqrt(a * a + b * b + c * c) for a, b, c in self._edges())
        return z, y, x

    @property
    def voxel_mm3(self) -> float:
        """The volume of a voxel; right for sheared (tilted) grids too."""
        (a, b, c), (d, e, f), (g, h, i) = self._edges()
        return abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))

    def _edges(self) -> list[list[float]]:
        """The steps along x, y and z, LPS mm."""
        edges: list[list[float]] = self.affine[:3, :3].T.tolist()
        return edges

    def to_lps(self, zyx: NDArray[Any]) -> NDArray[np.float64]:
        """Voxel positions (..., 3) in (z, y, x), fractions allowed, to LPS mm (x, y, z)."""
        points = np.asarray(zyx, dtype=np.float64)[..., ::-1]
        return turned(points, self.affine[:3, :3]) + self.affine[:3, 3]

    def to_zyx(self, lps: NDArray[Any]) -> NDArray[np.float64]:
        """LPS mm (..., 3) to voxel positions in (z, y, x), fractions kept."""
        offset = np.asarray(lps, dtype=np.float64) - self.affine[:3, 3]
        result: NDArray[np.float64] = (offset @ np.linalg.inv(self.affine[:3, :3]).T)[..., ::-1]
        return result


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Stretches of voxels along rows, in raster order; never two that touch in one row.

    shape : of the volume, (z, y, x)
    row : int32 (n,), ``z * shape[1] + y``
    start, stop : int32 (n,), first x, and one past the last
    """

    shape: tuple[int, int, int]
    row: NDArray[np.int32]
    start: NDArray[np.int32]
    stop: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row)

    @property
    def voxels(self) -> int:
        return int((self.stop - self.start).sum(dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """Connected objects: runs, the object of each, and what was summed in one pass.

    label : int32 (n,) per run, 1..count, numbered by first voxel in raster order
    voxels : int64 (count,)
    total : float64 (count,), sum of HU
    peak, floor : int16 (count,), largest and smallest HU
    centroid : float64 (count, 3), mean (z, y, x) in voxels
    moment : float64 (count, 3, 3), covariance of voxel positions (z, y, x), voxels squared
    box : int32 (count, 6), z0, z1, y0, y1, x0, x1; the odd ones are one past the last
    sums : of each run its sum of HU (int64), largest and smallest HU (int16); None where they
        were not kept
    """

    runs: Runs
    label: NDArray[np.int32]
    voxels: NDArray[np.int64]
    total: NDArray[np.float64]
    peak: NDArray[np.int16]
    floor: NDArray[np.int16]
    centroid: NDArray[np.float64]
    moment: NDArray[np.float64]
    box: NDArray[np.int32]
    sums: tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.int16]] | None = None

    def __len__(self) -> int:
        return len(self.voxels)


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A dense object, or a part cut from one, with what the finder judged it to be."""

    runs: Runs
    kind: Kind
    reason: str  # in words a reader understands
    confidence: float  # 0 to 1, that the kind is right
    flags: tuple[Flag, ...] = ()
    rule: Rule | None = None  # that decided; None where the finder did not judge


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
    flags: tuple[Flag, ...] = ()


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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """All that was found and measured on one scan."""

    scan: Scan
    plan: Plan
    calibration: Calibration
    deposits: tuple[Deposit, ...]
    objects: tuple[OtherObject, ...]
    totals: Totals
    flags: tuple[Flag, ...]
    timings: Mapping[str, float]  # seconds, by stage
    versions: Mapping[str, str]
    landmarks: Landmarks | None = None  # for follow-up
    anatomy: Mapping[str, str] = field(default_factory=dict)  # the label map's scheme and maker
