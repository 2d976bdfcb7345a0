"""Splits deposits from the bone they touch: connected voxels of high network probability become
components of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcimetry.kernels.compiled import inner, kernel, read_only
from calcimetry.kernels.order import index_of_least
from calcimetry.kernels.types import Integer, RunColumns, Vector
from calcimetry.plan import FindPlan
from calcimetry.records import Objects, Runs, Scan
from calcimetry.runs import (
    concatenated,
    difference,
    in_order,
    keep_voxels,
    label_components,
    object_runs,
    object_statistics,
    objects_of,
    split_by_label,
    take,
    union_all,
)
from calcimetry.runs.find import columns
from calcimetry.threads import Jobs

WHOLE_SHARE = 0.5
"""An object of which at least this share is deposit is taken whole: its blurred rim, which
the network doubts, belongs to it. Of other objects only the deposit is split off."""

CRUMB_SHARE = 0.25
"""A remainder joins the core beside it when it is smaller than this share of it: the rim on the
side away from the bone."""

OWN_SHARE = 0.3
"""A split keeps to the voxels that are surely the deposit's where at least this share is."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Objects after the split, in their order.

    probability : float (count,), the network's mean over each; not a number where none ran
    network_positive : bool (count,), the network takes it for a deposit
    split_off : bool (count,), it was split from something bigger
    """

    objects: Objects
    probability: NDArray[np.float64]
    network_positive: NDArray[np.bool_]
    split_off: NDArray[np.bool_]

    @property
    def runs(self) -> list[Runs]:
        """The runs of each; where only some are asked for, `parts` of `objects` is cheaper."""
        return object_runs(self.objects)


def unsplit(dense: Objects) -> Components:
    """Dense objects as they are, where no network ran."""
    none = np.zeros(len(dense), np.bool_)
    return Components(dense, np.full(len(dense), np.nan), none, none)


@dataclass(frozen=True, slots=True, eq=False)
class _Cores:
    """Connected voxels that the network takes for deposit, where they are sure and big enough.

    runs : of each, only the voxels that are more likely its own than the bone's, unless too few
    probability : float (cores,), how probable each is
    owner : int64 (cores,), the index of the dense object that it lies in
    share : float (objects,), of each dense object, how much of it the network takes for one
    """

    runs: list[Runs]
    probability: NDArray[np.float64]
    owner: NDArray[np.int64]
    share: NDArray[np.float64]


def split_by_probability(
    scan: Scan,
    dense: Objects,
    probability: NDArray[np.float32],
    plan: FindPlan,
    may_divide: Callable[[NDArray[np.bool_]], NDArray[np.bool_]],
    *,
    jobs: Jobs = 1,
) -> Components:
    """Dense objects, with the deposits among them split from the bone they touch.

    probability : (voxels,), of every voxel of `dense.runs`, in run order
    may_divide : which of some objects (bool) are bone (bool): others are never cut
    """
    cores = _cores(scan, dense, probability, plan)
    holds = np.bincount(cores.owner, minlength=len(dense)) > 0
    divided = may_divide(holds & (cores.share < WHOLE_SHARE))
    positive = holds & ~divided
    mean = _means(dense, probability, ~holds)
    # Of an object taken whole, its surest core's.
    np.maximum.at(mean, cores.owner, cores.probability)
    whole = Components(dense, mean, positive, np.zeros(len(dense), np.bool_))
    return _with_parts(scan, whole, cores, divided, jobs) if divided.any() else whole


def _cores(scan: Scan, dense: Objects, probability: NDArray[np.float32], plan: FindPlan) -> _Cores:
    positive = probability >= plan.deposit_probability
    found = objects_of(scan.hu, keep_voxels(dense.runs, positive))
    number = np.repeat(found.label, found.runs.stop - found.runs.start) - 1
    values = probability[positive]
    peak = np.zeros(len(found))
    np.maximum.at(peak, number, values)
    core = _upper_half_mean(number, values, len(found))
    big = found.voxels * scan.voxel_mm3 >= plan.smallest_mm3
    keep = big & (found.voxels >= plan.smallest_voxels) & (peak >= plan.peak_probability)
    order = np.argsort(number, kind="stable")
    ends = np.cumsum(found.voxels)
    connected = object_runs(found)
    own = [
        _core_voxels(runs, values[order[end - runs.voxels : end]] >= plan.cut_probability, plan)
        for runs, end, good in zip(connected, ends.tolist(), keep, strict=True)
        if good
    ]
    owner = _owner(dense, connected)
    held = np.bincount(owner, found.voxels, len(dense))
    return _Cores(own, core[keep], owner[keep], held / np.maximum(dense.voxels, 1))


def _core_voxels(runs: Runs, own: NDArray[np.bool_], plan: FindPlan) -> Runs:
    """The voxels that are its own, or all where those are too few to be a deposit's core."""
    enough = own.sum() >= max(plan.smallest_voxels, OWN_SHARE * runs.voxels)
    return keep_voxels(runs, own) if enough else runs


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


def _owner(dense: Objects, inner: list[Runs]) -> NDArray[np.int64]:
    """The index of the object that each part lies in, by the run that holds its first voxel."""
    width = np.int64(dense.runs.shape[2])
    begin = dense.runs.row.astype(np.int64) * width + dense.runs.start
    first = np.array([int(c.row[0]) * width + int(c.start[0]) for c in inner], np.int64)
    return dense.label[np.searchsorted(begin, first, side="right") - 1].astype(np.int64) - 1


def _means(
    dense: Objects, probability: NDArray[np.float32], wanted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The mean probability of each wanted object; 0 of others."""
    sums = np.zeros(len(dense))
    label = read_only(dense.label, np.int32)
    _add_up(*columns(dense.runs)[1:], label, read_only(probability, np.float32), wanted, sums)
    return sums / np.maximum(dense.voxels, 1)


def _with_parts(
    scan: Scan, whole: Components, cores: _Cores, divided: NDArray[np.bool_], jobs: Jobs
) -> Components:
    """Objects with the parts of those divided in their place: cores with rims, remainders.

    whole : all dense objects
    divided : bool (objects,), which of them have parts
    """
    dense = whole.objects
    made = _divided(scan, dense, cores, divided, jobs)
    count = np.bincount([part.owner for part in made], minlength=len(dense)) + ~divided
    number = np.flatnonzero(np.repeat(divided, count))  # the index of each part that is made
    stay = ~divided[dense.label - 1]
    all_runs = concatenated([take(dense.runs, stay), *(part.runs for part in made)], scan.hu.shape)
    before = np.cumsum(count) - count
    label = np.append(
        before[dense.label[stay] - 1], np.repeat(number, np.diff(all_runs.bounds)[1:])
    )
    runs, label = in_order(Runs(scan.hu.shape, *all_runs.columns), label.astype(np.int32) + 1)
    probability = np.repeat(whole.probability, count)
    positive, split_off = np.repeat(whole.network_positive, count), np.repeat(divided, count)
    probability[number] = [part.probability for part in made]
    positive[number] = split_off[number] = [part.core for part in made]
    objects = object_statistics(scan.hu, runs, label, known=dense, jobs=jobs)
    return Components(objects, probability, positive, split_off)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A part of the dense object whose index is `owner`: a core with its rim, or a remainder."""

    owner: int
    runs: Runs
    probability: float
    core: bool


def _divided(
    scan: Scan, dense: Objects, cores: _Cores, divided: NDArray[np.bool_], jobs: Jobs
) -> list[_Part]:
    """The parts of all divided objects, object by object, cores first."""
    inner = np.flatnonzero(divided[cores.owner])
    whole = take(dense.runs, divided[dense.label - 1])
    rest = difference(whole, union_all([cores.runs[k] for k in inner], scan.hu.shape))
    remainders = split_by_label(rest, label_components(rest, jobs=jobs))
    owner = _owner(dense, remainders)
    made: list[_Part] = []
    for index in np.flatnonzero(divided).tolist():
        own = inner[cores.owner[inner] == index]
        left = [remainders[k] for k in np.flatnonzero(owner == index)]
        rimmed, apart = _with_rims(scan, [cores.runs[k] for k in own], left)
        made += [
            _Part(index, runs, probability, True)
            for runs, probability in zip(rimmed, cores.probability[own].tolist(), strict=True)
        ]
        made += [_Part(index, runs, 0.0, False) for runs in apart]
    return made


def _with_rims(
    scan: Scan, cores: list[Runs], remainders: list[Runs]
) -> tuple[list[Runs], list[Runs]]:
    """An object's cores with the remainders that belong to them, and the remainders that do not."""
    shape = scan.hu.shape
    inner, outer = concatenated(cores, shape), concatenated(remainders, shape)
    host = np.full(len(remainders), -1)
    lattice = shape[1], np.array(scan.spacing)
    _find_hosts(inner.columns, inner.bounds, outer.columns, outer.bounds, lattice, host)
    return [
        union_all([core, *(remainders[k] for k in np.flatnonzero(host == n))], shape)
        for n, core in enumerate(cores)
    ], [remainders[k] for k in np.flatnonzero(host < 0)]


@kernel
def _add_up(
    start: Vector[np.int32],
    stop: Vector[np.int32],
    label: Vector[np.int32],
    probability: Vector[np.float32],
    wanted: Vector[np.bool_],
    sums: Vector[np.float64],
) -> None:
    """The sum of probability over each wanted object."""
    at = 0
    for run in range(label.size):
        after = at + stop[run] - start[run]
        number = label[run] - 1
        if wanted[number]:
            total = sums[number]
            for voxel in range(at, after):
                total += probability[voxel]
            sums[number] = total
        at = after


@kernel
def _find_hosts(
    cores: RunColumns,
    core_bounds: Vector[np.int64],
    crumbs: RunColumns,
    crumb_bounds: Vector[np.int64],
    lattice: tuple[int, Vector[np.float64]],
    host: Vector[np.int64],
) -> None:
    """The core that each small crumb beside it belongs to; -1 where none does.

    One crumb after the other: a core grows by what has joined it.
    """
    height, step = lattice
    voxels = np.empty(len(core_bounds) - 1, np.int64)
    for core in range(voxels.size):
        voxels[core] = _voxels_of(cores, core_bounds[core], core_bounds[core + 1])
    for crumb in range(host.size):
        first, end = crumb_bounds[crumb], crumb_bounds[crumb + 1]
        size = _voxels_of(crumbs, first, end)
        if size > CRUMB_SHARE * _most(voxels):
            continue
        middle = _middle(crumbs, first, end, height)
        gaps = np.empty(voxels.size)
        for core in range(voxels.size):
            gaps[core] = _gap_mm(
                cores, core_bounds[core], core_bounds[core + 1], height, middle, step
            )
        for other in range(crumb):
            if host[other] >= 0:
                gap = _gap_mm(
                    crumbs, crumb_bounds[other], crumb_bounds[other + 1], height, middle, step
                )
                gaps[host[other]] = min(gaps[host[other]], gap)
        nearest = index_of_least(gaps)
        near = 2.0 * max(step[0], step[1], step[2])
        if gaps[nearest] <= near and size <= CRUMB_SHARE * voxels[nearest]:
            host[crumb] = nearest
            voxels[nearest] += size


@inner
def _most(counts: Vector[np.int64]) -> int:
    most = 0
    for n in range(len(counts)):
        most = max(most, counts[n])
    return most


@inner
def _voxels_of(runs: RunColumns, first: int, end: int) -> Integer:
    _, start, stop = runs
    count = np.int64(0)
    for run in range(first, end):
        count += stop[run] - start[run]
    return count


@inner
def _middle(runs: RunColumns, first: int, end: int, height: int) -> Vector[np.float64]:
    """The mean position (z, y, x) of the voxels of runs."""
    row, start, stop = runs
    count = np.int64(0)
    total = np.zeros(3, np.int64)
    for run in range(first, end):
        length = np.int64(stop[run] - start[run])
        count += length
        total[0] += row[run] // height * length
        total[1] += row[run] % height * length
        total[2] += (start[run] + stop[run] - 1) * length // 2
    middle = np.empty(3)
    for k in range(3):
        middle[k] = total[k] / count
    return middle


@inner
def _gap_mm(
    runs: RunColumns,
    first: int,
    end: int,
    height: int,
    point: Vector[np.float64],
    step: Vector[np.float64],
) -> float:
    """The distance from a position (z, y, x) to the nearest voxel of runs."""
    row, start, stop = runs
    least = np.inf
    for run in range(first, end):
        z = (row[run] // height - point[0]) * step[0]
        y = (row[run] % height - point[1]) * step[1]
        # The voxel of the run nearest to the position is beside it, or the run's own end.
        x = min(max(np.round(point[2]), start[run]), stop[run] - 1)
        x = (x - point[2]) * step[2]
        least = min(least, z * z + y * y + x * x)
    gap: float = np.sqrt(least)
    return gap
