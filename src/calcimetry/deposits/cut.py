"""Deposits cut from what they touch, by the network's probability of every dense voxel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.plan import FindPlan
from calcimetry.records import Objects, Runs, Scan
from calcimetry.runs import (
    difference,
    joined,
    kept,
    objects,
    parts,
    stacked,
    tabulate,
    union,
    voxels_of,
)
from calcimetry.runs._jit import frozen, kernel
from calcimetry.runs.find import columns

WHOLE_SHARE = 0.5
"""An object of which at least this share is deposit is taken whole: its blurred rim, which
the network doubts, belongs to it. Of other objects only the deposit is cut out."""

CRUMB_SHARE = 0.25
"""What a cut leaves behind joins the deposit beside it when it is smaller than this share of
it: the rim on the side away from the bone."""


OWN_SHARE = 0.3
"""A cut keeps to the voxels that are surely the deposit's where at least this share is."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Objects after the cut, in their order.

    probability : float (count,), the network's mean over each; not a number where none ran
    marked : bool (count,), the network takes it for a deposit
    freed : bool (count,), it was cut from something bigger
    """

    runs: tuple[Runs, ...]
    objects: Objects
    probability: NDArray[np.float64]
    marked: NDArray[np.bool_]
    freed: NDArray[np.bool_]


def uncut(dense: Objects) -> Pieces:
    """Dense objects as they are, where no network ran."""
    none = np.zeros(len(dense), np.bool_)
    return Pieces(tuple(parts(dense)), dense, np.full(len(dense), np.nan), none, none)


@dataclass(frozen=True, slots=True)
class _Piece:
    runs: Runs
    probability: float
    marked: bool = False
    freed: bool = False


def cut(scan: Scan, dense: Objects, probability: NDArray[np.float32], plan: FindPlan) -> Pieces:
    """Dense objects, with the deposits among them cut free.

    probability : (voxels,), of every voxel of `dense.runs`, in run order
    """
    marked = probability >= plan.deposit_probability
    sums = np.zeros((2, len(dense)))
    _add_up(*columns(dense.runs)[1:], frozen(dense.label, np.int32), probability, marked, sums)
    share, mean = sums / np.maximum(dense.voxels, 1)
    cores, sure = _cores(scan, dense, probability, marked, plan)
    owned: dict[int, list[_Piece]] = {}
    for core, chance, index in zip(cores, sure.tolist(), _owner(dense, cores), strict=True):
        owned.setdefault(int(index), []).append(_Piece(core, chance, True, True))
    made: list[_Piece] = []
    for index, runs in enumerate(parts(dense)):
        whole = _Piece(runs, float(mean[index]))
        made += _split(scan, whole, owned.get(index, []), float(share[index]))
    shares = tuple(piece.runs for piece in made)
    return Pieces(
        shares,
        tabulate(scan.hu, *stacked(shares, scan.hu.shape)),
        np.array([piece.probability for piece in made]),
        np.array([piece.marked for piece in made], np.bool_),
        np.array([piece.freed for piece in made], np.bool_),
    )


def _cores(
    scan: Scan,
    dense: Objects,
    probability: NDArray[np.float32],
    marked: NDArray[np.bool_],
    plan: FindPlan,
) -> tuple[list[Runs], NDArray[np.float64]]:
    """Connected marked voxels that are sure and big enough, and how probable their core is.

    Of each only the voxels that are more likely its own than the bone's, unless too few are.
    """
    found = objects(scan.hu, kept(dense.runs, marked))
    number = np.repeat(found.label, found.runs.stop - found.runs.start) - 1
    chance = probability[marked]
    peak = np.zeros(len(found))
    np.maximum.at(peak, number, chance)
    core = _upper_half_mean(number, chance, len(found))
    big = found.voxels * scan.voxel_mm3 >= plan.smallest_mm3
    keep = big & (found.voxels >= plan.smallest_voxels) & (peak >= plan.peak_probability)
    order = np.argsort(number, kind="stable")
    ends = np.cumsum(found.voxels)
    own = [
        _own_part(runs, chance[order[end - runs.voxels : end]] >= plan.cut_probability, plan)
        for runs, end, good in zip(parts(found), ends.tolist(), keep, strict=True)
        if good
    ]
    return own, core[keep]


def _own_part(runs: Runs, own: NDArray[np.bool_], plan: FindPlan) -> Runs:
    """The voxels that are its own, or all where those are too few to be a deposit's core."""
    enough = own.sum() >= max(plan.smallest_voxels, OWN_SHARE * runs.voxels)
    return kept(runs, own) if enough else runs


def _upper_half_mean(
    number: NDArray[np.int32], values: NDArray[np.float32], count: int
) -> NDArray[np.float64]:
    """The mean of each group's upper half: at its rim, and towards bone, a deposit is doubtful
    however sure its core is."""
    order = np.lexsort((-values, number))
    size = np.bincount(number, minlength=count)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    upper = order[rank < -(-size // 2)[number[order]]]
    total = np.bincount(number[upper], values[upper], minlength=count)
    return total / np.maximum(-(-size // 2), 1)


def _owner(dense: Objects, cores: list[Runs]) -> NDArray[np.int64]:
    """The index of the object that each core lies in, by the run that holds its first voxel."""
    width = np.int64(dense.runs.shape[2])
    begin = dense.runs.row.astype(np.int64) * width + dense.runs.start
    first = np.array([int(c.row[0]) * width + int(c.start[0]) for c in cores], np.int64)
    return dense.label[np.searchsorted(begin, first, side="right") - 1].astype(np.int64) - 1


def _split(scan: Scan, whole: _Piece, cores: list[_Piece], share: float) -> list[_Piece]:
    """One object's pieces: the whole, or its cores with their rims and what is left."""
    if not cores:
        return [whole]
    if share >= WHOLE_SHARE:
        return [replace(whole, probability=max(c.probability for c in cores), marked=True)]
    rest = difference(whole.runs, joined([core.runs for core in cores], scan.hu.shape))
    left = []
    for runs in parts(objects(scan.hu, rest)):
        host = _host(scan, runs, cores)
        if host is None:
            left.append(_Piece(runs, 0.0))
        else:
            cores[host] = replace(cores[host], runs=union(cores[host].runs, runs))
    return [*cores, *left]


def _host(scan: Scan, crumb: Runs, cores: list[_Piece]) -> int | None:
    """The core that a small leaving beside it belongs to."""
    biggest = max(core.runs.voxels for core in cores)
    if crumb.voxels > CRUMB_SHARE * biggest:
        return None
    middle, step = voxels_of(crumb).mean(axis=0), np.array(scan.spacing)
    gaps = [_gap_mm(*columns(core.runs), scan.hu.shape[1], middle, step) for core in cores]
    nearest = int(np.argmin(gaps))
    near = gaps[nearest] <= 2.0 * max(scan.spacing)
    small = crumb.voxels <= CRUMB_SHARE * cores[nearest].runs.voxels
    return nearest if near and small else None


@kernel
def _add_up(start: Any, stop: Any, label: Any, probability: Any, marked: Any, sums: Any) -> None:
    """For each object its marked voxels, and the sum of probability."""
    at = 0
    for run in range(label.size):
        for _ in range(start[run], stop[run]):
            sums[0, label[run] - 1] += marked[at]
            sums[1, label[run] - 1] += probability[at]
            at += 1


@kernel
def _gap_mm(row: Any, start: Any, stop: Any, height: Any, point: Any, step: Any) -> Any:
    """The distance from a position (z, y, x) to the nearest voxel of runs."""
    least = np.inf
    for run in range(row.size):
        z = (row[run] // height - point[0]) * step[0]
        y = (row[run] % height - point[1]) * step[1]
        # The voxel of the run nearest to the position is beside it, or the run's own end.
        x = min(max(np.round(point[2]), start[run]), stop[run] - 1)
        x = (x - point[2]) * step[2]
        least = min(least, z * z + y * y + x * x)
    return np.sqrt(least)
