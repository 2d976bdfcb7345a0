"""The object stage: what a candidate object is, from its features.

A small network of one hidden layer, a mean over a few fits of it, gives each candidate a probability
for each of CLASSES; that of a deposit is calibrated on natural scans and is the confidence that
readers see. Its weights are numbers in a text file, made by `python -m training.objects`, whose card
says what each feature is worth.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.deposits.features import GEOMETRY, NAMES
from calcimetry.deposits.reasons import Verdict, evidence_in_words
from calcimetry.describe.evidence import Evidence
from calcimetry.errors import InputError
from calcimetry.records import Kind, Rule

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

CLIP = 3.0
"""Features are taken no further than this many standard deviations from their mean: beyond what
was trained on, more of it is no more evidence."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectStage:
    """The weights of one object stage.

    centre, scale : float64 (features,), mean and standard deviation
    inner, direct, outer : of each fit, (fits, features, hidden), (fits, features, classes) and
        (fits, hidden, classes); inner_bias, outer_bias : (fits, hidden), (fits, classes)
    slope, shift : of the calibrated logit of a deposit, on the logit that the fits give
    counted, listed : probabilities from which a candidate is a deposit, and is listed
    digest : SHA-256 of the file, which names it in results
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    inner: NDArray[np.float64]
    inner_bias: NDArray[np.float64]
    direct: NDArray[np.float64]
    outer: NDArray[np.float64]
    outer_bias: NDArray[np.float64]
    slope: float
    shift: float
    counted: float
    listed: float
    digest: str

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of each class, float64 (objects, CLASSES), from features (objects, names): rows sum to 1,
        that of a deposit is calibrated."""
        x = np.clip((features - self.centre) / self.scale, -CLIP, CLIP)
        hidden = np.tanh(np.einsum("of,kfh->koh", x, self.inner) + self.inner_bias[:, None])
        score = np.einsum("of,kfc->koc", x, self.direct)
        score += np.einsum("koh,khc->koc", hidden, self.outer) + self.outer_bias[:, None]
        chance = np.exp(score - score.max(axis=-1, keepdims=True))
        chance /= chance.sum(axis=-1, keepdims=True)
        return _calibrated(chance.mean(axis=0), self.slope, self.shift)


def _calibrated(chance: NDArray[np.float64], slope: float, shift: float) -> NDArray[np.float64]:
    """Probabilities whose first column is moved, and the others scaled to what is left."""
    first = np.clip(chance[:, :1], 1e-6, 1 - 1e-6)
    moved = 1 / (1 + np.exp(-(slope * np.log(first / (1 - first)) + shift)))
    others = chance[:, 1:] * (1 - moved) / np.maximum(chance[:, 1:].sum(1, keepdims=True), 1e-9)
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
        _verdict(stage, chance, seen, dict(zip(names, own, strict=True)))
        for chance, seen, own in zip(rows, evidence, features.tolist(), strict=True)
    ]


def _verdict(
    stage: ObjectStage, chance: NDArray[np.float64], seen: Evidence, own: Mapping[str, float]
) -> Verdict:
    deposit = float(chance[0])
    best = 1 + int(chance[1:].argmax())
    like = CLASSES[best]
    values = {"percent": 100 * deposit, "like": like, "evidence": evidence_in_words(seen, own)}
    if deposit < stage.listed:
        return Verdict(KINDS[like], Rule.UNLIKELY, float(chance[best]), values, like)
    if deposit < stage.counted:
        return Verdict(Kind.UNCERTAIN, Rule.OBJECT_STAGE, deposit, values, like)
    return Verdict(Kind.DEPOSIT, Rule.OBJECT_STAGE, deposit, values, like)


@cache
def load(*, network: bool) -> ObjectStage:
    """The shipped object stage: for objects that the network has seen, or for geometry alone.

    Raises InputError WEIGHTS_DAMAGED where its file cannot be read.
    """
    content = (files("calcimetry.weights") / "objects.json").read_bytes()
    try:
        return parse(content, "network" if network else "geometry")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "WEIGHTS_DAMAGED",
            found=f"weights of the object stage that cannot be read ({type(error).__name__})",
            expected="the finder's weights as this version came with them",
            where="calcimetry/weights/objects.json",
            remedy="install calcimetry again",
        ) from error


def parse(content: bytes, part: str) -> ObjectStage:
    """The part "network" or "geometry" of a file of weights.

    Raises ValueError, KeyError or TypeError where it is none.
    """
    told: dict[str, Any] = json.loads(content)[part]
    names = NAMES if part == "network" else GEOMETRY
    if tuple(told["features"]) != names:
        raise ValueError("other features")
    arrays = {
        name: np.array(told[name], np.float64)
        for name in (
            "centre",
            "scale",
            "inner",
            "inner_bias",
            "direct",
            "outer",
            "outer_bias",
        )
    }
    numbers = {name: float(told[name]) for name in ("slope", "shift", "counted", "listed")}
    return ObjectStage(**arrays, **numbers, digest=hashlib.sha256(content).hexdigest())
