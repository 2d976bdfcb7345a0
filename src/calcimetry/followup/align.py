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

from calcimetry.followup.motion import (
    BONE,
    NEIGHBOURS,
    SKIN,
    Cloud,
    Motion,
    Place,
    Points,
    refined,
)
from calcimetry.followup.visit import Visit

_COARSE, _FINE = (25.0, 12.0, 6.0), (4.0, 2.5)
_GOOD_MM = 1.2  # smoothed distance at and below which a bone is explained
_AGREE_MM = 2.0  # the same, for landmarks to agree at all
_FAR_MM = 8.0  # beyond it one misfit is as bad as another
_SMOOTH = 15  # neighbours over which distances are smoothed
_BROAD = NEIGHBOURS  # the same, for telling which bone a point belongs to
_UNSEEN_MM = 0.8  # what is thought of a point that a motion carries out of the other field
_LINK_MM = 7.0  # points of one bone lie no further apart
_LEAST_POINTS = 40  # of a piece
_MOST_PIECES = 16
_TURNS_DEG = (-40.0, -25.0, -12.0, 12.0, 25.0, 40.0)
_SLIDES_MM = (-160.0, -120.0, -80.0, -40.0, 40.0, 80.0, 120.0, 160.0)
_PLACE_MM = 6.0  # how far about the middle of a place what was found of it holds
_UNSURE = 0.6  # of the spread of where bones lay a point between them, as its error
_ALONG_MM = (0.0, -3.0, 3.0, -6.0, 6.0)  # a shaft fits itself nearly as well a little further on
_FAR_ALONG_MM = tuple(3.0 * step for step in range(-8, 9))  # for the motion of most bones
_REACH = 60  # nearest landmarks that say how a deposit moves
_HOLDS_MM = 3.0  # from bone, at which tissue holds to it in full
_FALL = 6.0  # power by which a bone's say falls with distance: at 1.4 times, to a tenth or so
_SAY = 0.05  # of the largest say, for a bone to have any
_EDGE_MM = 4.0  # this near its faces, the other field may lack neighbours
_SLIP_MM = 20.0  # where bones meet lies up to 35 mm off the axis: 30 degrees move it by 18 mm
_OCCUPIED = 0.5  # share of a bone's new place that may be another's
_MOSTLY, _GAIN = 0.5, 0.15  # share of what is left that a motion must explain, and how much more
_NEEDED = 0.005  # of the fit of all points, that a motion must better to be kept
_LOOSE, _SLACK_MM = 1.3, 0.02  # how much less closely than the main motion another may fit
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
    places : how deposits far from bone moved, where their surroundings tell
    """

    marks: Points
    piece: NDArray[np.int64]
    residual: NDArray[np.float64]
    motions: tuple[Motion, ...]
    backward: tuple[Motion, ...]
    score: float
    by_skin: bool
    places: tuple[Place, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether nothing that follows from it can be trusted."""
        return self.score < 0.4

    @cached_property
    def _before(self) -> list[Any]:
        return self._trees(self.marks)

    def _trees(self, points: Points) -> list[Any]:
        """A search tree for each piece; None where nothing of the first visit moves with it."""
        own = (points[self.piece == k] for k in range(len(self.motions)))
        return [cKDTree(part) if len(part) else None for part in own]

    @cached_property
    def _moved(self) -> Points:
        moved = self.marks.copy()
        for number, motion in enumerate(self.motions):
            moved[self.piece == number] = motion(self.marks[self.piece == number])
        return moved

    @cached_property
    def _after(self) -> list[Any]:
        return self._trees(self._moved)

    def gaps(self, point: Points, *, first: bool = True) -> NDArray[np.float64]:
        """Distance, mm, of a point of the first (or second) visit from what each motion moves."""
        trees = self._before if first else self._after
        return np.array([np.inf if t is None else t.query(point)[0] for t in trees])

    def shares(self, point: Points, *, first: bool = True) -> list[tuple[int, float]]:
        """The pieces that carry a point of the first (or second) visit, and their say (sum 1).

        A bone's say falls with its distance, so that what is clearly nearer to one moves with
        it, and tissue beside a joint with both in part. Likeliest first.
        """
        gaps = self.gaps(point, first=first)
        if not np.isfinite(gaps).any():
            return [(0, 1.0)]
        say = np.maximum(gaps, _HOLDS_MM) ** -_FALL
        order = [int(k) for k in np.argsort(-say, kind="stable") if say[k] >= _SAY * say.max()]
        whole = sum(float(say[k]) for k in order)
        return [(k, float(say[k]) / whole) for k in order]

    def carrying(self, point: Points, *, first: bool = True) -> Motion:
        """How a point of the first (or second) visit gets to the second."""
        place = self.place(point, first=first)
        return self._by_bone(point, first=first) if place is None else place.motion

    def place(self, point: Points, *, first: bool = True) -> Place | None:
        """The place that a point of the first (or second) visit belongs to."""
        away = [np.linalg.norm((p.centre if first else p.there) - point) for p in self.places]
        nearest = int(np.argmin(away)) if away else -1
        return self.places[nearest] if away and away[nearest] <= _PLACE_MM else None

    def _by_bone(self, point: Points, *, first: bool) -> Motion:
        shares = self.shares(point, first=first)
        motion, sum_ = self.motions[shares[0][0]], shares[0][1]
        for piece, share in shares[1:]:
            sum_ += share
            on = self.motions[piece].after(motion.inverse())
            motion = on.part(share / sum_).after(motion)
        return motion

    def to_second(self, point: Points) -> Points:
        """A point of the first visit, where the second has it."""
        return self.carrying(point)(point)

    def to_first(self, point: Points) -> Points:
        return self.carrying(point, first=False).inverse()(point)

    def error_mm(self, point: Points) -> float:
        """How well a point of the first visit is placed in the second: 1 SD or so, mm.

        Of the misfit of the bones that carry it, of how far the two directions of the fit
        disagree there, and, between bones that move otherwise, of how far apart they lay it; of
        a place that was found by its surroundings, how well these were.
        """
        place = self.place(point)
        if place is not None:
            return place.error_mm
        piece = self.shares(point)[0][0]
        tree = self._before[piece]
        if tree is None:
            return float("inf")
        back = self.backward[piece](self.motions[piece](point))
        count = min(_REACH, tree.n)
        _, index = tree.query(point, k=np.arange(1, count + 1))
        misfit = float(np.median(self.residual[self.piece == piece][index]))
        fit = float(np.hypot(misfit, np.linalg.norm(back - point)))
        return float(np.hypot(fit, self.between(point)))

    def between(self, point: Points) -> float:
        """How unsure it is which bones tissue moves with: the spread of where they lay it, mm."""
        say = np.maximum(self.gaps(point), _HOLDS_MM) ** -2.0
        say /= say.sum()
        there = np.stack([motion(point) for motion in self.motions])
        return _UNSURE * float(np.sqrt(say @ ((there - say @ there) ** 2).sum(axis=1)))


def align(first: Visit, second: Visit) -> Alignment:
    """Lay the first visit over the second."""
    by_skin = not (first.by_bone and second.by_bone)
    source, target = _usable(first, by_skin), _usable(second, by_skin)
    group = SKIN if by_skin else BONE
    if not (source.group == group).any() or not (target.group == group).any():
        none = (Motion.none(),)
        empty = np.zeros(0)
        return Alignment(np.zeros((0, 3)), empty.astype(np.int64), empty, none, none, 0.0, by_skin)
    motion, score = _whole(first, second, source, target)
    kept = source.pick(source.group == group)
    # A deposit may be gone: it helps to fit, but tells nothing of how well bones fit.
    steady = np.arange(len(kept)) < (len(kept) if by_skin else len(first.bone))
    if not by_skin:
        motion = _again(kept, target, motion, second, _FAR_ALONG_MM)
    motions = [motion] if by_skin else _pieces(kept, target, motion, (second, steady))
    piece, _ = _assigned(kept, target, motions, second)
    motions = [_again(kept.pick(piece == k), target, m, second) for k, m in enumerate(motions)]
    piece, residual = _settled(kept, target, motions, second)
    back = [
        _again(_moved_from(kept.pick(piece == k), target, m), kept, m.inverse(), first)
        for k, m in enumerate(motions)
    ]
    kept, piece, residual = kept.pick(steady), piece[steady], residual[steady]
    seen = second.in_field(_carried(kept.points, piece, motions), 1.0)
    good = float(np.mean(residual[seen] <= _AGREE_MM)) if seen.any() else 0.0
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
    distance, index = target.nearest(motion(own.points), own.group, 2 * _AGREE_MM)
    return target.pick(np.unique(index[np.isfinite(distance)]))


def _again(
    own: Cloud, target: Cloud, motion: Motion, other: Visit, slides: tuple[float, ...] = _ALONG_MM
) -> Motion:
    """A piece's motion bettered by its own points; shafts are tried up and down themselves."""
    if len(own) < 12:
        return motion
    few = own.thinned(800)
    _, axes = np.linalg.eigh(np.cov(own.points.T))
    along = motion.rotation @ axes[:, -1]
    trials = (
        refined(few, target, Motion.moved(slide * along).after(motion), _FINE) for slide in slides
    )
    best = max(trials, key=lambda trial: _closeness_seen(few, target, trial, other))
    return refined(own.thinned(4000), target, best, _FINE)


def _closeness_seen(part: Cloud, target: Cloud, motion: Motion, other: Visit) -> float:
    """`_closeness`, but what a motion carries out of the other field is half for, half against.

    Were it all against, a shaft would slide to where the other field shows most of it.
    """
    there = motion(part.points)
    gap = target.gap(there, part.group, _AGREE_MM)
    gap = np.where(other.in_field(there, _EDGE_MM), gap, np.minimum(gap, _UNSEEN_MM))
    return float(1.0 - gap.mean() / _AGREE_MM)


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
        fit = 1 - other.gap(moved[seen], own.group[seen], 6.0) / 6.0
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
        piece, residual = _assigned(own, target, motions, second)
        # What left the field has nothing to fit, and must not be made to.
        seen = second.in_field(_carried(own.points, piece, motions), _EDGE_MM)
        left = _largest(own, (residual > _GOOD_MM) & seen & ~tried)
        if left is None:
            break
        found = _turned(own, left, target, motions[int(np.bincount(piece[left]).argmax())])
        if found is None or _taken(own, left, (motions, piece, residual), found):
            tried |= left
        else:  # what it does not explain is another bone, and comes up again
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
    return float((distance < _AGREE_MM).mean()) > _OCCUPIED


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
    before = _explained(part, target, start)
    trials = (
        refined(few, target, start.after(Motion.about(pivot, turn)), (12.0, 6.0, 3.0), rounds=5)
        for turn in _turns()
    )
    best = max(trials, key=lambda trial: _closeness(few, target, trial))
    motion = refined(part.thinned(2000), target, best, _FINE)
    after = _explained(part, target, motion)
    slip = float(np.linalg.norm(motion(pivot) - start(pivot)))
    kept = after > _MOSTLY and after > before + _GAIN and slip < _SLIP_MM
    return motion if kept else None


def _turns() -> Iterator[Points]:
    yield np.zeros(3)
    for axis, angle in product(np.eye(3), _TURNS_DEG):
        yield np.deg2rad(angle) * axis


def _closeness(part: Cloud, target: Cloud, motion: Motion) -> float:
    """0-1: how closely points lie on the other surface; from _AGREE_MM on, not at all."""
    gap = target.gap(motion(part.points), part.group, _AGREE_MM)
    return float(1.0 - gap.mean() / _AGREE_MM)


def _explained(part: Cloud, target: Cloud, motion: Motion) -> float:
    """The share of points that come to lie on the other surface."""
    return float((target.gap(motion(part.points), part.group, _FAR_MM) <= _GOOD_MM).mean())


def _assigned(
    own: Cloud, target: Cloud, motions: list[Motion], second: Visit
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The motion that explains each point's surroundings best, and its distance left."""
    misfit = _smooth(own, _gaps(own, target, motions, second))
    piece = misfit.argmin(axis=0)
    return piece, misfit[piece, np.arange(len(own))]


def _gaps(own: Cloud, target: Cloud, motions: list[Motion], second: Visit) -> NDArray[np.float64]:
    """(motions, points): distance left.

    What a motion carries out of the other field speaks neither for nor against it.
    """
    table = []
    for motion in motions:
        there = motion(own.points)
        gap = target.gap(there, own.group, _FAR_MM)
        seen = second.in_field(there, _EDGE_MM)
        table.append(np.where(seen, gap, np.minimum(gap, _UNSEEN_MM)))
    return np.stack(table)


def _smooth(own: Cloud, table: NDArray[np.float64], count: int = _SMOOTH) -> NDArray[np.float64]:
    """The mean over each point's neighbours."""
    near = own.neighbours[:, :count]
    return np.stack([gap[near].mean(axis=1) for gap in table])


def _settled(
    own: Cloud, target: Cloud, motions: list[Motion], second: Visit
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """`_assigned`, with the motions that are needed; others are taken from the list.

    Points that lie outside the other field, or that nothing explains, go with the nearest point
    that something explains.
    """
    gaps = _gaps(own, target, motions, second)
    misfit = _smooth(own, gaps)
    for k in reversed(range(len(motions))):
        others = np.delete(misfit, k, axis=0)
        if len(others) and _fit(misfit) - _fit(others) < _NEEDED:
            misfit, gaps = others, np.delete(gaps, k, axis=0)
            del motions[k]
    # From wider surroundings too: a bone has no islands of another.
    cost = misfit + _smooth(own, gaps, _BROAD)
    while True:
        piece = cost.argmin(axis=0)
        residual = misfit[piece, np.arange(len(own))]
        seen = second.in_field(_carried(own.points, piece, motions), _EDGE_MM)
        loose = _loosest(piece[seen], residual[seen], len(motions))
        if loose is None:
            break
        del motions[loose]
        # What it held changes what the others are made of.
        motions[:] = _refitted(own, target, motions, np.delete(cost, loose, axis=0), second)
        gaps = _gaps(own, target, motions, second)
        misfit = _smooth(own, gaps)
        cost = misfit + _smooth(own, gaps, _BROAD)
    sure = (residual <= _GOOD_MM) & seen
    if sure.any():
        _, nearest = cKDTree(own.points[sure]).query(own.points[~sure])
        piece[~sure] = piece[sure][nearest]
        residual = misfit[piece, np.arange(len(own))]
    return piece, residual


def _refitted(
    own: Cloud, target: Cloud, motions: list[Motion], cost: NDArray[np.float64], second: Visit
) -> list[Motion]:
    """Each motion bettered by the points that it explains best."""
    piece = cost.argmin(axis=0)
    return [_again(own.pick(piece == k), target, m, second) for k, m in enumerate(motions)]


def _loosest(piece: NDArray[np.int64], residual: NDArray[np.float64], count: int) -> int | None:
    """A motion that lays its points less closely than the main one does, or hardly any there.

    Such a one was found by chance. `piece`, `residual`: of points in the other field.
    """
    sizes = np.bincount(piece, minlength=count)
    parts = (residual[piece == k] for k in range(count))
    few = _LEAST_POINTS // 2
    middle = np.array([np.median(part) if len(part) >= few else np.inf for part in parts])
    worst, main = int(middle.argmax()), int(sizes.argmax())
    if worst == main:
        return None
    return worst if middle[worst] > _LOOSE * middle[main] + _SLACK_MM else None


def _fit(misfit: NDArray[np.float64]) -> float:
    """0-1: how closely the best motion of each point lays it on the other surface."""
    return float(np.clip(1.0 - misfit.min(axis=0) / _AGREE_MM, 0.0, 1.0).mean())
