"""The training loop: rounds of patches made beside the learning, resumable, seeded."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as nnf

from training.net import Finder
from training.patches import World, patch

Round = tuple[NDArray[np.int16], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how hard to train.

    minutes : ends after these if that is sooner than its steps; 0: by its steps alone
    cool : share of the whole with falling rate
    bfloat16 : half precision; slower than float32 on a processor without instructions for it
    start : SHA-256 of the exported weights that training began from; empty: from nothing
    fold : of the patients that are trained on
    """

    steps: int = 16000
    minutes: float = 0.0
    batch: int = 4
    rate: float = 2e-3
    cool: float = 0.45
    round_patches: int = 80
    reuse: int = 5
    seed: int = 0
    bfloat16: bool = False
    workers: int = 1
    start: str = ""
    fold: str = ""


SHARE_OF_DEPOSITS = 2.0
"""Weight of deposits against all else: what touches bone is learnt last, and calibration
takes the bias out again."""

HARD_SHARE = 0.3

AVERAGED = 0.995
"""The weights that are kept are a running mean over some 200 steps: single steps differ in
what they say of the doubtful, such as a lone nodule beside a spinous process."""

LEAST_RATE = 0.03
"""Share of the rate that training ends with, so that there is something to average."""

_WORLD: World | None = None


def _adopt(world: World) -> None:
    global _WORLD  # noqa: PLW0603  one world for each worker process, set once at its start
    _WORLD = world
    os.nice(3)


def _make(seed: int, number: int, count: int) -> Round:
    assert _WORLD is not None
    made = [patch(_WORLD, (seed, number, i)) for i in range(count)]
    return np.stack([hu for hu, _ in made]), np.stack([label for _, label in made])


def rounds(world: World, recipe: Recipe, first: int) -> Iterator[Round]:
    """Rounds of patches from number `first` on, made ahead by worker processes."""
    share = recipe.round_patches // recipe.workers
    with ProcessPoolExecutor(recipe.workers, initializer=_adopt, initargs=(world,)) as pool:

        def order(number: int) -> list[Future[Round]]:
            return [
                pool.submit(_make, recipe.seed, number * 1000 + part, share)
                for part in range(recipe.workers)
            ]

        ahead = [order(first), order(first + 1)]
        while True:
            parts = [future.result() for future in ahead.pop(0)]
            first += 1
            ahead.append(order(first + 1))
            yield np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def loss_of(
    logit: Tensor, hu: Tensor, label: Tensor, hard: float = HARD_SHARE
) -> tuple[Tensor, dict[str, float]]:
    """Small deposits weigh as much as big ones; the hardest 4 % of the rest weigh `hard`."""
    logit, hu, label = (t[..., 4:-4, 4:-4, 4:-4] for t in (logit, hu, label))
    dense = hu > 70
    yes, no = (label == 1) & dense, (label == 0) & dense
    weight = yes / _around(yes.float()).clamp_min(0.02).sqrt()
    positive = (nnf.softplus(-logit) * weight).sum() / weight.sum().clamp_min(1)
    wrong = nnf.softplus(logit) * no
    count = int(no.sum())
    negative = wrong.sum() / max(count, 1)
    told = {"positive": positive.item(), "negative": negative.item()}
    if hard == 0 or count == 0:
        return SHARE_OF_DEPOSITS * positive + negative, told
    hardest = wrong.flatten().topk(min(count, max(50, count // 25))).values.mean()
    told["hardest"] = hardest.item()
    return SHARE_OF_DEPOSITS * positive + hard * hardest + (1 - hard) * negative, told


def _around(mask: Tensor) -> Tensor:
    """The mean over 7x7x7 voxels, one axis after the other: nineteen times cheaper."""
    for axis in range(3):
        window = tuple(7 if axis == a else 1 for a in range(3))
        reach = tuple(3 if axis == a else 0 for a in range(3))
        mask = nnf.avg_pool3d(mask, window, 1, reach)
    return mask


def turned(hu: Tensor, label: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Each patch of a batch in one of the 48 ways that its axes can lie, all as likely."""
    pairs = [_turned(x, y, rng) for x, y in zip(hu, label, strict=True)]
    return torch.stack([x for x, _ in pairs]), torch.stack([y for _, y in pairs])


def _turned(hu: Tensor, label: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    flips = [axis for axis in (1, 2, 3) if rng.random() < 0.5]
    order = [0, *(1 + int(a) for a in rng.permutation(3))]
    return hu.flip(flips).permute(order), label.flip(flips).permute(order)


def rate_at(step: int, done: float, recipe: Recipe) -> float:
    """Warm up by steps, hold, then fall over the last part of the whole, of which `done` is."""
    fall = min(1.0, max(LEAST_RATE, (1 - done) / recipe.cool))
    return recipe.rate * min(1.0, (step + 5) / 100) * fall


def hard_share(step: int, steps: int) -> float:
    """Nothing at first: before much is learnt the hardest are noise, and with a weight on
    them the network settles for answering one half everywhere."""
    return HARD_SHARE * min(1.0, max(0.0, (step / steps - 0.4) / 0.3))


def train(
    world: World, recipe: Recipe, folder: Path, log: Path, begin: Finder | None = None
) -> tuple[Finder, int]:
    """Train, or go on from ``folder/state.pt``; gives back the averaged weights and steps.

    begin : the network to start with, where nothing of this run is there yet
    """
    torch.manual_seed(recipe.seed)
    net = Finder() if begin is None else begin
    mean = torch.optim.swa_utils.AveragedModel(
        net,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGED),
        use_buffers=True,
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net, mean = net.to(device, memory_format=torch.channels_last_3d), mean.to(device)
    steer = torch.optim.AdamW(net.parameters(), recipe.rate, weight_decay=1e-3)
    state, step = folder / "state.pt", 0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        net.load_state_dict(kept["net"])
        mean.load_state_dict(kept["mean"])
        steer.load_state_dict(kept["steer"])
        step = kept["step"]
    per_round = recipe.round_patches * recipe.reuse // recipe.batch
    called = time.monotonic()

    def done() -> float:
        passed = (time.monotonic() - called) / 60
        return max(step / recipe.steps, passed / recipe.minutes if recipe.minutes else 0.0)

    net.train()
    for hu, label in rounds(world, recipe, step // per_round) if step < recipe.steps else ():
        rng = np.random.default_rng((recipe.seed, 77, step))
        began, sums = time.monotonic(), []
        for _ in range(per_round):
            hard = HARD_SHARE if recipe.start else hard_share(step, recipe.steps)
            for group in steer.param_groups:
                group["lr"] = rate_at(step, done(), recipe)
            pick = rng.choice(len(hu), recipe.batch, replace=False)
            x = torch.from_numpy(hu[pick][:, None].astype(np.float32)).to(device)
            y = torch.from_numpy(label[pick][:, None]).to(device)
            x, y = turned(x, y, rng)
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bfloat16):
                logit = net(x)
            total, parts = loss_of(logit.float(), x, y, hard)
            steer.zero_grad()
            total.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            steer.step()
            mean.update_parameters(net)
            sums.append(parts)
            step += 1
            if done() >= 1:
                break
        _note(log, step, time.monotonic() - began, sums)
        kept = {"net": net.state_dict(), "mean": mean.state_dict(), "steer": steer.state_dict()}
        torch.save(kept | {"step": step, "recipe": asdict(recipe)}, state.with_suffix(".new"))
        state.with_suffix(".new").replace(state)
        if done() >= 1:
            break
    finder: Finder = mean.module
    return finder.eval(), step


def restored(folder: Path) -> tuple[Finder, Recipe, int]:
    """The averaged weights of a run that stopped or goes on, its recipe, and the steps done."""
    kept = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    mean = torch.optim.swa_utils.AveragedModel(Finder(), use_buffers=True)
    mean.load_state_dict(kept["mean"])
    finder: Finder = mean.module
    return finder.eval(), Recipe(**kept["recipe"]), kept["step"]


def _note(log: Path, step: int, seconds: float, sums: list[dict[str, float]]) -> None:
    means = {key: float(np.mean([s.get(key, 0.0) for s in sums])) for key in sums[-1]}
    line = f"{step} {seconds:.0f} s " + " ".join(f"{k} {v:.3f}" for k, v in means.items())
    with log.open("a") as file:
        file.write(line + "\n")
