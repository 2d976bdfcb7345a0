"""A joint that bends: bones turn rigidly about it, the soft tissue around follows.

The joint's axis runs along x. Seen along it, tissue within 45 degrees of the distal limb's
axis turns with that limb, tissue within 45 degrees of the proximal one stays, and between them
the angle of turn falls evenly: so skin and muscle are stretched on one side of the joint and
pressed together on the other, and nothing tears. A bone turns as one, by its own share of the
angle (1 distal, 0 proximal; a kneecap between).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Axes = tuple[Values, Values, Values]
"""x, y and z of cells in the body's frame; they broadcast to (z, y, x)."""
Real = NDArray[np.float64]

_RIGID = np.pi / 4  # from either limb's axis


@dataclass(frozen=True, slots=True)
class Joint:
    """Where a body bends.

    y_mm, z_mm : of the axis, body frame; the limb that turns lies below it
    towards : where bending takes that limb: -1 to the front (elbow), 1 to the back (knee)
    angle_deg : by how much, 0 to 80
    """

    y_mm: float
    z_mm: float
    towards: int
    angle_deg: float = 0.0

    @property
    def angle(self) -> float:
        return float(np.deg2rad(self.angle_deg))

    def bent(self, points: NDArray[np.float64], share: float | None = None) -> NDArray[np.float64]:
        """Points (..., 3) of the straight body, where the bent one has them.

        share : of the angle, for what moves with a bone; None for soft tissue
        """
        x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
        radius, at = self._polar(y, z)
        turn = self.angle * (_share(at) if share is None else share)
        return np.stack([x, *self._upright(radius, at + turn)], axis=-1)

    def straight(self, at: Axes, share: float | None = None) -> Axes:
        """Positions in the bent body, where the straight one has them."""
        x, y, z = at
        radius, angle = self._polar(y, z)
        if share is None:
            knots = np.array([-np.pi, _RIGID - np.pi, -_RIGID, _RIGID, np.pi - _RIGID, np.pi])
            there = np.interp(angle, knots + self.angle * _share(knots), knots)
        else:
            there = angle - self.angle * share
        back, up = self._upright(radius, there)
        return x, back.astype(np.float32), up.astype(np.float32)

    def turn(self, point: NDArray[np.float64], share: float | None = None) -> NDArray[np.float64]:
        """(3, 3) on (x, y, z): how the surroundings of a point of the straight body turn."""
        _, at = self._polar(point[1], point[2])
        angle = self.towards * self.angle * float(_share(at) if share is None else share)
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])

    def _polar(self, y: NDArray[Any], z: NDArray[Any]) -> tuple[Real, Real]:
        """Distance from the axis, and angle from the distal limb towards the bending side."""
        across, along = (y - self.y_mm) * self.towards, self.z_mm - z
        return np.hypot(across, along), np.arctan2(across, along)

    def _upright(self, radius: Any, angle: Any) -> tuple[Real, Real]:
        across, along = radius * np.sin(angle), radius * np.cos(angle)
        return self.y_mm + self.towards * across, self.z_mm - along


def _share(angle: Any) -> Real:
    """Of the joint's angle, by which soft tissue turns at an angle from the distal limb."""
    part = (np.pi - _RIGID - np.abs(angle)) / (np.pi - 2 * _RIGID)
    return np.asarray(np.clip(part, 0.0, 1.0))
