"""A drawn limb of known truth, and what a network that is right would say of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcimetry.anatomy import Body, find_body
from calcimetry.deposits.network import HIDDEN, Answer, Look
from calcimetry.records import Objects, Scan
from calcimetry.runs import dense_objects, voxels_of
from calcimetry.scan import from_array

SHAPE = (64, 116, 120)
AXIS = (55.0, 55.0)  # (y, x) of the limb and of its bone
LIMB_MM, BONE_MM, MARROW_MM = 46.0, 9.0, 5.0

BALLS = {
    "on bone": ((32, 66, 55), 4.0, 600, 0.95),
    "mass": ((30, 55, 84), 6.0, 700, 0.98),
    "satellite": ((50, 55, 84), 1.5, 420, 0.05),
    "speck": ((10, 20, 40), 1.5, 420, 0.05),
}
"""Centre (z, y, x), radius, HU, and the network's probability."""

PLATE = (slice(20, 40), slice(108, 112), slice(40, 70))  # on the table


@dataclass(frozen=True, slots=True, eq=False)
class Limb:
    """The scan, its dense objects and body, and a probability for every dense voxel."""

    scan: Scan
    dense: Objects
    body: Body
    probability: np.ndarray
    masks: dict[str, np.ndarray]

    def whose(self, runs) -> str:
        """The name of the ball that most of an object is of, or "bone", or "plate"."""
        at = tuple(voxels_of(runs).T)
        shares = {name: mask[at].mean() for name, mask in self.masks.items()}
        return max(shares, key=shares.__getitem__)

    @property
    def answer(self) -> Answer:
        """As of a network whose hidden layer is empty."""
        halves = tuple(-(-n // 2) for n in SHAPE)
        z, y, x = (np.arange(n, dtype=np.int32) // 2 for n in SHAPE)
        look = Look(np.zeros((*halves, HIDDEN), np.uint8), (z, y, x))
        return Answer(self.dense.runs, self.probability, (look,), 0.1, 0)


def draw() -> Limb:
    """Muscle around one bone, a nodule grown on it, a mass with a satellite, a speck far off."""
    z, y, x = np.indices(SHAPE)
    far = np.hypot(y - AXIS[0], x - AXIS[1])
    hu = np.where(far < LIMB_MM, 50.0, -1000.0)
    hu += np.random.default_rng(1).normal(0, 5, SHAPE)
    bone = (far < BONE_MM) & (far > MARROW_MM)
    hu[bone] = 900
    masks = {"bone": bone, "plate": np.zeros(SHAPE, bool)}
    masks["plate"][PLATE] = True
    hu[masks["plate"]] = 600
    chance = np.zeros(SHAPE, np.float32)
    for name, (centre, radius, level, probability) in BALLS.items():
        away = np.sqrt(sum((a - c) ** 2 for a, c in zip((z, y, x), centre, strict=True)))
        masks[name] = (away < radius) & ~bone
        hu[masks[name]] = level
        chance[masks[name]] = probability
    scan = from_array(np.round(hu).astype(np.int16), spacing=(1.0, 1.0, 1.0), kvp=120)
    dense = dense_objects(scan.hu, 130.0)
    return Limb(scan, dense, find_body(scan), chance[tuple(voxels_of(dense.runs).T)], masks)
