"""How well two visits agree once they are laid over each other: is this one body?

Any two limbs can be laid over each other somehow, and two shafts nearly meet. What tells one
body from another is how closely the surfaces of bone meet, measured against how rough they are
themselves (slices, threshold, noise), and whether skin comes to lie on skin. The bars, and the
pairs that they were set on, are in docs/followup-benchmark.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from calcimetry.followup.motion import SKIN, Cloud, Motion, Points, carried
from calcimetry.followup.visit import Visit

FEWEST = 60  # landmarks in both fields; with fewer, nothing can be told
SURE = 1.05  # misfit up to which no other fit is looked for
CLOSE_ENOUGH = 1.4  # and up to which bones alone are believed; beyond, deposits must bear it out
MOST_MISFIT = 2.0  # beyond it, this is not one body
STRANGE_MISFIT, STRANGE_SKIN_MM = 1.5, 12.0  # nor beyond both of these
_MOST = 2000  # points that stand for a visit
_EDGE_MM, _SKIN_EDGE_MM = 4.0, 8.0  # this near its faces, the other field may lack neighbours
_FAR_MM, _SKIN_FAR_MM = 8.0, 40.0  # beyond these one distance is as bad as another
_CLOSE_MM = 1.0
_LEAST_ROUGH_MM = 0.25  # no landmarks are known to be smoother
_LEAST_SKIN = 30  # points


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of landmarks that lie in both fields; the worse of the two directions counts.

    count : how many these are; shared : how many of the visit's own, 0-1
    close : the share that lies within 1 mm of the other surface
    gap_mm : the median distance; misfit : the same, in units of the surfaces' own roughness
    skin_mm : the median distance of skin from skin, of the better direction; None where there
        is too little
    """

    count: int
    shared: float
    close: float
    gap_mm: float
    misfit: float
    skin_mm: float | None = None

    @property
    def enough(self) -> bool:
        """Whether the fields share enough landmarks to tell anything by."""
        return self.count >= FEWEST

    @property
    def fits(self) -> bool:
        """Whether this can be one body."""
        if not self.enough:
            return False
        strange = self.skin_mm is not None and self.skin_mm > STRANGE_SKIN_MM
        return self.misfit <= (STRANGE_MISFIT if strange else MOST_MISFIT)

    @property
    def sure(self) -> bool:
        """Whether no other fit need be looked for."""
        return self.fits and self.misfit <= SURE

    @property
    def close_enough(self) -> bool:
        """Whether this is one body even if no deposit bears it out."""
        return self.fits and self.misfit <= CLOSE_ENOUGH

    @property
    def quality(self) -> float:
        """0-1: by which one of several fits is chosen."""
        return self.close * float(np.sqrt(self.shared))


NONE = Agreement(0, 0.0, 0.0, _FAR_MM, float("inf"))
"""Of visits that show nothing in common."""


class _Way(NamedTuple):
    """How points of one visit get to the other: as the nearest of these landmarks does."""

    marks: Points
    segment: NDArray[np.int64]
    motions: Sequence[Motion]
    there: Visit

    def gaps(self, own: Cloud, other: Cloud, edge_mm: float, far_mm: float) -> Points:
        """Distance from the other's surface, of those that come to lie in the other field."""
        _, nearest = cKDTree(self.marks).query(own.points)
        moved = carried(own.points, self.segment[nearest], self.motions)
        seen = self.there.in_field(moved, edge_mm)
        return other.gap(moved[seen], own.group[seen], far_mm)


def agreement(
    visits: tuple[Visit, Visit],
    marks: tuple[Points, NDArray[np.int64]],
    motions: Sequence[Motion],
    *,
    by_skin: bool,
) -> Agreement:
    """Of two visits, the first of which is moved segment by segment.

    marks : landmarks of the first visit (n, 3), and which of the motions moves each, int (n,)
    """
    if not len(marks[0]):
        return NONE
    ways = (
        _Way(*marks, motions, visits[1]),
        _Way(carried(*marks, motions), marks[1], [m.inverse() for m in motions], visits[0]),
    )
    clouds = [_skin(visit) if by_skin else visit.bone for visit in visits]
    few = [cloud.thinned(_MOST) for cloud in clouds]
    gaps = [
        way.gaps(own, other, _EDGE_MM, _FAR_MM)
        for way, own, other in zip(ways, few, clouds[::-1], strict=True)
    ]
    if min(map(len, gaps)) == 0:
        return NONE
    inside = [len(gap) / len(own) for gap, own in zip(gaps, few, strict=True)]
    rough = max(_LEAST_ROUGH_MM, float(np.mean([cloud.roughness for cloud in clouds])))
    worst = max(float(np.median(gap)) for gap in gaps)
    return Agreement(
        count=int(min(i * len(cloud) for i, cloud in zip(inside, clouds, strict=True))),
        shared=min(inside),
        close=min(float((gap <= _CLOSE_MM).mean()) for gap in gaps),
        gap_mm=worst,
        misfit=worst / rough,
        skin_mm=None if by_skin else _skin_gap(visits, ways),
    )


def _skin_gap(visits: tuple[Visit, Visit], ways: tuple[_Way, _Way]) -> float | None:
    skins = [_skin(visit) for visit in visits]
    if min(map(len, skins)) < _LEAST_SKIN:
        return None
    found = [
        way.gaps(own.thinned(_MOST), other, _SKIN_EDGE_MM, _SKIN_FAR_MM)
        for way, own, other in zip(ways, skins, skins[::-1], strict=True)
    ]
    return min((float(np.median(gap)) for gap in found if len(gap) >= _LEAST_SKIN), default=None)


def _skin(visit: Visit) -> Cloud:
    return visit.cloud.pick(visit.cloud.group == SKIN)
