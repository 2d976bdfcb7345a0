"""Everything that the finder lists on one real scan, against what readers judged it to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from benchmarks.finder.natural import true_objects
from benchmarks.finder.nature.matching import GROWN_MM, Judged, gaps, same_place
from benchmarks.finder.nature.scans import Case
from benchmarks.finder.pictures import tile
from benchmarks.finder.study import FALSE_MM3
from numpy.typing import NDArray

from calcimetry.records import LISTED, Deposit, Examination, Kind, Runs, Scan, Tier
from calcimetry.runs import voxels_of

Ask = Callable[[str, Scan], Examination]
"""What the finder says of a case's scan; with weights that were made without its patient or not."""

NOT_JUDGED, NOTHING = "not judged", "nothing"
TONSIL = "tonsil"
CALCIUM = ("vascular", TONSIL, "stone")
"""Judgements that are calcium in soft tissue and no deposit."""

Tile = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Row:
    """One object that the finder lists.

    volume_mm3 : of its voxels
    place : LPS mm
    judgement : what readers judged it to be, or NOT_JUDGED
    agree : whether two readers agreed; None: one reader, or none
    likeness : what, other than a deposit, the finder says it looks most like
    """

    case: Case
    tier: Tier
    rule: str
    likeness: str
    confidence: float
    volume_mm3: float
    mass_mg: float
    place: tuple[float, float, float]
    judgement: str
    true: bool
    agree: bool | None
    picture: Tile = field(repr=False)

    @property
    def called(self) -> bool:
        return self.tier is not Tier.UNCERTAIN

    @property
    def vascular(self) -> bool:
        return self.judgement == "vascular"

    @property
    def false_alarm(self) -> bool:
        """A deposit of 3 mm or more that is none."""
        return self.called and not self.true and self.volume_mm3 >= FALSE_MM3


@dataclass(frozen=True, slots=True)
class Truth:
    """A true calcification or a tonsillolith: how much of it is called deposit, and listed.

    what : "true" and "tonsil" by judged.csv, "outlined" by `natural.CALCIFICATIONS`
    kind : of the finding that lies there: a listed one before others
    """

    case: Case
    what: str
    place: tuple[float, float, float]
    volume_mm3: float
    called: float
    listed: float
    kind: str
    picture: Tile = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """One scan: what is listed, what is truly there, and what each judged object is called now.

    unlisted : objects that are too unlikely a deposit to be listed
    """

    case: Case
    rows: tuple[Row, ...]
    truths: tuple[Truth, ...]
    fates: tuple[tuple[Judged, str], ...]
    unlisted: int


def examined(case: Case, scan: Scan, judged: Sequence[Judged], ask: Ask) -> Result:
    """What the finder lists on a scan, and what became of everything that was judged."""
    exam = ask(case.name, scan)
    outlined = true_objects(case.name, scan)
    known = np.any(outlined, axis=0) if outlined else None
    found = [same_place(scan.frame, deposit.runs, judged) for deposit in exam.listed]
    pairs = list(zip(exam.listed, found, strict=True))
    rows = tuple(_row(case, scan, deposit, here, known) for deposit, here in pairs)
    fates = tuple(zip(judged, _fates(exam, judged, pairs), strict=True))
    truths = [
        _truth(case, scan, j, [d for d, here in pairs if j in here], kind)
        for j, kind in fates
        if j.true or j.judgement == TONSIL
    ]
    truths += [_outlined(case, scan, exam, mask) for mask in outlined]
    return Result(case, rows, tuple(truths), fates, exam.totals.unlisted or 0)


def _row(
    case: Case,
    scan: Scan,
    deposit: Deposit,
    found: Sequence[Judged],
    known: NDArray[np.bool_] | None,
) -> Row:
    voxels = voxels_of(deposit.runs)
    outlined = known is not None and bool(known[tuple(voxels.T)].any())
    judgement = "true" if outlined else found[0].judgement if found else NOT_JUDGED
    z, y, x = voxels[len(voxels) // 2].tolist()
    volume = len(voxels) * scan.voxel_mm3
    title = f"{case.name[:9]} {judgement[:8]} {volume:.0f} {deposit.confidence:.2f}"
    return Row(
        case=case,
        tier=deposit.tier,
        rule=str(deposit.rule),
        likeness=str(deposit.likeness or ""),
        confidence=deposit.confidence,
        volume_mm3=volume,
        mass_mg=deposit.mass_mg.value or 0.0,
        place=deposit.centroid_mm,
        judgement=judgement,
        true=judgement == "true",
        agree=found[0].agree if found else None,
        picture=tile(scan, (z, y, x), title),
    )


def _truth(case: Case, scan: Scan, judged: Judged, here: Sequence[Deposit], kind: str) -> Truth:
    """By volume of what is listed there, since a judged object's own voxels are not known."""
    sums = [
        sum(d.runs.voxels for d in here if d.kind in kinds) * scan.voxel_mm3
        for kinds in ((Kind.DEPOSIT,), LISTED)
    ]
    called, listed = (min(s / max(judged.volume_mm3, 1e-9), 1.0) for s in sums)
    z, y, x = np.rint(scan.to_zyx(np.array(judged.place))).astype(int).tolist()
    picture = tile(scan, (z, y, x), f"{case.name[:9]} {judged.volume_mm3:.0f} {kind}")
    what, volume = judged.judgement, judged.volume_mm3
    return Truth(case, what, judged.place, volume, called, listed, kind, picture)


def _outlined(case: Case, scan: Scan, exam: Examination, mask: NDArray[np.bool_]) -> Truth:
    held = np.argwhere(mask)
    called, listed = (
        sum(_within(mask, d.runs) for d in exam.listed if d.kind in kinds) / len(held)
        for kinds in ((Kind.DEPOSIT,), LISTED)
    )
    most = max(_pieces(exam), key=lambda piece: _within(mask, piece[1]))[0]
    z, y, x = held[len(held) // 2].tolist()
    place = tuple(scan.to_lps(held.mean(axis=0)).tolist())
    volume = len(held) * scan.voxel_mm3
    picture = tile(scan, (z, y, x), f"{case.name[:9]} {volume:.0f}")
    return Truth(case, "outlined", place, volume, called, listed, str(most), picture)


def _within(mask: NDArray[np.bool_], runs: Runs) -> int:
    return int(mask[tuple(voxels_of(runs).T)].sum())


def _pieces(exam: Examination) -> list[tuple[Kind, Runs]]:
    others = [(o.kind, o.runs) for o in exam.objects if o.runs is not None]
    return [*((d.kind, d.runs) for d in exam.listed), *others]


def _fates(
    exam: Examination, judged: Sequence[Judged], listed: Sequence[tuple[Deposit, list[Judged]]]
) -> list[str]:
    """The kind of what lies where each was judged, listed kinds first; NOTHING for none."""
    places = np.array([j.place for j in judged]).reshape(-1, 3)
    others = [o for o in exam.objects if o.runs is not None]
    gap = np.array([gaps(exam.frame, o.runs, places) for o in others])
    found = []
    for k, item in enumerate(judged):
        kinds = {d.kind for d, here in listed if item in here}
        near = [(g, -o.volume_mm3, str(o.kind)) for g, o in zip(gap[:, k], others, strict=True)]
        nearest = min(near, default=(np.inf, 0.0, ""))
        left_out = nearest[2] if nearest[0] <= GROWN_MM else NOTHING
        found.append(next((str(kind) for kind in LISTED if kind in kinds), left_out))
    return found
