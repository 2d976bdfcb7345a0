"""Fits the object stage: small networks, a mean over a few, calibrated on patients left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor, nn

from calcimetry.deposits.object_stage import CLASSES, CLIP, ObjectStage
from training.objects.table import NATURAL, Table


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the object stage is fitted.

    fits, hidden : how many networks, and how wide each is
    painted : weight of a painted deposit; natural ones are few, and lie in no fat
    true : weight of a natural deposit
    jitter : standard deviations of noise on the features, anew at each step
    kinds : weight of telling the kinds of what is no deposit
    """

    fits: int = 5
    hidden: int = 16
    steps: int = 300
    rate: float = 0.01
    decay: float = 0.02
    jitter: float = 0.15
    painted: float = 0.3
    true: float = 3.0
    kinds: float = 0.3
    counted: float = 0.5
    listed: float = 0.05
    seed: int = 0


class _Stage(nn.Module):
    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Linear(features, hidden)
        self.direct = nn.Linear(features, len(CLASSES), bias=False)
        self.outer = nn.Linear(hidden, len(CLASSES))
        nn.init.zeros_(self.direct.weight)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.direct(x) + self.outer(torch.tanh(self.inner(x)))
        return found


def fitted(rows: Table, recipe: Recipe) -> ObjectStage:
    """The object stage of a table, its probabilities not yet calibrated."""
    centre, scale = rows.features.mean(axis=0), rows.features.std(axis=0) + 1e-6
    x = np.clip((rows.features - centre) / scale, -CLIP, CLIP).astype(np.float32)
    fits = [_fit(x, rows, recipe, recipe.seed + k) for k in range(recipe.fits)]
    return ObjectStage(
        centre,
        scale,
        *(
            np.stack([one[name] for one in fits])
            for name in ("inner", "inner_bias", "direct", "outer", "outer_bias")
        ),
        slope=1.0,
        shift=0.0,
        counted=recipe.counted,
        listed=recipe.listed,
        digest="",
    )


def weights_of(rows: Table, recipe: Recipe) -> NDArray[np.float64]:
    """How much each row counts: a scan's guises share what its own rows would have alone."""
    weight = rows.weight.copy()
    deposit, painted = rows.label == "deposit", rows.look == "painted"
    weight[deposit & ~painted] *= recipe.true
    weight[painted] = recipe.painted
    guises = len(np.unique(rows.look[~painted]))
    weight[~painted] /= guises
    return weight


def _fit(
    x: NDArray[np.float32], rows: Table, recipe: Recipe, seed: int
) -> dict[str, NDArray[np.float64]]:
    torch.manual_seed(seed)
    net = _Stage(x.shape[1], recipe.hidden)
    steer = torch.optim.AdamW(net.parameters(), recipe.rate, weight_decay=recipe.decay)
    course = torch.optim.lr_scheduler.OneCycleLR(steer, recipe.rate, total_steps=recipe.steps)
    index = {name: k for k, name in enumerate(CLASSES)}
    truth = torch.tensor([index.get(label, -1) for label in rows.label.tolist()])
    weight = torch.tensor(weights_of(rows, recipe), dtype=torch.float32)
    shown = torch.from_numpy(x)
    for _ in range(recipe.steps):
        logit = net(shown + recipe.jitter * torch.randn_like(shown))
        loss = _loss(torch.log_softmax(logit, 1), truth, weight / weight.mean(), recipe.kinds)
        steer.zero_grad()
        loss.backward()
        steer.step()
        course.step()
    held = {name: value.detach().double().numpy() for name, value in net.named_parameters()}
    return {
        "inner": held["inner.weight"].T,
        "inner_bias": held["inner.bias"],
        "direct": held["direct.weight"].T,
        "outer": held["outer.weight"].T,
        "outer_bias": held["outer.bias"],
    }


def _loss(chance: Tensor, truth: Tensor, weight: Tensor, kinds: float) -> Tensor:
    """Deposit or not, for all; and, of what is none, its kind where that is known.

    chance : (n, classes), logarithms
    """
    deposit, is_one = chance[:, 0], truth == 0
    not_deposit = torch.log1p(-deposit.exp().clamp(max=1 - 1e-6))
    which = torch.where(is_one, deposit, not_deposit)
    known = truth > 0
    of_kind = chance[known].gather(1, truth[known, None])[:, 0] - not_deposit[known]
    return -((which * weight).sum() + kinds * (of_kind * weight[known]).sum()) / len(weight)


def left_out(rows: Table, recipe: Recipe) -> Iterator[tuple[str, ObjectStage]]:
    """For each patient the object stage that the others make."""
    for patient in np.unique(rows.patient).tolist():
        yield patient, fitted(rows.part(rows.patient != patient), recipe)


def predicted(rows: Table, stages: dict[str, ObjectStage]) -> NDArray[np.float64]:
    """Each row's probability of a deposit by the stage that left its patient out."""
    found = np.zeros(len(rows.label))
    for patient, stage in stages.items():
        own = rows.patient == patient
        found[own] = stage.probabilities(rows.features[own])[:, 0]
    return found


def calibrated(rows: Table, chance: NDArray[np.float64], recipe: Recipe) -> tuple[float, float]:
    """Slope and shift of the logit that make probabilities right on patients left out.

    Natural objects count in full, whatever the fit gave them; painted deposits as in the fit. What
    is surely calcium of a vessel wall counts for neither side: whether it is one lesion or another
    is a question of words.
    """
    use = ((rows.look == NATURAL) | (rows.look == "painted")) & (rows.label != "vessel")
    true = rows.label[use] == "deposit"
    weight = np.where(rows.look[use] == "painted", recipe.painted, 1.0)
    seen = np.clip(chance[use], 1e-6, 1 - 1e-6)
    logit, sign = np.log(seen / (1 - seen)), np.where(true, 1.0, -1.0)

    def cost(about: NDArray[np.float64]) -> float:
        return float((weight * np.logaddexp(0, -sign * (np.exp(about[0]) * logit + about[1]))).sum())

    found = optimize.minimize(cost, np.zeros(2), method="Nelder-Mead")
    return float(np.exp(found.x[0])), float(found.x[1])


def with_scale(stage: ObjectStage, scale: tuple[float, float]) -> ObjectStage:
    """The stage with calibrated probabilities."""
    return replace(stage, slope=scale[0], shift=scale[1])


def as_document(stage: ObjectStage, features: tuple[str, ...]) -> dict[str, Any]:
    """A stage as what `calcimetry.deposits.object_stage.parse` reads; five digits are enough."""
    arrays = {
        name: np.array([float(f"{v:.5g}") for v in getattr(stage, name).ravel()])
        .reshape(getattr(stage, name).shape)
        .tolist()
        for name in ("centre", "scale", "inner", "inner_bias", "direct", "outer", "outer_bias")
    }
    numbers = {name: getattr(stage, name) for name in ("slope", "shift", "counted", "listed")}
    return {"features": list(features), **numbers, **arrays}
