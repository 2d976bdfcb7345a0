"""Probabilities that mean what they say: a scale and a shift of logits, from patients kept for it.

Training weighs deposits and all else alike; in scans deposits are rare, hence the shift (Platt).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from calcimetry.deposits.network import load_file, probability
from calcimetry.phantom.insertion import insert
from calcimetry.phantom.placement import Mix, candidate_sites, random_placements
from calcimetry.phantom.spec import Imaging
from calcimetry.phantom.truth import Truth
from calcimetry.records import Runs, Scan
from calcimetry.runs import find_runs, voxels_of
from calcimetry.scan import read
from training.sources import Case

THRESHOLD_HU = 130
BINS = 10


@dataclass(frozen=True, slots=True)
class Calibration:
    """`bins`: for each tenth of probability, its voxels, mean probability and true share."""

    temperature: float
    shift: float
    bins: tuple[tuple[int, float, float], ...]
    cases: tuple[str, ...]


def calibrate(
    chosen: Sequence[Case], weights: Path, seed: int = 5, turns: int = 2, jobs: int = 2
) -> Calibration:
    """Fit uncalibrated weights' temperature and shift on some scans.

    Voxels of deposits that training's shapes, but another painter, put into them, against all
    else dense there.

    turns : how often each scan is painted
    """
    net = load_file(str(weights))
    if net is None:
        raise FileNotFoundError(weights)
    logits, truths = [], []
    for case in chosen:
        for turn in range(turns):
            scan, truth = _painted(read(case.path), seed + turn)
            runs = find_runs(scan.hu, THRESHOLD_HU)
            chance = np.clip(probability(net, scan, runs, jobs=jobs), 1e-6, 1 - 1e-6)
            kept, deposit = _truth_at(truth, runs)
            logits.append(np.log(chance / (1 - chance))[kept])
            truths.append(deposit[kept])
    logit, deposit = np.concatenate(logits).astype(float), np.concatenate(truths)
    temperature, shift = _fit(logit, deposit)
    bins = _bins(logit / temperature + shift, deposit)
    return Calibration(temperature, shift, bins, tuple(case.name for case in chosen))


def _painted(scan: Scan, seed: int) -> tuple[Scan, Truth]:
    rng = np.random.default_rng(seed)
    mix = Mix(diameter_mm=(3, 22), density_mg_cm3=(150, 1100), null_share=0.2)
    placed = random_placements(scan, 30, rng, sites=candidate_sites(scan), mix=mix)
    look = Imaging((0.6 * scan.spacing[0], float(rng.uniform(0.8, 1.6))), 1.4)
    return insert(scan, placed, rng, look)


def _truth_at(truth: Truth, runs: Runs) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which dense voxels are clearly deposit or clearly not, and which are deposit."""
    share = np.zeros(truth.shape, np.float32)
    for item in truth.deposits:
        share[item.box] = np.maximum(share[item.box], item.imaged)
    at = share[tuple(voxels_of(runs).T)]
    return (at > 0.5) | (at < 0.02), at > 0.5


def _fit(logit: NDArray[np.float64], deposit: NDArray[np.bool_]) -> tuple[float, float]:
    sign = np.where(deposit, 1.0, -1.0)

    def cost(about: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0, -sign * (logit * np.exp(about[0]) + about[1])).mean())

    found = optimize.minimize(cost, np.zeros(2), method="Nelder-Mead")
    return float(np.exp(-found.x[0])), float(found.x[1])


def _bins(
    logit: NDArray[np.float64], deposit: NDArray[np.bool_]
) -> tuple[tuple[int, float, float], ...]:
    chance = 1 / (1 + np.exp(-logit))
    number = np.minimum((chance * BINS).astype(int), BINS - 1)
    count = np.bincount(number, minlength=BINS)
    mean = np.bincount(number, chance, BINS) / np.maximum(count, 1)
    true = np.bincount(number, deposit.astype(float), BINS) / np.maximum(count, 1)
    return tuple(
        (int(n), round(float(m), 4), round(float(t), 4))
        for n, m, t in zip(count, mean, true, strict=True)
    )
