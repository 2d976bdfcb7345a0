"""``python -m training``: prepare, train on one fold, export. Goes on where it stopped before."""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.finish import finish
from training.loop import Recipe, train
from training.net import Finder
from training.patches import World, patch
from training.sources import FOLDS
from training.start import begin_from
from training.world import world


def main() -> None:
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    asked.work.mkdir(parents=True, exist_ok=True)
    kept = asked.kept or asked.work / "world"
    grounds = world(asked.data, asked.trunks, kept, asked.fold, asked.start, asked.shapes)
    recipe = Recipe(asked.steps, asked.minutes, rate=asked.rate, seed=asked.seed, fold=asked.fold)
    begin = None
    if asked.start is not None:
        recipe = replace(recipe, start=hashlib.sha256(asked.start.read_bytes()).hexdigest())
        if not (asked.work / "state.pt").exists():
            begin = _begun(asked.start, grounds, asked.seed)
    finder, steps = train(grounds, recipe, asked.work, asked.work / "log.txt", begin)
    finish((finder,), asked.out, (grounds,), (recipe,), (steps,), asked.data, asked.trunks)


def _begun(path: Path, grounds: World, seed: int) -> Finder:
    """A network with the weights of an exported file, which has its card beside it."""
    card = json.loads(path.with_suffix(".card.json").read_text(encoding="utf-8"))
    scale = card["calibration"]["temperature"], card["calibration"]["shift"]
    hu = np.stack([patch(grounds, (seed, 99, k))[0] for k in range(32)])
    finder = Finder()
    begin_from(finder, path, torch.from_numpy(hu[:, None].astype(np.float32)), scale)
    return finder


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser("python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, default=here.parent / "shared" / "data")
    parser.add_argument("--trunks", type=Path, help="folder that get-trunks filled: more patients")
    parser.add_argument("--fold", choices=FOLDS, required=True, help="whose patients to train on")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and log")
    parser.add_argument("--kept", type=Path, help="prepared scans, which folds can share")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--start", type=Path, help="exported weights, with card, to begin from")
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--minutes", type=float, default=0.0, help="end by then, if sooner")
    parser.add_argument("--rate", type=float, default=Recipe().rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shapes", type=int, default=2400)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
