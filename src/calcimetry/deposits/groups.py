"""Which objects are pieces of one lesion, or of one line of vascular calcium.

Three ties make a group, each of two objects alone, so that a further object can join groups and
never part one: pieces that lie close together, arcs of one broken ring (`broken_ring`), and objects
of vessels along one course (`vessel_course`). Nothing depends on the objects' order, nor on which
axis is which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from calcimetry.deposits.broken_ring import REACH_MM, are_arcs_of_one_ring
from calcimetry.deposits.vessel_course import courses
from calcimetry.records import LISTED, Box, Frame, Kind, Rule, Runs
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

ALONG_VESSELS = (Rule.VESSEL_COURSE, Rule.LINEAR)
"""Rules whose uncertain objects lie along a vessel as far as geometry tells."""


class Piece(Protocol):
    """What a group is told from: a finding, a deposit or an object that was left out."""

    @property
    def runs(self) -> Runs | None: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def rule(self) -> Rule | None: ...


def groups_of(frame: Frame, pieces: Sequence[Piece]) -> list[int | None]:
    """The group of each piece, numbered from 0 in the order of their first pieces.

    None for what is neither listed nor a vessel's, and for what has no voxels.
    """
    listed = [k for k, piece in enumerate(pieces) if piece.kind in LISTED and piece.runs]
    vessels = [k for k, piece in enumerate(pieces) if _along_vessel(piece) and piece.runs]
    runs = {k: piece.runs for k, piece in enumerate(pieces) if piece.runs}
    leader = {k: k for k in {*listed, *vessels}}
    for one, other in _ties(frame, runs, listed, vessels):
        first, second = _leader(leader, one), _leader(leader, other)
        leader[max(first, second)] = min(first, second)
    leaders = [_leader(leader, k) if k in leader else None for k in range(len(pieces))]
    order = sorted({k for k in leaders if k is not None})
    number = {k: n for n, k in enumerate(order)}
    return [None if k is None else number[k] for k in leaders]


def _along_vessel(piece: Piece) -> bool:
    doubted = piece.kind is Kind.UNCERTAIN and piece.rule in ALONG_VESSELS
    return piece.kind is Kind.VESSEL or doubted


def _leader(leader: dict[int, int], k: int) -> int:
    """The first piece of the group that piece `k` is in, so far."""
    while leader[k] != k:
        leader[k] = leader[leader[k]]
        k = leader[k]
    return k


def _ties(
    frame: Frame, runs: dict[int, Runs], listed: Sequence[int], vessels: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Pairs of pieces that belong to one group."""
    boxes = {k: box_of(piece) for k, piece in runs.items()}
    for one, other in _near_boxes(frame, boxes, listed):
        if are_close(frame, runs[one], runs[other]) or are_arcs_of_one_ring(
            frame, runs[one], runs[other]
        ):
            yield one, other
    for one, other in _near_boxes(frame, boxes, vessels):
        if are_close(frame, runs[one], runs[other]):
            yield one, other
    yield from _along_lines(frame, runs, vessels)


def _near_boxes(
    frame: Frame, boxes: dict[int, Box], which: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Pairs whose boxes lie within the reach of any tie."""
    reach = np.maximum(_close_mm(frame), REACH_MM)
    if len(which) < 2:
        return
    ends = np.array([[(side.start, side.stop) for side in boxes[k]] for k in which])
    low, high = ends[..., 0] * frame.spacing, ends[..., 1] * frame.spacing
    for a, b in combinations(range(len(which)), 2):
        if (np.maximum(low[a] - high[b], low[b] - high[a]) <= reach).all():
            yield which[a], which[b]


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
    _, _, ways = np.linalg.svd(points - middle, full_matrices=False)
    along = (points - middle) @ ways[0]
    if np.ptp(along) < LONG_MM:
        return np.asarray(middle[None])
    return np.stack([points[along.argmin()], middle, points[along.argmax()]])
