"""The world that patches are drawn from: real CTs, phantoms without deposits, shapes.

What takes long is kept in a folder, a file for each scan, for the next call and the other fold.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from calcimetry.deposits.network import load_file
from calcimetry.phantom.body import make
from calcimetry.records import Scan
from calcimetry.scan import read
from training.judged import judged
from training.mining import mined
from training.natural import Ground, ground
from training.patches import World
from training.scanner import OUTSIDE_HU
from training.shapes import bank
from training.sources import Case, cases

T = TypeVar("T")
Weighted = list[tuple[Ground, float]]
Body = tuple[str, int, tuple[float, float, float]]

BODIES = (
    *(("hand", 1001 + k, (0.75 + 0.5 * k, 0.5 + 0.1 * k, 0.5 + 0.1 * k)) for k in range(3)),
    ("elbow", 1101, (1.0, 0.9, 0.9)),
    ("knee", 1201, (1.5, 0.9, 0.9)),
    ("shoulder", 1301, (2.0, 1.0, 1.0)),
)
"""Phantoms without deposits: the real CTs hold one hand. Region, seed, spacing in mm."""

LIMB_SCALES = {1.0: 1.0, 0.6: 0.5}
"""Limbs are also shown as if they were smaller: fingers, children. Scale, and how often."""

_SHARE = {"STS_019": 3.0, "STS_005": 2.0, "STS_049": 3.0}
_OTHER_SHARE = 2.0
_PHANTOM_SHARE = 0.8


def world(
    data: Path, trunks: Path | None, kept: Path, fold: str, hunter: Path | None, shapes: int = 2400
) -> World:
    """Everything for a fold.

    kept : folder for what is prepared
    hunter : weights whose false deposits are mined
    """
    kept.mkdir(parents=True, exist_ok=True)
    chosen = [case for case in cases(data, trunks) if case.fold == fold]
    about = {"kept": kept, "hunter": hunter}
    work = [
        *((kept / f"{case.name}.pkl", partial(_grounds, case, data, **about)) for case in chosen),
        *((kept / f"{_name(body)}.pkl", partial(_phantom, body, **about)) for body in BODIES),
    ]
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_made, [pair for pair in work if not pair[0].exists()]))
    pairs = [pair for path, make in work for pair in _once(path, make)]
    share = np.array([weight for _, weight in pairs])
    drawn_shapes = _once(kept / f"shapes-{shapes}.pkl", lambda: bank(shapes, 0))
    return World([g for g, _ in pairs], share / share.sum(), drawn_shapes)


def _once(path: Path, work: Callable[[], T]) -> T:
    """What `work` makes, or made before."""
    if path.exists():
        return pickle.loads(path.read_bytes())  # type: ignore[no-any-return]
    made = work()
    path.with_suffix(".new").write_bytes(pickle.dumps(made))
    path.with_suffix(".new").replace(path)
    return made


def _made(about: tuple[Path, Callable[[], Weighted]]) -> None:
    _once(*about)


def _grounds(case: Case, data: Path, *, kept: Path, hunter: Path | None) -> Weighted:
    scan = read(case.path)
    about = {
        "trunk": not case.limb,
        "objects": judged(case, scan, data),
        "mined_mm": _hunted(case.name, scan, kept, hunter),
    }
    hu = np.maximum(scan.hu, OUTSIDE_HU)
    weight = _SHARE.get(case.name, 1.0) if case.limb else _OTHER_SHARE
    return [
        (ground(case.name, hu, scan.spacing, scale=scale, **about), weight * share)
        for scale, share in LIMB_SCALES.items()
        if case.limb or scale == 1
    ]


def _phantom(body: Body, *, kept: Path, hunter: Path | None) -> Weighted:
    region, seed, spacing = body
    noise = float(np.random.default_rng(seed).uniform(8, 30))
    scan = make(region, seed=seed, spacing=spacing, deposits=0, noise_hu=noise).scan
    found = _hunted(_name(body), scan, kept, hunter)
    return [(ground(_name(body), scan.hu, scan.spacing, mined_mm=found), _PHANTOM_SHARE)]


def _name(body: Body) -> str:
    return f"{body[0]}{body[1]}"


def _hunted(name: str, scan: Scan, kept: Path, hunter: Path | None) -> NDArray[np.float64] | None:
    network = None if hunter is None else load_file(str(hunter))
    if network is None:
        return None
    return _once(kept / f"{name}-mined.pkl", lambda: mined(network, scan))
