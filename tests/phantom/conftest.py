from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from calcimetry.records import Scan


def flat_scan(
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    shape: tuple[int, int, int] = (40, 40, 40),
    hu: int = 55,
) -> Scan:
    """A uniform block, its middle at LPS (10, -20, 30), with axes that run against x and y."""
    dz, dy, dx = spacing
    turn = np.array([[-dx, 0, 0], [0, -dy, 0], [0, 0, dz]])
    affine = np.eye(4)
    affine[:3, :3] = turn
    affine[:3, 3] = np.array([10.0, -20.0, 30.0]) - turn @ (np.array(shape[::-1]) - 1) / 2
    return Scan.of(np.full(shape, hu, np.int16), affine)


@pytest.fixture
def flat() -> Callable[..., Scan]:
    return flat_scan
