"""The world that patches are drawn from: real CTs without calcinosis, phantoms, shapes."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from calcimetry.phantom.body import make
from training.natural import Ground, ground
from training.patches import World
from training.shapes import bank
from training.sources import Case, cases, read

BODIES = (
    *(("hand", 1001 + k, (0.75 + 0.25 * k, 0.5 + 0.05 * k, 0.5 + 0.05 * k)) for k in range(8)),
    *(("elbow", 1101 + k, (1.0 + k, 0.9, 0.9)) for k in range(2)),
    *(("knee", 1201 + k, (1.5 + k, 0.9, 0.9)) for k in range(2)),
    *(("shoulder", 1301 + k, (2.0 + k, 1.0, 1.0)) for k in range(2)),
    *(("trunk", 1401 + k, (1.5 + k, 1.2, 1.2)) for k in range(2)),
)
"""Phantoms without deposits: the real CTs hold one hand. Region, seed, spacing in mm."""

SCALES = (1.0, 0.7, 0.5)
TRUNK_SCALES = (1.0, 0.8)
"""Limbs are also shown as if they were smaller: fingers, children. And trunks, a little."""

_SHARE = {"STS_019": 3.0, "STS_005": 2.0, "lidc0314": 9.0, "crlm1004": 6.0}
_SCALE_SHARE = {1.0: 1.0, 0.8: 0.4, 0.7: 0.25, 0.5: 0.35}


def world(data: Path, kept: Path, shapes: int, seed: int) -> World:
    """Read and prepare everything, or take it from the file `kept` where that exists."""
    if kept.exists():
        return pickle.loads(kept.read_bytes())  # type: ignore[no-any-return]
    chosen = [case for case in cases(data) if case.part == "train"]
    with ProcessPoolExecutor(2) as pool:
        made = list(pool.map(_grounds, chosen)) + list(pool.map(_phantom, BODIES))
    pairs = [pair for part in made for pair in part]
    share = np.array([weight for _, weight in pairs])
    whole = World([g for g, _ in pairs], share / share.sum(), bank(shapes, seed))
    kept.write_bytes(pickle.dumps(whole))
    return whole


def _grounds(case: Case) -> list[tuple[Ground, float]]:
    hu, spacing = read(case.path)
    scales = SCALES if case.name.startswith("STS") else TRUNK_SCALES
    made = []
    for scale in scales:
        size = (spacing[0] * scale, spacing[1] * scale, spacing[2] * scale)
        one = ground(f"{case.name}x{scale}", hu, size, unsure=case.unsure)
        made.append((one, _SHARE.get(case.name, 1.0) * _SCALE_SHARE[scale]))
    return made


def _phantom(about: tuple[str, int, tuple[float, float, float]]) -> list[tuple[Ground, float]]:
    region, seed, spacing = about
    noise = float(np.random.default_rng(seed).uniform(8, 30))
    scan = make(region, seed=seed, spacing=spacing, deposits=0, noise_hu=noise).scan
    share = 0.7 if region == "hand" else 0.3
    return [(ground(f"{region}{seed}", scan.hu, scan.spacing, unsure=False), share)]
