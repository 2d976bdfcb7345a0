"""One visit laid over another: every bone moves rigidly, each by its own motion.

Limbs bend, so no single motion fits. The landmarks that most agree are fitted first; what
they leave over is taken bone by bone, turned about where it meets the rest. A deposit moves
with the bones within its reach. docs/followup.md says why this and not the images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from calcimetry.followup.motion import BONE, SKIN, Cloud, Motion, Points, refined
from calcimetry.followup.visit import Visit

_COARSE, _FINE = (25.0, 12.0, 6.0), (4.0, 2.5)
_GOOD_MM = 2.5  # smoothed distance at and below which a bone is explained
_SMOOTH = 15  # neighbours over which distances are smoothed
_LINK_MM = 7.0  # points of one bone lie no further apart
_LEAST_POINTS = 40  # of a piece
_MOST_PIECES = 16
_TURNS_DEG = (-40.0, -25.0, -12.0, 12.0, 25.0, 40.0)
_SLIDES_MM = (-160.0, -120.0, -80.0, -40.0, 40.0, 80.0, 120.0, 160.0)
_REACH = 60  # nearest landmarks that say how a deposit moves
_FALL_MM = 20.0  # over which their say falls
_SAY = 0.25  # share of it that makes a second bone count
_EDGE_MM = 4.0  # this near its faces, the other field may lack neighbours
_SLIP_MM = 12.0  # a joint does not come further apart
_OCCUPIED = 0.5  # share of a bone's new place that may be another's
_ENOUGH = 0.85  # score of a start that needs no other


@dataclass(frozen=True, eq=False)
class Alignment:
    """From a first visit to a second.

    marks : the first visit's landmarks (bone; skin where there is little bone)
    piece : int (n,), which motion moves each
    residual : (n,) mm, how far each then lies from the second visit's surface, smoothed
    motions : of the pieces; backward : the same, fitted the other way round
    score : 0-1, share of landmarks in both fields that agree
    by_skin : there was too little bone
    """

    marks: Points
    piece: NDArray[np.int64]
    residual: NDArray[np.float64]
    motions: tuple[Motion, ...]
    backward: tuple[Motion, ...]
    score: float
    by_skin: bool

    @property
    def failed(self) -> bool:
        """Whether nothing that follows from it can be trusted."""
        return self.score < 0.4

    @cached_property
    def _before(self) -> Any:
        return cKDTree(self.marks) if len(self.marks) else None

    @cached_property
    def _moved(self) -> Points:
        moved = self.marks.copy()
        for number, motion in enumerate(self.motions):
            moved[self.piece == number] = motion(self.marks[self.piece == number])
        return moved

    @cached_property
    def _after(self) -> Any:
        return cKDTree(self._moved) if len(self.marks) else None

    def near(self, point: Points, *, first: bool = True) -> list[int]:
        """The pieces that may carry a point of the first (or second) visit, likeliest first."""
        tree = self._before if first else self._after
        if tree is None:
            return [0]
        distance, index = tree.query(point, k=np.arange(1, min(_REACH, len(self.marks)) + 1))
        say = np.bincount(
            self.piece[index],
            weights=np.exp(-(distance - distance[0]) / _FALL_MM),
            minlength=len(self.motions),
        )
        order = np.argsort(-say, kind="stable")
        return [int(k) for k in order if say[k] >= _SAY * say.sum()] or [int(order[0])]

    def to_second(self, point: Points) -> Points:
        """A point of the first visit, where the second has it."""
        return self.motions[self.near(point)[0]](point)

    def to_first(self, point: Points) -> Points:
        return self.motions[self.near(point, first=False)[0]].inverse()(point)

    def error_mm(self, point: Points, piece: int) -> float:
        """How well a point of the first visit is placed in the second: 1 SD or so, mm.

        Of the misfit of the bones near it, and of how far the two directions disagree there.
        """
        there = self.motions[piece](point)
        back = self.backward[piece](there)
        if self._before is None:
            return float("inf")
        _, index = self._before.query(point, k=np.arange(1, min(_REACH, len(self.marks)) + 1))
        own = self.piece[index] == piece
        misfit = float(np.median(self.residual[index][own])) if own.any() else 5.0
        return float(np.hypot(misfit, np.linalg.norm(back - point)))


def align(first: Visit, second: Visit) -> Alignment:
    """Lay the first visit over the second."""
    by_skin = not (first.by_bone and second.by_bone)
    source, target = _usable(first, by_skin), _usable(second, by_skin)
    if not len(source) or not len(target):
        none = (Motion.none(),)
        empty = np.zeros(0)
        return Alignment(np.zeros((0, 3)), empty.astype(np.int64), empty, none, none, 0.0, by_skin)
    motion, score = _whole(first, second, source, target)
    kept = source.pick(source.group == (SKIN if by_skin else BONE))
    # A deposit may be gone: it helps to fit, but tells nothing of how well bones fit.
    steady = np.arange(len(kept)) < (len(kept) if by_skin else len(first.bone))
    motions = [motion] if by_skin else _pieces(kept, target, motion, (second, steady))
    piece, residual = _assigned(kept, target, motions)
    motions = [_again(kept.pick(piece == k), target, m) for k, m in enumerate(motions)]
    piece, residual = _assigned(kept, target, motions)
    back = [
        _again(_moved_from(kept.pick(piece == k), target, m), kept, m.inverse())
        for k, m in enumerate(motions)
    ]
    kept, piece, residual = kept.pick(steady), piece[steady], residual[steady]
    seen = second.in_field(_carried(kept.points, piece, motions), 1.0)
    good = float(np.mean(residual[seen] <= _GOOD_MM)) if seen.any() else 0.0
    return Alignment(
        kept.points, piece, residual, tuple(motions), tuple(back), max(score, good), by_skin
    )


def _usable(visit: Visit, by_skin: bool) -> Cloud:
    cloud = visit.cloud
    if by_skin:
        return Cloud(cloud.points, cloud.group, np.ones(len(cloud)))
    return cloud


def _carried(points: Points, piece: NDArray[np.int64], motions: list[Motion]) -> Points:
    out = points.copy()
    for number, motion in enumerate(motions):
        out[piece == number] = motion(points[piece == number])
    return out


def _moved_from(own: Cloud, target: Cloud, motion: Motion) -> Cloud:
    """The second visit's points that a piece came to lie on."""
    if not len(own):
        return own
    distance, index = target.nearest(motion(own.points), own.group, 2 * _GOOD_MM)
    return target.pick(np.unique(index[np.isfinite(distance)]))


def _again(own: Cloud, target: Cloud, motion: Motion) -> Motion:
    if len(own) < 12:
        return motion
    return refined(own.thinned(4000), target, motion, _FINE)


def _whole(first: Visit, second: Visit, source: Cloud, target: Cloud) -> tuple[Motion, float]:
    """The one motion that most landmarks agree on, from several starts."""
    few = source.thinned(900)
    best, best_score = Motion.none(), -1.0
    for start in _starts(source, target):
        motion = refined(few, target, start, _COARSE, rounds=5)
        score = _score((first, second), (few, target.thinned(900)), (source, target), motion)
        if score > best_score:
            best, best_score = motion, score
        if best_score > _ENOUGH:
            break
    return refined(source.thinned(4000), target, best, _FINE), best_score


def _starts(source: Cloud, target: Cloud) -> Iterator[Motion]:
    shift = np.median(target.points, axis=0) - np.median(source.points, axis=0)
    yield Motion.none()
    yield Motion.moved(shift)
    for slide in _SLIDES_MM:
        yield Motion.moved(shift + slide * np.array([0, 0, 1]))
    middle = np.median(source.points, axis=0)
    for axis, angle in product(np.eye(3), (-30.0, 30.0)):
        yield Motion.moved(shift).after(Motion.about(middle, np.deg2rad(angle) * axis))


def _score(
    visits: tuple[Visit, Visit], few: tuple[Cloud, Cloud], full: tuple[Cloud, Cloud], motion: Motion
) -> float:
    """Agreement of landmarks that lie in both fields, times the root of how many do."""
    shares, inside = [], []
    ways = ((motion, few[0], full[1], visits[1]), (motion.inverse(), few[1], full[0], visits[0]))
    for way, own, other, visit in ways:
        moved = way(own.points)
        seen = visit.in_field(moved, 2.0)
        inside.append(float(seen.mean()))
        distance, _ = other.nearest(moved[seen], own.group[seen], 12.0)
        fit = np.clip(1 - np.minimum(distance, 6.0) / 6.0, 0, 1)
        weight = own.weight[seen]
        shares.append(float(np.average(fit, weights=weight)) if weight.sum() > 0 else 0.0)
    return float(np.mean(shares) * np.sqrt(min(inside)))


def _pieces(
    own: Cloud, target: Cloud, motion: Motion, where: tuple[Visit, NDArray[np.bool_]]
) -> list[Motion]:
    """Motions bone by bone, until what is left over is too little or fits nowhere."""
    second, steady = where
    motions, tried = [motion], ~steady
    while len(motions) < _MOST_PIECES:
        piece, residual = _assigned(own, target, motions)
        # What left the field has nothing to fit, and must not be made to.
        seen = second.in_field(_carried(own.points, piece, motions), _EDGE_MM)
        left = _largest(own, (residual > _GOOD_MM) & seen & ~tried)
        if left is None:
            break
        tried |= left
        found = _turned(own, left, target, motions[int(np.bincount(piece[left]).argmax())])
        if found is not None and not _taken(own, left, (motions, piece, residual), found):
            motions.append(found)
    return motions


def _taken(
    own: Cloud,
    left: NDArray[np.bool_],
    fitted: tuple[list[Motion], NDArray[np.int64], NDArray[np.float64]],
    motion: Motion,
) -> bool:
    """Whether a motion lays bones where others have already found theirs."""
    motions, piece, residual = fitted
    explained = residual <= _GOOD_MM
    if not explained.any():
        return False
    there = _carried(own.points, piece, motions)[explained]
    distance, _ = cKDTree(there).query(motion(own.points[left]))
    return float((distance < _GOOD_MM).mean()) > _OCCUPIED


def _largest(own: Cloud, left: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The largest connected set among the points that are left."""
    index = np.flatnonzero(left)
    if len(index) < _LEAST_POINTS:
        return None
    pairs = cKDTree(own.points[index]).query_pairs(_LINK_MM, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(index),) * 2)
    _, label = connected_components(graph, directed=False)
    sizes = np.bincount(label)
    if sizes.max() < _LEAST_POINTS:
        return None
    mask = np.zeros(len(own), np.bool_)
    mask[index[label == sizes.argmax()]] = True
    return mask


def _turned(own: Cloud, left: NDArray[np.bool_], target: Cloud, start: Motion) -> Motion | None:
    """A motion for what is left, turned about where it meets what is explained; None if none."""
    part = own.pick(left)
    rest = own.points[~left]
    pivot = part.points.mean(axis=0)
    if len(rest):
        distance, _ = cKDTree(rest).query(part.points)
        pivot = part.points[np.argsort(distance)[: max(10, len(part) // 20)]].mean(axis=0)
    few = part.thinned(300)
    before = _misfit(part, target, start)
    best: tuple[float, Motion] | None = None
    for turn in _turns():
        trial = start.after(Motion.about(pivot, turn))
        trial = refined(few, target, trial, (12.0, 6.0, 3.0), rounds=5)
        misfit = _misfit(few, target, trial)
        if best is None or misfit < best[0]:
            best = misfit, trial
    assert best is not None
    motion = refined(part.thinned(2000), target, best[1], _FINE)
    after = _misfit(part, target, motion)
    slip = float(np.linalg.norm(motion(pivot) - start(pivot)))
    return motion if after < _GOOD_MM and after < 0.7 * before and slip < _SLIP_MM else None


def _turns() -> Iterator[Points]:
    yield np.zeros(3)
    for axis, angle in product(np.eye(3), _TURNS_DEG):
        yield np.deg2rad(angle) * axis


def _misfit(part: Cloud, target: Cloud, motion: Motion) -> float:
    """Mean distance, each at most 8 mm."""
    distance, _ = target.nearest(motion(part.points), part.group, 8.0)
    return float(np.minimum(distance, 8.0).mean())


def _assigned(
    own: Cloud, target: Cloud, motions: list[Motion]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The motion that explains each point's surroundings best, and its distance left."""
    count = min(_SMOOTH, len(own))
    _, near = cKDTree(own.points).query(own.points, k=np.arange(1, count + 1))
    table = []
    for motion in motions:
        distance, _ = target.nearest(motion(own.points), own.group, 12.0)
        table.append(np.minimum(distance, 12.0)[near].mean(axis=1))
    misfit = np.stack(table)
    piece = misfit.argmin(axis=0)
    return piece, misfit[piece, np.arange(len(own))]
