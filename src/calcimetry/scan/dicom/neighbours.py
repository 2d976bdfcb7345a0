"""Every slice against its neighbours: what is read from its header must fit what they hold.

A header that is damaged in one slice (a slope, an intercept, a sign) gives a slice of another
scale; so do swapped bytes or pixels that were never written. Anatomy changes from slice to
slice, but not in most of the tissue at once, and not for one slice only.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calcimetry.errors import InputError
from calcimetry.records import Flag
from calcimetry.scan.dicom.acquisition import FORMAT, bits_of, is_signed, rescale_of
from calcimetry.scan.dicom.slices import Slice, distinct
from calcimetry.scan.flags import counted, flag, listed

Samples = NDArray[np.int16]

RANGE_HU = (-1000.0, 1500.0)
"""Of a body, from air to compact bone."""
BODY_HU = -500
"""What is not air, in one slice of those compared at least."""
STEP_HU = 300
"""Between neighbours of one format: tissues differ by less, save at edges to air and bone."""
WILD_HU = 500
MOST = 0.5
"""Of the tissue: that much of it never changes at once between two slices of a body."""
TIMES_USUAL = 2.0
"""Over what is usual in this scan: volumes of noise differ everywhere."""
LEAST_SAMPLES = 30
FARTHEST_HU = 16_000
METAL_HU, METAL_SHARE = 3500, 0.1
"""No slice of a body holds so much metal."""


def check_neighbours(samples: NDArray[np.int16], slices: Sequence[Slice]) -> tuple[Flag, ...]:
    """Flags for slices that read unlike their neighbours or are stored in another way.

    samples : (slices, samples), HU at the same places of each slice, in order

    Raises InputError PIXEL_FORMAT where slices are both.
    """
    values = samples.clip(-FARTHEST_HU, FARTHEST_HU)  # differences then stay within int16
    formats = _formats(slices)
    changed = np.array([_reads_otherwise(one, two) for one, two in pairwise(formats)])
    ways = set(formats)
    if changed.any():
        each_its_own = len(ways) > MOST * len(formats)
        _check_changes(values, changed, slices, each_its_own=each_its_own)
    unlike = np.flatnonzero(_wild(values) | _metal(values) | _blank(values))
    found = [
        flag("PIXEL_FORMAT_VARIES", counted(tuple(ways), "way")) if len(ways) > 1 else None,
        flag("SLICES_UNLIKE", counted(tuple(unlike), "slice")) if len(unlike) else None,
    ]
    return tuple(f for f in found if f is not None)


class Format(NamedTuple):
    """How the pixels of a slice become HU."""

    slope: float
    intercept: float
    bits: int
    signed: bool


def _formats(slices: Sequence[Slice]) -> Sequence[Format]:
    asked = slices[:1] if len(distinct(slices, FORMAT)) == 1 else slices
    found = [
        Format(*rescale_of(s.elements), bits_of(s.elements), is_signed(s.elements)) for s in asked
    ]
    return found if len(found) == len(slices) else found * len(slices)


def _reads_otherwise(one: Format, two: Format) -> bool:
    """Whether a slice read in its neighbour's format would have clearly other values.

    Where it would not, no damage is at hand, and a body may begin between the two.
    """
    if one[2:] != two[2:]:
        return True
    stored = (np.array(RANGE_HU) - one.intercept) / one.slope
    moved = np.abs(stored * two.slope + two.intercept - RANGE_HU)
    return bool(moved.max() > STEP_HU)


def _check_changes(
    values: Samples, changed: NDArray[np.bool_], slices: Sequence[Slice], *, each_its_own: bool
) -> None:
    """Where the format changes, the tissue must go on.

    each_its_own : most slices have a format of their own, not a few a damaged one; then a body
        may begin or end where it changes
    """
    steps = _steps(values[:-1], values[1:])
    # Where it changes at every slice, the usual step is that to the slice after the next.
    usual = steps[~changed] if (~changed).any() else _steps(values[:-2], values[2:])
    bad = changed & (steps > max(MOST, TIMES_USUAL * float(np.median(usual))))
    if each_its_own:
        bad &= _within_body(values)
    if not bad.any():
        return
    names = sorted({slices[int(k) + i].name for k in np.flatnonzero(bad) for i in (0, 1)})
    raise InputError(
        "PIXEL_FORMAT",
        found="slices whose rescale, bits or sign differ from their neighbours', and whose values "
        "then do too, in most of the tissue",
        expected="slices of one series that go on in each other",
        where=listed(names),
        remedy="the headers of some slices are damaged, or two series were mixed: export again",
    )


def _within_body(values: Samples) -> NDArray[np.bool_]:
    """For each pair of neighbours, whether both lie between the first slice of a body and its last.

    values : (slices, samples), HU
    """
    found = np.zeros(len(values) - 1, bool)
    body = _of_a_body(values)
    if len(body):
        found[body[0] : body[-1]] = True
    return found


def _of_a_body(values: Samples) -> NDArray[np.intp]:
    """The slices that show a body."""
    return np.flatnonzero(np.count_nonzero(values > BODY_HU, axis=1) >= LEAST_SAMPLES)


def _steps(one: Samples, two: Samples) -> NDArray[np.float64]:
    """For each pair of slices, the share of the tissue in which they differ; 0 without any."""
    tissue = np.maximum(one, two) > BODY_HU
    return _share((np.abs(one - two) > STEP_HU) & tissue, tissue)


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> NDArray[np.float64]:
    counts = np.count_nonzero(whole, axis=1)
    share = np.count_nonzero(part, axis=1) / np.maximum(counts, 1)
    return np.where(counts >= LEAST_SAMPLES, share, 0.0)


def _wild(values: Samples) -> NDArray[np.bool_]:
    """Slices that differ from both neighbours, which agree, in most of the tissue."""
    steps = np.diff(values, axis=0)
    up, down = steps > WILD_HU, steps < -WILD_HU
    apart = (up[:-1] & down[1:]) | (down[:-1] & up[1:])
    found = np.zeros(len(values), bool)
    for k in np.flatnonzero(apart.sum(axis=1) > MOST * LEAST_SAMPLES):
        before, here, after = values[k : k + 3]
        alone = apart[k] & (np.abs(after - before) < STEP_HU)
        tissue = np.maximum(np.maximum(before, after), here) > BODY_HU
        found[k + 1] = _share(alone[None], tissue[None])[0] > MOST
    return found


def _metal(values: Samples) -> NDArray[np.bool_]:
    """Slices with more above METAL_HU than metal takes."""
    found = np.zeros(len(values), bool)
    for k in np.flatnonzero(values.max(axis=1) > METAL_HU):
        found[k] = np.mean(values[k] > METAL_HU) > METAL_SHARE
    return found


def _blank(values: Samples) -> NDArray[np.bool_]:
    """Slices of one value, between others that hold a body."""
    found: NDArray[np.bool_] = values.min(axis=1) == values.max(axis=1)
    if not found.any():
        return found
    body = _of_a_body(values)
    if not len(body):
        return np.zeros(len(values), bool)
    found[: body[0]] = found[body[-1] + 1 :] = False
    return found
