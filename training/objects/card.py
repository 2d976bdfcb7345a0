"""The object stage's card: what it was fitted on, how right it is, what each feature is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.deposits.object_stage import CLASSES, ObjectStage
from training.objects.fit import Recipe
from training.objects.table import NATURAL, Table, counts

BANDS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
LIMITS = (
    "None of the natural scans holds calcinosis of the kind that it is for: its natural deposits "
    "are dystrophic, or lie in tumours. Deposits in fat, in the skin and at joints were painted.",
    "Judged by one non-radiologist, what was called a deposit on limbs by a second one, blind.",
    "Calcium of vessel walls is told by its course and place alone.",
    "Research use. Not validated against experts, and no medical device.",
)


def card(
    rows: Table,
    chance: NDArray[np.float64],
    stage: ObjectStage,
    names: Sequence[str],
    about: Recipe,
) -> dict[str, Any]:
    """What the card says of one object stage.

    chance : of each row, by the stage that left its patient out
    """
    return {
        "classes": CLASSES,
        "recipe": asdict(about),
        "patients": sorted(np.unique(rows.patient).tolist()),
        "looks": sorted(np.unique(rows.look).tolist()),
        "rows": dict(counts(rows)),
        "reliability on patients left out": reliability(rows, chance),
        "worth": worth(rows, stage, names),
        "limits": LIMITS,
    }


def reliability(rows: Table, chance: NDArray[np.float64]) -> list[tuple[float, float, int, float]]:
    """Of natural objects that no rule holds back, vessel calcium apart, in each of BANDS: from, to,
    how many, and the share that is true."""
    use = (rows.look == NATURAL) & (rows.label != "vessel") & ~rows.held_back
    seen, true = chance[use], rows.label[use] == "deposit"
    found = []
    for low, high in pairwise(BANDS):
        band = (seen >= low) & (seen < high if high < 1 else seen <= 1)
        share = float(true[band].mean()) if band.any() else float("nan")
        found.append((low, high, int(band.sum()), round(share, 3)))
    return found


def worth(rows: Table, stage: ObjectStage, names: Sequence[str], seed: int = 0) -> dict[str, float]:
    """By how much the mean logarithm of the probability given to what is true falls when a
    feature is taken from another object instead; dearest first."""
    rng = np.random.default_rng(seed)
    true = rows.label == "deposit"
    whole = _score(stage.probabilities(rows.features)[:, 0], true)
    found = {}
    for k, name in enumerate(names):
        mixed = rows.features.copy()
        mixed[:, k] = rng.permutation(mixed[:, k])
        found[name] = round(whole - _score(stage.probabilities(mixed)[:, 0], true), 5)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _score(chance: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Deposits and all else weigh alike."""
    seen = np.clip(np.where(true, chance, 1 - chance), 1e-6, 1.0)
    return float((np.log(seen[true]).mean() + np.log(seen[~true]).mean()) / 2)
