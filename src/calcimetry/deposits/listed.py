"""How many uncertain objects a list may hold: as many as a reader will look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_UNCERTAIN = 39
"""Uncertain objects on the list of one scan: longer lists are not read to their end."""


def stay_listed(
    probability: ArrayLike, volume_mm3: ArrayLike, most: int = MOST_UNCERTAIN
) -> NDArray[np.bool_]:
    """Which uncertain objects stay on the list: bool (n,), at most `most` of them.

    Those with the most expected volume, probability times volume, stay; of equal ones the more
    probable, and of those the first.

    probability : (n,), that each is a deposit
    volume_mm3 : (n,)
    """
    chance = np.asarray(probability, np.float64)
    expected = chance * np.asarray(volume_mm3, np.float64)
    order = np.lexsort((np.arange(len(chance)), -chance, -expected))
    stays = np.zeros(len(chance), np.bool_)
    stays[order[:most]] = True
    return stays
