"""Which deposits of one visit are which of the other.

Every deposit is carried over by the bones within its reach. A pair within reach costs
``d / reach + |ln(mass ratio)| / 4`` (the second at most 0.5), d being the smaller of the two
mean distances from points of one to the other, so that a part lies at 0 from its whole. The
pairing of least total cost, where a deposit without partner costs NO_PARTNER, comes first
(assignment problem); then what is left over joins the deposit that holds most of it, or in
whose reach it lies if masses then add up: that is how splits, merges and many-to-many arise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from calcimetry.followup.alignment import Alignment
from calcimetry.followup.motion import Points
from calcimetry.followup.visit import Visit

NO_PARTNER = 0.7  # cost of leaving one deposit alone; a pair costs at most twice that
REACH_MM = 2.5  # gap bridged by perfect alignment; its error is added
_ERROR_COUNTS = 1.5  # times the alignment's error is added to the reach
_MOST_REACH_MM = 10.0
_MASS_WEIGHT, _MOST_MASS = 0.25, 0.5
_HELD = 0.5  # share of a deposit that lies in another's place for it to be a part of that
_ADDS_UP = 0.25  # logarithm of masses' ratio: parts and a whole of one mass
_TIE = 0.1  # costs closer than this tell nothing


@dataclass(frozen=True, slots=True)
class Pair:
    """Two deposits that may be one.

    cost : as the module says; gap_mm : least distance of their points
    held_first, held_second : share of the one's points that lie in the other's place
    """

    first: int
    second: int
    cost: float
    gap_mm: float
    held_first: float
    held_second: float


@dataclass(frozen=True, slots=True)
class Group:
    """Deposits of two visits that are one lineage, and whether another pairing fits as well."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    alignment_mm: float
    tie: bool = False


def matched(
    first: Visit,
    second: Visit,
    alignment: Alignment,
    numbers: tuple[Sequence[int], Sequence[int]] | None = None,
) -> list[Group]:
    """Groups of all deposits of both visits (or of those in `numbers`), each in one group."""
    chosen = numbers or (sorted(first.shapes), sorted(second.shapes))
    errors = {n: _error(first, alignment, n) for n in chosen[0]}
    pairs = _pairs(first, second, alignment, chosen, errors)
    links = _assigned(pairs, chosen)
    links |= _parts(pairs, links)
    links |= _sums(pairs, links, _masses(first, second))
    ties = _ties(pairs, links)
    return [
        Group(
            a,
            b,
            _group_error((first, second), alignment, (a, b), errors),
            bool(ties & {*_keys(a, b)}),
        )
        for a, b in _components(links, chosen)
    ]


def _keys(first: Sequence[int], second: Sequence[int]) -> list[tuple[int, int]]:
    return [(0, n) for n in first] + [(1, n) for n in second]


def _error(first: Visit, alignment: Alignment, number: int) -> float:
    centre = first.shapes[number].mean(axis=0)
    return alignment.error_mm(centre)


def _group_error(
    visits: tuple[Visit, Visit],
    alignment: Alignment,
    group: tuple[tuple[int, ...], tuple[int, ...]],
    errors: Mapping[int, float],
) -> float:
    if group[0]:
        return max(errors[n] for n in group[0])
    centre = visits[1].shapes[group[1][0]].mean(axis=0)
    return alignment.error_mm(alignment.to_first(centre))


def _pairs(
    first: Visit,
    second: Visit,
    alignment: Alignment,
    chosen: tuple[Sequence[int], Sequence[int]],
    errors: Mapping[int, float],
) -> list[Pair]:
    masses = _masses(first, second)
    trees = {n: cKDTree(second.shapes[n]) for n in chosen[1]}
    grain = max(*first.facts["scan"]["spacing_zyx_mm"], *second.facts["scan"]["spacing_zyx_mm"])
    out = []
    for a in chosen[0]:
        reach = min(REACH_MM + _ERROR_COUNTS * errors[a], _MOST_REACH_MM)
        for moved in _moved(first.shapes[a], alignment):
            own = cKDTree(moved)
            low, high = moved.min(axis=0) - reach, moved.max(axis=0) + reach
            for b in chosen[1]:
                there = second.shapes[b]
                if (there.max(axis=0) < low).any() or (there.min(axis=0) > high).any():
                    continue
                ratio = _log_ratio(masses[0].get(a), masses[1].get(b))
                pair = _pair((a, b), (own, trees[b]), (reach, grain), ratio)
                if pair is not None:
                    out.append(pair)
    return _cheapest(out)


def _masses(first: Visit, second: Visit) -> tuple[Masses, Masses]:
    a, b = (
        {n: row.get("mass_mg") for n, row in visit.deposits.items()} for visit in (first, second)
    )
    return a, b


def _moved(shape: Points, alignment: Alignment) -> list[Points]:
    """The deposit carried as its place is, and by each bone that may carry it alone."""
    centre = shape.mean(axis=0)
    segments = alignment.shares(centre)
    alone = [alignment.motions[k](shape) for k, _ in segments] if len(segments) > 1 else []
    return [alignment.carrying(centre)(shape), *alone]


def _cheapest(pairs: Sequence[Pair]) -> list[Pair]:
    best: dict[tuple[int, int], Pair] = {}
    for pair in pairs:
        key = pair.first, pair.second
        if key not in best or pair.cost < best[key].cost:
            best[key] = pair
    return list(best.values())


def _log_ratio(first: float | None, second: float | None) -> float:
    if not first or not second:
        return _MOST_MASS / _MASS_WEIGHT
    return abs(float(np.log(second / first)))


def _pair(
    names: tuple[int, int],
    trees: tuple[cKDTree, cKDTree],
    reach_grain: tuple[float, float],
    log_ratio: float,
) -> Pair | None:
    reach, grain = reach_grain
    there, _ = trees[1].query(trees[0].data)
    back, _ = trees[0].query(trees[1].data)
    gap = float(there.min())
    if gap > reach:
        return None
    mean = min(float(there.mean()), float(back.mean()))
    cost = mean / reach + min(_MASS_WEIGHT * log_ratio, _MOST_MASS)
    place = max(0.75 * grain, 0.4 * reach)
    return Pair(*names, cost, gap, float((there <= place).mean()), float((back <= place).mean()))


Links = set[tuple[int, int]]
Masses = Mapping[int, float | None]


def _assigned(pairs: Sequence[Pair], chosen: tuple[Sequence[int], Sequence[int]]) -> Links:
    """The one-to-one pairing of least cost, where none at all costs NO_PARTNER each."""
    rows = {n: k for k, n in enumerate(chosen[0])}
    columns = {n: k for k, n in enumerate(chosen[1])}
    many = len(rows) + len(columns)
    cost = np.full((many, many), 1e6)
    cost[: len(rows), len(columns) :] = NO_PARTNER
    cost[len(rows) :, : len(columns)] = NO_PARTNER
    cost[len(rows) :, len(columns) :] = 0.0
    for pair in pairs:
        cost[rows[pair.first], columns[pair.second]] = pair.cost
    taken = zip(*linear_sum_assignment(cost), strict=True) if many else ()
    return {(chosen[0][i], chosen[1][j]) for i, j in taken if i < len(rows) and j < len(columns)}


def _parts(pairs: Sequence[Pair], links: Links) -> Links:
    """What has no partner joins the one that holds most of it."""
    done = {a for a, _ in links}, {b for _, b in links}
    extra: Links = set()
    for side in (0, 1):
        best: dict[int, Pair] = {}
        for pair in pairs:
            own = (pair.first, pair.second)[side]
            held = (pair.held_first, pair.held_second)[side]
            if own in done[side] or held < _HELD:
                continue
            if own not in best or held > (best[own].held_first, best[own].held_second)[side]:
                best[own] = pair
        extra |= {(pair.first, pair.second) for pair in best.values()}
    return extra


def _sums(pairs: Sequence[Pair], links: Links, masses: tuple[Masses, Masses]) -> Links:
    """What has no partner joins a link in its reach where masses then add up, and did not."""
    extra: Links = set()
    for side in (0, 1):
        linked = {link[side] for link in links}
        for pair in pairs:
            own, host = (pair.first, pair.second)[:: 1 - 2 * side]
            partners = [link[side] for link in links if link[1 - side] == host]
            if own in linked or not partners:
                continue
            whole, mass = masses[1 - side].get(host), masses[side].get(own)
            so_far = [masses[side].get(n) for n in partners]
            if whole and mass and None not in so_far:
                before = sum(m for m in so_far if m is not None)
                gap = abs(float(np.log((before + mass) / whole)))
                if gap < _ADDS_UP and gap < abs(float(np.log(before / whole))) - _ADDS_UP:
                    extra.add((pair.first, pair.second))
    return extra


def _ties(pairs: Sequence[Pair], links: Links) -> set[tuple[int, int]]:
    """Deposits, as (side, number), for which another deposit would do as well."""
    cost = {(p.first, p.second): p.cost for p in pairs}
    part = {(p.first, p.second): max(p.held_first, p.held_second) for p in pairs}
    ties = set()
    for a, b in links:
        for pair, other in cost.items():
            same = (pair[0] == a) != (pair[1] == b) and pair not in links
            if same and other - cost[a, b] < _TIE and part[pair] < _HELD:
                ties |= {(0, a), (1, b)}
    return ties


def _components(
    links: Links, chosen: tuple[Sequence[int], Sequence[int]]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Connected groups, ordered by their first deposits; deposits without link stand alone."""
    keys = _keys(*chosen)
    place = {key: k for k, key in enumerate(keys)}
    ends = np.array([[place[0, a], place[1, b]] for a, b in sorted(links)]).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (len(keys),) * 2)
    _, label = connected_components(graph, directed=False) if keys else (0, np.zeros(0, int))
    return [_split(keys, label, k) for k in dict.fromkeys(label.tolist())]


def _split(
    keys: Sequence[tuple[int, int]], label: NDArray[np.int32], which: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    own = [key for key, k in zip(keys, label, strict=True) if k == which]
    return tuple(n for side, n in own if side == 0), tuple(n for side, n in own if side == 1)
