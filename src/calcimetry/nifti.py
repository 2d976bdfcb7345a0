"""NIfTI's world and ours: x and y point the other way (RAS+ there, LPS+ here), z the same.

NIfTI: x to the right, y to the front, z up. DICOM, and this package: x to the left, y to the back,
z up. Millimetres in both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])


def ras_of_lps(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """An affine (4, 4) to LPS mm, as NIfTI writes it: to RAS mm."""
    return np.asarray(_TURN @ affine, np.float64)


def lps_of_ras(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """An affine (4, 4) to RAS mm, as NIfTI has it, turned to LPS mm."""
    return np.asarray(_TURN @ affine, np.float64)
