"""``python -m training.merge``: the mean of runs' weights, calibrated, with its card.

Both began from the same weights and went on but little, so that the mean of theirs answers like
the mean of their answers. Of one run alone it writes what that run has come to so far.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.finish import finish
from training.loop import restored
from training.world import world


def main() -> None:
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    runs = [restored(work) for work in asked.works]
    finders, recipes, steps = (tuple(part) for part in zip(*runs, strict=True))
    worlds = tuple(
        world(asked.data, asked.trunks, asked.kept, recipe.fold, None, asked.shapes)
        for recipe in recipes
    )
    finish(finders, asked.out, worlds, recipes, steps, asked.data, asked.trunks)


def _arguments() -> argparse.Namespace:
    here = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser("python -m training.merge", description=__doc__)
    parser.add_argument("works", type=Path, nargs="+", help="work folders of `python -m training`")
    parser.add_argument("--data", type=Path, default=here.parent / "shared" / "data")
    parser.add_argument("--trunks", type=Path, help="folder that get-trunks filled")
    parser.add_argument("--kept", type=Path, required=True, help="prepared scans of these runs")
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--shapes", type=int, default=2400)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
