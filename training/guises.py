"""The same scan as it might have come otherwise: what is found in it should be the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from scipy import ndimage as ndi

from calcimetry.records import Scan
from calcimetry.scan import from_array

AIR_HU = -1000


def shifted(scan: Scan) -> Scan:
    """As if its grid began 0.4 of a voxel earlier along each axis (cubic splines)."""
    hu = ndi.shift(scan.hu.astype(np.float32), 0.4, order=3, mode="nearest")
    return _with(scan, hu)


def trimmed(scan: Scan) -> Scan:
    """Without its first rows and columns and its last slice, to 2 HU."""
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array([5.0, 3.0, 0.0])
    hu = np.round(scan.hu[:-1, 3:, 5:] / 2) * 2
    return from_array(
        np.ascontiguousarray(hu.astype(np.int16)), affine=affine, acquisition=scan.acquisition
    )


def _with(scan: Scan, hu: np.ndarray) -> Scan:  # type: ignore[type-arg]
    bounds = float(scan.hu.min()), float(scan.hu.max())
    return replace(scan, hu=np.round(np.clip(hu, *bounds)).astype(np.int16))


GUISES: Mapping[str, Callable[[Scan], Scan]] = {"shifted": shifted, "trimmed": trimmed}
"""Those that training shows; `benchmarks.finder.nature` has others."""
