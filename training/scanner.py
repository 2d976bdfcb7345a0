"""How the scanner shows a patch: metal, pose, slices, kernel, dose, kVp, the field's end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy.spatial.transform import Rotation

from calcimetry.deposits.resample import GRID_MM
from training.paint import IGNORE, PATCH, Label, Patch

AIR_HU = -350
OUTSIDE_HU = -1024
TILT_DEGREES = 20.0


def tilted(hu: Patch, label: Label, rng: np.random.Generator) -> tuple[Patch, Label]:
    """A patch that lies a little obliquely: turned about its middle, its corners mirrored."""
    axis = rng.normal(size=3)
    angle = np.radians(rng.uniform(3, TILT_DEGREES)) / np.linalg.norm(axis)
    turn = Rotation.from_rotvec(axis * angle).as_matrix()
    middle = np.full(3, (PATCH - 1) / 2)
    how = {"offset": middle - turn @ middle, "mode": "mirror"}
    seen = ndi.affine_transform(hu, turn, order=1, **how)
    return seen, ndi.affine_transform(label, turn, order=0, **how)


def metal(hu: Patch, label: Label, rng: np.random.Generator) -> None:
    """A clip, wire, screw or implant: at the ceiling, with streaks in its slices."""
    centre = rng.uniform(8, PATCH - 8, 3)
    axis = _unit(rng)
    offset = np.indices(hu.shape).reshape(3, -1).T - centre
    along = offset @ axis
    off = np.linalg.norm(offset - along[:, None] * axis, axis=1)
    length, radius = rng.uniform(1, 20), np.exp(rng.uniform(np.log(0.5), np.log(6)))
    inside = np.clip(radius + 0.5 - off, 0, 1) * (np.abs(along) < length)
    inside = inside.reshape(hu.shape).astype(np.float32)
    angle = np.arctan2(offset[:, 1], offset[:, 2]).reshape(hu.shape)
    far = np.hypot(offset[:, 1], offset[:, 2]).reshape(hu.shape)
    waves = sum(np.cos(int(k) * angle + rng.uniform(0, 6.3)) for k in rng.integers(2, 14, 4))
    present = inside.any(axis=(1, 2))[:, None, None]
    streak = waves * rng.uniform(20, 250) * np.exp(-far / rng.uniform(5, 25)) * present
    hu += np.where(hu > AIR_HU, streak, 0).astype(np.float32)
    hu[:] = hu * (1 - inside) + inside * rng.uniform(2200, 5000)
    label[(inside > 0.1) | (np.abs(streak) > 60)] = IGNORE
    label[inside > 0.5] = 0


def _unit(rng: np.random.Generator) -> NDArray[np.float64]:
    vector = rng.normal(size=3)
    return np.asarray(vector / np.linalg.norm(vector))


def scanned(hu: Patch, rng: np.random.Generator) -> NDArray[np.int16]:
    """The patch as another scanner might show it: slices, kernel, dose, kVp, HU scale."""
    if rng.random() < 0.2:
        hu = _thick(hu, rng)
    kernel = rng.random()
    if kernel < 0.25:
        hu = ndi.gaussian_filter(hu, rng.uniform(0.2, 0.55))
    elif kernel < 0.5:
        hu = hu + rng.uniform(0.3, 1.3) * (hu - ndi.gaussian_filter(hu, rng.uniform(0.5, 0.9)))
    gain = np.exp(rng.uniform(np.log(0.85), np.log(1.4)))
    hu = np.where(hu > 60, 60 + (hu - 60) * gain, hu) + rng.uniform(-12, 12)
    if rng.random() < 0.45:
        noise = rng.standard_normal(hu.shape, dtype=np.float32)
        if rng.random() < 0.6:
            noise = ndi.gaussian_filter(noise, rng.uniform(0.3, 0.8))
        hu = hu + noise * (np.exp(rng.uniform(np.log(3), np.log(40))) / noise.std())
    return np.clip(np.round(hu), OUTSIDE_HU, 3071).astype(np.int16)


def _thick(hu: Patch, rng: np.random.Generator) -> Patch:
    """Thicker slices: means over slabs along z, linearly interpolated."""
    thick = rng.uniform(2.5, 5.0) / GRID_MM
    at = np.arange(PATCH)
    slices = np.arange(-rng.random() * thick, PATCH + thick, thick)
    mean = np.clip(thick / 2 + 0.5 - np.abs(slices[:, None] - at[None]), 0, 1)
    mean /= np.maximum(mean.sum(1, keepdims=True), 1e-6)
    back = np.maximum(0, 1 - np.abs(at[:, None] - slices[None]) / thick)
    matrix = (back @ mean).astype(np.float32)
    return np.tensordot(matrix, hu, axes=(1, 0)).astype(np.float32)


def end_of_field(hu: NDArray[np.int16], rng: np.random.Generator) -> None:
    """Nothing beyond a plane: bones and deposits that the field cuts are still what they are."""
    at = int(rng.integers(4, PATCH // 2))
    beyond = slice(0, at) if rng.random() < 0.5 else slice(PATCH - at, PATCH)
    np.moveaxis(hu, rng.choice(3, p=[0.6, 0.2, 0.2]), 0)[beyond] = OUTSIDE_HU
