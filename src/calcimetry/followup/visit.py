"""A visit: what follow-up needs of an examination, from memory or from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.describe import laid_out
from calcimetry.errors import InputError
from calcimetry.followup.motion import BONE, SKIN, Cloud, Points
from calcimetry.records import Examination, Landmarks, Scan, SoftTissue
from calcimetry.runs import voxels_of

_MIRROR = np.array([-1.0, 1.0, 1.0])
_MOST = 500  # points that stand for one deposit
_SKIN_WEIGHT = 0.05  # skin moves over bone, and its points are coarse
_FEW_BONE = 60  # points; with fewer, the skin has to do


@dataclass(frozen=True, eq=False)
class Visit:
    """One examination of a follow-up.

    number : its place among the visits, from 1: as they were given, in a FollowUp in time
    facts : its document
    shapes : by deposit number, points (n, 3) LPS mm spread over it
    cloud : what it is aligned by; bone : the bones of it
    pictures : its saved PNGs by name
    soft : the soft tissue around its deposits; None where it was not kept
    scan : the images about deposits that touch bone, where there are any
    whole : by deposit number, all of its voxels' middles, LPS mm
    """

    number: int
    facts: Mapping[str, Any]
    shapes: Mapping[int, Points]
    cloud: Cloud
    bone: Cloud
    pictures: Mapping[str, bytes]
    soft: SoftTissue | None = None
    scan: Scan | None = None
    whole: Mapping[int, Points] = field(default_factory=dict)

    @property
    def date(self) -> str | None:
        value = self.facts["scan"].get("date")
        return str(value) if value else None

    @property
    def deposits(self) -> Mapping[int, Mapping[str, Any]]:
        return {int(row["deposit"]): row for row in self.facts["deposits"]}

    @property
    def by_bone(self) -> bool:
        """Whether there is bone enough to align by."""
        return len(self.bone) >= _FEW_BONE

    @property
    def mirrored(self) -> Visit:
        """Its landmarks and field as a mirror shows them, left for right; the rest unchanged."""
        scan = dict(self.facts["scan"])
        affine = np.diag([*_MIRROR, 1.0]) @ np.array(scan["affine_ijk_to_lps_mm"])
        scan["affine_ijk_to_lps_mm"] = affine.tolist()
        cloud, bone = (replace(c, points=c.points * _MIRROR) for c in (self.cloud, self.bone))
        return replace(self, facts={**self.facts, "scan": scan}, cloud=cloud, bone=bone)

    def in_field(self, points: Points, margin_mm: float = 0.0) -> NDArray[np.bool_]:
        """Whether points lie in the scanned box, at least so far from its faces."""
        scan = self.facts["scan"]
        affine = np.array(scan["affine_ijk_to_lps_mm"])
        index = (points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
        margin = margin_mm / np.linalg.norm(affine[:3, :3], axis=0)
        last = np.array(scan["shape_zyx"][::-1]) - 0.5
        inside: NDArray[np.bool_] = ((index >= margin - 0.5) & (index <= last - margin)).all(axis=1)
        return inside


def visit_of(
    exam: Examination, facts: Mapping[str, Any], number: int, *, where: str = "the examination"
) -> Visit:
    """An examination as a visit.

    facts : its document, as `calcimetry.exchange.document` makes it
    where : how an error names it

    Raises InputError NO_LANDMARKS.
    """
    marks = exam.landmarks
    if marks is None:
        raise _no_landmarks(where)
    whole = {d.number: exam.frame.to_lps(voxels_of(d.runs)) for d in exam.deposits}
    shapes = {number: _spread(points) for number, points in whole.items()}
    return Visit(
        number=number,
        facts=facts,
        shapes=shapes,
        cloud=_cloud(marks, shapes),
        bone=_bone(marks),
        pictures=exam.pictures,
        soft=marks.soft,
        scan=None if exam.crops is None else laid_out(exam.crops, exam.frame),
        whole=whole,
    )


def _no_landmarks(where: str) -> InputError:
    return InputError(
        "NO_LANDMARKS",
        found="no landmarks.npz that can be read",
        expected="a folder as `calcimetry measure` writes it",
        where=where,
        remedy="measure the scan again with this version",
    )


def _spread(points: Points) -> Points:
    """At most so many of a deposit's points, evenly taken in their order."""
    return np.asarray(points[:: -(-len(points) // _MOST)] if len(points) else points, np.float64)


def _cloud(marks: Landmarks, shapes: Mapping[int, Points]) -> Cloud:
    """Bone, skin, and the deposits themselves, which hold a shaft from sliding along itself."""
    bone: list[NDArray[Any]] = [
        marks.bone,
        *(points[:: -(-len(points) // 60)] for points in shapes.values()),
    ]
    groups: tuple[NDArray[Any], NDArray[Any]] = (np.concatenate(bone), marks.skin)
    weight = (1.0, _SKIN_WEIGHT)
    return Cloud(
        np.concatenate(groups).astype(np.float64),
        np.concatenate([np.full(len(g), k) for g, k in zip(groups, (BONE, SKIN), strict=True)]),
        np.concatenate([np.full(len(g), w) for g, w in zip(groups, weight, strict=True)]),
    )


def _bone(marks: Landmarks) -> Cloud:
    points = marks.bone.astype(np.float64)
    return Cloud(points, np.full(len(points), BONE), np.ones(len(points)))
