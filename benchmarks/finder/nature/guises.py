"""The same scan in other guises: what is found should be the same.

A guise is a scan of the same matter on another grid, in another file, or lying otherwise.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from benchmarks.finder.nature.matching import GROWN_MM, middle
from benchmarks.finder.orientation import lying
from benchmarks.finder.study import inserted
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.phantom.write import write_dicom
from calcimetry.records import LISTED, Examination, Frame, Kind, Runs, Scan
from calcimetry.runs import to_labels, voxels_of
from calcimetry.scan import from_array, read

Matrix = NDArray[np.float64]
Guise = Callable[[Scan], Scan]

HALF = 0.5
"""Of an object's voxels: as much must lie in another for the two to be one."""

STAYS = np.eye(4)
"""Turns lead from the patient coordinates of a scan to those of its guise."""
ACROSS = np.array([[0.0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])
FEET_FIRST = np.diag([-1.0, 1, -1, 1])


def shifted(scan: Scan, voxels: float) -> Scan:
    """On a grid that begins this part of a voxel later along each axis, by cubic splines."""
    hu = ndimage.shift(scan.hu.astype(np.float32), -voxels, order=3, mode="nearest")
    return _again(scan, hu, _moved(scan, np.full(3, voxels)))


def cropped(scan: Scan, low: int, high: int) -> Scan:
    """Without the first and the last rows, columns and slices, so many of each."""
    kept = tuple(slice(low, n - high) for n in scan.hu.shape)
    return _again(scan, scan.hu[kept], _moved(scan, np.full(3, low)))


def rounded(scan: Scan, hu: int) -> Scan:
    """With values in steps of some HU, as files that were made small have them."""
    return _again(scan, np.rint(scan.hu / hu) * hu, scan.affine)


def as_dicom(scan: Scan) -> Scan:
    """Written as a DICOM series and read back."""
    with tempfile.TemporaryDirectory() as folder:
        return read(write_dicom(scan, Path(folder) / "series"))


def stored_otherwise(scan: Scan) -> Scan:
    """The stored array with its axes in another order, two of them running backwards."""
    _, rows, columns = (n - 1 for n in scan.hu.shape)
    hu = scan.hu.transpose(2, 0, 1)[::-1, :, ::-1]
    # Of the new (x, y, z): x counts rows backwards, y counts slices, z counts columns backwards.
    old = np.array([[0, 0, -1, columns], [-1, 0, 0, rows], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    return _again(scan, hu, scan.affine @ old)


def oblique(scan: Scan, axis: int, degrees: float) -> Scan:
    """On a grid turned about an axis (0: z) through the scan's middle, by cubic splines.

    Beyond the field the last voxels are repeated: bones go on there instead of ending in air.
    """
    step, centre = np.array(scan.spacing), (np.array(scan.hu.shape) - 1) / 2
    about = _rotation(axis, np.deg2rad(degrees))
    matrix = about * step[None, :] / step[:, None]
    offset = centre - matrix @ centre
    hu = ndimage.affine_transform(
        scan.hu.astype(np.float32), matrix, offset, order=3, mode="nearest"
    )
    index = np.eye(4)
    index[:3, :3], index[:3, 3] = matrix[::-1, ::-1], offset[::-1]
    return _again(scan, hu, scan.affine @ index)


GUISES: dict[str, tuple[Guise, Matrix]] = {
    "shifted by 0.3 voxel": (partial(shifted, voxels=0.3), STAYS),
    "shifted by 0.5 voxel": (partial(shifted, voxels=0.5), STAYS),
    "without the first row, column, slice": (partial(cropped, low=1, high=0), STAYS),
    "without the last 3": (partial(cropped, low=0, high=3), STAYS),
    "without 7 at either end": (partial(cropped, low=7, high=7), STAYS),
    "in steps of 2 HU": (partial(rounded, hu=2), STAYS),
    "in steps of 4 HU": (partial(rounded, hu=4), STAYS),
    "as DICOM": (as_dicom, STAYS),
    "stored in another order": (stored_otherwise, STAYS),
    "lying across": (partial(lying, turn=ACROSS), ACROSS),
    "feet first": (partial(lying, turn=FEET_FIRST), FEET_FIRST),
    "tilted by 10 degrees": (partial(oblique, axis=2, degrees=10.0), STAYS),
    "rolled by 25 degrees": (partial(oblique, axis=0, degrees=25.0), STAYS),
}

STABLE = (
    "STS_003", "STS_013", "STS_019", "STS_031", "STS_045", "STS_049", "STS_051",
    "neck_tcga-thca_1.5mm", "chest_cptac-pda_3mm", "spine-lumbar_taichi_sag3mm",
)  # fmt: skip
"""Scans on which deposits are called, most of them wrongly."""
PAINTED = ("STS_015", "STS_029")
"""Limbs with nothing dense but bone, for painted deposits."""
REFORMATS = "spine-lumbar_taichi_sag3mm", "spine-lumbar_taichi_cor3mm"
"""Two reformats of one examination: a guise that nobody made for this."""


def painted(scan: Scan, case: str) -> Scan:
    """The scan with deposits by the generator that training does not share."""
    return inserted(scan, "independent", crc32(case.encode()), 20)[0]


def _again(scan: Scan, hu: NDArray[np.generic], affine: Matrix) -> Scan:
    """A scan of other voxels within the values that the first one has."""
    values = np.clip(hu, scan.hu.min(), scan.hu.max())
    return from_array(values, affine=affine, acquisition=scan.acquisition)


def _moved(scan: Scan, voxels: NDArray[np.float64]) -> Matrix:
    """The affine of a grid that begins at these voxels (z, y, x) of the scan."""
    affine = scan.affine.copy()
    affine[:3, 3] = scan.to_lps(voxels)
    return affine


def _rotation(axis: int, angle: float) -> Matrix:
    """(3, 3), about an axis of (z, y, x)."""
    turn = np.eye(3)
    a, b = (other for other in range(3) if other != axis)
    turn[a, a] = turn[b, b] = np.cos(angle)
    turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
    return turn


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """What was listed on a scan: its grid, and of each object kind, mass and voxels."""

    frame: Frame
    kinds: tuple[Kind, ...]
    mass_mg: tuple[float, ...]
    runs: tuple[Runs, ...]

    @classmethod
    def of(cls, exam: Examination) -> Listing:
        """The listed objects of an examination."""
        return cls(
            exam.frame,
            tuple(d.kind for d in exam.listed),
            tuple(d.mass_mg.value or 0.0 for d in exam.listed),
            tuple(d.runs for d in exam.listed),
        )


@dataclass(frozen=True, slots=True)
class Alike:
    """How a guise compares: only objects that lie wholly within the other's field count.

    there, back : of the scan's deposits and of the guise's, whether the other has it as a deposit
    listed : of the scan's deposits, whether the guise lists it at all
    masses : mass in the guise over that in the scan, of deposits that both have
    """

    case: str
    guise: str
    there: tuple[bool, ...]
    back: tuple[bool, ...]
    listed: tuple[bool, ...]
    masses: tuple[float, ...]


def compared(case: str, guise: str, first: Listing, other: Listing, turn: Matrix) -> Alike:
    """The listing of a scan with that of a guise; `turn` leads from the first's LPS to the other's.

    Two objects are one where half of the first's voxels lie in the other, or their middles within
    3 mm.
    """
    home = np.linalg.inv(turn)
    here, there = _deposits(first, other.frame, turn), _deposits(other, first.frame, home)
    found = _partners(first, here, other, turn, (Kind.DEPOSIT,))
    listed = _partners(first, here, other, turn, LISTED)
    back = _partners(other, there, first, home, (Kind.DEPOSIT,))
    masses = [
        other.mass_mg[n] / max(first.mass_mg[k], 1e-9)
        for k, n in zip(here, found, strict=True)
        if n is not None
    ]
    had = [tuple(n is not None for n in partners) for partners in (found, back, listed)]
    return Alike(case, guise, *had, tuple(masses))


def _deposits(listing: Listing, field: Frame, turn: Matrix) -> list[int]:
    """The deposits of which every voxel lies within another field."""
    last = np.array(field.shape) - 0.5
    inside = []
    for k, (kind, runs) in enumerate(zip(listing.kinds, listing.runs, strict=True)):
        at = _carried(listing.frame, runs, field, turn)
        if kind is Kind.DEPOSIT and ((at >= -0.5) & (at <= last)).all():
            inside.append(k)
    return inside


def _partners(
    listing: Listing, which: Sequence[int], other: Listing, turn: Matrix, kinds: Sequence[Kind]
) -> list[int | None]:
    """Of some objects, the one of the other listing and these kinds that each is, if any."""
    chosen = [n for n, kind in enumerate(other.kinds) if kind in kinds]
    if not chosen:
        return [None] * len(which)
    labels = to_labels(other.frame.shape, [other.runs[n] for n in chosen])
    middles = np.array([middle(other.frame, other.runs[n]) for n in chosen])
    found: list[int | None] = []
    for runs in (listing.runs[k] for k in which):
        at = np.rint(_carried(listing.frame, runs, other.frame, turn)).astype(int)
        at = at[((at >= 0) & (at < other.frame.shape)).all(axis=1)]
        held = np.bincount(labels[tuple(at.T)], minlength=len(chosen) + 1)[1:]
        place = turn[:3, :3] @ middle(listing.frame, runs) + turn[:3, 3]
        far = np.linalg.norm(middles - place, axis=1)
        if held.max() >= HALF * runs.voxels:
            found.append(chosen[int(held.argmax())])
        else:
            found.append(chosen[int(far.argmin())] if far.min() <= GROWN_MM else None)
    return found


def _carried(frame: Frame, runs: Runs, into: Frame, turn: Matrix) -> NDArray[np.float64]:
    """The middles of voxels, in (z, y, x) of another frame, fractions kept."""
    points = frame.to_lps(voxels_of(runs))
    return into.to_zyx(points @ turn[:3, :3].T + turn[:3, 3])
