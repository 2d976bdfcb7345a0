"""The table that the object stage is fitted on: features and labels of every scan's candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from benchmarks.finder.natural import true_objects
from benchmarks.finder.study import inserted
from numpy.typing import NDArray

from calcimetry.anatomy import find_body, in_pose, pose_of
from calcimetry.deposits.find import Seen, ask_network, look
from calcimetry.deposits.network import Network, load, load_file
from calcimetry.deposits.rules import held_back
from calcimetry.describe.evidence import Evidence
from calcimetry.phantom.body import make
from calcimetry.plan import Plan
from calcimetry.records import Rule, Scan
from calcimetry.runs import dense_objects, voxels_of
from calcimetry.scan import read
from training.guises import GUISES
from training.objects.labels import (
    MIXED,
    UNKNOWN,
    UNKNOWN_WEIGHT,
    Judged,
    filled_by,
    judgements,
    natural_label,
    painted_label,
)
from training.sources import TEST, Case

INSERTED = 24
"""Deposits painted into a scan."""

NATURAL, PAINTED, PHANTOM = "natural", "painted", "phantom"

BODIES = (
    *(("hand", 2001 + k, (0.75 + 0.25 * k, 0.5 + 0.05 * k, 0.5 + 0.05 * k)) for k in range(6)),
    *(("elbow", 2101 + k, (1.0 + k, 0.9, 0.9)) for k in range(2)),
    *(("knee", 2201 + k, (1.5 + k, 0.9, 0.9)) for k in range(2)),
    *(("shoulder", 2301 + k, (2.0 + k, 1.0, 1.0)) for k in range(2)),
)
"""Phantoms with deposits: region, seed, spacing in mm. The natural scans hold one hand."""

Label = Callable[[NDArray[np.float64]], tuple[str, float]]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Candidates of all scans.

    features : float64 (n, names), see `calcimetry.deposits.features`
    label : class of each, or UNKNOWN; weight : how much it counts
    patient, look : whose, and in which guise or painting the scan was shown
    limb : whether of the limb set, or a phantom
    shipped : whether the weights that are shipped may be made from it
    volume_mm3, held_back : of each; whether a rule would hold it back
    """

    features: NDArray[np.float64]
    label: NDArray[np.str_]
    weight: NDArray[np.float64]
    patient: NDArray[np.str_]
    look: NDArray[np.str_]
    limb: NDArray[np.bool_]
    shipped: NDArray[np.bool_]
    volume_mm3: NDArray[np.float64]
    held_back: NDArray[np.bool_]

    def part(self, chosen: NDArray[np.bool_]) -> Table:
        """Some of the rows."""
        return Table(*(getattr(self, name)[chosen] for name in self.__slots__))


def table(
    cases: Iterable[Case], judged: Path, networks: Path | None, kept: Path, jobs: int
) -> Table:
    """The table of some cases; what was worked out before is read from the folder `kept`.

    networks : folder with a network for each fold, ``A.onnx`` and ``B.onnx``: each case is asked of
        the one that was not trained on it; None: of the shipped one
    """
    words = judgements(judged)
    parts = []
    for case in cases:
        for name in (NATURAL, *GUISES, PAINTED):
            file = kept / f"{case.name}.{name}.npz"
            if not file.exists():
                print(case.name, name, flush=True)
                net = _network(case, networks)
                _write(file, _rows(case, name, net, words.get(case.stem), jobs))
            parts.append(_part(case, name, file))
    parts += [_phantom(body, networks, kept, jobs) for body in BODIES]
    return Table(*(np.concatenate([getattr(p, n) for p in parts]) for n in Table.__slots__))


def _phantom(
    body: tuple[str, int, tuple[float, float, float]], networks: Path | None, kept: Path, jobs: int
) -> Table:
    """The candidates of a phantom: its deposits, and its bones and vessels, which are none."""
    region, seed, spacing = body
    file = kept / f"{region}{seed}.{PHANTOM}.npz"
    case = Case(f"{region}{seed}", file, "A", "calcimetry.phantom", limb=True)
    if not file.exists():
        made = make(region, seed=seed, spacing=spacing)
        filled = filled_by(made.truth)

        def label(points: NDArray[np.float64]) -> tuple[str, float]:
            return painted_label(points, made.scan, filled), UNKNOWN_WEIGHT

        _write(file, _labelled(made.scan, label, _network(case, networks), jobs, (MIXED,)))
    return _part(case, PHANTOM, file)


def _part(case: Case, name: str, file: Path) -> Table:
    held = np.load(file)
    count = len(held["label"])
    return Table(
        held["features"],
        held["label"],
        held["weight"],
        np.full(count, case.patient),
        np.full(count, name),
        np.full(count, case.limb),
        np.full(count, case.fold != TEST),
        held["volume_mm3"],
        held["held_back"],
    )


def _network(case: Case, folder: Path | None) -> Network:
    """The network that has not seen a case."""
    net = load() if folder is None else load_file(str(folder / f"{case.unseen_by}.onnx"))
    assert net is not None
    return net


def _write(file: Path, rows: dict[str, NDArray[np.generic]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.npz")
    np.savez_compressed(part, **rows)  # type: ignore[arg-type]
    part.replace(file)


def _rows(
    case: Case, name: str, net: Network, judged: Judged | None, jobs: int
) -> dict[str, NDArray[np.generic]]:
    scan = read(case.path)
    known = [scan.to_lps(np.argwhere(mask)) for mask in true_objects(case.name, scan)]
    label: Label = partial(natural_label, judged=judged, known=known)
    if name == PAINTED:
        scan, truth = inserted(scan, "trained", crc32(case.name.encode()), INSERTED)
        filled = filled_by(truth)

        def label(points: NDArray[np.float64]) -> tuple[str, float]:
            return painted_label(points, scan, filled), 1.0

    elif name in GUISES:
        scan = GUISES[name](scan)
    # Of a painted scan only what was painted: the rest stands in the table as it is by nature.
    return _labelled(scan, label, net, jobs, (MIXED, UNKNOWN) if name == PAINTED else (MIXED,))


def _labelled(
    scan: Scan, label: Label, net: Network, jobs: int, without: Sequence[str]
) -> dict[str, NDArray[np.generic]]:
    """The candidates of a scan, but for those with labels that are left out."""
    posed, seen = shown(scan, net, jobs)
    told = [label(posed.to_lps(voxels_of(seen.objects.runs[k]))) for k in seen.candidates]
    words = np.array([word for word, _ in told], "U16")
    evidence = [seen.evidence[k] for k in seen.candidates]
    use = ~np.isin(words, without)
    return {
        "features": seen.features[use],
        "label": words[use],
        "weight": np.array([weight for _, weight in told], np.float64)[use],
        "volume_mm3": np.array([one.volume_mm3 for one in evidence])[use],
        "held_back": np.array([_in_cavity(one) for one in evidence], np.bool_)[use],
    }


def _in_cavity(evidence: Evidence) -> bool:
    """Whether a rule holds it back for where in the body it lies."""
    return held_back(evidence) in (Rule.WITHIN_TRUNK, Rule.SMALL_DEEP)


def shown(scan: Scan, net: Network, jobs: int) -> tuple[Scan, Seen]:
    """A scan in its pose, and its candidates as the finder sees them."""
    plan = Plan()
    posed = in_pose(scan, pose_of(scan, jobs=jobs))
    body = find_body(posed, jobs=jobs)
    dense = dense_objects(posed.hu, plan.find.threshold_hu, jobs=jobs)
    answer = ask_network(posed, dense, body, plan, net=net, jobs=jobs)
    return posed, look(posed, dense, body, plan, answer, jobs=jobs)


def counts(rows: Table) -> Sequence[tuple[str, int]]:
    """How many rows each label has."""
    names, number = np.unique(rows.label, return_counts=True)
    return [(str(n), int(k)) for n, k in zip(names, number, strict=True) if n != UNKNOWN]
