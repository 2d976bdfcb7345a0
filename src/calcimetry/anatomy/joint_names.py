"""Joints by name: the two bones of an anatomy label map that meet there."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.anatomy.labelmap import LabelMap, structures_at

APART_MM = 4.0  # two bones of a label map this close meet in a joint
LEAST_FACES = 6

Points = NDArray[np.float64]


def joint_name(one: str, other: str) -> str | None:
    """The joint of two bones, by their names in label maps; None where the table has none."""
    bare = [name.replace("_left", "").replace("_right", "") for name in (one, other)]
    for name, pairs in _table().items():
        for first, second in pairs:
            for a, b in (bare, bare[::-1]):
                if fnmatchcase(a, first) and fnmatchcase(b, second):
                    return name
    return None


def name_between(labels: LabelMap, walls: Points) -> str | None:
    """The joint between walls (n, 2, 3), LPS mm, by the bones that most of them lie in."""
    found = structures_at(labels, walls.reshape(-1, 3))
    pairs = Counter(
        (min(a.name, b.name), max(a.name, b.name))
        for a, b in zip(found[::2], found[1::2], strict=True)
        if a is not None and b is not None and a.kind == b.kind == "bone"
    )
    return joint_name(*pairs.most_common(1)[0][0]) if pairs else None


def labelled_joints(
    labels: LabelMap, boxes: Sequence[Points]
) -> Iterator[tuple[str, Points, float]]:
    """Named joints of a label map near boxes: name, LPS points (n, 3), area mm2.

    boxes : the corners (8, 3) of each, LPS mm. Two different bones within APART_MM along an
    axis of the map's grid; a bone's own joints (between phalanges, say) it cannot tell.
    """
    part, corner = _cut(labels, boxes)
    edges = np.linalg.norm(labels.affine[:3, :3], axis=0)
    bones = {n for n, s in labels.structures.items() if s.kind == "bone"}
    part = np.where(np.isin(part, sorted(bones)), part, 0)
    meetings: dict[tuple[int, int], list[NDArray[np.float64]]] = {}
    for axis, edge in enumerate(edges):
        for step in range(1, int(APART_MM / edge) + 1):
            for pair, at in _meeting(part, axis, step).items():
                meetings.setdefault(pair, []).append(at)
    face = float(np.prod(edges)) ** (2 / 3)
    for (a, b), found in meetings.items():
        name = joint_name(labels.structures[a].name, labels.structures[b].name)
        index = np.unique(np.concatenate(found).round(), axis=0)
        if name is not None and len(index) >= LEAST_FACES:
            points = (index + corner) @ labels.affine[:3, :3].T + labels.affine[:3, 3]
            yield name, points, len(index) * face


def _cut(labels: LabelMap, boxes: Sequence[Points]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The map's numbers in the box of all boxes, and its first corner (i, j, k)."""
    inverse = np.linalg.inv(labels.affine)
    index = np.concatenate(boxes) @ inverse[:3, :3].T + inverse[:3, 3]
    low = np.clip(np.floor(index.min(axis=0)), 0, None).astype(np.int64)
    high = np.clip(np.ceil(index.max(axis=0)) + 1, 0, labels.numbers.shape).astype(np.int64)
    i, j, k = (slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
    return np.asarray(labels.numbers[i, j, k]).astype(np.int64), low


def _meeting(
    part: NDArray[np.int64], axis: int, step: int
) -> dict[tuple[int, int], NDArray[np.float64]]:
    """By pair of bones, the middles (n, 3) between voxels of both, `step` apart on an axis."""
    size = part.shape[axis]
    if size <= step:
        return {}
    near, far = np.take(part, range(size - step), axis), np.take(part, range(step, size), axis)
    at = np.argwhere((near != far) & (near > 0) & (far > 0))
    a, b = near[tuple(at.T)], far[tuple(at.T)]
    middle = at.astype(np.float64)
    middle[:, axis] += step / 2
    pairs = np.stack([np.minimum(a, b), np.maximum(a, b)], axis=1)
    kinds, which = np.unique(pairs, axis=0, return_inverse=True)
    return {(int(p), int(q)): middle[which.ravel() == n] for n, (p, q) in enumerate(kinds)}


@cache
def _table() -> dict[str, list[list[str]]]:
    text = (resources.files("calcimetry.anatomy") / "joints.toml").read_text(encoding="utf-8")
    table: dict[str, list[list[str]]] = tomllib.loads(text)["joints"]
    return table
