"""Small scans whose answers can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from calcimetry.records import Acquisition, Finding, Kind, Scan
from calcimetry.runs import from_mask

MakeScan = Callable[..., Scan]
MakeFinding = Callable[..., Finding]


@pytest.fixture(scope="session")
def make_scan() -> MakeScan:
    def make(
        hu: NDArray[np.generic],
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
        **facts: object,
    ) -> Scan:
        z, y, x = spacing
        affine = np.diag([x, y, z, 1.0])
        hu.shape[2], hu.shape[1], hu.shape[0]
        acquisition = Acquisition(**({"kvp": 120.0} | facts))  # type: ignore[arg-type]
        values = np.ascontiguousarray(np.round(hu), dtype=np.int16)
        return Scan.of(values, affine, acquisition)

    return make


@pytest.fixture(scope="session")
def make_finding() -> MakeFinding:
    def make(mask: NDArray[np.bool_], kind: Kind = Kind.DEPOSIT) -> Finding:
        return Finding(from_mask(mask), kind, "made for a test", 1.0)

    return make


@pytest.fixture(scope="session")
def blurred_ball() -> Callable[..., NDArray[np.float64]]:
    """A ball of excess 1, blurred by a Gaussian, exactly (closed form), on a 1 mm-like grid."""
    from calcimetry.quantity.volume import ball_profile

    def make(
        radius: float,
        sigma: float,
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
        half: int = 14,
        centre: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> NDArray[np.float64]:
        axes = [
            np.arange(-int(half / s), int(half / s) + 1) * s - c
            for s, c in zip(spacing, centre, strict=True)
        ]
        z, y, x = np.meshgrid(*axes, indexing="ij")
        return ball_profile(np.sqrt(z * z + y * y + x * x) / sigma, radius / sigma)

    return make
