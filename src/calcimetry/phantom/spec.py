"""What is asked of a phantom: records alone, below all that draws or paints."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calcimetry.phantom.canvas import Point, Pose


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """A deposit to be painted.

    shape : float32 (z, y, x) relative mineral density, 0 where there is none
    step_mm : edge of its cells
    centre_mm : LPS (x, y, z) of the middle of the shape's box
    density_mg_cm3 : mg HA per cm3 where the relative density is 1
    rotation : (3, 3) acting on (z, y, x); None for none
    confine : leave out what would lie in bone, air or lung, or beyond them from the centre
    negative : painted to teach, not a deposit: a null insertion, a vessel
    """

    shape: NDArray[np.float32]
    step_mm: float
    centre_mm: tuple[float, float, float]
    density_mg_cm3: float
    family: str = "nodule"
    site: str | None = None
    tissue: str | None = None
    touches_bone: bool | None = None
    rotation: NDArray[np.float64] | None = None
    confine: bool = False
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Imaging:
    """How deposits look in the scan that they are painted into.

    fwhm_mm : Gaussian point spread through plane (z) and in plane (y and x); on top of it,
        a voxel is the mean over its box
    hu_per_mg_cm3 : HU per mg HA/cm3; 1 / 0.638 is a hand at 120 kVp (see `spectrum`)
    matrix_hu : HU of the soft tissue between a deposit's crystals
    texture_kept : share of the scan's own noise that stays where deposit fills the voxel
    added_noise_hu, noise_fwhm_mm : SD and correlation of noise added inside deposits
    ceiling_hu : largest HU that the file can hold
    """

    fwhm_mm: tuple[float, float] = (1.0, 1.0)
    hu_per_mg_cm3: float = 1 / 0.638
    matrix_hu: float = 40.0
    texture_kept: float = 1.0
    added_noise_hu: float = 0.0
    noise_fwhm_mm: float = 1.5
    ceiling_hu: int = 3071


@dataclass(frozen=True, slots=True)
class DepositSpec:
    """A deposit of a phantom. With the same seed another diameter is the same shape, grown.

    site : of the body's sites; shift_mm : from there, body frame
    """

    site: str
    family: str
    diameter_mm: float
    density_mg_cm3: float
    seed: int = 0
    shift_mm: Point = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the phantom is scanned.

    spacing : voxel edges (z, y, x), mm
    fwhm_mm : Gaussian point spread through plane and in plane, beside the voxel's own box
    noise_hu, noise_fwhm_mm : SD of the noise and its in-plane correlation
    shape : voxels (z, y, x); None covers the region's usual field
    hu_per_mg_cm3 : None takes the spectral table for the region's size
    matrix_hu : HU of the tissue between a deposit's crystals; 56 is the muscle's own, so that
        all excess over muscle is mineral
    plain : fat, muscle and marrow without texture
    table, rods : a table under the body, a calibration block (200 mg/cm3 and water) on it
    """

    spacing: tuple[float, float, float] = (0.625, 0.5, 0.5)
    kvp: float = 120.0
    fwhm_mm: tuple[float, float] = (0.8, 0.8)
    noise_hu: float = 12.0
    noise_fwhm_mm: float = 1.2
    kernel: str = "STANDARD"
    shape: tuple[int, int, int] | None = None
    hu_per_mg_cm3: float | None = None
    ceiling_hu: int = 3071
    table: bool = True
    rods: bool = False
    matrix_hu: float = 40.0
    plain: bool = False


@dataclass(frozen=True, slots=True)
class PhantomSpec:
    """All that makes a phantom; equal specs make equal bits."""

    region: str
    anatomy_seed: int = 0
    deposits: tuple[DepositSpec, ...] = ()
    protocol: Protocol = field(default_factory=Protocol)
    pose: Pose = field(default_factory=Pose)
    noise_seed: int = 0
    left: bool = False
    mimics: bool = True  # calcium of vessels and cartilage, where the region has some
