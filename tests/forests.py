"""Forests for the object stage, grown by hand or at random."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calcimetry.deposits.object_stage import CLASSES, UNKNOWN, ObjectStage


class Node(NamedTuple):
    """Asks for a feature, by number: `low` up to the threshold, else `high`."""

    feature: int
    threshold: float
    low: Tree
    high: Tree


Tree = Node | tuple[int, ...]
"""A node, or a leaf: 255ths of CLASSES and UNKNOWN."""


def leaf(**shares: int) -> tuple[int, ...]:
    """255ths by class; what is left is of no class that is known."""
    found = [shares.get(name, 0) for name in CLASSES]
    return (*found, 255 - sum(found))


def stage_of(*trees: Tree, slope: float = 1.0, shift: float = 0.0) -> ObjectStage:
    """The object stage of some trees."""
    nodes: list[list[float]] = []
    leaves: list[tuple[int, ...]] = []

    def add(tree: Tree) -> int:
        at = len(nodes)
        if isinstance(tree, Node):
            nodes.append([tree.feature, tree.threshold, 0, 0, 0])
            nodes[at][2] = add(tree.low)
            nodes[at][3] = add(tree.high)
        else:
            nodes.append([-1, -2.0, 0, 0, len(leaves)])
            leaves.append(tree)
        return at

    root = [add(tree) for tree in trees]
    feature, threshold, left, right, row = np.array(nodes).T
    return ObjectStage(
        np.array(root, np.int32),
        feature.astype(np.int16),
        threshold.astype(np.float32),
        left.astype(np.int32),
        right.astype(np.int32),
        row.astype(np.int32),
        np.array(leaves, np.uint8),
        slope,
        shift,
    )


def constant(deposit: float, other: str = "bone") -> ObjectStage:
    """A stage that gives every object this probability, and the rest to one other class."""
    shift = np.log(deposit / (1 - deposit)) - np.log(128 / 127)
    return stage_of(leaf(**{"deposit": 128, other: 127}), shift=float(shift))


def grown(rng: np.random.Generator, features: int, depth: int) -> Tree:
    """A random tree."""
    if depth == 0 or rng.random() < 0.2:
        share = rng.multinomial(255, rng.dirichlet(np.full(UNKNOWN + 1, 0.4)))
        return tuple(share.tolist())
    feature, threshold = int(rng.integers(features)), float(np.float32(rng.normal()))
    return Node(
        feature, threshold, grown(rng, features, depth - 1), grown(rng, features, depth - 1)
    )


def walked(tree: Tree, row: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shares of the leaf that a row of features comes to."""
    while isinstance(tree, Node):
        tree = tree.low if np.float32(row[tree.feature]) <= tree.threshold else tree.high
    return np.array(tree) / 255
