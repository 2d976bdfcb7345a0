"""Fits the object stage: a forest, calibrated on patients left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from sklearn.ensemble import ExtraTreesClassifier

from calcimetry.deposits.features import GEOMETRY, NAMES
from calcimetry.deposits.object_stage import ARRAYS, CLASSES, UNKNOWN, ObjectStage
from training.objects import labels
from training.objects.table import NATURAL, PAINTED, PHANTOM, Table


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the object stage is fitted.

    trees, leaves, fewest : how many trees, of how many leaves at most, of how many rows at least
    tried : share of the features that each node tries
    painted : weight of a painted deposit: natural ones are few, and lie in no fat
    wall : the same in the wall of a trunk: few are painted there
    within : weight of a painted deposit in the cavity of a trunk, where the rules count none
    true : weight of a natural deposit
    """

    trees: int = 100
    leaves: int = 200
    fewest: int = 5
    tried: float = 0.3
    painted: float = 0.2
    wall: float = 0.4
    within: float = 0.02
    true: float = 6.0
    seed: int = 0


def fitted(rows: Table, recipe: Recipe) -> ObjectStage:
    """The object stage of a table, its probabilities not yet calibrated."""
    index = {name: k for k, name in enumerate(CLASSES)} | {labels.UNKNOWN: UNKNOWN}
    truth = np.array([index[label] for label in rows.label.tolist()])
    forest = ExtraTreesClassifier(
        recipe.trees,
        max_leaf_nodes=recipe.leaves,
        min_samples_leaf=recipe.fewest,
        max_features=recipe.tried,
        random_state=recipe.seed,
        n_jobs=2,
    )
    forest.fit(rows.features.astype(np.float32), truth, sample_weight=weights_of(rows, recipe))
    return _as_stage(forest)


def _as_stage(forest: ExtraTreesClassifier) -> ObjectStage:
    """The forest's nodes one after the other."""
    root, parts, first, leaves = [], [], 0, 0
    for one in forest.estimators_:
        tree = one.tree_
        is_leaf = tree.children_left < 0
        share = np.zeros((int(is_leaf.sum()), UNKNOWN + 1))
        share[:, forest.classes_] = tree.value[is_leaf, 0]
        share /= share.sum(axis=1, keepdims=True)
        number = np.where(is_leaf, np.cumsum(is_leaf) - 1 + leaves, 0)
        parts.append(
            (
                np.where(is_leaf, -1, tree.feature).astype(np.int16),
                tree.threshold.astype(np.float32),
                np.where(is_leaf, 0, tree.children_left + first).astype(np.int32),
                np.where(is_leaf, 0, tree.children_right + first).astype(np.int32),
                number.astype(np.int32),
                np.round(255 * share).astype(np.uint8),
            )
        )
        root.append(first)
        first += tree.node_count
        leaves += len(share)
    arrays = (np.concatenate(column) for column in zip(*parts, strict=True))
    return ObjectStage(np.array(root, np.int32), *arrays, slope=1.0, shift=0.0)


def weights_of(rows: Table, recipe: Recipe) -> NDArray[np.float64]:
    """How much each row counts: a scan's guises share what its own rows would have alone."""
    weight = rows.weight.copy()
    deposit = rows.label == "deposit"
    natural = ~np.isin(rows.look, (PAINTED, PHANTOM))
    painted = deposit & ~natural
    weight[deposit & natural] *= recipe.true
    weight[painted] = np.where(rows.limb[painted], recipe.painted, recipe.wall)
    weight[painted & rows.held_back] = recipe.within
    weight[natural] /= max(1, len(np.unique(rows.look[natural])))
    return weight


def left_out(rows: Table, recipe: Recipe) -> Iterator[tuple[str, ObjectStage]]:
    """For each patient the object stage that the others make; test scans make none."""
    for patient in np.unique(rows.patient).tolist():
        yield patient, fitted(rows.part(rows.shipped & (rows.patient != patient)), recipe)


def predicted(rows: Table, stages: Mapping[str, ObjectStage]) -> NDArray[np.float64]:
    """Each row's probability of a deposit by the stage that left its patient out."""
    found = np.zeros(len(rows.label))
    for patient, stage in stages.items():
        own = rows.patient == patient
        found[own] = stage.probabilities(rows.features[own])[:, 0]
    return found


def calibrated(rows: Table, chance: NDArray[np.float64], recipe: Recipe) -> tuple[float, float]:
    """Slope and shift of the logit that make probabilities right on patients left out.

    Natural objects that no rule holds back count in full, whatever the fit gave them; painted
    deposits half more than in the fit: scans of patients hold more of their kind than these.
    Calcium of a vessel's wall counts for neither side: whether it is a lesion is a question of
    words.
    """
    natural, painted = rows.look == NATURAL, rows.look == PAINTED
    use = (natural | painted) & ~rows.held_back & (rows.label != "vessel")
    true = rows.label[use] == "deposit"
    weight = np.where(painted[use], 1.5 * recipe.painted, 1.0)
    seen = np.clip(chance[use], 1e-3, 1 - 1e-3)
    logit, sign = np.log(seen / (1 - seen)), np.where(true, 1.0, -1.0)

    def cost(about: NDArray[np.float64]) -> float:
        moved = np.exp(about[0]) * logit + about[1]
        return float((weight * np.logaddexp(0, -sign * moved)).sum())

    found = optimize.minimize(cost, np.zeros(2), method="Nelder-Mead")
    return float(np.exp(found.x[0])), float(found.x[1])


def with_scale(stage: ObjectStage, scale: tuple[float, float]) -> ObjectStage:
    """The stage with calibrated probabilities."""
    return replace(stage, slope=scale[0], shift=scale[1])


def as_arrays(stages: Mapping[str, ObjectStage]) -> dict[str, NDArray[np.generic]]:
    """Stages by part ("network", "geometry") as `calcimetry.deposits.object_stage.parse` reads
    them."""
    names = {"network": NAMES, "geometry": GEOMETRY}
    found: dict[str, NDArray[np.generic]] = {}
    for part, stage in stages.items():
        found[f"{part}_features"] = np.array(names[part])
        found[f"{part}_scale"] = np.array([stage.slope, stage.shift])
        found |= {f"{part}_{name}": getattr(stage, name) for name in ARRAYS}
    return found
