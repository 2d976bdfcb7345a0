"""How a scan was made, from whatever source: what matters for measuring, and no one's name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimetry.errors import UsageError
from calcimetry.records import Acquisition, Flag
from calcimetry.scan.flags import flag

THICK_MM = 3.5
"""Calcium scoring's own slices are 2.5 to 3 mm (Agatston 1990 used 3), with 3.27 mm on
some scanners; beyond, deposits of 3 mm lose most of their contrast."""


def check_kvp(kvp: Any) -> None:
    """Raise UsageError BAD_KVP for what is no tube voltage."""
    number = isinstance(kvp, (int, float)) and not isinstance(kvp, bool)
    if kvp is None or (number and 40 <= kvp <= 200):
        return
    raise UsageError(
        "BAD_KVP",
        found=f"{kvp:g} kV" if number else f"something of type {type(kvp).__name__}",
        expected="a tube voltage between 40 and 200 kV",
        where="kvp",
        remedy="give the voltage of the scan, such as 120",
    )


def with_kvp(known: Acquisition, kvp: float | None) -> Acquisition:
    """The acquisition with the tube voltage that the user gave, if any."""
    return known if kvp is None else replace(known, kvp=kvp)


def shared_flags(acquisition: Acquisition, affine: NDArray[np.float64]) -> tuple[Flag, ...]:
    """Flags that hold for every kind of input; the longest voxel edge is the slices'."""
    edge = float(np.linalg.norm(affine[:3, :3], axis=0).max())
    thick = max(acquisition.slice_thickness_mm or 0.0, edge)
    found = [
        flag("KVP_UNKNOWN") if acquisition.kvp is None and acquisition.kev is None else None,
        flag("THICK_SLICES", f"{thick:.3g} mm") if thick > THICK_MM else None,
        flag("CONTRAST") if acquisition.contrast else None,
        flag("CONTRAST_UNKNOWN") if acquisition.contrast is None else None,
    ]
    return tuple(f for f in found if f is not None)
