"""Rigid motions, and clouds of points that are laid over each other by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

Points = NDArray[np.float64]
"""(n, 3), LPS mm."""

BONE, SKIN = 0, 1  # groups of a cloud: each is matched with its own kind only
_APART_MM = 1e4  # what keeps the groups apart in the search tree
NEIGHBOURS = 60  # points that are kept as near to each
_NEIGHBOURS = 10  # points that a normal is taken from
_ROUGH_POINTS = 1000  # of which roughness is taken
_GRAIN_MM = 2.0  # how far apart along a surface its samplings may lie
_STILL_MM = 0.01  # a step that moves nothing by more is the last at its scale
FINE = (4.0, 2.5)  # scales, mm, of the last steps of a fit
_ALONG = 0.05  # weight of distance along the surface against distance from it


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """``p -> rotation @ p + shift``, LPS mm."""

    rotation: NDArray[np.float64]
    shift: NDArray[np.float64]

    @classmethod
    def none(cls) -> Motion:
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def moved(cls, shift: Points) -> Motion:
        return cls(np.eye(3), np.asarray(shift, np.float64))

    @classmethod
    def about(cls, pivot: Points, rotvec: Points) -> Motion:
        """A turn about a point; `rotvec` in radians."""
        turn = Rotation.from_rotvec(rotvec).as_matrix()
        return cls(turn, pivot - turn @ pivot)

    def __call__(self, points: NDArray[Any]) -> Points:
        return np.asarray(points @ self.rotation.T + self.shift, np.float64)

    def after(self, first: Motion) -> Motion:
        """`first`, then this."""
        return Motion(self.rotation @ first.rotation, self.rotation @ first.shift + self.shift)

    def part(self, share: float) -> Motion:
        """A share of this motion, on its way along the same screw (Chasles)."""
        rotvec = Rotation.from_matrix(self.rotation).as_rotvec()
        angle = float(np.linalg.norm(rotvec))
        if angle < 1e-6:
            return Motion.moved(share * self.shift)
        axis = rotvec / angle
        slide = axis * float(axis @ self.shift)
        pivot = np.linalg.lstsq(np.eye(3) - self.rotation, self.shift - slide, rcond=None)[0]
        return Motion.moved(share * slide).after(Motion.about(pivot, share * rotvec))

    def inverse(self) -> Motion:
        return Motion(self.rotation.T, -self.rotation.T @ self.shift)

    @property
    def angle_deg(self) -> float:
        return float(np.rad2deg(Rotation.from_matrix(self.rotation).magnitude()))


@dataclass(frozen=True, slots=True, eq=False)
class LocalMotion:
    """How one place moved.

    centre, there : on the first and on the second visit, LPS mm; error_mm : 1 SD or so
    """

    centre: Points
    there: Points
    motion: Motion
    error_mm: float

    @property
    def backward(self) -> LocalMotion:
        """The same, from the second visit to the first."""
        return LocalMotion(self.there, self.centre, self.motion.inverse(), self.error_mm)


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points with their group and weight.

    points : (n, 3); group : int (n,), BONE or SKIN; weight : float (n,)
    """

    points: Points
    group: NDArray[np.int64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.points)

    def pick(self, which: NDArray[Any]) -> Cloud:
        return Cloud(self.points[which], self.group[which], self.weight[which])

    def thinned(self, most: int) -> Cloud:
        """Every n-th point, so that about `most` are left."""
        return self.pick(np.arange(0, len(self), max(1, len(self) // max(most, 1))))

    @cached_property
    def tree(self) -> Any:
        return cKDTree(_apart(self.points, self.group))

    @cached_property
    def neighbours(self) -> NDArray[np.int64]:
        """(n, at most NEIGHBOURS): the nearest points of each, itself first, group or no."""
        count = min(NEIGHBOURS, len(self))
        _, near = cKDTree(self.points).query(self.points, k=np.arange(1, count + 1))
        return np.asarray(near)

    @cached_property
    def normals(self) -> Points:
        """Unit normals, from the nearest points; their sign means nothing."""
        count = min(_NEIGHBOURS, len(self))
        _, near = self.tree.query(_apart(self.points, self.group), k=np.arange(1, count + 1))
        there = self.points[near]
        there = there - there.mean(axis=1, keepdims=True)
        _, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", there, there))
        return np.asarray(axes[:, :, 0])

    @cached_property
    def roughness(self) -> float:
        """How far neighbours lie from a point's own tangent plane, mm: slices, threshold, noise.

        The median over some of the points; 0 for fewer than a plane takes.
        """
        if len(self) < _NEIGHBOURS:
            return 0.0
        some = np.arange(0, len(self), max(1, len(self) // _ROUGH_POINTS))
        _, near = self.tree.query(
            _apart(self.points[some], self.group[some]), k=np.arange(1, _NEIGHBOURS + 1)
        )
        off = self.points[near] - self.points[some][:, None]
        return float(np.median(np.abs(np.einsum("nki,ni->nk", off, self.normals[some]))))

    def nearest(
        self, points: Points, group: NDArray[np.int64], reach: float = np.inf
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distance to and index of the nearest point of the same group; inf beyond `reach`."""
        distance, index = self.tree.query(_apart(points, group), distance_upper_bound=reach)
        distance = np.where(distance > _APART_MM / 2, np.inf, distance)
        return distance, np.asarray(index)

    def gap(self, points: Points, group: NDArray[np.int64], reach: float) -> NDArray[np.float64]:
        """Distance from the surface that the nearest point stands for, at most `reach`, mm.

        What lies along the surface counts from half the points' own distance on only: two
        samplings of one surface do not meet point by point.
        """
        distance, index = self.nearest(points, group, reach)
        found = np.isfinite(distance)
        out = np.full(len(points), float(reach))
        apart = self.points[index[found]] - points[found]
        off = np.abs(np.einsum("ni,ni->n", apart, self.normals[index[found]]))
        along = np.sqrt(np.maximum(distance[found] ** 2 - off**2, 0.0))
        out[found] = np.minimum(np.hypot(off, np.maximum(along - _GRAIN_MM, 0.0)), reach)
        return out


def carried(points: Points, segment: NDArray[np.int64], motions: Sequence[Motion]) -> Points:
    """Points (n, 3), each moved by the motion of its segment (n,)."""
    out = points.copy()
    for number, motion in enumerate(motions):
        out[segment == number] = motion(points[segment == number])
    return out


def _apart(points: Points, group: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.column_stack([points, group * _APART_MM])


def refined(
    source: Cloud, target: Cloud, start: Motion, scales: tuple[float, ...], rounds: int = 6
) -> Motion:
    """A motion bettered by iterated closest points, from surface to surface.

    Each pair is weighted by ``1 / (1 + (d / scale)^2)^2`` (Geman and McClure), so that what is
    in one visit only, or moved otherwise, has no say once the scale has shrunk. Linearised
    point-to-plane steps (Chen and Medioni 1992, doi 10.1016/0262-8856(92)90066-C).
    """
    motion = start
    ends = np.array([source.points.min(axis=0), source.points.max(axis=0)])
    for scale in scales:
        for _ in range(rounds):
            step = _step(source, target, motion, scale)
            if step is None:
                return motion
            moved, motion = motion, step.after(motion)
            if np.abs(motion(ends) - moved(ends)).max() < _STILL_MM:
                break
    return motion


def _step(source: Cloud, target: Cloud, motion: Motion, scale: float) -> Motion | None:
    here = motion(source.points)
    distance, index = target.nearest(here, source.group, 3 * scale)
    near = np.isfinite(distance)
    if near.sum() < 12:
        return None
    here, there = here[near], target.points[index[near]]
    normal = target.normals[index[near]]
    weight = source.weight[near] / (1 + (distance[near] / scale) ** 2) ** 2
    pivot = np.average(here, axis=0, weights=weight)
    matrix, vector = _equations(here - pivot, there - here, normal, weight)
    turn, shift = np.split(np.linalg.solve(matrix, vector), 2)
    return Motion.moved(shift).after(Motion.about(pivot, turn))


def crossed(one: Points, other: NDArray[np.float64]) -> Points:
    """Cross products (n, 3) with (n, 3) or (3,): as `np.cross`, which takes longer."""
    (x, y, z), (a, b, c) = one.T, other.T
    return np.stack([y * c - z * b, z * a - x * c, x * b - y * a], axis=1)


def _equations(
    arm: Points, gap: Points, normal: Points, weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Normal equations (6, 6) and (6,) of a small turn and shift."""
    rows = np.concatenate([crossed(arm, normal), normal], axis=1)
    matrix = (rows * weight[:, None]).T @ rows
    vector = (rows * weight[:, None]).T @ np.einsum("ni,ni->n", normal, gap)
    for axis in np.eye(3):
        rows = np.concatenate([crossed(arm, axis), np.broadcast_to(axis, arm.shape)], axis=1)
        matrix += _ALONG * (rows * weight[:, None]).T @ rows
        vector += _ALONG * (rows * weight[:, None]).T @ gap @ axis
    return matrix + 1e-9 * np.trace(matrix) * np.eye(6), vector
