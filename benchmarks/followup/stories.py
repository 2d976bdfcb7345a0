"""Lineages of known fate: what lies in a body at each visit, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from benchmarks.followup.subjects import MATRIX_HU, Subject
from numpy.typing import NDArray

from calcimetry.phantom.insertion import confine, lay_out
from calcimetry.phantom.placement import Mix, candidate_sites, random_placements
from calcimetry.phantom.shapes import Family
from calcimetry.phantom.spec import Imaging, Placement
from calcimetry.records import Scan

FATES = ("stable", "grown", "shrunk", "new", "gone", "split", "merged")
SOLID = (Family.NODULE, Family.ELLIPSOID, Family.LOBULATED, Family.STONE)
GROWTH = (2.0, 3.0)  # times; other spacing and voltage ask for 1.7 times to be called
GAP_MM = 5.0  # between parts of what is split: two voxels of a limb scan and its blur
LEAST_SPLIT_MM = 8.0
_APART = Mix(diameter_mm=(3.5, 13.0), density_mg_cm3=(250.0, 1200.0), separation_mm=9.0)


@dataclass(frozen=True, slots=True)
class Story:
    """One lineage: its parts at each visit, in the subject's own frame, and its fate."""

    fate: str
    visits: tuple[tuple[Placement, ...], ...]

    @property
    def family(self) -> str:
        return next(str(part.family) for parts in self.visits for part in parts)


def deposits(subject: Subject, count: int, rng: np.random.Generator) -> list[Placement]:
    """Deposits at random places of a subject, cut by its bones once and for all visits."""
    scan = subject.reference
    found = random_placements(scan, count, rng, sites=candidate_sites(scan), mix=_APART)
    cut = (confined(scan, place) for place in found)
    return [place for place in cut if place is not None]


def confined(scan: Scan, place: Placement) -> Placement | None:
    """A placement without what lies in bone or air there; None if nothing is left."""
    work = lay_out(scan, place, Imaging())
    if any(side.start >= side.stop for side in work.box):
        return None
    touches = confine(work, scan.hu[work.box].astype(np.float32))
    if not work.shape.any():
        return None
    return replace(place, shape=work.shape, touches_bone=touches, confine=False)


def scaled(scan: Scan, place: Placement, times: float) -> Placement:
    """The same deposit with so many times the mass: bigger, its density trimmed to be exact."""
    bigger = replace(place, step_mm=place.step_mm * times ** (1 / 3))
    cut = (confined(scan, bigger) if times > 1 else bigger) or bigger
    trim = times * _mass(place) / _mass(cut)
    return replace(cut, density_mg_cm3=cut.density_mg_cm3 * trim)


def _mass(place: Placement) -> float:
    return float(place.shape.sum(dtype=np.float64)) * place.step_mm**3 * place.density_mg_cm3


def stories(subject: Subject, count: int, rng: np.random.Generator, first: int = 0) -> list[Story]:
    """So many lineages between two visits, fates in turn from the `first` on."""
    scan = subject.reference
    placed = deposits(subject, count, rng)
    fates = [FATES[(first + k) % len(FATES)] for k in range(len(placed))]
    return [_story(scan, place, fate, rng) for place, fate in zip(placed, fates, strict=True)]


def _story(scan: Scan, place: Placement, fate: str, rng: np.random.Generator) -> Story:
    if fate in ("split", "merged"):
        whole = _solid(scan, place, rng)
        halves = whole and _halves(scan, whole, rng)
        if whole and halves:
            return Story(fate, ((whole,), halves) if fate == "split" else (halves, (whole,)))
        fate = "stable"  # there is no room to fall apart in
    if fate in ("grown", "shrunk"):
        small, big = place, scaled(scan, place, float(rng.uniform(*GROWTH)))
        return Story(fate, ((small,), (big,)) if fate == "grown" else ((big,), (small,)))
    both = {"new": ((), (place,)), "gone": ((place,), ())}.get(fate, ((place,), (place,)))
    return Story(fate, both)


def _solid(scan: Scan, place: Placement, rng: np.random.Generator) -> Placement | None:
    """A solid deposit that is big enough to fall in two, near where a placement is."""
    from calcimetry.phantom.shapes import draw, step_for

    size = float(rng.uniform(LEAST_SPLIT_MM, 14.0))
    family = SOLID[int(rng.integers(len(SOLID)))]
    density = float(rng.uniform(300.0, 900.0))
    made = replace(
        place,
        shape=draw(family, size, rng),
        step_mm=step_for(size),
        density_mg_cm3=density,
        family=str(family),
        confine=True,
    )
    return confined(scan, made)


def _halves(scan: Scan, whole: Placement, rng: np.random.Generator) -> tuple[Placement, ...] | None:
    """A deposit's halves moved apart across the body; None where bone or air is in the way."""
    for axis in rng.permutation([1, 2]):
        halves = tuple(_half(whole, int(axis), side) for side in (-1, 1))
        free = [confined(scan, half) for half in halves]
        pairs = zip(free, halves, strict=True)
        if all(cut is not None and _mass(cut) > 0.98 * _mass(half) for cut, half in pairs):
            return halves
    return None


def _half(whole: Placement, axis: int, side: int) -> Placement:
    """The part of a deposit on one side of its middle, half the gap further that way."""
    mass = whole.shape.sum(axis=tuple(k for k in range(3) if k != axis))
    at = int(np.searchsorted(np.cumsum(mass), 0.5 * mass.sum()))
    shape, cut = whole.shape.copy(), [slice(None)] * 3
    cut[axis] = slice(at, None) if side < 0 else slice(None, at)
    shape[tuple(cut)] = 0
    centre = np.array(whole.centre_mm)
    centre[2 - axis] += side * GAP_MM / 2
    x, y, z = centre
    return replace(whole, shape=shape, centre_mm=(float(x), float(y), float(z)))


def reach(place: Placement) -> float:
    """Radius, mm, of the ball about its centre that holds a placement."""
    cells = np.argwhere(place.shape > 0) - (np.array(place.shape.shape) - 1) / 2
    return float(np.linalg.norm(cells, axis=1).max() * place.step_mm)


def cover(scan: Scan, parts: Sequence[Placement]) -> str:
    """Whether places of deposits lie within a scan's field: in, out or partly."""
    told = {_cover(scan, part) for part in parts}
    return told.pop() if len(told) == 1 else "partly"


def _cover(scan: Scan, part: Placement) -> str:
    at = scan.to_zyx(np.array(part.centre_mm))
    ball = (reach(part) + 1.0) / np.array(scan.spacing)
    last: NDArray[np.float64] = np.array(scan.hu.shape) - 0.5
    if ((at - ball > -0.5) & (at + ball < last)).all():
        return "in"
    return "out" if ((at + ball < -0.5) | (at - ball > last)).any() else "partly"


__all__ = ["FATES", "MATRIX_HU", "Story", "cover", "deposits", "scaled", "stories"]
