"""One visit laid over another: every bone moves rigidly, each by its own motion.

Limbs bend, so no single motion fits. The landmarks that most agree are fitted first; what
they leave over is taken bone by bone, turned about where it meets the rest. A deposit moves
with the bones within its reach. docs/followup.md says why this and not the images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from calcimetry.followup import starts
from calcimetry.followup.agreement import NONE, agreement
from calcimetry.followup.alignment import Alignment
from calcimetry.followup.motion import (
    BONE,
    FINE,
    NEIGHBOURS,
    SKIN,
    Cloud,
    Motion,
    Points,
    carried,
    refined,
)
from calcimetry.followup.visit import Visit

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
_ALONG_MM = (0.0, -3.0, 3.0, -6.0, 6.0)  # a shaft fits itself nearly as well a little further on
_FAR_ALONG_MM = tuple(3.0 * step for step in range(-8, 9))  # for the motion of most bones
_EDGE_MM = 4.0  # this near its faces, the other field may lack neighbours
_SLIP_MM = 20.0  # where bones meet lies up to 35 mm off the axis: 30 degrees move it by 18 mm
_OCCUPIED = 0.5  # share of a bone's new place that may be another's
_MOSTLY, _GAIN = 0.5, 0.15  # share of what is left that a motion must explain, and how much more
_NEEDED = 0.005  # of the fit of all points, that a motion must better to be kept
_BETTER = 0.02  # of the score, by which another turn must fit better to be looked at
_MIRROR_BETTER = 0.1  # of quality, by which a mirror image must fit better to be one
_LOOSE, _SLACK_MM = 1.3, 0.02  # how much less closely than the main motion another may fit


def align(first: Visit, second: Visit) -> Alignment:
    """Lay the first visit over the second.

    Where the usual starts end in no sure fit, the body is turned any way, and the better end is
    taken. Where that is no sure fit either, the body's mirror image is tried: a hand that it fits
    better is the other hand, or was mirrored by a program.
    """
    by_skin = not (first.by_bone and second.by_bone)
    group = SKIN if by_skin else BONE
    if any(not (visit.cloud.group == group).any() for visit in (first, second)):
        return _nothing(by_skin)
    found, score = _best_of(first, second, by_skin)
    if _sure(found):
        return found
    image = first.mirrored
    clouds = _usable(image, by_skin), _usable(second, by_skin)
    start, image_score = starts.turned((image, second), *clouds)
    if image_score <= score + _BETTER:
        return found
    mirror = _fitted((image, second), clouds, start, (image_score, by_skin))
    if mirror.agreement is None or not mirror.agreement.fits:
        return found  # another body fits neither way
    return replace(found, mirrored=_quality(mirror) > _quality(found) + _MIRROR_BETTER)


def _best_of(first: Visit, second: Visit, by_skin: bool) -> tuple[Alignment, float]:
    """The alignment from the usual starts, or from any turn; and the better start's score."""
    visits, clouds = (first, second), (_usable(first, by_skin), _usable(second, by_skin))
    start, score = starts.near(visits, *clouds)
    found = _fitted(visits, clouds, start, (score, by_skin))
    if _sure(found):
        return found, score
    turn, turn_score = starts.turned(visits, *clouds)
    if turn_score <= score + _BETTER:
        return found, score
    other = _fitted(visits, clouds, turn, (turn_score, by_skin))
    return max(found, other, key=_quality), turn_score


def _sure(found: Alignment) -> bool:
    return found.agreement is not None and found.agreement.sure


def _quality(found: Alignment) -> float:
    return found.agreement.quality if found.agreement is not None else 0.0


def _nothing(by_skin: bool) -> Alignment:
    none, empty = (Motion.none(),), np.zeros(0)
    return Alignment(
        np.zeros((0, 3)), empty.astype(np.int64), empty, none, none, 0.0, by_skin, agreement=NONE
    )


def _fitted(
    visits: tuple[Visit, Visit],
    clouds: tuple[Cloud, Cloud],
    motion: Motion,
    how: tuple[float, bool],
) -> Alignment:
    """An alignment from one start on; `how`: the start's score, and whether by skin."""
    (first, second), (source, target), (score, by_skin) = visits, clouds, how
    kept = source.pick(source.group == (SKIN if by_skin else BONE))
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
    seen = second.in_field(carried(kept.points, piece, motions), 1.0)
    good = float(np.mean(residual[seen] <= _AGREE_MM)) if seen.any() else 0.0
    agrees = agreement(visits, (kept.points, piece), motions, by_skin=by_skin)
    return Alignment(
        kept.points, piece, residual, tuple(motions), tuple(back), max(score, good), by_skin,
        agreement=agrees,
    )  # fmt: skip


def _usable(visit: Visit, by_skin: bool) -> Cloud:
    cloud = visit.cloud
    if by_skin:
        return Cloud(cloud.points, cloud.group, np.ones(len(cloud)))
    return cloud


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
        refined(few, target, Motion.moved(slide * along).after(motion), FINE) for slide in slides
    )
    best = max(trials, key=lambda trial: _closeness_seen(few, target, trial, other))
    return refined(own.thinned(4000), target, best, FINE)


def _closeness_seen(part: Cloud, target: Cloud, motion: Motion, other: Visit) -> float:
    """`_closeness`, but what a motion carries out of the other field is half for, half against.

    Were it all against, a shaft would slide to where the other field shows most of it.
    """
    there = motion(part.points)
    gap = target.gap(there, part.group, _AGREE_MM)
    gap = np.where(other.in_field(there, _EDGE_MM), gap, np.minimum(gap, _UNSEEN_MM))
    return float(1.0 - gap.mean() / _AGREE_MM)


def _pieces(
    own: Cloud, target: Cloud, motion: Motion, where: tuple[Visit, NDArray[np.bool_]]
) -> list[Motion]:
    """Motions bone by bone, until what is left over is too little or fits nowhere."""
    second, steady = where
    motions, tried = [motion], ~steady
    while len(motions) < _MOST_PIECES:
        piece, residual = _assigned(own, target, motions, second)
        # What left the field has nothing to fit, and must not be made to.
        seen = second.in_field(carried(own.points, piece, motions), _EDGE_MM)
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
    there = carried(own.points, piece, motions)[explained]
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
    motion = refined(part.thinned(2000), target, best, FINE)
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
        seen = second.in_field(carried(own.points, piece, motions), _EDGE_MM)
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
