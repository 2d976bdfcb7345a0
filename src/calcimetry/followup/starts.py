"""Where a fit starts: the one motion that most landmarks of two visits agree on.

Iterated closest points find the nearest fit, not the best one, so a fit is tried from several
starts: the scanner's own frame, equal middles, slides along the body. A hand that was turned
over, or an arm that lay above the head, is further away than any of them; such turns are tried
only where these starts fit badly: all 24 turns of a cube, no two of which are more alike than 90
degrees, and those that lay the clouds' principal axes on each other. Turns are proper: a mirror
image is never laid over its original.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from calcimetry.followup.motion import FINE, Cloud, Motion, Points, refined
from calcimetry.followup.visit import Visit

_COARSE = (25.0, 12.0, 6.0)
_SLIDES_MM = (-160.0, -120.0, -80.0, -40.0, 40.0, 80.0, 120.0, 160.0)
_TURN_SLIDES_MM = (-80.0, -40.0, 40.0, 80.0)
_ENOUGH = 0.85  # score of a start that needs no other
_SCORE_MM = 6.0  # distance at and beyond which a landmark does not agree at all
_FEWER, _FEW = 250, 900  # points that stand for a visit, at first and then
_KEPT, _SLID = 5, 2  # turns that are looked at closer; of these, so many with slides
_HALF_TURNS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float64)


def near(visits: tuple[Visit, Visit], source: Cloud, target: Cloud) -> tuple[Motion, float]:
    """The best motion from starts that turn a body by 30 degrees or less, and its score (0-1)."""
    few = source.thinned(_FEW), target.thinned(_FEW)
    best, best_score = Motion.none(), -1.0
    for start in _near_starts(source, target):
        motion = refined(few[0], target, start, _COARSE, rounds=5)
        score = _score(visits, few, (source, target), motion)
        if score > best_score:
            best, best_score = motion, score
        if best_score > _ENOUGH:
            break
    return refined(source.thinned(4000), target, best, FINE), best_score


def turned(visits: tuple[Visit, Visit], source: Cloud, target: Cloud) -> tuple[Motion, float]:
    """The best motion from starts that are turned any way, and its score (0-1)."""
    fewer = source.thinned(_FEWER), target.thinned(_FEWER)
    tried = []
    for start in _turned_starts(source.points, target.points):
        motion = refined(fewer[0], target, start, _COARSE, rounds=4)
        tried.append((_score(visits, fewer, (source, target), motion), motion))
    ranked = [motion for _, motion in sorted(tried, key=lambda one: -one[0])[:_KEPT]]
    few = source.thinned(_FEW), target.thinned(_FEW)
    best, best_score = Motion.none(), -1.0
    for start in [*ranked, *_slid(ranked[:_SLID], source.points)]:
        motion = refined(few[0], target, start, (*_COARSE[1:], *FINE), rounds=5)
        score = _score(visits, few, (source, target), motion)
        if score > best_score:
            best, best_score = motion, score
    return refined(source.thinned(4000), target, best, FINE), best_score


def _near_starts(source: Cloud, target: Cloud) -> Iterator[Motion]:
    shift = np.median(target.points, axis=0) - np.median(source.points, axis=0)
    yield Motion.none()
    yield Motion.moved(shift)
    for slide in _SLIDES_MM:
        yield Motion.moved(shift + slide * np.array([0, 0, 1]))
    middle = np.median(source.points, axis=0)
    for axis, angle in product(np.eye(3), (-30.0, 30.0)):
        yield Motion.moved(shift).after(Motion.about(middle, np.deg2rad(angle) * axis))


def _turned_starts(source: Points, target: Points) -> Iterator[Motion]:
    middles = np.median(source, axis=0), np.median(target, axis=0)
    cube = list(Rotation.create_group("O").as_matrix())
    for turn in [*cube, *_axes_on_axes(source, target)]:
        yield Motion(turn, middles[1] - turn @ middles[0])


def _axes_on_axes(source: Points, target: Points) -> Iterator[NDArray[np.float64]]:
    """The four turns that lay the principal axes of one cloud on those of the other."""
    first, second = _right_handed_axes(source), _right_handed_axes(target)
    for signs in _HALF_TURNS:
        yield second @ np.diag(signs) @ first.T


def _right_handed_axes(points: Points) -> NDArray[np.float64]:
    _, axes = np.linalg.eigh(np.cov(points.T))
    axes[:, 0] *= np.sign(np.linalg.det(axes))
    return np.asarray(axes, np.float64)


def _slid(motions: list[Motion], source: Points) -> Iterator[Motion]:
    """Motions with the body slid along its own long axis: the fields may cut it elsewhere."""
    along = _right_handed_axes(source)[:, -1]
    for motion, slide in product(motions, _TURN_SLIDES_MM):
        yield Motion.moved(slide * (motion.rotation @ along)).after(motion)


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
        fit = 1 - other.gap(moved[seen], own.group[seen], _SCORE_MM) / _SCORE_MM
        weight = own.weight[seen]
        shares.append(float(np.average(fit, weights=weight)) if weight.sum() > 0 else 0.0)
    return float(np.mean(shares) * np.sqrt(min(inside)))
