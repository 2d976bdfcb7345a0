"""Deposits cut from what they touch, by the network's probability of every dense voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.plan import FindPlan
from calcimetry.records import Objects, Runs, Scan
from calcimetry.runs import difference, kept, objects, parts, stacked, tabulate, union, voxels_of

WHOLE_SHARE = 0.5
"""An object of which at least this share is deposit is taken whole: its blurred rim, which
the network doubts, belongs to it. Of other objects only the deposit is cut out."""

CRUMB_SHARE = 0.25
"""What a cut leaves behind joins the deposit beside it when it is smaller than this share of
it: the rim on the side away from the bone."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Objects after the cut, in their order.

    probability : float (count,), the network's mean over each deposit; 0 for what it did not
        take for one; not a number where no network ran
    """

    runs: tuple[Runs, ...]
    objects: Objects
    probability: NDArray[np.float64]


def cut(scan: Scan, dense: Objects, probability: NDArray[np.float32], plan: FindPlan) -> Pieces:
    """Dense objects, with the deposits among them cut free.

    probability : (voxels,), of every voxel of `dense.runs`, in run order
    """
    lengths = dense.runs.stop - dense.runs.start
    label = np.repeat(dense.label, lengths)
    marked = probability >= plan.deposit_probability
    share = np.bincount(label[marked], minlength=len(dense) + 1)[1:] / np.maximum(dense.voxels, 1)
    cores, mean = _cores(scan, dense, probability, marked, plan)
    owner = _owner(dense, cores)
    pieces: list[Runs] = []
    chance: list[float] = []
    whole = parts(dense)
    for number, runs in enumerate(whole, start=1):
        own = np.flatnonzero(owner == number)
        made, chances = _split(scan, runs, [cores[i] for i in own], mean[own], share[number - 1])
        pieces += made
        chance += chances
    table = tabulate(scan.hu, *stacked(pieces, scan.hu.shape))
    return Pieces(tuple(pieces), table, np.array(chance))


def _cores(
    scan: Scan,
    dense: Objects,
    probability: NDArray[np.float32],
    marked: NDArray[np.bool_],
    plan: FindPlan,
) -> tuple[list[Runs], NDArray[np.float64]]:
    """Connected marked voxels that are sure and big enough, and their mean probability."""
    found = objects(scan.hu, kept(dense.runs, marked))
    number = np.repeat(found.label, found.runs.stop - found.runs.start) - 1
    chance = probability[marked]
    peak = np.zeros(len(found))
    np.maximum.at(peak, number, chance)
    mean = np.bincount(number, chance, minlength=len(found)) / np.maximum(found.voxels, 1)
    big = found.voxels * scan.voxel_mm3 >= plan.smallest_mm3
    keep = big & (found.voxels >= plan.smallest_voxels) & (peak >= plan.peak_probability)
    return [runs for runs, good in zip(parts(found), keep, strict=True) if good], mean[keep]


def _owner(dense: Objects, cores: list[Runs]) -> NDArray[np.int64]:
    """The object (from 1) that each core lies in: that of the run that holds its first voxel."""
    width = np.int64(dense.runs.shape[2])
    begin = dense.runs.row.astype(np.int64) * width + dense.runs.start
    first = np.array([int(c.row[0]) * width + int(c.start[0]) for c in cores], np.int64)
    return dense.label[np.searchsorted(begin, first, side="right") - 1].astype(np.int64)


def _split(
    scan: Scan, runs: Runs, cores: list[Runs], mean: NDArray[np.float64], share: float
) -> tuple[list[Runs], list[float]]:
    """One object's pieces: the whole, or its cores with their rims and what is left."""
    if not cores:
        return [runs], [0.0]
    if share >= WHOLE_SHARE:
        return [runs], [float(mean.max())]
    rest = runs
    for core in cores:
        rest = difference(rest, core)
    grown, left = _with_crumbs(scan, cores, parts(objects(scan.hu, rest)))
    return [*grown, *left], [*map(float, mean), *[0.0] * len(left)]


def _with_crumbs(scan: Scan, cores: list[Runs], rest: list[Runs]) -> tuple[list[Runs], list[Runs]]:
    """Small leavings go to the core that their middle is nearest to."""
    grown, left = list(cores), []
    for crumb in rest:
        middle = voxels_of(crumb).mean(axis=0)
        gaps = [_gap_mm(scan, core, middle) for core in cores]
        nearest = int(np.argmin(gaps))
        near = gaps[nearest] <= 2.0 * max(scan.spacing)
        if near and crumb.voxels <= CRUMB_SHARE * cores[nearest].voxels:
            grown[nearest] = union(grown[nearest], crumb)
        else:
            left.append(crumb)
    return grown, left


def _gap_mm(scan: Scan, core: Runs, point: NDArray[np.float64]) -> float:
    apart = (voxels_of(core) - point) * np.array(scan.spacing)
    return float(np.sqrt((apart**2).sum(axis=1).min()))
