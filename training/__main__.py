"""``python -m training``: prepare, train, export. Goes on where an earlier call stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.calibrate import calibrate
from training.card import write
from training.export import export
from training.loop import Recipe, train
from training.sources import cases
from training.world import world


def main() -> None:
    asked = _arguments()
    asked.work.mkdir(parents=True, exist_ok=True)
    grounds = world(asked.data, asked.work / "world.pkl", asked.shapes, asked.seed)
    recipe = Recipe(steps=asked.steps, seed=asked.seed, workers=asked.workers)
    finder, steps = train(grounds, recipe, asked.work, asked.work / "log.txt")
    raw = asked.work / "raw.onnx"
    export(finder, raw)
    scale = calibrate(asked.data, raw)
    export(finder, asked.out, scale.temperature, scale.shift)
    write(asked.out, recipe, cases(asked.data), scale, steps)


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser("python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, default=here.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and caches")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--steps", type=int, default=16000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shapes", type=int, default=1200)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
