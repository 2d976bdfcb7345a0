"""Where soft tissue went: a deposit's surroundings sought in the other visit's images.

Bones tell how what is near them moved. Further away tissue is stretched and pressed together
by a bent joint in ways that no rule of distance gives, so there the fat, fascia, muscle and
skin about the deposit are compared themselves, on a grid of about 2 mm: from every motion that
the bones allow, and on the way from one to another, as far as a robust squared difference of HU
falls. Deposits and bones have no say in it: a deposit may have changed, and bone moves by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.followup.motion import LocalMotion, Motion, Points
from calcimetry.records import SoftTissue

RADIUS_MM = 16.0  # of the surroundings that are compared
_STEP_MM = 2.0  # between the points that stand for them
_SMOOTH_MM = 1.5  # SD of a Gaussian on both, against noise and for a wider catch
_CLEAR_MM = 2.0  # what lies this near to something dense is blurred by it
_ROBUST_HU = 25.0  # difference at which a point loses most of its say
_AIR_HU = -185.0
_LEAST = 0.4  # share of the surroundings that the other visit must show
_FEW = 200  # points; with fewer there is nothing to compare
_STILL_MM = 0.02
_ROUNDS = 12
_STARTS = 4  # that are bettered
_APART_MM, _MOST_STEPS = 3.0, 8  # between starts on the way from one bone's motion to another's
_WINS, _GAINS = 0.75, 0.02  # how unlike it may be against where bones laid it; and how much less
_TURN_SD, _SHIFT_SD_MM = np.deg2rad(5.0), 3.0  # how far from a start its end is expected
_EXPECTED = 0.01  # weight of that: tissue without structure would slide anywhere
_UNLIKE = 0.3  # above this nothing was found
_ERROR_MM, _ERROR_UNLIKE_MM = 0.4, 5.0


@dataclass(frozen=True, eq=False)
class Tissue:
    """Soft tissue as it is compared: what `SoftTissue` holds, decoded.

    hu : float32 (z, y, x), smoothed over what is kept and not dense; known : which cells are
    inverse, origin : from LPS mm to cells (z, y, x)
    """

    hu: NDArray[np.float32]
    known: NDArray[np.float32]
    inverse: NDArray[np.float64]
    origin: NDArray[np.float64]

    def at(self, points: Points) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """HU at points, and whether they are known there."""
        index = ((points - self.origin) @ self.inverse.T)[:, ::-1].T
        hu = ndimage.map_coordinates(self.hu, index, order=1, mode="nearest")
        known = ndimage.map_coordinates(self.known, index, order=1, mode="constant") > 0.5
        return hu, known


def tissue_of(soft: SoftTissue) -> Tissue:
    """Decoded and smoothed; a Gaussian over known cells alone (normalised convolution)."""
    spacing = np.linalg.norm(soft.affine[:3, :3], axis=0)[::-1]
    dense = soft.code == 255
    near = _grown(dense, spacing)
    known = ((soft.code > 0) & ~near).astype(np.float32)
    hu = (SoftTissue.LOW_HU + SoftTissue.STEP_HU * (soft.code.astype(np.float32) - 1)) * known
    sigma = _SMOOTH_MM / spacing
    top, weight = (ndimage.gaussian_filter(part, sigma) for part in (hu, known))
    smooth = np.where(weight > 0.05, top / np.maximum(weight, 0.05), 0.0).astype(np.float32)
    inverse = np.asarray(np.linalg.inv(soft.affine[:3, :3]), np.float64)
    return Tissue(smooth, known, inverse, soft.affine[:3, 3])


def _grown(dense: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.bool_]:
    reach = [int(_CLEAR_MM / step) for step in spacing]
    offsets = np.meshgrid(*(np.arange(-n, n + 1) * s for n, s in zip(reach, spacing, strict=True)),
                          indexing="ij")  # fmt: skip
    ball = np.sqrt(sum(part**2 for part in offsets)) <= _CLEAR_MM
    return np.asarray(ndimage.binary_dilation(dense, ball))


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Points about a place of the first visit, and what is there.

    points : (n, 3) LPS mm; hu : (n,); weight : (n,), falling with distance
    slope : (n, 6), how hu changes as the points are turned about `centre` and shifted
    """

    centre: Points
    points: Points
    hu: NDArray[np.float32]
    weight: NDArray[np.float64]
    slope: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.points)


def surroundings(first: Tissue, centre: Points) -> Surroundings:
    points = centre + _ball()
    hu, known = first.at(points)
    kept = known & (hu > _AIR_HU)
    points, hu = points[kept], hu[kept]
    ahead = [(first.at(points + d)[0] - first.at(points - d)[0]) / 2 for d in np.eye(3)]
    gradient = np.stack(ahead, axis=1).astype(np.float64)
    arm = points - centre
    weight = np.exp(-0.5 * (np.linalg.norm(arm, axis=1) / (0.6 * RADIUS_MM)) ** 2)
    slope = np.concatenate([np.cross(arm, gradient), gradient], axis=1)
    return Surroundings(centre, points, hu, weight, slope)


def _ball() -> Points:
    line = np.arange(-RADIUS_MM, RADIUS_MM + _STEP_MM / 2, _STEP_MM)
    grid = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)
    return np.asarray(grid[np.linalg.norm(grid, axis=1) <= RADIUS_MM])


@dataclass(frozen=True, eq=False)
class Fit:
    """A motion, and how unlike the surroundings are then: 0 the same, 1 wholly.

    off : HU by which each point differs, with its weight
    """

    motion: Motion
    unlike: float
    off: NDArray[np.float64]
    weight: NDArray[np.float64]


def fit(own: Surroundings, second: Tissue, motion: Motion) -> Fit:
    """How a motion lays surroundings on the second visit; wholly unlike where it shows too few."""
    hu, known = second.at(motion(own.points))
    off = (hu - own.hu).astype(np.float64)
    weight = own.weight * known
    if weight.sum() < _LEAST * own.weight.sum() or len(own) < _FEW:
        return Fit(motion, 1.0, off, weight)
    robust = off * off / (off * off + _ROBUST_HU**2)
    return Fit(motion, float(np.average(robust, weights=weight)), off, weight)


def bettered(own: Surroundings, second: Tissue, start: Fit) -> Fit:
    """A fit improved by damped least squares, robustly weighted, its end expected near its start.

    Inverse compositional: Baker and Matthews 2004, doi 10.1023/B:VISI.0000011205.11775.fd.
    """
    best, cost, damping = start, start.unlike, 1e-3
    gone = np.zeros(6)
    for _ in range(_ROUNDS):
        step = _step(own, best, gone, damping)
        motion = best.motion.after(
            Motion.moved(-step[3:]).after(Motion.about(own.centre, -step[:3]))
        )
        trial = fit(own, second, motion)
        trial_cost = trial.unlike + float(_PRIOR @ (gone - step) ** 2)
        if trial_cost < cost:
            best, cost, gone, damping = trial, trial_cost, gone - step, max(0.3 * damping, 1e-4)
            if np.linalg.norm(step[3:]) + RADIUS_MM * np.linalg.norm(step[:3]) < _STILL_MM:
                break
        elif damping > 1e2:
            break
        else:
            damping *= 10
    return best


_PRIOR = _EXPECTED / np.array([_TURN_SD] * 3 + [_SHIFT_SD_MM] * 3) ** 2


def _step(
    own: Surroundings, now: Fit, gone: NDArray[np.float64], damping: float
) -> NDArray[np.float64]:
    """Turn (3, radians) and shift (3, mm) of the points that would make them alike."""
    weight = now.weight / (1 + (now.off / _ROBUST_HU) ** 2) ** 2
    weight /= _ROBUST_HU**2 * max(float(now.weight.sum()), 1e-9)
    rows = own.slope * weight[:, None]
    matrix = rows.T @ own.slope + np.diag(_PRIOR)
    matrix += damping * np.diag(np.diag(matrix))
    return np.asarray(np.linalg.solve(matrix, rows.T @ now.off + _PRIOR * gone))


def sought(
    first: Tissue, second: Tissue, centre: Points, motions: Sequence[Motion]
) -> LocalMotion | None:
    """Where a place of the first visit went; None where its surroundings do not say.

    motions : what bones make of it, likeliest first, of which the first must be beaten clearly
    """
    own = surroundings(first, centre)
    expected = fit(own, second, motions[0])
    others = (fit(own, second, motion) for motion in _on_the_way(centre, motions))
    starts = sorted(others, key=lambda trial: trial.unlike)[:_STARTS]
    found = [bettered(own, second, start) for start in (expected, *starts) if start.unlike < 1.0]
    best = min(found, key=lambda trial: trial.unlike, default=expected)
    most = min(_WINS * expected.unlike, expected.unlike - _GAINS, _UNLIKE)
    if best.unlike > most:
        return None
    there = best.motion(centre)
    return LocalMotion(centre, there, best.motion, _ERROR_MM + _ERROR_UNLIKE_MM * best.unlike)


def _on_the_way(centre: Points, motions: Sequence[Motion]) -> Iterator[Motion]:
    """Motions, and between each two of them about every 3 mm of the way."""
    for k, motion in enumerate(motions):
        yield motion
        for other in motions[k + 1 :]:
            on = other.after(motion.inverse())
            apart = float(np.linalg.norm(other(centre) - motion(centre)))
            steps = min(int(apart / _APART_MM), _MOST_STEPS)
            yield from (on.part(n / (steps + 1)).after(motion) for n in range(1, steps + 1))
