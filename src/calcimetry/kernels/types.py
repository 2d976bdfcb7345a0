"""Names for what kernels take and give: arrays by their number of axes, and columns of runs.

All are C-contiguous unless a kernel's docstring says otherwise; positions are (z, y, x).
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

Scalar = TypeVar("Scalar", bound=np.generic)

Vector: TypeAlias = np.ndarray[tuple[int], np.dtype[Scalar]]
"""An array of one axis: of runs, objects, points, or the voxels of a row."""

Plane: TypeAlias = np.ndarray[tuple[int, int], np.dtype[Scalar]]
"""An array of two axes: a slice (y, x), rows of voxels (z * height + y, x), or points (n, 3)."""

Volume: TypeAlias = np.ndarray[tuple[int, int, int], np.dtype[Scalar]]
"""An array of three axes, (z, y, x)."""

Stack: TypeAlias = np.ndarray[tuple[int, int, int, int], np.dtype[Scalar]]
"""An array of four axes: volumes (n, z, y, x)."""

Integer: TypeAlias = int | np.integer[Any]
Real: TypeAlias = float | np.floating[Any]
"""Numbers of Python or of NumPy: kernels do not tell them apart."""

RunColumns: TypeAlias = tuple[Vector[np.int32], Vector[np.int32], Vector[np.int32]]
"""Row (z * height + y), start and stop (x) of runs; see `records.Runs`."""

ZERO, ONE = cast(int, np.int64(0)), cast(int, np.int64(1))
"""To hand from kernel to kernel: a literal number is a type of its own to numba, which compiles
what takes it once more."""
