"""The object stage: what a candidate object is, from its features.

A forest of extremely randomised trees (Geurts 2006, doi 10.1007/s10994-006-6226-1) gives each
candidate a probability for each of CLASSES; that of a deposit is calibrated on natural scans, and
is the confidence that readers see. `python -m training.objects` makes the forest; its card says
what it was made from and what each feature is worth.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calcimetry.deposits.features import GEOMETRY, NAMES
from calcimetry.deposits.reasons import Values, Verdict, evidence_in_words
from calcimetry.deposits.rules import held_back
from calcimetry.deposits.weights import checked
from calcimetry.describe.evidence import Evidence
from calcimetry.records import Kind, Likeness, Rule

CLASSES = (
    "deposit",
    "vessel",
    "cartilage",
    "bone",
    "sesamoid",
    "contrast",
    "metal",
    "noise",
    "organ",
)
"""What a candidate may be. A class besides deposit is its likeness: "vessel-like"."""

KINDS: Mapping[str, Kind] = {
    "vessel": Kind.VESSEL,
    "cartilage": Kind.CARTILAGE,
    "bone": Kind.BONE,
    "sesamoid": Kind.BONE,
    "contrast": Kind.CONTRAST,
    "metal": Kind.METAL,
    "noise": Kind.NOISE,
    "organ": Kind.OTHER,
}
"""The kind of a candidate that is too unlikely a deposit to be listed."""

COUNTED_FROM, LISTED_FROM = 0.5, 0.02
"""Probabilities from which a candidate is a deposit, and from which it is listed as uncertain."""

HELD_BACK = 0.1
"""The most that is said of what the rules hold back: on natural scans, patients left out of the
fit, none of the 277 objects listed with 0.2 or less is a deposit (docs/finder-nature.md)."""

UNKNOWN = len(CLASSES)
"""The last column of a forest's leaves: no deposit, and of no class that is known."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectStage:
    """A forest, its nodes one after the other, tree by tree; those of a tree before the next.

    root : int32 (trees,), the first node of each
    feature : int16 (nodes,), the feature that a node asks for; below 0 in leaves
    threshold : float32 (nodes,), up to which one goes to `left`, else to `right`, int32 (nodes,)
    leaf : int32 (nodes,), the row of `share` of a leaf
    share : uint8 (leaves, CLASSES and UNKNOWN), in 255ths
    slope, shift : of the calibrated logit of a deposit, on that of the forest
    """

    root: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    leaf: NDArray[np.int32]
    share: NDArray[np.uint8]
    slope: float
    shift: float

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of each class, and of none that is known, float64 (objects, CLASSES and UNKNOWN), from
        features (objects, names): rows sum to 1, that of a deposit is calibrated."""
        x = features.astype(np.float32)
        node = np.tile(self.root, (len(x), 1))
        row = np.arange(len(x))[:, None]
        asked = self.feature[node]
        while (asked >= 0).any():
            below = x[row, np.maximum(asked, 0)] <= self.threshold[node]
            step = np.where(below, self.left[node], self.right[node])
            node = np.where(asked >= 0, step, node)
            asked = self.feature[node]
        share = self.share[self.leaf[node]].astype(np.float64).mean(axis=1)
        return _calibrated(share / share.sum(axis=1, keepdims=True), self.slope, self.shift)


def _calibrated(chance: NDArray[np.float64], slope: float, shift: float) -> NDArray[np.float64]:
    """Probabilities whose first column is moved, and the others scaled to what is left."""
    first = np.clip(chance[:, :1], 1e-3, 1 - 1e-3)
    moved = 1 / (1 + np.exp(-(slope * np.log(first / (1 - first)) + shift)))
    others = np.maximum(chance[:, 1:], 1e-9)  # where all trees say deposit there are none
    others *= (1 - moved) / others.sum(axis=1, keepdims=True)
    return np.concatenate([moved, others], axis=1)


def judge(
    stage: ObjectStage, features: NDArray[np.float64], evidence: Sequence[Evidence]
) -> list[Verdict]:
    """The verdict on each candidate.

    features : float64 (candidates, names); without those of the network where none ran
    evidence : of each, for the words of the reason
    """
    rows = stage.probabilities(features)
    names = NAMES if features.shape[1] == len(NAMES) else GEOMETRY
    return [
        _verdict(chance, seen, dict(zip(names, own, strict=True)))
        for chance, seen, own in zip(rows, evidence, features.tolist(), strict=True)
    ]


def _verdict(chance: NDArray[np.float64], seen: Evidence, own: Mapping[str, float]) -> Verdict:
    deposit = float(chance[0])
    best = 1 + int(chance[1:UNKNOWN].argmax())
    like = Likeness(CLASSES[best])
    words = evidence_in_words(seen, own)
    values: Values = {
        "percent": 100 * deposit,
        "like": str(like),
        "evidence": words,
        "edge_mm": seen.edge_mm,
    }
    if deposit < LISTED_FROM:
        return Verdict(KINDS[like], Rule.UNLIKELY, float(chance[best]), values, like)
    if deposit < COUNTED_FROM:
        return Verdict(Kind.UNCERTAIN, Rule.OBJECT_STAGE, deposit, values, like)
    why = held_back(seen)
    if why is not None:
        return Verdict(Kind.UNCERTAIN, why, min(deposit, HELD_BACK), values, like)
    return Verdict(Kind.DEPOSIT, Rule.OBJECT_STAGE, deposit, values, like)


@cache
def load(*, network: bool) -> ObjectStage:
    """The shipped object stage: for objects that the network has seen, or for geometry alone.

    Raises InputError WEIGHTS_DAMAGED where its file is not that of its card.
    """
    content = checked(Path(str(files("calcimetry.weights"))) / "objects.npz")
    return parse(content, "network" if network else "geometry")


ARRAYS = ("root", "feature", "threshold", "left", "right", "leaf", "share")


def parse(content: bytes, part: str) -> ObjectStage:
    """The part "network" or "geometry" of a file of weights (numpy's npz).

    Raises ValueError where its features are others than those of this version.
    """
    names = NAMES if part == "network" else GEOMETRY
    with np.load(io.BytesIO(content), allow_pickle=False) as held:
        if tuple(held[f"{part}_features"].tolist()) != names:
            raise ValueError("other features")
        slope, shift = held[f"{part}_scale"].tolist()
        root, feature, threshold, left, right, leaf, share = (
            held[f"{part}_{name}"] for name in ARRAYS
        )
    return ObjectStage(root, feature, threshold, left, right, leaf, share, slope, shift)
