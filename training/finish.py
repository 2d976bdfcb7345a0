"""From trained networks to the files that ship: ranges, calibration, ONNX, card."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch

from training.calibrate import calibrate
from training.card import write
from training.export import drawn, export
from training.loop import Recipe
from training.net import Finder
from training.patches import World, patch
from training.sources import CALIBRATION, cases

_NORM_PATCHES, _NORM_BATCH = 96, 8


def finish(
    finders: tuple[Finder, ...],
    out: Path,
    worlds: tuple[World, ...],
    recipes: tuple[Recipe, ...],
    steps: tuple[int, ...],
    data: Path,
    trunks: Path | None,
) -> None:
    """Write the mean of some networks to ``out``, calibrated, and its card beside it.

    worlds, recipes, steps : of each run that the networks come from
    """
    finder = averaged(finders, worlds)
    patches = [
        hu for one, made in zip(worlds, recipes, strict=True) for hu in drawn(one, made.seed)
    ]
    raw = out.with_name("raw.onnx")
    export(finder, raw, patches)
    names = {name for made in recipes for name in CALIBRATION[made.fold]}
    every = cases(data, trunks)
    scale = calibrate([case for case in every if case.name in names], raw)
    raw.unlink()
    export(finder, out, patches, scale.temperature, scale.shift)
    write(out, recipes, every, scale, steps)


def averaged(finders: tuple[Finder, ...], worlds: tuple[World, ...], seed: int = 0) -> Finder:
    """The mean of networks' weights, or the weights of one.

    Statistics of the normalisation are taken anew over many patches: those that training kept
    come from batches of four.
    """
    mean = copy.deepcopy(finders[0])
    states = [one.state_dict() for one in finders]
    mean.load_state_dict(
        {key: torch.stack([s[key].float() for s in states]).mean(0) for key in states[0]}
    )
    for part in mean.modules():
        if isinstance(part, torch.nn.BatchNorm3d):
            part.reset_running_stats()
            part.momentum = None  # a plain mean over what is shown
    mean.train()
    with torch.no_grad():
        for first in range(0, _NORM_PATCHES, _NORM_BATCH):
            numbers = range(first, first + _NORM_BATCH)
            hu = [patch(worlds[k % len(worlds)], (seed, 10**6 + 1, k))[0] for k in numbers]
            mean(torch.from_numpy(np.stack(hu)[:, None].astype(np.float32)))
    return mean.eval()
