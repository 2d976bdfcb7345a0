"""``python -m training.objects``: the table, the fits with each patient left out, and the weights.

Goes on where an earlier call stopped: the table of each scan is kept in ``--work``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from calcimetry.deposits.features import GEOMETRY, NAMES
from training.objects.card import card
from training.objects.fit import (
    Recipe,
    as_document,
    calibrated,
    fitted,
    left_out,
    predicted,
    with_scale,
)
from training.objects.table import Table, table
from training.sources import cases

PARTS = {"network": NAMES, "geometry": GEOMETRY}
"""The features of each part of the file of weights."""


def main() -> None:
    asked = _arguments()
    recipe = Recipe(fits=asked.fits, hidden=asked.hidden, seed=asked.seed)
    chosen = cases(asked.data, asked.trunks)
    rows = table(chosen, asked.data / "judged.csv", asked.networks, asked.work, asked.jobs)
    whole, told = {}, {}
    apart: dict[str, dict[str, object]] = {}
    for part, names in PARTS.items():
        own = _with_features(rows, len(names))
        stages = dict(left_out(own, recipe))
        scale = calibrated(own, predicted(own, stages), recipe)
        stages = {patient: with_scale(stage, scale) for patient, stage in stages.items()}
        stage = with_scale(fitted(own, recipe), scale)
        whole[part] = as_document(stage, names)
        told[part] = card(own, predicted(own, stages), stage, names, recipe)
        for patient, one in stages.items():
            apart.setdefault(patient, {})[part] = as_document(one, names)
    _write(asked.out, whole)
    _write(asked.out.with_suffix(".card.json"), told)
    for patient, document in apart.items():
        _write(asked.work / "left_out" / f"{patient}.json", document)
    for part, about in told.items():
        print(part, about["reliability on patients left out"])


def _with_features(rows: Table, count: int) -> Table:
    columns = (getattr(rows, name) for name in Table.__slots__[1:])
    return Table(np.ascontiguousarray(rows.features[:, :count]), *columns)


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser("python -m training.objects", description=__doc__)
    parser.add_argument("--data", type=Path, default=here.parent / "shared" / "data")
    parser.add_argument("--trunks", type=Path, help="folder that get-trunks filled")
    parser.add_argument("--networks", type=Path, required=True, help="of the folds")
    parser.add_argument("--work", type=Path, required=True, help="tables, and fits left out")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--fits", type=int, default=Recipe().fits)
    parser.add_argument("--hidden", type=int, default=Recipe().hidden)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
