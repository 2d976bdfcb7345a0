"""Hard negatives by object: what a network takes for deposits in scans without painted ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from calcimetry.deposits.network import Network, probability
from calcimetry.records import Scan
from calcimetry.runs import find_runs, voxels_of

DENSE_HU = 130
PROBABILITY = 0.2
SMALLEST_MM3, LARGEST_MM3 = 10.0, 20_000.0


def mined(network: Network, scan: Scan) -> NDArray[np.float64]:
    """The surest voxel of each connected set of dense voxels that the network gives PROBABILITY.

    Returns float64 (n, 3), mm (z, y, x) from the middle of the scan's first voxel. Sets within
    bone count too: what the network would cut from it.
    """
    dense = find_runs(scan.hu, DENSE_HU)
    chance = probability(network, scan, dense)
    chosen = chance >= PROBABILITY
    place, chance = voxels_of(dense)[chosen], chance[chosen]
    mask = np.zeros(scan.hu.shape, bool)
    mask[tuple(place.T)] = True
    label, count = ndi.label(mask, np.ones((3, 3, 3)))
    number = label[tuple(place.T)]
    size = np.bincount(number, minlength=count + 1) * scan.voxel_mm3
    order = np.argsort(-chance, kind="stable")
    kept, first = np.unique(number[order], return_index=True)
    surest = place[order[first]]
    fits = (size[kept] >= SMALLEST_MM3) & (size[kept] <= LARGEST_MM3)
    return np.asarray(surest[fits] * np.array(scan.spacing))
