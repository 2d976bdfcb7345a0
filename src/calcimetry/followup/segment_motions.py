"""How the bones of a body moved between two visits: rigid segments, each by its own motion.

What the motion of most bones leaves over is taken bone by bone: the largest connected part of it
is turned about where it meets the rest, refined, and kept where it explains most of that part and
overlaps no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from calcimetry.followup.motion import (
    FINE,
    NEIGHBOURS,
    Cloud,
    Motion,
    Points,
    carried,
    refined,
)
from calcimetry.followup.visit import Visit

_GOOD_MM = 1.2  # smoothed distance at and below which a bone is explained
AGREE_MM = 2.0  # the same, for landmarks to agree at all
_FAR_MM = 8.0  # beyond it one misfit is as bad as another
_SMOOTH = 15  # neighbours over which distances are smoothed
_BROAD = NEIGHBOURS  # the same, for telling which bone a point belongs to
_UNSEEN_MM = 0.8  # what is thought of a point that a motion carries out of the other field
_LINK_MM = 7.0  # points of one bone lie no further apart
_LEAST_POINTS = 40  # of a segment
_MOST_SEGMENTS = 16
_TURNS_DEG = (-40.0, -25.0, -12.0, 12.0, 25.0, 40.0)
_ALONG_MM = (0.0, -3.0, 3.0, -6.0, 6.0)  # a shaft fits itself nearly as well a little further on
FAR_ALONG_MM = tuple(3.0 * step for step in range(-8, 9))  # for the motion of most bones
_EDGE_MM = 4.0  # this near its faces, the other field may lack neighbours
_SLIP_MM = 20.0  # where bones meet lies up to 35 mm off the axis: 30 degrees move it by 18 mm
_OCCUPIED = 0.5  # share of a bone's new place that may be another's
_MOSTLY, _GAIN = 0.5, 0.15  # share of what is left that a motion must explain, and how much more
_NEEDED = 0.005  # of the fit of all points, that a motion must better to be kept
_LOOSE, _SLACK_MM = 1.3, 0.02  # how much less closely than the main motion another may fit


def segment_motions(
    own: Cloud, target: Cloud, motion: Motion, second: Visit, steady: NDArray[np.bool_]
) -> list[Motion]:
    """Motions bone by bone, until what is left over is too little or fits nowhere.

    motion : of most bones; steady : the points that are bone, bool (n,)
    """
    motions, tried = [motion], ~steady
    while len(motions) < _MOST_SEGMENTS:
        segment, residual = assigned(own, target, motions, second)
        # What left the field has nothing to fit, and must not be made to.
        seen = second.in_field(carried(own.points, segment, motions), _EDGE_MM)
        left = _largest(own, (residual > _GOOD_MM) & seen & ~tried)
        if left is None:
            break
        found = _turned(own, left, target, motions[int(np.bincount(segment[left]).argmax())])
        if found is None or _overlaps_others(
            own, left, carried(own.points, segment, motions)[residual <= _GOOD_MM], found
        ):
            tried |= left
        else:  # what it does not explain is another bone, and comes up again
            motions.append(found)
    return motions


def _overlaps_others(
    own: Cloud,
    left: NDArray[np.bool_],
    there: Points,
    motion: Motion,
) -> bool:
    """Whether a motion lays bones where others have already found theirs.

    there : points of these, where their own motions lay them
    """
    if not len(there):
        return False
    distance, _ = cKDTree(there).query(motion(own.points[left]))
    return float((distance < AGREE_MM).mean()) > _OCCUPIED


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
    best = max(trials, key=lambda trial: _overlap_score(few, target, trial))
    motion = refined(part.thinned(2000), target, best, FINE)
    after = _explained(part, target, motion)
    slip = float(np.linalg.norm(motion(pivot) - start(pivot)))
    kept = after > _MOSTLY and after > before + _GAIN and slip < _SLIP_MM
    return motion if kept else None


def _turns() -> Iterator[Points]:
    yield np.zeros(3)
    for axis, angle in product(np.eye(3), _TURNS_DEG):
        yield np.deg2rad(angle) * axis


def refine_segment(
    own: Cloud, target: Cloud, motion: Motion, other: Visit, slides: tuple[float, ...] = _ALONG_MM
) -> Motion:
    """Refines one segment's rigid motion on its own points, from shifts along its long axis.

    slides : the shifts, mm; a shaft fits itself nearly as well a little further on
    """
    if len(own) < 12:
        return motion
    few = own.thinned(800)
    _, axes = np.linalg.eigh(np.cov(own.points.T))
    along = motion.rotation @ axes[:, -1]
    trials = (
        refined(few, target, Motion.moved(slide * along).after(motion), FINE) for slide in slides
    )
    best = max(trials, key=lambda trial: _overlap_score_seen(few, target, trial, other))
    return refined(own.thinned(4000), target, best, FINE)


def _overlap_score_seen(part: Cloud, target: Cloud, motion: Motion, other: Visit) -> float:
    """`_overlap_score`, but what a motion carries out of the other field is half for, half against.

    Were it all against, a shaft would slide to where the other field shows most of it.
    """
    there = motion(part.points)
    gap = target.gap(there, part.group, AGREE_MM)
    gap = np.where(other.in_field(there, _EDGE_MM), gap, np.minimum(gap, _UNSEEN_MM))
    return float(1.0 - gap.mean() / AGREE_MM)


def _overlap_score(part: Cloud, target: Cloud, motion: Motion) -> float:
    """0-1: how closely points lie on the other surface; from AGREE_MM on, not at all."""
    gap = target.gap(motion(part.points), part.group, AGREE_MM)
    return float(1.0 - gap.mean() / AGREE_MM)


def _explained(part: Cloud, target: Cloud, motion: Motion) -> float:
    """The share of points that come to lie on the other surface."""
    return float((target.gap(motion(part.points), part.group, _FAR_MM) <= _GOOD_MM).mean())


def assigned(
    own: Cloud, target: Cloud, motions: list[Motion], second: Visit
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The motion that explains each point's surroundings best, and its distance left."""
    misfit = _smooth(own, _gaps(own, target, motions, second))
    segment = misfit.argmin(axis=0)
    return segment, misfit[segment, np.arange(len(own))]


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


def prune_segments(
    own: Cloud, target: Cloud, motions: list[Motion], second: Visit
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Assigns points to segments and drops motions that do not improve the fit by `_NEEDED`.

    The segment of each point, int (n,), and the smoothed distance left, mm (n,); what is dropped is
    taken from the list `motions`.

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
        segment = cost.argmin(axis=0)
        residual = misfit[segment, np.arange(len(own))]
        seen = second.in_field(carried(own.points, segment, motions), _EDGE_MM)
        loose = _worst_segment(segment[seen], residual[seen], len(motions))
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
        segment[~sure] = segment[sure][nearest]
        residual = misfit[segment, np.arange(len(own))]
    return segment, residual


def _refitted(
    own: Cloud, target: Cloud, motions: list[Motion], cost: NDArray[np.float64], second: Visit
) -> list[Motion]:
    """Each motion bettered by the points that it explains best."""
    segment = cost.argmin(axis=0)
    return [
        refine_segment(own.pick(segment == k), target, m, second) for k, m in enumerate(motions)
    ]


def _worst_segment(
    segment: NDArray[np.int64], residual: NDArray[np.float64], count: int
) -> int | None:
    """A motion that lays its points less closely than the main one does, or hardly any there.

    Such a one was found by chance. `segment`, `residual`: of points in the other field.
    """
    sizes = np.bincount(segment, minlength=count)
    parts = (residual[segment == k] for k in range(count))
    few = _LEAST_POINTS // 2
    middle = np.array([np.median(part) if len(part) >= few else np.inf for part in parts])
    worst, main = int(middle.argmax()), int(sizes.argmax())
    if worst == main:
        return None
    return worst if middle[worst] > _LOOSE * middle[main] + _SLACK_MM else None


def _fit(misfit: NDArray[np.float64]) -> float:
    """0-1: how closely the best motion of each point lays it on the other surface."""
    return float(np.clip(1.0 - misfit.min(axis=0) / AGREE_MM, 0.0, 1.0).mean())
