"""Whether the values of a scan are Hounsfield units, told by the values themselves.

Files lie about their scale: a converter lost the intercept (all is 1024 too high), a script
applied it twice, a tool cut values off, set air to 0 or stretched everything to 0..255. The
lowest value tells none of this, since padding of -2000 or -1024 may stand beside. The rule, in
the order that it is asked (docs/reading.md has the numbers behind it):

1. values that span next to nothing, or lie within 0..255, are normalised, and those that leave
   16 bits in many voxels have a wrong slope: refused;
2. one exact value on the outer faces that is no air (0 as a rule): air was replaced: refused
   where no air is left on the faces, else doubted;
3. another line from values to HU explains the histogram clearly better: refused; a little
   better, or no tissue where tissue must be: doubted;
4. nothing as low as air or fat, or nothing as high as bone: doubted.

`hu_as_is` turns every refusal into a doubt. Apart from that, a largest value that many voxels
share is the ceiling at which values were cut off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calcimetry.errors import InputError
from calcimetry.records import Scan
from calcimetry.scan.flags import flag
from calcimetry.scan.hu_histogram import Explained, explained

LOWEST_HU = -300
"""Air and lung lie far below; a crop of muscle and fat does not reach it, and is doubted."""
HIGHEST_HU = 250
"""Bone, contrast and deposits reach further; a scan that does not can hold none of them."""
_SAMPLE = 1 << 20
_LEAST = 1 << 15  # voxels, for a refusal; a histogram of fewer may lack any of its modes
_INT16 = np.iinfo(np.int16)
_NARROW = 25  # normalised to 0..1, or by mean and standard deviation
_BYTE = 255
_OVERFLOWN = 0.01  # of the voxels at the end of 16 bits
_AIR_TOP = -850  # lungs are above in part, but no background is
_CONSTANT_SHARE, _CONSTANT_EXCESS = 0.01, 6.0
_FACE_SHARE = 0.1
_FEW = 0.05  # of the voxels, without constants: with fewer, a drawing, in which nothing is told
_CLEARLY, _A_LITTLE = 0.08, 0.03  # nats a voxel, by which another line explains better
_WITHOUT_TISSUE = 0.05  # nats, where no soft tissue is seen either
_AIR_SEEN, _TISSUE_SEEN = 0.02, 0.05  # of the values, for a line to be believed
_AIR_NEAR = 60
_ALL_TISSUE = 0.3  # where it moves values alone, and there is no air
_TISSUE_MODE = 2.0  # times as dense as its neighbourhood; 21 at least in real scans
_MANY, _MANY_ROUND = 12, 4  # voxels at the largest value, for it to be a bound
_SCANNERS_OWN = 3071  # 12 bits: ordinary, and told by the deposits alone


class Histogram(NamedTuple):
    """Values that occur, rising, and their voxels, in a sample of the volume."""

    values: NDArray[np.float64]
    counts: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the values say: why they are no HU (None: nothing clear), and what is doubtful."""

    wrong: str | None
    doubts: tuple[str, ...]


def judged(scan: Scan, *, as_is: bool = False) -> Scan:
    """The scan with flags on its scale, and with the ceiling that its values show.

    Raises InputError HU_SCALE_WRONG where the values are clearly no HU, unless `as_is`.
    """
    found = verdict(scan.hu)
    if found.wrong and not as_is:
        raise _refusal(found.wrong, scan.source.path)
    doubts = (*((f"{found.wrong}; taken as they are",) if found.wrong else ()), *found.doubts)
    flags = (flag("HU_SCALE_DOUBTFUL", "; ".join(doubts)),) if doubts else ()
    return _under_ceiling(replace(scan, flags=scan.flags + flags))


def _refusal(found: str, where: str) -> InputError:
    return InputError(
        "HU_SCALE_WRONG",
        found=found,
        expected="Hounsfield units: air near -1000, fat near -100, soft tissue at 0 to 80",
        where=where,
        remedy="export or convert the original series again, with its rescale slope and "
        "intercept and without masking or normalising; --hu-as-is (hu_as_is=True) measures "
        "the values as they stand",
    )


def _under_ceiling(scan: Scan) -> Scan:
    bound = clipped_at(scan.hu)
    if bound is None:
        return scan
    known = scan.acquisition.hu_ceiling
    ceiling = bound if known is None else min(bound, known)
    flags = () if bound >= _SCANNERS_OWN else (flag("HU_CLIPPED", f"at {bound} HU"),)
    return replace(
        scan,
        acquisition=replace(scan.acquisition, hu_ceiling=ceiling),
        flags=scan.flags + flags,
    )


def verdict(hu: NDArray[np.int16]) -> Verdict:
    """What the values of a volume (z, y, x) say about their scale; looks at a sample."""
    whole = sampled(hu)
    doubts = _range_doubts(whole)
    if wrong := _normalised(whole):
        return Verdict(wrong, doubts)
    if beyond := _overflown(whole):
        small = hu.size < _LEAST
        return Verdict(None, (beyond, *doubts)) if small else Verdict(beyond, doubts)
    constant = _constants(whole)
    rest = Histogram(whole.values[~constant], whole.counts[~constant])
    if rest.counts.sum() < _FEW * whole.counts.sum():
        return Verdict(None, doubts)
    if hu.size < _LEAST:
        wrong, _ = _by_lines(rest, whole.values[constant])
        return Verdict(None, (f"better explained as {wrong}", *doubts) if wrong else doubts)
    masked, alone = _background(hu, whole.values[constant])
    if masked and alone:
        return Verdict(masked, doubts)
    wrong, unsure = _by_lines(rest, whole.values[constant])
    return Verdict(wrong, tuple(d for d in (masked, unsure, *doubts) if d))


def sampled(hu: NDArray[np.int16]) -> Histogram:
    """The histogram of about a million voxels, evenly taken, never one column again and again."""
    step = max(1, hu.size // _SAMPLE)
    while gcd(step, hu.shape[1] * hu.shape[2]) > 1:
        step += 1
    counts = np.bincount(hu.reshape(-1)[::step].astype(np.int32) - int(_INT16.min))
    (at,) = np.nonzero(counts)
    return Histogram(at.astype(np.float64) + _INT16.min, counts[at].astype(np.float64))


def _range_doubts(found: Histogram) -> tuple[str, ...]:
    lowest, highest = found.values[0], found.values[-1]
    if lowest > LOWEST_HU:
        return (f"there is no air: the lowest value is {lowest:.0f}",)
    if highest < HIGHEST_HU and _share(found, _AIR_TOP, np.inf) > _FEW:
        return (f"there is no bone: the highest value is {highest:.0f}",)
    return ()


def _normalised(found: Histogram) -> str | None:
    lowest, highest = found.values[0], found.values[-1]
    within = highest - lowest <= _NARROW or (0 <= lowest <= 2 and highest <= _BYTE)
    if len(found.values) < 2 or lowest <= LOWEST_HU or not within:
        return None
    return f"values from {lowest:.0f} to {highest:.0f}, as after normalising"


def _overflown(found: Histogram) -> str | None:
    """A slope so wrong that values leave 16 bits; metal reaches them in single voxels."""
    share = float(found.counts[found.values >= _INT16.max].sum() / found.counts.sum())
    if share < _OVERFLOWN:
        return None
    return f"values beyond {_INT16.max} in {share:.0%} of the voxels, as after a wrong slope"


def _constants(found: Histogram) -> NDArray[np.bool_]:
    """Which values are padding, masks or bounds: far more voxels than values beside them.

    Of the six beside, the second most frequent counts: a constant may stand next to another.
    """
    padded = np.pad(found.counts, 3)
    beside = np.sort([np.roll(padded, k)[3:-3] for k in (-3, -2, -1, 1, 2, 3)], axis=0)[-2]
    many = found.counts >= _CONSTANT_SHARE * found.counts.sum()
    result: NDArray[np.bool_] = many & (found.counts >= _CONSTANT_EXCESS * beside)
    return result


def _background(hu: NDArray[np.int16], constants: NDArray[np.float64]) -> tuple[str | None, bool]:
    """The words for a background that is no air, and whether no air is left beside it."""
    faces = np.concatenate([face.ravel() for face in _faces(hu)])
    for value in constants[constants > _AIR_TOP]:
        share = float((faces == value).mean())
        if share >= _FACE_SHARE:
            alone = bool((faces <= _AIR_TOP).mean() < _FACE_SHARE)
            return f"a background of exactly {value:.0f} where air should be", alone
    return None, False


def _faces(hu: NDArray[np.int16]) -> tuple[NDArray[np.int16], ...]:
    return hu[0], hu[-1], hu[:, 0], hu[:, -1], hu[:, :, 0], hu[:, :, -1]


def _by_lines(found: Histogram, constants: NDArray[np.float64]) -> tuple[str | None, str | None]:
    """What is wrong, or what is doubtful, by the line that explains the values best.

    found : without the constants, which may only show where air is

    Where the values as they are show air and tissue as narrow modes, nothing was moved, however
    well a steep line narrows the noise or another makes fat of bone.
    """
    tissue = _tissue_mode(found) >= _TISSUE_MODE
    as_it_is, *others = explained(*found)
    if tissue and as_it_is.air >= _AIR_SEEN and as_it_is.tissue >= _TISSUE_SEEN:
        return None, None
    best = max(
        (line for line in others if _believed(line, constants, tissue=tissue)),
        key=lambda line: line.gain,
        default=None,
    )
    if best is not None and best.gain > (_CLEARLY if tissue else _WITHOUT_TISSUE):
        return _in_words(best), None
    if best is not None and best.gain > _A_LITTLE:
        return None, f"better explained as {_in_words(best)}"
    return None, None if tissue else "no soft tissue stands out between -150 and 120 HU"


def _believed(line: Explained, constants: NDArray[np.float64], *, tissue: bool) -> bool:
    """Whether a line finds what a body has; without air, muscle alone fits many slopes, and
    noisy air, moved up, is muscle.

    tissue : whether soft tissue is seen with the values as they are; then nothing was moved
        down, which would put air in the place of fat.
    """
    if tissue and line.offset < 0:
        return False
    at_air = np.abs((constants - line.offset) / line.slope + 1000) <= _AIR_NEAR
    if line.air >= _AIR_SEEN or at_air.any():
        return line.tissue >= _TISSUE_SEEN
    return not tissue and line.slope == 1 and line.offset > 0 and line.tissue >= _ALL_TISSUE


def _in_words(line: Explained) -> str:
    air, soft = (line.slope * hu + line.offset for hu in (-1000, 40))
    return f"values with air at {air:.0f} and soft tissue at {soft:.0f}"


def _tissue_mode(found: Histogram) -> float:
    """How much denser the histogram is at its best 60 HU of tissue than on either side."""
    peak = max(_share(found, low, low + 60) / 60 for low in range(-150, 80, 20))
    beside = max(_share(found, -700, -250) / 450, _share(found, 250, 700) / 450, 1e-6)
    return peak / beside


def _share(found: Histogram, low: float, high: float) -> float:
    within = (found.values >= low) & (found.values < high)
    return float(found.counts[within].sum() / found.counts.sum())


def clipped_at(hu: NDArray[np.int16]) -> int | None:
    """The largest value, where so many voxels share it that values were cut off there.

    The largest of millions of noisy values stands alone as a rule. A round bound (1000, 3071)
    is believed for fewer voxels than any other, and none where values beneath are as frequent.
    """
    top = int(hu.max())
    near = np.concatenate([plane[plane > top - 200] for plane in hu])
    values, counts = np.unique(near, return_counts=True)
    few = _MANY_ROUND if _is_round(top) else _MANY
    beneath = counts[-9:-1]
    if counts[-1] < few or not len(beneath) or counts[-1] < 2 * beneath.mean():
        return None
    return int(values[-1])


def _is_round(bound: int) -> bool:
    """A number that people or formats choose: fifties, and a bit less than a power of two."""
    return bound % 50 == 0 or any((bound + b) & (bound + b - 1) == 0 for b in (1, 1001, 1025))
