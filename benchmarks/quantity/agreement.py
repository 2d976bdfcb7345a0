"""How measured masses agree with the truth, as the papers on calcium mass count it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Agreement:
    """rmse : root mean square of measured - truth, in their unit

    rmsd : the same about the line fitted to them; slope, intercept : of that line; r2 : squared
    correlation. As in MolloiLab/cac-simulation (doi 10.1117/1.JMI.10.4.043502).
    """

    rmse: float
    rmsd: float
    slope: float
    intercept: float
    r2: float


def agreement(truth: ArrayLike, measured: ArrayLike) -> Agreement:
    """Agreement of two lists of equal length, three values or more."""
    x, y = np.asarray(truth, float).ravel(), np.asarray(measured, float).ravel()
    slope, intercept = np.polyfit(x, y, 1)
    return Agreement(
        rmse=float(np.sqrt(np.mean((y - x) ** 2))),
        rmsd=float(np.sqrt(np.mean((y - slope * x - intercept) ** 2))),
        slope=float(slope),
        intercept=float(intercept),
        r2=float(np.corrcoef(x, y)[0, 1] ** 2),
    )
