"""Pairs that must not be compared, and turned ones that must be followed: what is said of each.

    python -m benchmarks.followup.wrong_pairs [--data DIR] [--keep DIR]

Another person, side or part of the body, one scan given twice, a mirrored scan: each must be
refused, or its total withheld. A body that was turned, moved or scanned in part must be followed,
or its total withheld, and nothing called new or gone. Nothing changed between a body's scans.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.followup.stories import deposits
from benchmarks.followup.subjects import Drawn, Real, Session, Subject
from benchmarks.followup.tables import table

from calcimetry.errors import WithheldError
from calcimetry.examine import measure
from calcimetry.followup import FollowUp, follow
from calcimetry.followup.visit import Visit
from calcimetry.phantom.canvas import Pose
from calcimetry.records import Frame, Scan, Source
from calcimetry.visits import visit_of

COUNT = 5  # deposits that are put into each body
BEND_DEG = 20.0
STILL, MOVED, TURNED, MIRRORED, IN_PART = range(5)
"""A body's scans: the first; turned and shifted a little; that, turned by 90 or 180 degrees;
that, mirrored; 60 % of its slices."""
_TURNS = [
    (axes, signs)
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3))
    if round(float(np.linalg.det(np.eye(3)[list(axes)] * np.array(signs)[:, None]))) == 1
]
Change = Callable[[Visit, Visit], tuple[Visit, ...]]


@dataclass(frozen=True)
class Body:
    """A subject with a number that everything drawn of it follows from."""

    subject: Subject
    number: int

    @property
    def name(self) -> str:
        return self.subject.name


@dataclass(frozen=True)
class Pair:
    """What is wrong with a pair (or not), its two scans, and what is done to them first."""

    what: str
    first: tuple[Body, int]
    second: tuple[Body, int]
    follow_it: bool = False
    change: Change | None = None


def main() -> None:
    root = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser("python -m benchmarks.followup.wrong_pairs")
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    parser.add_argument("--keep", type=Path, help="folder for measured scans, used again if there")
    asked = parser.parse_args()
    rows, right = [], 0
    for pair in pairs(asked.data if asked.data.is_dir() else None):
        said, good = judged(pair, asked.keep)
        print(f"{pair.what}, {_names(pair)}: {said}", flush=True)
        rows.append([pair.what, _names(pair), said, "yes" if good else "**no**"])
        right += good
    print(f"\n{table(['pair', 'scans', 'said', 'right'], rows)}\n\n{right} of {len(rows)} right.")


def _names(pair: Pair) -> str:
    return " and ".join(dict.fromkeys((pair.first[0].name, pair.second[0].name)))


def pairs(data: Path | None) -> Iterator[Pair]:
    """Twenty and more with the real limbs, fewer without."""
    yield from _drawn_pairs()
    if data is not None:
        yield from _real_pairs(data)


def _drawn_pairs() -> Iterator[Pair]:
    hand, other_hand = drawn("hand", 70), drawn("hand", 71)
    knee, elbow = drawn("knee", 70), drawn("elbow", 70)
    for own, other in (
        (hand, other_hand), (knee, drawn("knee", 71)), (elbow, drawn("elbow", 71)),
        (drawn("thigh", 70), drawn("thigh", 71)),
    ):  # fmt: skip
        yield Pair("other person", (own, STILL), (other, MOVED))
    yield Pair("other person, by hash", (elbow, STILL), (elbow, MOVED), change=_two_hashes)
    yield Pair("other part", (hand, STILL), (drawn("thigh", 70), MOVED))
    yield Pair("other side, by header", (knee, STILL), (knee, MOVED), change=_two_sides)
    yield Pair("other side, as a mirror shows it", (hand, STILL), (hand, MIRRORED))
    yield Pair("scan given twice", (elbow, STILL), (elbow, STILL))
    yield Pair("scan given again later", (hand, STILL), (hand, MOVED), change=_first_again)
    for body in (hand, elbow):
        yield Pair("turned", (body, STILL), (body, TURNED), follow_it=True)
    yield Pair("moved and bent", (drawn("knee", 72), STILL), (drawn("knee", 72), MOVED), True)


def _real_pairs(data: Path) -> Iterator[Pair]:
    for a, b in ((23, 41), (1, 23), (29, 1), (43, 22)):
        yield Pair("other person", (real(data, a), STILL), (real(data, b), MOVED))
    yield Pair("other part", (real(data, 19), STILL), (real(data, 23), MOVED))
    yield Pair("mirrored", (real(data, 23), STILL), (real(data, 23), MIRRORED))
    for k in (1, 7):
        yield Pair("turned", (real(data, k), STILL), (real(data, k), TURNED), follow_it=True)
    yield Pair("in part", (real(data, 3), STILL), (real(data, 3), IN_PART), follow_it=True)
    yield Pair("moved", (real(data, 49), STILL), (real(data, 49), MOVED), follow_it=True)


def drawn(region: str, seed: int) -> Body:
    regions = ("hand", "thigh", "knee", "elbow", "shoulder")
    number = 30 + 5 * (seed - 70) + regions.index(region)
    return Body(Drawn(region, seed, (2.0, 1.0, 1.0)), number)


def real(data: Path, number: int) -> Body:
    paths = sorted((data / "limbs").glob("*.nii.gz"))
    path = next(p for p in paths if p.name.startswith(f"STS_{number:03d}"))
    return Body(Real(path), paths.index(path))


def judged(pair: Pair, kept: Path | None = None) -> tuple[str, bool]:
    """What is said of a pair, and whether that is right."""
    visits: tuple[Visit, ...] = scanned(*pair.first, kept), scanned(*pair.second, kept)
    if pair.change is not None:
        visits = pair.change(visits[0], visits[1])
    try:
        found = follow(visits)
    except WithheldError as error:
        return f"refused: {error.code}", not pair.follow_it
    if found.withheld:
        codes = [flag.code for flag in found.flags if flag.severity == "withheld"]
        return f"withheld: {', '.join(codes)}", not _called(found)
    return _words(found), pair.follow_it and not _called(found)


def _called(found: FollowUp) -> bool:
    """Whether anything is called a change: nothing has changed."""
    return any(p.total.called for p in found.pairs) or any(r.change.called for r in found.rows)


def _words(found: FollowUp) -> str:
    fates = [row.fate for row in found.rows]
    listed = ", ".join(f"{fates.count(fate)} {fate}" for fate in dict.fromkeys(sorted(fates)))
    change = found.pairs[0].total.mass_pct.value
    return f"{listed}; total {'not known' if change is None else f'{change:+.0f} %'}"


def _with(visit: Visit, **scan: Any) -> Visit:
    return replace(visit, facts={**visit.facts, "scan": {**visit.facts["scan"], **scan}})


def _two_hashes(first: Visit, second: Visit) -> tuple[Visit, ...]:
    return _with(first, patient_link="key:1a"), _with(second, patient_link="key:2b")


def _two_sides(first: Visit, second: Visit) -> tuple[Visit, ...]:
    return _with(first, laterality="L"), _with(second, laterality="RIGHT")


def _first_again(first: Visit, second: Visit) -> tuple[Visit, ...]:
    return first, second, _with(first, date="2027-01-01")


def scanned(body: Body, which: int, kept: Path | None = None) -> Visit:
    """One of a body's scans, measured; the images are not kept."""
    path = kept / f"{body.name}.{which}.pickle" if kept else None
    if path is not None and path.exists():
        return pickle.loads(path.read_bytes())
    visit = replace(visit_of(measure(_scan(body, which)), 1), scan=None, whole={})
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(visit))
    return visit


def _scan(body: Body, which: int) -> Scan:
    """A scan of its own: what was moved, turned or cut is no copy of the file that it came from."""
    scan = _laid_down(body, which)
    own = replace(scan.acquisition, sop_instance_uids=(), series_uid=None)
    return scan if which == STILL else replace(scan, source=Source("", "array"), acquisition=own)


def _laid_down(body: Body, which: int) -> Scan:
    rng, subject, n = np.random.default_rng(body.number), body.subject, body.number
    placed = deposits(subject, COUNT, rng)
    angles, shift = rng.uniform(-10, 10, 3), rng.uniform(-15, 15, 3)
    if which == STILL:
        return subject.visit(Session(Pose(), subject.spacing, subject.kvp, seed=2 * n), placed)[0]
    bend = BEND_DEG if subject.bends else 0.0
    pose = Pose(tuple(map(float, angles)), tuple(map(float, shift)), bend)
    how = Session(pose, subject.spacing, subject.kvp, 1.2, 2 * n + 1, "2026-01-01")
    moved = subject.visit(how, placed)[0]
    turn = _TURNS[1 + int(rng.integers(len(_TURNS) - 1))]
    start = float(rng.uniform(0, 0.4))
    if which == TURNED:
        return _turned(moved, *turn)
    if which == MIRRORED:
        return _turned(moved, (0, 1, 2), (1, 1, -1))
    return moved if which == MOVED else _part(moved, start, start + 0.6)


def _turned(scan: Scan, axes: tuple[int, ...], signs: tuple[int, ...]) -> Scan:
    """The body turned (or mirrored) with its voxels, in a scanner's plain frame."""
    hu = np.transpose(scan.hu, axes)[tuple(slice(None, None, sign) for sign in signs)]
    edges = np.array([scan.spacing[k] for k in axes])[::-1]
    affine = np.diag([*edges, 1.0])
    affine[:3, 3] = -(np.array(hu.shape[::-1]) - 1) / 2 * edges
    return _on(scan, hu, affine)


def _part(scan: Scan, start: float, stop: float) -> Scan:
    first, last = (int(share * scan.hu.shape[0]) for share in (start, stop))
    affine = scan.affine.copy()
    affine[:3, 3] = scan.to_lps(np.array([first, 0, 0]))
    return _on(scan, scan.hu[first:last], affine)


def _on(scan: Scan, hu: Any, affine: Any) -> Scan:
    whole = np.ascontiguousarray(hu)
    return replace(scan, hu=whole, frame=Frame.of(whole.shape, affine))


if __name__ == "__main__":
    main()
