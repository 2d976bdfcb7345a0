"""Whole phantoms: a body drawn in a scanner, with deposits of known truth.

A `PhantomSpec` says everything: whose anatomy, which deposits, how it lies, how it is
scanned. The truth follows from anatomy and deposits alone, so it is the same at every
spacing, voltage, noise and pose; a later visit is the same spec with some of it replaced
(deposits grown, new or gone; another pose, protocol or noise seed).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.errors import UsageError
from calcimetry.phantom.canvas import Canvas, Ellipsoid, Pose
from calcimetry.phantom.deposits import bent, bulges, placements, random_deposits, settled
from calcimetry.phantom.hand import hand
from calcimetry.phantom.insertion import insert_into
from calcimetry.phantom.limbs import elbow, knee, shoulder, thigh
from calcimetry.phantom.spec import DepositSpec, Imaging, PhantomSpec, Placement, Protocol
from calcimetry.phantom.spectrum import hu_per_mg_cm3
from calcimetry.phantom.support import draw_support, support_height
from calcimetry.phantom.tissue import Body, Soft
from calcimetry.phantom.trunk import trunk
from calcimetry.phantom.truth import Truth
from calcimetry.records import Acquisition, Scan
from calcimetry.statistics import FWHM_PER_SD

REGIONS: dict[str, Callable[..., Body]] = {
    "hand": hand,
    "elbow": elbow,
    "shoulder": shoulder,
    "trunk": trunk,
    "thigh": thigh,
    "knee": knee,
}
_DRAWN_MM = 1.6  # voxels longer than this are subdivided before drawing
_SLAB_CELLS = 6_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """A scan, what is really in it, and what it was made from."""

    scan: Scan
    truth: Truth
    spec: PhantomSpec


def make(
    region: str,
    *,
    seed: int = 0,
    spacing: tuple[float, float, float] | None = None,
    kvp: float = 120.0,
    deposits: int | None = None,
    **protocol: Any,
) -> Phantom:
    """A random phantom of a region: hand, elbow, shoulder, trunk, thigh or knee.

    `deposits` is how many (by default drawn from the region's distribution); other keywords
    go to `Protocol`. The same arguments give the same phantom to the bit. Raises UsageError
    for an unknown region.
    """
    anatomy = _body(region, seed, left=False)
    default = Protocol() if region == "hand" else Protocol(spacing=(1.0, 0.8, 0.8))
    chosen = replace(default, spacing=spacing or default.spacing, kvp=kvp, **protocol)
    wanted = random_deposits(region, anatomy, np.random.default_rng([seed, 1]), deposits)
    return realise(PhantomSpec(region, seed, wanted, chosen, noise_seed=seed))


def placed(spec: PhantomSpec) -> tuple[Body, list[Placement]]:
    """The body that a spec describes, its skin raised where needed, and what is put in it."""
    body = _body(spec.region, spec.anatomy_seed, left=spec.left)
    centres = settled(body, spec.deposits)
    body = _bulged(body, bulges(body, spec.deposits, centres))
    return body, placements(spec, body, centres)


def realise(spec: PhantomSpec) -> Phantom:
    """The phantom that a spec describes."""
    how = spec.protocol
    body, places = placed(spec)
    scale = how.hu_per_mg_cm3 or hu_per_mg_cm3(how.kvp, body.path_cm)
    scan = _empty(spec, body)
    hu = _drawn(spec, body, scan, scale)
    sigma = np.array([how.fwhm_mm[0], *(how.fwhm_mm[1],) * 2]) / FWHM_PER_SD / np.array(how.spacing)
    ndimage.gaussian_filter(hu, sigma, output=hu, mode="nearest", truncate=3.0)
    look = Imaging(how.fwhm_mm, scale, how.matrix_hu, ceiling_hu=32767)
    rng = np.random.default_rng([spec.noise_seed, 2])
    painted = insert_into(hu, scan, places, rng, look)
    _add_noise(hu, how, rng)
    np.clip(np.rint(hu, out=hu), -1024, how.ceiling_hu, out=hu)
    return Phantom(replace(scan, hu=hu.astype(np.int16)), Truth.of(painted, hu.shape), spec)


def _body(region: str, seed: int, *, left: bool) -> Body:
    if region not in REGIONS:
        raise UsageError(
            "PHANTOM_UNKNOWN_REGION",
            found=f"'{region}'",
            expected="one of " + ", ".join(REGIONS),
            where="the phantom's region",
            remedy="choose a region that is listed",
        )
    return REGIONS[region](seed, mirror=left)


def _bulged(body: Body, extra: list[Ellipsoid]) -> Body:
    """The body with its skin raised over deposits."""
    layers = tuple(
        replace(layer, hull=[*layer.hull, *extra]) if isinstance(layer, Soft) else layer
        for layer in body.layers
    )
    return replace(body, layers=layers)


def _empty(spec: PhantomSpec, body: Body) -> Scan:
    how = spec.protocol
    centre, extent = _field(body, spec.pose)
    below = support_height(how.table, how.rods)
    extent[1] += below
    centre[1] += below / 2
    shape = how.shape or tuple(int(n) for n in np.ceil(extent / how.spacing))
    affine = np.diag([how.spacing[2], how.spacing[1], how.spacing[0], 1.0])
    affine[:3, 3] = centre - (np.array(shape[::-1]) - 1) / 2 * np.array(how.spacing[::-1])
    hu = np.zeros(shape, np.int16)
    return Scan.of(hu, affine, _acquisition(spec))


def _field(body: Body, pose: Pose) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle (x, y, z) and extent (z, y, x) of the usual field, mm; of a bent body, all of it."""
    centre, extent = np.array(body.centre), np.array(body.extent_mm)
    joint = bent(body, pose)
    if joint is None:
        return centre, extent
    half = extent[::-1] / 2
    low, high = centre - half, centre + half
    far = np.array([[x, y, low[2]] for x in (low[0], high[0]) for y in (low[1], high[1])])
    ends = np.concatenate([joint.bent(far, 1.0), [low, high]])
    low, high = ends.min(axis=0), ends.max(axis=0)
    return (low + high) / 2, (high - low)[::-1]


def _acquisition(spec: PhantomSpec) -> Acquisition:
    how, paired = spec.protocol, spec.region != "trunk"
    return Acquisition(
        kvp=how.kvp,
        kernel=how.kernel,
        contrast=False,
        manufacturer="calcimetry",
        model=f"phantom {spec.region}",
        date="2000-01-01",
        slice_thickness_mm=how.spacing[0],
        body_part={"trunk": "CHEST"}.get(spec.region, spec.region.upper()),
        laterality=("L" if spec.left else "R") if paired else None,
        patient_position="HFS",
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        hu_ceiling=how.ceiling_hu,
        series_number=1,
        series_description=f"phantom {spec.region}",
    )


def _drawn(spec: PhantomSpec, body: Body, scan: Scan, scale: float) -> NDArray[np.float32]:
    """The anatomy's HU on the scan's grid, each voxel the mean over its box, without blur."""
    spacing = np.array(spec.protocol.spacing)
    parts = np.maximum(np.ceil(spacing / _DRAWN_MM).astype(int), 1)
    out = np.empty(scan.hu.shape, np.float32)
    _, y, x = (_cells(scan, axis, (0, scan.hu.shape[axis]), parts[axis]) for axis in range(3))
    depth = max(int(_SLAB_CELLS / (y.size * x.size * parts[0])), 1)
    for first in range(0, scan.hu.shape[0], depth):
        last = min(first + depth, scan.hu.shape[0])
        canvas = Canvas(_cells(scan, 0, (first, last), parts[0]), y, x, plain=spec.protocol.plain)
        draw_support(canvas, body, spec.protocol.table, spec.protocol.rods, scale)
        canvas.pose, canvas.joint = spec.pose, bent(body, spec.pose)
        body.draw(canvas, scale)
        out[first:last] = _block_mean(canvas.hu, parts)
    return out


def _cells(scan: Scan, axis: int, span: tuple[int, int], parts: int) -> NDArray[np.float64]:
    """Middles of cells along one axis (0 is z), LPS mm."""
    step, start = scan.affine[2 - axis, 2 - axis], scan.affine[2 - axis, 3]
    index = np.arange(span[0] * parts, span[1] * parts)
    return np.asarray(start + step * ((index + 0.5) / parts - 0.5))


def _block_mean(cells: NDArray[np.float32], parts: NDArray[np.intp]) -> NDArray[np.float32]:
    if (parts == 1).all():
        return cells
    shape = [n for size, f in zip(cells.shape, parts, strict=True) for n in (size // f, f)]
    return np.asarray(cells.reshape(shape).mean(axis=(1, 3, 5)), dtype=np.float32)


def _add_noise(hu: NDArray[np.float32], how: Protocol, rng: np.random.Generator) -> None:
    """Noise with the reconstruction's grain: band-passed in plane, little across slices."""
    if how.noise_hu <= 0:
        return
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    sigma = np.array([0.35 * how.noise_fwhm_mm, *(how.noise_fwhm_mm,) * 2]) / FWHM_PER_SD
    sigma = sigma / np.array(how.spacing)
    ndimage.gaussian_filter(noise, sigma, output=noise, mode="wrap", truncate=3.0)
    broad = [0, 2.5 * sigma[1], 2.5 * sigma[2]]
    noise -= np.float32(0.6) * ndimage.gaussian_filter(noise, broad, mode="wrap", truncate=2.5)
    hu += noise * np.float32(how.noise_hu / float(noise.std()))


def later_visit(
    spec: PhantomSpec,
    *,
    deposits: tuple[DepositSpec, ...],
    pose: Pose | None = None,
    protocol: Protocol | None = None,
    noise_seed: int | None = None,
) -> PhantomSpec:
    """The same body at another visit: other deposits, laid down anew, perhaps scanned otherwise."""
    seed = spec.noise_seed + 1 if noise_seed is None else noise_seed
    return replace(
        spec,
        deposits=deposits,
        pose=pose or spec.pose,
        protocol=protocol or spec.protocol,
        noise_seed=seed,
    )
