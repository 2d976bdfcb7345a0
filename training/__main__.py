"""``python -m training``: prepare, train, export. Goes on where an earlier call stopped."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch

from training.calibrate import calibrate
from training.card import write
from training.export import drawn, export
from training.loop import Recipe, train
from training.net import Finder
from training.patches import World, patch
from training.sources import cases
from training.start import begin_from
from training.world import world


def main() -> None:
    asked = _arguments()
    asked.work.mkdir(parents=True, exist_ok=True)
    grounds = world(asked.data, asked.work / "world.pkl", asked.shapes, asked.seed)
    begin, digest = (None, "") if asked.start is None else _begun(asked.start, grounds, asked.seed)
    recipe = Recipe(
        asked.steps, rate=asked.rate, seed=asked.seed, workers=asked.workers, start=digest
    )
    finder, steps = train(grounds, recipe, asked.work, asked.work / "log.txt", begin)
    patches = drawn(grounds, asked.seed)
    export(finder, asked.work / "raw.onnx", patches)
    scale = calibrate(asked.data, asked.work / "raw.onnx")
    export(finder, asked.out, patches, scale.temperature, scale.shift)
    write(asked.out, recipe, cases(asked.data), scale, steps)


def _begun(path: Path, grounds: World, seed: int) -> tuple[Finder, str]:
    """A network with the weights of an exported file beside its card, and that file's digest."""
    card = json.loads(path.with_suffix(".card.json").read_text(encoding="utf-8"))
    scale = card["calibration"]["temperature"], card["calibration"]["shift"]
    hu = np.stack([patch(grounds, (seed, 99, k))[0] for k in range(32)])
    finder = Finder()
    begin_from(finder, path, torch.from_numpy(hu[:, None].astype(np.float32)), scale)
    return finder, hashlib.sha256(path.read_bytes()).hexdigest()


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser("python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, default=here.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and caches")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--steps", type=int, default=16000)
    parser.add_argument("--rate", type=float, default=Recipe().rate)
    parser.add_argument("--start", type=Path, help="exported weights, with card, to begin from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shapes", type=int, default=2400)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
