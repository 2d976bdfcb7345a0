"""Small scans of one deposit each, whose mass and volume are known exactly.

Drawn on a fine cubic grid (0.25 mm), blurred by a Gaussian point spread, averaged over
voxels, with spatially correlated noise. Deposits lie in fat, in muscle, across a border of
both, or on bone; skin and air close one side of the field, as they do in a limb.

The mask that the measurement gets is not the truth: it is what a threshold of 130 HU finds.
On bone, the finder's cut is imitated: voxels go to the deposit or the bone by which of them
fills more of the (blurred) voxel, with random error on that comparison: smooth wobble (SD
0.15 of a voxel's filling) and an offset for the whole cut (SD 0.15).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.phantom.shapes import draw
from calcimetry.quantity.kvp_table import slope_at
from calcimetry.records import Acquisition, Finding, Kind, Scan
from calcimetry.runs import from_mask

STEP = 0.25
AIR, FAT, MUSCLE, SKIN = -1000.0, -100.0, 50.0, 20.0
MATRIX, MATRIX_SD = 40.0, 15.0
FAMILIES = {
    "nodule": 0.3,
    "ellipsoid": 0.2,
    "stone": 0.25,
    "lobulated": 0.1,
    "ring": 0.05,
    "sheet": 0.05,
    "linear": 0.05,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """All that is chosen for one scene. Lengths mm, densities mg/cm3, noise HU."""

    seed: int = 0
    family: str = "nodule"
    diameter: float = 8.0
    density: float = 500.0
    place: str = "muscle"  # fat, muscle, border, bone
    around_bone: str = "muscle"
    plane_factor: int = 2  # voxel edge in plane, in steps
    slice_factor: int = 6
    fwhm: float = 1.1
    noise: float = 12.0
    kvp: float = 120.0
    path: float = 80.0
    matrix: float = MATRIX
    border: float = 0.0  # offset of the fat-muscle border from the deposit's centre, mm


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A scan, what a finder would hand over, and the truth."""

    setting: Setting
    scan: Scan
    findings: tuple[Finding, ...]
    slope: float
    mass_mg: float
    volume_mm3: float


def random_setting(seed: int) -> Setting:
    """One of the study's deposits: 4-20 mm, 180-900 mg/cm3, anywhere, any protocol."""
    rng = np.random.default_rng([seed, 77])
    diameter = float(np.exp(rng.uniform(np.log(4.0), np.log(20.0))))
    return Setting(
        seed=seed,
        family=str(rng.choice(list(FAMILIES), p=list(FAMILIES.values()))),
        diameter=diameter,
        density=float(np.exp(rng.uniform(np.log(180.0), np.log(900.0)))),
        place=("fat", "muscle", "border", "bone")[seed % 4],
        around_bone=str(rng.choice(["fat", "muscle"])),
        plane_factor=int(rng.integers(2, 5)),
        slice_factor=int(rng.choice([3, 5, 8, 12, 20])),
        fwhm=float(rng.choice([0.7, 1.1, 1.6])),
        noise=float(rng.choice([6.0, 14.0, 28.0])),
        kvp=float(rng.choice([80.0, 100.0, 120.0, 140.0])),
        path=float(rng.uniform(30.0, 200.0)),
        matrix=float(rng.normal(MATRIX, MATRIX_SD)),
        border=float(rng.uniform(-0.5, 0.5) * diameter),
    )


def scene(setting: Setting) -> Scene:
    """Draw, blur, sample and threshold one scene."""
    rng = np.random.default_rng([setting.seed, 5])
    slope = float(slope_at(setting.kvp, setting.path))
    deposit, bone, tissue = _drawn(setting, rng)
    filled = deposit if setting.family == "ball" else (deposit > 0).astype(np.float32)
    clean = tissue * (1 - filled) + setting.matrix * filled + deposit * (setting.density / slope)
    sigma = setting.fwhm / 2.3548 / STEP
    factors = (setting.slice_factor, setting.plane_factor, setting.plane_factor)
    image = _sampled(ndimage.gaussian_filter(clean, sigma, mode="nearest"), factors)
    share = _sampled(ndimage.gaussian_filter(filled, sigma), factors)
    bony = _sampled(ndimage.gaussian_filter(bone, sigma), factors)
    image = image + setting.noise * _noise(image.shape, factors, rng)
    scan = _scan(np.clip(np.round(image), -1024, 3071), factors, setting.kvp)
    cell = STEP**3
    return Scene(
        setting=setting,
        scan=scan,
        findings=_found(scan, share, bony, rng),
        slope=slope,
        mass_mg=float(deposit.sum()) * setting.density * cell / 1000.0,
        volume_mm3=float(filled.sum()) * cell,
    )


def without_deposit(setting: Setting) -> Setting:
    """The same scene with nothing in it."""
    return replace(setting, density=0.0)


def _drawn(
    setting: Setting, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Relative density, bone and soft tissue HU on the fine grid."""
    shape = _shape(setting, rng)
    size = np.array(shape.shape) + 2 * int(13.0 / STEP)
    size[1] += int(6.0 / STEP)
    size = -(-size // 60) * 60  # whole voxels for every factor used
    low = (size - np.array(shape.shape)) // 2 + rng.integers(-4, 5, 3)
    low[1] -= int(3.0 / STEP)
    box = tuple(slice(a, a + n) for a, n in zip(low, shape.shape, strict=True))
    deposit = np.zeros(size, np.float32)
    deposit[box] = shape
    centre = low + np.array(shape.shape) / 2
    grid = [(np.arange(n, dtype=np.float32) - c) * STEP for n, c in zip(size, centre, strict=True)]
    z, y, x = np.meshgrid(*grid, indexing="ij", sparse=True)
    tissue = _tissue(setting, (z, y, x), rng)
    bone = np.zeros(size, np.float32)
    if setting.place == "bone":
        bone = _bone(deposit, (z, y, x), tissue, rng)
        deposit[bone > 0] = 0
    _close(tissue, (z, y, x), float(grid[1][-1]))
    return deposit, bone, tissue


def _shape(setting: Setting, rng: np.random.Generator) -> NDArray[np.float32]:
    if setting.family != "ball":
        return draw(setting.family, setting.diameter, rng, STEP)
    half = int(np.ceil(setting.diameter / 2 / STEP)) + 2
    offset = rng.uniform(-0.5, 0.5, 3)
    z, y, x = (np.arange(-half, half + 1) - o for o in offset)
    radius = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2) * STEP
    return np.clip((setting.diameter / 2 - radius) / STEP + 0.5, 0, 1).astype(np.float32)


def _tissue(
    setting: Setting, at: tuple[NDArray[np.float32], ...], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Fat, muscle, or both sides of a gently curved border; with texture of 6 HU over 3 mm."""
    z, y, x = at
    kind = setting.around_bone if setting.place == "bone" else setting.place
    if kind == "border":
        n = rng.normal(size=3)
        n /= np.linalg.norm(n)
        bend = rng.uniform(-0.01, 0.01)
        height = n[0] * z + n[1] * y + n[2] * x + bend * (z * z + y * y + x * x) - setting.border
        tissue = np.where(height > 0, np.float32(MUSCLE), np.float32(FAT))
    else:
        level = np.float32(FAT if kind == "fat" else MUSCLE)
        tissue = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), level, np.float32)
    coarse = rng.standard_normal([n // 4 + 1 for n in tissue.shape]).astype(np.float32)
    coarse = ndimage.gaussian_filter(coarse, 1.3)
    coarse *= 6.0 / coarse.std()
    texture = np.repeat(np.repeat(np.repeat(coarse, 4, 0), 4, 1), 4, 2)
    tissue += texture[: tissue.shape[0], : tissue.shape[1], : tissue.shape[2]]
    return tissue


def _bone(
    deposit: NDArray[np.float32],
    at: tuple[NDArray[np.float32], ...],
    tissue: NDArray[np.float32],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """A long bone along z whose cortex cuts 0-20 % off the deposit's side; paints its HU."""
    _, y, x = at
    radius, cortex = rng.uniform(6.0, 14.0), rng.uniform(1.2, 3.0)
    angle = rng.uniform(0, np.pi)  # never towards the skin
    filled = np.nonzero(deposit.any(0))
    reach = (filled[1] * STEP + x.ravel()[0]) * np.cos(angle) - (
        filled[0] * STEP + y.ravel()[0]
    ) * np.sin(angle)
    middle = np.quantile(reach, rng.uniform(0.8, 1.0)) + radius
    from_axis = np.hypot(x - middle * np.cos(angle), y + middle * np.sin(angle))
    bone = np.broadcast_to(from_axis < radius, tissue.shape)
    marrow = np.broadcast_to(from_axis < radius - cortex, tissue.shape)
    tissue[bone] = rng.uniform(900.0, 1500.0)
    tissue[marrow] = rng.uniform(-60.0, 200.0)
    return bone.astype(np.float32)


def _close(tissue: NDArray[np.float32], at: tuple[NDArray[np.float32], ...], end: float) -> None:
    """Skin and air on the last 3 mm along y, on a curved surface."""
    z, y, x = at
    depth = np.broadcast_to(end - 3.0 - (x * x) / 150.0 - (z * z) / 400.0 - y, tissue.shape)
    tissue[depth < 1.2] = SKIN
    tissue[depth < 0] = AIR


def _sampled(fine: NDArray[np.float32], factors: tuple[int, int, int]) -> NDArray[np.float32]:
    kz, ky, kx = factors
    whole = fine[: len(fine) // kz * kz, : fine.shape[1] // ky * ky, : fine.shape[2] // kx * kx]
    z, y, x = whole.shape
    blocks = whole.reshape(z // kz, kz, y // ky, ky, x // kx, kx)
    return np.asarray(blocks.mean(axis=(1, 3, 5)), np.float32)


def _noise(
    shape: tuple[int, ...], factors: tuple[int, int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Unit noise, correlated over about 1.5 mm in plane and 1 mm through it."""
    sigma = (0.45 / (STEP * factors[0]), 0.65 / (STEP * factors[1]), 0.65 / (STEP * factors[2]))
    field = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma)
    return np.asarray(field / field.std(), np.float32)


def _scan(hu: NDArray[np.float32], factors: tuple[int, int, int], kvp: float) -> Scan:
    z, y, x = (STEP * k for k in factors)
    affine = np.diag([x, y, z, 1.0])
    values = np.ascontiguousarray(hu, dtype=np.int16)
    return Scan.of(values, affine, Acquisition(kvp=kvp))


def _found(
    scan: Scan, share: NDArray[np.float32], bony: NDArray[np.float32], rng: np.random.Generator
) -> tuple[Finding, ...]:
    """What a threshold finds, cut from bone; the deposit first. Empty: nothing was found."""
    dense = scan.hu >= 130
    wobble = ndimage.gaussian_filter(rng.standard_normal(dense.shape), 1.0)
    wobble = wobble * (0.15 / wobble.std()) + rng.normal(0.0, 0.15)
    to_bone = dense & (bony > share + wobble) & (bony > 0.02)
    to_bone |= dense & (bony > 0.5)
    own = _touching(dense & ~to_bone, share > 0.3)
    findings = []
    if own.any():
        findings.append(Finding(from_mask(own), Kind.DEPOSIT, "threshold", 1.0))
        if to_bone.any():
            findings.append(Finding(from_mask(to_bone), Kind.BONE, "truth", 1.0))
    return tuple(findings)


def _touching(mask: NDArray[np.bool_], seed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    keep = np.zeros(count + 1, bool)
    keep[np.unique(labels[seed & mask])] = True
    keep[0] = False
    return np.asarray(keep[labels])
