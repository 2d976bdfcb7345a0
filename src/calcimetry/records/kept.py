"""What is kept of a scan so that another visit can be laid over it and compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from calcimetry.records.squeezed import squeezed, unsqueezed
from calcimetry.records.words import by

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class SoftTissue:
    """Coarse HU of the soft tissue around deposits.

    code : uint8 (z, y, x); 0 was not kept, 255 holds something dense, any other is
        ``LOW_HU + STEP_HU * (code - 1)`` HU, cut off at LOW_HU and HIGH_HU
    affine : (4, 4), cells (i, j, k) to LPS mm
    """

    LOW_HU: ClassVar[float] = -200.0
    HIGH_HU: ClassVar[float] = 130.0
    STEP_HU: ClassVar[float] = 2.0

    code: NDArray[np.uint8]
    affine: NDArray[np.float64]

    def __repr__(self) -> str:
        return f"SoftTissue({by(self.code.shape)} cells)"

    def __reduce__(self) -> tuple[Any, ...]:
        return _carried, (SoftTissue, squeezed(self.code), squeezed(self.affine))


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """What of a body is kept to lay another visit over this one.

    bone : points of the bones' outer surface, LPS mm, float32 (n, 3)
    skin : points of the skin
    soft : soft tissue around deposits; None in examinations of older versions
    """

    bone: NDArray[np.float32]
    skin: NDArray[np.float32]
    soft: SoftTissue | None = None

    def __repr__(self) -> str:
        soft = "" if self.soft is None else f", {self.soft!r}"
        return f"Landmarks({len(self.bone)} points of bone, {len(self.skin)} of skin{soft})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _carried, (Landmarks, squeezed(self.bone), squeezed(self.skin), self.soft)


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """The images about some deposits.

    box : int32 (n, 6), z0, z1, y0, y1, x0, x1 of each; the odd ones are one past the last
    hu : int16, the voxels of all boxes, one box after the other, each in raster order
    uids : of the deposit in each box
    """

    box: NDArray[np.int32]
    hu: NDArray[np.int16]
    uids: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Crops({len(self.box)} boxes, {len(self.hu)} voxels)"

    def __reduce__(self) -> tuple[Any, ...]:
        return _carried, (Crops, squeezed(self.box), squeezed(self.hu), list(self.uids))


def _carried(record: type, *given: Any) -> Any:
    """A record that was pickled small: arrays come as (dtype, shape, bytes)."""
    parts = [unsqueezed(part) if isinstance(part, tuple) else part for part in given]
    return record(*(tuple(part) if isinstance(part, list) else part for part in parts))
