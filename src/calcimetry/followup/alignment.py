"""How one visit lies over another: every bone moves rigidly, each by its own motion.

A deposit moves with the bones within its reach. docs/followup.md says why this and not the
images.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from calcimetry.followup.agreement import Agreement
from calcimetry.followup.motion import LocalMotion, Motion, Points, carried

LEAST_SCORE = 0.4  # with less, too few landmarks agree
_PLACE_MM = 6.0  # how far about the middle of a place what was found of it holds
_UNSURE = 0.6  # of the spread of where bones lay a point between them, as its error
_REACH = 60  # nearest landmarks that say how a deposit moves
_HOLDS_MM = 3.0  # from bone, at which tissue holds to it in full
_FALLOFF = 6.0  # power by which a segment's weight falls with distance: at 1.4 times, to a tenth
_LEAST_WEIGHT = 0.05  # segments with less than 5 % of the largest weight are ignored


@dataclass(frozen=True, eq=False)
class Alignment:
    """From a first visit to a second.

    marks : the first visit's landmarks (bone; skin where there is little bone)
    segment : int (n,), which motion moves each
    residual : (n,) mm, how far each then lies from the second visit's surface, smoothed
    motions : of the segments; backward : the same, fitted the other way round
    score : 0-1, share of landmarks in both fields that agree
    by_skin : there was too little bone
    places : how deposits far from bone moved, where their surroundings tell
    agreement : how well the visits agree then; None where that was not asked
    mirrored : the first visit's mirror image fits clearly better
    doubted : neither bones nor deposits bear it out
    """

    marks: Points
    segment: NDArray[np.int64]
    residual: NDArray[np.float64]
    motions: tuple[Motion, ...]
    backward: tuple[Motion, ...]
    score: float
    by_skin: bool
    places: tuple[LocalMotion, ...] = ()
    agreement: Agreement | None = None
    mirrored: bool = False
    doubted: bool = False

    @property
    def failed(self) -> bool:
        """Whether nothing that follows from it can be trusted."""
        fits = self.agreement is None or self.agreement.fits
        return self.mirrored or self.doubted or self.score < LEAST_SCORE or not fits

    @cached_property
    def _before(self) -> list[Any]:
        return self._trees(self.marks)

    def _trees(self, points: Points) -> list[Any]:
        """A search tree for each segment; None where nothing of the first visit moves with it."""
        own = (points[self.segment == k] for k in range(len(self.motions)))
        return [cKDTree(part) if len(part) else None for part in own]

    @cached_property
    def _moved(self) -> Points:
        return carried(self.marks, self.segment, self.motions)

    @cached_property
    def _after(self) -> list[Any]:
        return self._trees(self._moved)

    def gaps(self, point: Points, *, first: bool = True) -> NDArray[np.float64]:
        """Distance, mm, of a point of the first (or second) visit from what each motion moves."""
        trees = self._before if first else self._after
        return np.array([np.inf if t is None else t.query(point)[0] for t in trees])

    def shares(self, point: Points, *, first: bool = True) -> list[tuple[int, float]]:
        """The segments that carry a point of the first (or second) visit, and their weights.

        A bone's weight falls with its distance, so that what is clearly nearer to one moves with
        it, and tissue beside a joint with both in part. Likeliest first.
        """
        gaps = self.gaps(point, first=first)
        if not np.isfinite(gaps).any():
            return [(0, 1.0)]
        weight = np.maximum(gaps, _HOLDS_MM) ** -_FALLOFF
        order = [
            int(k)
            for k in np.argsort(-weight, kind="stable")
            if weight[k] >= _LEAST_WEIGHT * weight.max()
        ]
        whole = sum(float(weight[k]) for k in order)
        return [(k, float(weight[k]) / whole) for k in order]

    def carrying(self, point: Points, *, first: bool = True) -> Motion:
        """How a point of the first (or second) visit gets to the second."""
        place = self.place(point, first=first)
        return self._by_bone(point, first=first) if place is None else place.motion

    def place(self, point: Points, *, first: bool = True) -> LocalMotion | None:
        """The place that a point of the first (or second) visit belongs to."""
        away = [np.linalg.norm((p.centre if first else p.there) - point) for p in self.places]
        nearest = int(np.argmin(away)) if away else -1
        return self.places[nearest] if away and away[nearest] <= _PLACE_MM else None

    def _by_bone(self, point: Points, *, first: bool) -> Motion:
        shares = self.shares(point, first=first)
        motion, sum_ = self.motions[shares[0][0]], shares[0][1]
        for segment, share in shares[1:]:
            sum_ += share
            on = self.motions[segment].after(motion.inverse())
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
        segment = self.shares(point)[0][0]
        tree = self._before[segment]
        if tree is None:
            return float("inf")
        back = self.backward[segment](self.motions[segment](point))
        count = min(_REACH, tree.n)
        _, index = tree.query(point, k=np.arange(1, count + 1))
        misfit = float(np.median(self.residual[self.segment == segment][index]))
        fit = float(np.hypot(misfit, np.linalg.norm(back - point)))
        return float(np.hypot(fit, self.between(point)))

    def between(self, point: Points) -> float:
        """How unsure it is which bones tissue moves with: the spread of where they lay it, mm."""
        weight = np.maximum(self.gaps(point), _HOLDS_MM) ** -2.0
        weight /= weight.sum()
        there = np.stack([motion(point) for motion in self.motions])
        return _UNSURE * float(np.sqrt(weight @ ((there - weight @ there) ** 2).sum(axis=1)))
