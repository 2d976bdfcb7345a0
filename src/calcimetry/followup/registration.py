"""Registration: one visit laid over another, every bone by a rigid motion of its own.

Limbs bend, so no single motion fits. The landmarks that most agree are fitted first; what
they leave over is taken bone by bone (`segment_motions`). A deposit moves with the bones within
its reach. docs/followup.md says why this and not the images.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calcimetry.followup import starts
from calcimetry.followup.agreement import NONE, agreement
from calcimetry.followup.alignment import Alignment
from calcimetry.followup.motion import BONE, SKIN, Cloud, Motion, carried
from calcimetry.followup.segment_motions import (
    AGREE_MM,
    FAR_ALONG_MM,
    assigned,
    prune_segments,
    refine_segment,
    segment_motions,
)
from calcimetry.followup.visit import Visit

_BETTER = 0.02  # of the score, by which another turn must fit better to be looked at
_MIRROR_BETTER = 0.1  # of quality, by which a mirror image must fit better to be one


def register(first: Visit, second: Visit) -> Alignment:
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
    mirror = _register_globally((image, second), clouds, start, image_score, by_skin)
    if mirror.agreement is None or not mirror.agreement.fits:
        return found  # another body fits neither way
    return replace(found, mirrored=_quality(mirror) > _quality(found) + _MIRROR_BETTER)


def _best_of(first: Visit, second: Visit, by_skin: bool) -> tuple[Alignment, float]:
    """The alignment from the usual starts, or from any turn; and the better start's score."""
    visits, clouds = (first, second), (_usable(first, by_skin), _usable(second, by_skin))
    start, score = starts.near(visits, *clouds)
    found = _register_globally(visits, clouds, start, score, by_skin)
    if _sure(found):
        return found, score
    turn, turn_score = starts.turned(visits, *clouds)
    if turn_score <= score + _BETTER:
        return found, score
    other = _register_globally(visits, clouds, turn, turn_score, by_skin)
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


def _register_globally(
    visits: tuple[Visit, Visit],
    clouds: tuple[Cloud, Cloud],
    motion: Motion,
    score: float,
    by_skin: bool,
) -> Alignment:
    """An alignment from one start on.

    score : how well the start fits, 0-1; by_skin : whether skin has to do for bone
    """
    (first, second), (source, target) = visits, clouds
    kept = source.pick(source.group == (SKIN if by_skin else BONE))
    # A deposit may be gone: it helps to fit, but tells nothing of how well bones fit.
    steady = np.arange(len(kept)) < (len(kept) if by_skin else len(first.bone))
    if not by_skin:
        motion = refine_segment(kept, target, motion, second, FAR_ALONG_MM)
    motions = [motion] if by_skin else segment_motions(kept, target, motion, second, steady)
    segment, _ = assigned(kept, target, motions, second)
    motions = [
        refine_segment(kept.pick(segment == k), target, m, second) for k, m in enumerate(motions)
    ]
    segment, residual = prune_segments(kept, target, motions, second)
    back = [
        refine_segment(_moved_from(kept.pick(segment == k), target, m), kept, m.inverse(), first)
        for k, m in enumerate(motions)
    ]
    kept, segment, residual = kept.pick(steady), segment[steady], residual[steady]
    seen = second.in_field(carried(kept.points, segment, motions), 1.0)
    good = float(np.mean(residual[seen] <= AGREE_MM)) if seen.any() else 0.0
    agrees = agreement(visits, (kept.points, segment), motions, by_skin=by_skin)
    return Alignment(
        kept.points, segment, residual, tuple(motions), tuple(back), max(score, good), by_skin,
        agreement=agrees,
    )  # fmt: skip


def _usable(visit: Visit, by_skin: bool) -> Cloud:
    cloud = visit.cloud
    if by_skin:
        return Cloud(cloud.points, cloud.group, np.ones(len(cloud)))
    return cloud


def _moved_from(own: Cloud, target: Cloud, motion: Motion) -> Cloud:
    """The second visit's points that a segment came to lie on."""
    if not len(own):
        return own
    distance, index = target.nearest(motion(own.points), own.group, 2 * AGREE_MM)
    return target.pick(np.unique(index[np.isfinite(distance)]))
