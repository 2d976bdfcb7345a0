"""A CT volume, its geometry, and how it was made."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from calcimetry.records.basics import Flag
from calcimetry.records.words import acquisition_words, by, frame_words

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How a scan was made, as far as its file says; None where it does not.

    modality : "CT"
    kvp : tube voltage, kV
    kev : energy of a virtual monoenergetic image, keV
    kernel : the reconstruction's, as the maker names it
    contrast : whether contrast medium was given
    manufacturer, model : of the scanner
    date : of the scan, ISO 8601
    slice_thickness_mm : mm
    body_part, laterality, patient_position : as DICOM has them
    image_type : DICOM's words
    hu_ceiling : the largest value that the file's pixels can hold, HU
    study_uid, series_uid, frame_of_reference_uid : DICOM UIDs
    series_number, series_description : of the series
    sop_instance_uids : of the slices, in the scan's order
    patient_link : keyed hash of the patient's ID (`calcimetry.link`)

    `series_description` and `body_part` are as people typed them and can hold names: documents
    leave them out, or keep terms of anatomy alone (`exchange.document`).
    """

    modality: str = "CT"
    kvp: float | None = None
    kev: float | None = None
    kernel: str | None = None
    contrast: bool | None = None
    manufacturer: str | None = None
    model: str | None = None
    date: str | None = None
    slice_thickness_mm: float | None = None
    body_part: str | None = None
    laterality: str | None = None
    patient_position: str | None = None
    image_type: tuple[str, ...] = ()
    hu_ceiling: int | None = None
    study_uid: str | None = None
    series_uid: str | None = None
    frame_of_reference_uid: str | None = None
    series_number: int | None = None
    series_description: str | None = None
    sop_instance_uids: tuple[str, ...] = ()
    patient_link: str | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"Acquisition({acquisition_words(self)})"


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

    def __repr__(self) -> str:
        return f"StoredGrid({by(self.shape)}, axes {self.axes}, flipped {self.flipped})"

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
    """Where a scan came from.

    path : of the file or folder that was read
    form : "dicom", "nifti" or "array"
    digests : file name to SHA-256 of its bytes
    passed_over : other series by number and UID, with the reason

    `path` and the names in `digests` stay in memory: hospitals name files after patients.
    """

    path: str
    form: str
    digests: Mapping[str, str] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Source({self.form}, {len(self.digests)} files)"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is kept of where a scan came from: nothing that names a file or a person.

    form : "dicom", "nifti" or "array"
    files : how many there were
    sha256 : of the digests of all files, in the order of their names; None where there are none
    passed_over : other series by number and UID, with the reason
    """

    form: str
    files: int = 0
    sha256: str | None = None
    passed_over: tuple[str, ...] = ()

    def __repr__(self) -> str:
        passed = f", {len(self.passed_over)} series passed over" if self.passed_over else ""
        return f"Provenance({self.form}, {self.files} files{passed})"

    @classmethod
    def of(cls, source: Source) -> Provenance:
        """Of a scan's source."""
        joined = "".join(source.digests[name] for name in sorted(source.digests))
        digest = hashlib.sha256(joined.encode()).hexdigest() if joined else None
        return cls(source.form, len(source.digests), digest, source.passed_over)


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
class Frame:
    """The geometry of a volume, without its voxels.

    shape : voxels along (z, y, x); z runs most nearly feet to head, y front to back, x right to
        left of the patient
    affine : (4, 4) float64, (i, j, k) to LPS mm; k counts z, j counts y, i counts x
    stored : the same grid as it stands in the input
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    stored: StoredGrid

    def __repr__(self) -> str:
        return f"Frame({frame_words(self)})"

    @classmethod
    def of(cls, shape: tuple[int, ...], affine: NDArray[np.float64]) -> Frame:
        """A frame that is stored as it is: (i, j, k) are (x, y, z)."""
        depth, height, width = shape
        return cls((depth, height, width), affine, StoredGrid((width, height, depth), affine))

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
class Scan:
    """One CT volume: its voxels, where they lie, and how they were made.

    hu : HU, int16, C-contiguous, (z, y, x) as its frame says
    frame : its grid, mm
    acquisition : how it was made
    source : where it came from
    flags : coded remarks on what it is fit for
    """

    hu: NDArray[np.int16]
    frame: Frame
    acquisition: Acquisition
    source: Source
    flags: tuple[Flag, ...] = ()

    def __repr__(self) -> str:
        flags = f"; flags: {', '.join(flag.code for flag in self.flags)}" if self.flags else ""
        return f"Scan({acquisition_words(self.acquisition)}, {frame_words(self.frame)}{flags})"

    @classmethod
    def of(
        cls,
        hu: NDArray[np.int16],
        affine: NDArray[np.float64],
        acquisition: Acquisition | None = None,
        *,
        form: str = "array",
    ) -> Scan:
        """A scan of voxels that are HU already, stored as they are; for files, see `read`."""
        return cls(hu, Frame.of(hu.shape, affine), acquisition or Acquisition(), Source("", form))

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4), (i, j, k) to LPS mm; see `Frame`."""
        return self.frame.affine

    @property
    def stored(self) -> StoredGrid:
        """The grid as it stands in the input."""
        return self.frame.stored

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel edge lengths along (z, y, x), mm."""
        return self.frame.spacing

    @property
    def voxel_mm3(self) -> float:
        """The volume of a voxel."""
        return self.frame.voxel_mm3

    def to_lps(self, zyx: NDArray[Any]) -> NDArray[np.float64]:
        """As `Frame.to_lps`."""
        return self.frame.to_lps(zyx)

    def to_zyx(self, lps: NDArray[Any]) -> NDArray[np.float64]:
        """As `Frame.to_zyx`."""
        return self.frame.to_zyx(lps)
