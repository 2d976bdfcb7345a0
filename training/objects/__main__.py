"""``python -m training.objects``: the table, the fits with each patient left out, and the weights.

Goes on where an earlier call stopped: the table of each scan is kept in ``--work``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from calcimetry.deposits.features import GEOMETRY, NAMES
from calcimetry.deposits.object_stage import ObjectStage
from training.objects.card import card
from training.objects.fit import (
    Recipe,
    as_arrays,
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
    recipe = Recipe(seed=asked.seed)
    chosen = cases(asked.data, asked.trunks)
    rows = table(chosen, asked.data / "judged.csv", asked.networks, asked.work, asked.jobs)
    whole: dict[str, ObjectStage] = {}
    told: dict[str, Any] = {}
    apart: dict[str, dict[str, ObjectStage]] = {}
    for part, names in PARTS.items():
        own = _with_features(rows, len(names))
        stages = dict(left_out(own, recipe))
        scale = calibrated(own, predicted(own, stages), recipe)
        stages = {patient: with_scale(stage, scale) for patient, stage in stages.items()}
        whole[part] = with_scale(fitted(own.part(own.shipped), recipe), scale)
        told[part] = card(own, predicted(own, stages), whole[part], names, recipe)
        for patient, stage in stages.items():
            apart.setdefault(patient, {})[part] = stage
        print(part, told[part]["reliability on patients left out"], flush=True)
    _write(asked.out, whole)
    for case in chosen:
        _write(asked.work / "left_out" / f"{case.stem}.npz", apart[case.patient])
    digest = hashlib.sha256(asked.out.read_bytes()).hexdigest()
    asked.out.with_suffix(".card.json").write_text(
        json.dumps({"sha256": digest, **told}, indent=1) + "\n", encoding="utf-8"
    )


def _with_features(rows: Table, count: int) -> Table:
    columns = (getattr(rows, name) for name in Table.__slots__[1:])
    return Table(np.ascontiguousarray(rows.features[:, :count]), *columns)


def _write(path: Path, stages: dict[str, ObjectStage]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **as_arrays(stages))


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser("python -m training.objects", description=__doc__)
    parser.add_argument("--data", type=Path, default=here.parent / "shared" / "data")
    parser.add_argument("--trunks", type=Path, help="folder that get-trunks filled")
    parser.add_argument("--networks", type=Path, help="folder of the folds' networks")
    parser.add_argument("--work", type=Path, required=True, help="tables, and fits left out")
    parser.add_argument("--out", type=Path, required=True, help="the npz file to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
