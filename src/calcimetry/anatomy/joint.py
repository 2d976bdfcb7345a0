"""Joints: narrow spaces between two surfaces of bone, found near the deposits of a scan.

From samples of the bone's surface a ray runs outwards along the steepest fall of HU. It
crosses a joint where HU falls to half of the bone's or less and, within `GAP_MM`, rises again
into bone that faces it. Behind both walls bone must go on for `BEHIND_MM`: behind the walls of
a marrow space lies cortex and then soft tissue. Bones that blur into one object at the
threshold are told apart all the same, since no connected parts are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from calcimetry.anatomy.joint_names import labelled_joints, name_between
from calcimetry.anatomy.labelmap import LabelMap
from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.types import Plane, Vector, Volume
from calcimetry.records import Box, Runs, Scan
from calcimetry.runs import RunTable, box_of
from calcimetry.runs.find import columns
from calcimetry.runs.voxels import sample_table

REACH_MM = 30.0  # beyond this from every deposit no joint is looked for
GAP_MM = 6.0  # cartilage of both sides and what lies between: 1-2 mm in fingers, 4-6 in knees
BEHIND_MM = (1.5, 4.0)  # cortex ends within the first, cancellous bone goes on to the second
WALL_HU = 250.0
CONTRAST_HU = 220.0  # between wall and space; trabeculae and noise differ by less
BEHIND_HU = 110.0  # of cancellous bone under a joint's surface; muscle stays below
LEAST_MM2 = 5.0  # of the space; the smallest joints of fingers have 20 and more
FEWEST = 10  # crossings
MOST_VOXELS, MOST_SAMPLES = 400_000, 40_000  # bone looked at; of its surface, followed by a ray
_STEP_MM = 0.5
_SAME_MM = 8.0  # a label map's joint this near to one that is seen is that one
_TOGETHER_MM = 4.0  # crossings this close belong to one joint
_FILLED = 0.12  # of a disc of that radius, by crossings; what noise makes lies scattered
_OPEN = 0.6  # of the directions across the ray; in a tube of marrow a quarter to a half
_FACING = 0.5  # cosine between ray and surface met

Points = NDArray[np.float64]
Ray = tuple[Volume[np.int16], Vector[np.float64], Vector[np.float64], Vector[np.float64]]
"""HU; where it starts and its way, (z, y, x) voxels and voxels per mm; steps along it, mm."""
Voxels = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """points : LPS mm (n, 3), middles of the space; radius_mm : of a disc of its area; name :
    by the label map's two bones, None without one
    """

    points: Points
    radius_mm: float
    name: str | None


def find_joints(
    scan: Scan, bone: Runs, deposits: Sequence[Runs], labels: LabelMap | None = None
) -> list[Joint]:
    """Joints within REACH_MM of deposits, the largest first.

    bone : dense voxels of the skeleton; deposits : each one's dense voxels
    """
    boxes = [_around(scan, runs) for runs in deposits]
    made = _seen(scan, bone, boxes, labels)
    if labels is not None:
        made += _named_only(scan, boxes, labels, made)
    return sorted(made, key=lambda joint: -joint.radius_mm)


def _around(scan: Scan, runs: Runs) -> Box:
    """The box within REACH_MM of a deposit, in the scan."""
    reach = [round(REACH_MM / edge) for edge in scan.spacing]
    z, y, x = (
        slice(max(0, side.start - r), min(n, side.stop + r))
        for side, r, n in zip(box_of(runs), reach, scan.hu.shape, strict=True)
    )
    return z, y, x


def _seen(scan: Scan, bone: Runs, boxes: Sequence[Box], labels: LabelMap | None) -> list[Joint]:
    """Joints whose space is seen between two walls."""
    samples, share = _samples(scan, bone, boxes)
    crossed = _crossings(scan, bone, samples)
    if len(crossed) < FEWEST:
        return []
    face = 0.5 * float(np.prod(scan.spacing)) ** (2 / 3) / share  # crossed from either wall
    crossed = crossed[_dense(scan.to_lps(crossed.mean(axis=1)), face)]
    middles = scan.to_lps(crossed.mean(axis=1))
    return [
        Joint(middles[at], _radius(len(at) * face), _name(scan, crossed[at], labels))
        for at in _together(middles)
        if len(at) * face >= LEAST_MM2 and len(at) >= FEWEST
    ]


def _radius(area_mm2: float) -> float:
    return float(np.sqrt(area_mm2 / np.pi))


def _name(scan: Scan, crossed: Points, labels: LabelMap | None) -> str | None:
    if labels is None:
        return None
    outwards = crossed + (crossed - crossed.mean(axis=1, keepdims=True)) * 0.5
    return name_between(labels, scan.to_lps(outwards))


def _named_only(
    scan: Scan, boxes: Sequence[Box], labels: LabelMap, seen: Sequence[Joint]
) -> list[Joint]:
    """Joints of the label map whose space the scan does not resolve."""
    made = []
    for name, points, area in labelled_joints(labels, [_corners(scan, box) for box in boxes]):
        middle = np.median(points, axis=0)
        if all(cKDTree(j.points).query(middle)[0] > _SAME_MM for j in seen):
            made.append(Joint(points, _radius(area), name))
    return made


def _corners(scan: Scan, box: Box) -> Points:
    ends = [(side.start, side.stop - 1) for side in box]
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    return scan.to_lps(corners)


def nearest_joints(
    joints: Sequence[Joint], lps: Points, bounds: NDArray[np.int64]
) -> list[tuple[Joint, float] | None]:
    """Of each deposit the joint nearest to any of its points and how far off it is, mm.

    lps : (n, 3); deposit k has ``lps[bounds[k]:bounds[k + 1]]``
    None where no joint is within REACH_MM; of two as near the first of the list.
    """
    count = len(bounds) - 1
    which, gap = np.full(count, -1), np.full(count, REACH_MM)
    some = np.flatnonzero(np.diff(bounds))
    for n, joint in enumerate(joints if len(some) else ()):
        # What is further off than the best so far need not be told exactly.
        near = cKDTree(joint.points).query(lps, distance_upper_bound=REACH_MM + 1.0)[0]
        least = np.minimum.reduceat(near, bounds[some])
        nearer = (least < gap[some]) | ((least == gap[some]) & (which[some] < 0))
        which[some[nearer]], gap[some[nearer]] = n, least[nearer]
    pairs = zip(which.tolist(), gap.tolist(), strict=True)
    return [None if n < 0 else (joints[n], near) for n, near in pairs]


def _samples(scan: Scan, bone: Runs, boxes: Sequence[Box]) -> tuple[Voxels, float]:
    """Voxels (n, 3) of bone's surface near deposits, evenly taken, and which share they are."""
    inside, share = _near(bone, boxes)
    surface = inside[_falls_off(scan, inside)]
    every = max(1, -(-len(surface) // MOST_SAMPLES))
    return surface[::every], share / every


def _falls_off(scan: Scan, zyx: Voxels) -> NDArray[np.bool_]:
    """Whether a neighbour by face lies so much lower that this may be a wall of a joint."""
    found = np.empty(len(zyx), np.bool_)
    _least_beside(read_only(scan.hu, np.int16), zyx, CONTRAST_HU / 3, found)
    return found


def _near(bone: Runs, boxes: Sequence[Box]) -> tuple[Voxels, float]:
    """Bone voxels (n, 3) in boxes, evenly taken, and which share they are.

    In each row of voxels, from the first box's start to the last one's end.
    """
    wanted = np.zeros(bone.shape[:2], np.bool_)
    spans = np.zeros((2, *bone.shape[:2]), np.int32)
    spans[0] = bone.shape[2]
    for z, y, x in boxes:
        wanted[z, y] = True
        spans[0, z, y] = np.minimum(spans[0, z, y], x.start)
        spans[1, z, y] = np.maximum(spans[1, z, y], x.stop)
    keep = wanted.ravel()[bone.row]
    row, start, stop = bone.row[keep], bone.start[keep], bone.stop[keep]
    start = np.maximum(start, spans[0].ravel()[row])
    stop = np.maximum(start, np.minimum(stop, spans[1].ravel()[row]))
    all_runs = RunTable(columns(Runs(bone.shape, row, start, stop)), np.array([0, len(row)]))
    points, _ = sample_table(all_runs, bone.shape[1], MOST_VOXELS)
    return points, 1.0 / max(1, -(-int((stop - start).sum(dtype=np.int64)) // MOST_VOXELS))


def _crossings(scan: Scan, bone: Runs, samples: Voxels) -> Points:
    """Both walls of the joint space, voxel positions (n, 2, 3), for samples on its surface."""
    none = np.zeros((0, 2, 3))
    if not len(samples):
        return none
    fall = -_gradient(scan, samples)
    steep = np.linalg.norm(fall, axis=1)
    at = steep > WALL_HU / 4  # HU per mm
    start = samples[at].astype(np.float64)
    way = fall[at] / steep[at, None] / np.array(scan.spacing)  # voxels per mm
    reach = np.arange(-BEHIND_MM[1], GAP_MM + BEHIND_MM[1] + 3.0, _STEP_MM)
    first = round(BEHIND_MM[1] / _STEP_MM)
    leave, hit = np.zeros(len(start), np.int64), np.zeros(len(start), np.int64)
    _follow(read_only(scan.hu, np.int16), start, way, reach, first, leave, hit)
    good = hit > 0
    good[good] &= _owned(bone, start[good] + (reach[first + hit[good] + 1] * way[good].T).T)
    good[good] &= _faces(scan, start[good], way[good], reach[first + hit[good]])
    walls = np.stack([start + (reach[first + k] * way.T).T for k in (leave, hit)], axis=1)[good]
    return walls[_open(scan, walls)]


def _owned(bone: Runs, points: Points) -> NDArray[np.bool_]:
    """Whether the voxels at positions (n, 3) are of the skeleton: a deposit is no wall."""
    z, y, x = np.clip(np.rint(points).astype(np.int64), 0, np.array(bone.shape) - 1).T
    width = np.int64(bone.shape[2])
    voxel = (z * bone.shape[1] + y) * width + x
    begin = bone.row * width + bone.start
    run = np.searchsorted(begin, voxel, side="right") - 1
    return np.asarray((run >= 0) & (voxel - begin[run] < (bone.stop - bone.start)[run]))


def _faces(scan: Scan, start: Points, way: Points, reach: Points) -> NDArray[np.bool_]:
    """Whether HU rises along the ray where it meets the other wall, rather than beside it."""
    met = np.rint(start + reach[:, None] * way).astype(np.int32)
    rise = _gradient(scan, met)
    along = way * np.array(scan.spacing)
    cosine = (rise * along).sum(axis=1) / np.maximum(np.linalg.norm(rise, axis=1), 1e-6)
    return np.asarray(cosine >= _FACING)


def _open(scan: Scan, walls: Points) -> NDArray[np.bool_]:
    """Whether the space goes on to most sides, as between two bones and not in a marrow tube."""
    step = np.array(scan.spacing)
    across = (walls[:, 1] - walls[:, 0]) * step
    gap = np.linalg.norm(across, axis=1)
    along = across / np.maximum(gap, 1e-6)[:, None]
    least = np.eye(3)[np.argmin(np.abs(along), axis=1)]
    one = np.cross(along, least)
    one /= np.maximum(np.linalg.norm(one, axis=1), 1e-6)[:, None]
    other = np.cross(along, one)
    turns = np.arange(8) * np.pi / 4
    around = np.cos(turns)[:, None, None] * one + np.sin(turns)[:, None, None] * other
    probe = walls.mean(axis=1) + around * (0.75 * gap + 1.0)[:, None] / step
    return np.asarray((_hu_at(scan, probe) < WALL_HU).mean(axis=0) >= _OPEN)


def _gradient(scan: Scan, zyx: Voxels) -> Points:
    """HU per mm along (z, y, x) by Sobel's weights, (n, 3); on the scan's own axes."""
    out = np.zeros((len(zyx), 3))
    _sobel(read_only(scan.hu, np.int16), read_only(zyx, np.int32), out)
    return out / (32.0 * np.array(scan.spacing))


def _hu_at(scan: Scan, zyx: NDArray[Any]) -> NDArray[np.int16]:
    """HU of the nearest voxel; the field's border goes on outside."""
    z, y, x = np.clip(np.rint(zyx).astype(np.int64), 0, np.array(scan.hu.shape) - 1).T
    return np.asarray(scan.hu[z, y, x].T)


def _dense(middles: Points, face_mm2: float) -> NDArray[np.bool_]:
    """Which crossings lie among others as densely as on a surface."""
    around = cKDTree(middles).query_ball_point(middles, _TOGETHER_MM, return_length=True)
    return np.asarray(around * face_mm2 >= _FILLED * np.pi * _TOGETHER_MM**2)


def _together(middles: Points) -> list[NDArray[np.intp]]:
    """Indices of the crossings of each joint."""
    if not len(middles):
        return []
    pairs = cKDTree(middles).query_pairs(_TOGETHER_MM, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), pairs.T), (len(middles), len(middles)))
    _, group = connected_components(links, directed=False)
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


@kernel
def _follow(
    hu: Volume[np.int16],
    start: Plane[np.float64],
    way: Plane[np.float64],
    reach: Vector[np.float64],
    first: int,
    leave: Vector[np.int64],
    hit: Vector[np.int64],
) -> None:
    """Steps from `first` at which the ray from each start has left its wall, and has hit another.

    HU has fallen to half of the wall's and has risen again, and bone goes on behind both walls;
    0 where not.
    """
    near, far = int(np.rint(BEHIND_MM[0] / _STEP_MM)), int(np.rint(BEHIND_MM[1] / _STEP_MM))
    most = int(np.rint(GAP_MM / _STEP_MM))
    for n in range(len(start)):
        ray = hu, start[n], way[n], reach
        wall = max(_on_ray(ray, first), _on_ray(ray, first + 1), _on_ray(ray, first + 2))
        if wall < WALL_HU or not _bone_on(ray, first - far, first - near):
            continue
        low = _on_ray(ray, first)
        left = -1
        for step in range(most + 4):
            value = _on_ray(ray, first + step)
            low = min(low, value)
            if low > min(0.5 * wall, wall - CONTRAST_HU):
                continue
            if left < 0:
                left = step
            if value >= max(WALL_HU, 2.0 * low, low + CONTRAST_HU):
                if step - left <= most and _bone_on(ray, first + step + near, first + step + far):
                    leave[n], hit[n] = left, step
                break


@inner
def _bone_on(
    ray: Ray,
    begin: int,
    last: int,
) -> bool:
    """Whether most steps from `begin` to `last` lie in bone."""
    missed = 0
    for step in range(begin, last + 1):
        missed += _on_ray(ray, step) < BEHIND_HU
    return missed <= 0.2 * (last + 1 - begin)


@inner
def _on_ray(
    ray: Ray,
    step: int,
) -> int:
    hu, start, way, reach = ray
    far = reach[min(step, len(reach) - 1)]
    return _nearest(hu, start[0] + far * way[0], start[1] + far * way[1], start[2] + far * way[2])


@kernel
def _sobel(hu: Volume[np.int16], points: Plane[np.int32], out: Plane[np.float64]) -> None:
    """Differences of HU across each voxel, weighted by Sobel; the border goes on outside."""
    for n in range(len(points)):
        along_z, along_y, along_x = 0, 0, 0
        x, last = points[n, 2], hu.shape[2] - 1
        left, here, right = min(max(x - 1, 0), last), min(max(x, 0), last), min(max(x + 1, 0), last)
        for dz in range(-1, 2):
            z = min(max(points[n, 0] + dz, 0), hu.shape[0] - 1)
            for dy in range(-1, 2):
                y = min(max(points[n, 1] + dy, 0), hu.shape[1] - 1)
                low, middle, high = hu[z, y, left], hu[z, y, here], hu[z, y, right]
                across = low + 2 * middle + high
                along_z += dz * (2 - abs(dy)) * across
                along_y += dy * (2 - abs(dz)) * across
                along_x += (2 - abs(dz)) * (2 - abs(dy)) * (high - low)
        out[n, 0], out[n, 1], out[n, 2] = along_z, along_y, along_x


@kernel
def _least_beside(
    hu: Volume[np.int16], points: Plane[np.int32], fall: float, found: Vector[np.bool_]
) -> None:
    """Whether one of the six neighbours by face is lower by `fall`; the border goes on outside."""
    for n in range(len(points)):
        z, y, x = points[n, 0], points[n, 1], points[n, 2]
        most = hu[z, y, x] - fall
        found[n] = (
            hu[z, y, max(x - 1, 0)] <= most
            or hu[z, y, min(x + 1, hu.shape[2] - 1)] <= most
            or hu[z, max(y - 1, 0), x] <= most
            or hu[z, min(y + 1, hu.shape[1] - 1), x] <= most
            or hu[max(z - 1, 0), y, x] <= most
            or hu[min(z + 1, hu.shape[0] - 1), y, x] <= most
        )


@inner
def _nearest(hu: Volume[np.int16], z: float, y: float, x: float) -> int:
    k = min(max(int(np.rint(z)), 0), hu.shape[0] - 1)
    j = min(max(int(np.rint(y)), 0), hu.shape[1] - 1)
    i = min(max(int(np.rint(x)), 0), hu.shape[2] - 1)
    value: int = hu[k, j, i]
    return value
