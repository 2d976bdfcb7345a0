"""Which objects are pieces of one lesion, or of one line of vascular calcium.

Three ties make a group, and none is undone by a further object, which can join groups and
never part one: pieces that lie close together, arcs of one broken ring (`broken_ring`), and objects
of vessels along one course (`vessel_course`). Nothing depends on the objects' order, nor on which
axis is which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from calcimetry.deposits.boxes import Boxes
from calcimetry.deposits.broken_ring import are_arcs_of_one_ring, main_ways, may_be_arcs
from calcimetry.deposits.vessel_course import courses
from calcimetry.records import LISTED, Box, Frame, Kind, Likeness, Runs
from calcimetry.runs import box_of, paint, voxels_of

CLOSE_MM = 4.0
"""Gap, surface to surface, up to which two objects are pieces of one lesion. Mineral below the
threshold bridges such gaps: on limbs with calcified tumours the pieces of one lay at 0 to 3.9 mm
from the next."""

CLOSE_SLICES = 1.5
"""The same along an axis on which the voxels are longer, in voxels: one slice of no dense voxel may
lie between two pieces, two may not."""

LONG_MM = 12.0
"""From here on an object in a vessel's wall has a course of its own: its ends count as well."""


class Piece(Protocol):
    """What a group is told from: a finding, a deposit or an object that was left out."""

    @property
    def runs(self) -> Runs | None: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def likeness(self) -> Likeness | None: ...


def groups_of(frame: Frame, pieces: Sequence[Piece]) -> list[int | None]:
    """The group of each piece, numbered from 0 in the order of their first pieces.

    None for what is neither listed nor a vessel's, and for what has no voxels.
    """
    runs = {k: piece.runs for k, piece in enumerate(pieces) if piece.runs}
    listed = [k for k in runs if pieces[k].kind in LISTED]
    vessels = [k for k in runs if _along_vessel(pieces[k])]
    ties = np.array(list(_ties(frame, runs, listed, vessels)), int).reshape(-1, 2)
    tied = coo_array((np.ones(len(ties)), ties.T), shape=(len(pieces), len(pieces)))
    _, label = connected_components(tied, directed=False)
    number: dict[int, int] = {}
    members = {*listed, *vessels}
    return [
        number.setdefault(own, len(number)) if k in members else None
        for k, own in enumerate(label.tolist())
    ]


def _along_vessel(piece: Piece) -> bool:
    doubted = piece.kind is Kind.UNCERTAIN and piece.likeness is Likeness.VESSEL
    return piece.kind is Kind.VESSEL or doubted


def _ties(
    frame: Frame, runs: dict[int, Runs], listed: Sequence[int], vessels: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Pairs of pieces that belong to one group."""
    lesions, lines = (Boxes.of(frame, [runs[k] for k in which]) for which in (listed, vessels))
    for which, boxes in ((listed, lesions), (vessels, lines)):
        for one, other in _pairs(which, boxes.gaps_within(_close_mm(frame))):
            if are_close(frame, runs[one], runs[other]):
                yield one, other
    for one, other in _pairs(listed, may_be_arcs(lesions)):
        if are_arcs_of_one_ring(frame, runs[one], runs[other]):
            yield one, other
    yield from _along_lines(frame, runs, vessels)


def _pairs(which: Sequence[int], tied: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Two of `which` for each pair that is tied, bool (n, n)."""
    for one, other in np.argwhere(np.triu(tied, 1)).tolist():
        yield which[one], which[other]


def _close_mm(frame: Frame) -> NDArray[np.float64]:
    """The gap along each axis, (z, y, x), that two close pieces may have."""
    return np.maximum(CLOSE_MM, CLOSE_SLICES * np.array(frame.spacing))


def are_close(frame: Frame, one: Runs, other: Runs) -> bool:
    """Whether the gap between the surfaces of two objects, as voxels are boxes, is at most
    CLOSE_MM; along an axis of longer voxels, CLOSE_SLICES of them."""
    scale = np.array(frame.spacing) / _close_mm(frame)
    within = [_grown(box_of(runs), 1.0 / scale) for runs in (other, one)]
    ends = [_corners(runs, box) * scale for runs, box in zip((one, other), within, strict=True)]
    if not all(len(part) for part in ends):
        return False
    few, many = sorted(ends, key=len)
    gap, _ = cKDTree(many).query(few, distance_upper_bound=1.0 + 1e-6)
    return bool(np.isfinite(gap).any())


def _grown(box: Box, voxels: NDArray[np.float64]) -> Box:
    z, y, x = (
        slice(side.start - grow, side.stop + grow)
        for side, grow in zip(box, (np.floor(voxels).astype(int) + 1).tolist(), strict=True)
    )
    return z, y, x


def _corners(runs: Runs, within: Box) -> NDArray[np.int64]:
    """Corners of an object's surface in a box, as voxel indices (n, 3).

    Voxels of one lattice are as far apart as the nearest of their corners.
    """
    own = box_of(runs)
    z, y, x = (
        slice(max(a.start, b.start), max(a.start, b.start, min(a.stop, b.stop)))
        for a, b in zip(own, within, strict=True)
    )
    mask = np.pad(paint((z, y, x), runs), 1)
    count = np.zeros(np.array(mask.shape) - 1, np.uint8)
    for dz, dy, dx in np.ndindex(2, 2, 2):
        count += mask[
            dz : mask.shape[0] - 1 + dz, dy : mask.shape[1] - 1 + dy, dx : mask.shape[2] - 1 + dx
        ]
    corner = np.array([z.start, y.start, x.start])
    return np.asarray(np.argwhere((count > 0) & (count < 8)) + corner)


def _along_lines(
    frame: Frame, runs: dict[int, Runs], vessels: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Pairs of vessels' objects, one after the other along a line."""
    marks = [_marks(frame, runs[k]) for k in vessels]
    owner = np.repeat(np.array(vessels, int), [len(mark) for mark in marks])
    for line in courses(np.concatenate([np.zeros((0, 3)), *marks])):
        yield from pairwise(np.unique(owner[line]).tolist())


def _marks(frame: Frame, runs: Runs) -> NDArray[np.float64]:
    """The middle of an object, LPS mm (n, 3), and its two ends where it is LONG_MM or longer."""
    points = frame.to_lps(voxels_of(runs))
    middle = points.mean(axis=0)
    _, ways = main_ways(points - middle)
    along = (points - middle) @ ways[0]
    if np.ptp(along) < LONG_MM:
        return np.asarray(middle[None])
    return np.stack([points[along.argmin()], middle, points[along.argmax()]])
