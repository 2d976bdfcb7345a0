"""People who are scanned again and again: drawn bodies, and real CTs laid down anew.

A real CT cannot be scanned twice, so both visits are made from it. Its noise is taken off by an
edge-preserving filter (guided filter, He 2013, doi 10.1109/TPAMI.2012.213); what is left is
laid down anew for each visit (cubic splines) on that visit's own grid, deposits are painted
into it exactly, and fresh noise comes on top, with the SD and the autocorrelation that were
measured in the original. So no visit shares noise with another, deposits are never resampled,
and slices cut the body elsewhere each time. What it lacks: motion, streaks, another recumbency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from calcimetry.phantom.body import REGIONS, realise
from calcimetry.phantom.canvas import Pose
from calcimetry.phantom.deposits import carried
from calcimetry.phantom.insertion import insert_into
from calcimetry.phantom.spec import Imaging, PhantomSpec, Placement
from calcimetry.phantom.spec import Protocol as How
from calcimetry.phantom.spectrum import hu_per_mg_cm3
from calcimetry.phantom.tissue import Body
from calcimetry.phantom.truth import Painted
from calcimetry.quantity.noise import Noise, noise_of
from calcimetry.records import Frame, Scan
from calcimetry.scan import read

AIR = -1000
BONE_HU = 130.0
MATRIX_HU = 40.0


@dataclass(frozen=True, slots=True)
class Session:
    """How a visit is scanned.

    noise : factor on the subject's usual; spacing : (z, y, x); field_z : LPS mm that the field
        keeps, from and to
    """

    pose: Pose
    spacing: tuple[float, float, float]
    kvp: float = 120.0
    noise: float = 1.0
    seed: int = 0
    date: str = "2025-01-01"
    field_z: tuple[float, float] = (-np.inf, np.inf)


class Shown(NamedTuple):
    """One placement as a visit shows it.

    placed : where the visit has it; painted : None where nothing of it reaches the field
    added : HU that it added, float32 on `painted.box`
    """

    placed: Placement
    painted: Painted | None
    added: NDArray[np.float32]


class Subject(Protocol):
    """Somebody with a body of their own."""

    name: str
    kind: str
    spacing: tuple[float, float, float]
    kvp: float
    bends: bool

    @property
    def reference(self) -> Scan: ...
    def moved(self, place: Placement, pose: Pose) -> Placement: ...
    def visit(
        self, how: Session, placements: Sequence[Placement]
    ) -> tuple[Scan, tuple[Shown, ...]]: ...


@dataclass(frozen=True)
class Drawn:
    """A phantom: redrawn at every visit, with joints bent if asked."""

    region: str
    seed: int
    spacing: tuple[float, float, float] = (1.5, 0.9, 0.9)
    kvp: float = 120.0
    kind: str = "phantom"

    @property
    def name(self) -> str:
        return f"{self.region} {self.seed}"

    @property
    def bends(self) -> bool:
        return self.body.joint is not None

    @cached_property
    def body(self) -> Body:
        return REGIONS[self.region](self.seed)

    @cached_property
    def reference(self) -> Scan:
        how = How(spacing=(1.5, 1.2, 1.2), noise_hu=0.0, table=False)
        return realise(PhantomSpec(self.region, self.seed, protocol=how)).scan

    def visit(
        self, how: Session, placements: Sequence[Placement]
    ) -> tuple[Scan, tuple[Shown, ...]]:
        blur = (0.8, 0.8)
        protocol = How(
            spacing=how.spacing, kvp=how.kvp, fwhm_mm=blur, noise_hu=12.0 * how.noise, table=False
        )
        spec = PhantomSpec(
            self.region, self.seed, protocol=protocol, pose=how.pose, noise_seed=how.seed
        )
        base = _within(realise(spec).scan, how.field_z)
        look = Imaging(blur, hu_per_mg_cm3(how.kvp, self.body.path_cm), MATRIX_HU)
        hu = base.hu.astype(np.float32)
        moved = [self.moved(place, how.pose) for place in placements]
        shown = _painted(hu, base, moved, look)
        facts = replace(base.acquisition, date=how.date)
        return replace(base, hu=_whole(hu), acquisition=facts), shown

    def moved(self, place: Placement, pose: Pose) -> Placement:
        return carried(place, self.body, pose)


@dataclass(frozen=True)
class Real:
    """A real CT without its noise, laid down anew at every visit."""

    path: Path
    path_cm: float = 12.0
    slices: tuple[int, int] = (0, 10_000)
    kind: str = "real"

    @property
    def name(self) -> str:
        return self.path.name.split("_CT")[0].split(".")[0]

    @property
    def bends(self) -> bool:
        return False

    @property
    def spacing(self) -> tuple[float, float, float]:
        return self.original.spacing

    @property
    def kvp(self) -> float:
        return self.original.acquisition.kvp or 120.0

    @cached_property
    def original(self) -> Scan:
        scan = read(self.path)
        z = range(scan.hu.shape[0])[slice(*self.slices)]
        return _slab(scan, z.start, z.stop)

    @cached_property
    def grain(self) -> Noise:
        return noise_of(self.original)

    @cached_property
    def reference(self) -> Scan:
        return replace(self.original, hu=_whole(_quiet(self.original.hu, self.grain.sd)))

    @cached_property
    def splines(self) -> NDArray[np.float32]:
        return ndimage.spline_filter(self.reference.hu.astype(np.float32), output=np.float32)

    @cached_property
    def middle(self) -> NDArray[np.float64]:
        return self.original.to_lps((np.array(self.original.hu.shape) - 1) / 2)

    def visit(
        self, how: Session, placements: Sequence[Placement]
    ) -> tuple[Scan, tuple[Shown, ...]]:
        scan = _within(self._laid(how), how.field_z)
        slopes = [hu_per_mg_cm3(kvp, self.path_cm) for kvp in (how.kvp, self.kvp)]
        hu = scan.hu.astype(np.float32)
        hu += np.maximum(hu - BONE_HU, 0) * np.float32(slopes[0] / slopes[1] - 1)
        look = Imaging((0.6 * self.spacing[0], 1.1), slopes[0], MATRIX_HU)
        shown = _painted(hu, scan, [self.moved(place, how.pose) for place in placements], look)
        rng = np.random.default_rng([how.seed, 9])
        hu += _noise(hu.shape, scan.spacing, (self.grain, self.spacing), rng) * how.noise
        facts = replace(self.original.acquisition, date=how.date, kvp=how.kvp)
        return replace(scan, hu=_whole(hu), acquisition=facts), shown

    def moved(self, place: Placement, pose: Pose) -> Placement:
        x, y, z = pose.to_scanner(np.array(place.centre_mm) - self.middle) + self.middle
        turn = pose.rotation()[::-1, ::-1]
        return replace(place, centre_mm=(float(x), float(y), float(z)), rotation=turn)

    def _laid(self, how: Session) -> Scan:
        """The quiet CT on a grid of its own; slices of which the body's box is not all known go."""
        source = self.original
        extent = np.array(source.hu.shape) * source.spacing
        shape = np.ceil(extent / how.spacing).astype(int)
        affine = np.diag([*how.spacing[::-1], 1.0])
        affine[:3, 3] = self.middle - (shape[::-1] - 1) / 2 * np.array(how.spacing[::-1])
        grid = Scan(
            np.zeros(shape, np.int16),
            Frame.of(tuple(shape.tolist()), affine),
            source.acquisition,
            source.source,
        )
        matrix, offset = self._back(grid, how.pose)
        hu = ndimage.affine_transform(
            self.splines, matrix, offset, tuple(shape), np.float32, 3, cval=AIR, prefilter=False
        )
        return _slab(replace(grid, hu=_whole(hu)), *self._known(grid, matrix, offset))

    def _back(self, grid: Scan, pose: Pose) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """From voxels of the visit to voxels of the original."""
        corners = np.concatenate([np.zeros((1, 3)), np.eye(3)])
        there = pose.to_body(grid.to_lps(corners) - self.middle) + self.middle
        zyx = self.original.to_zyx(there)
        return (zyx[1:] - zyx[0]).T, zyx[0]

    def _known(
        self, grid: Scan, matrix: NDArray[np.float64], offset: NDArray[np.float64]
    ) -> tuple[int, int]:
        body = (self.reference.hu > -300).any(axis=0)
        y, x = (np.flatnonzero(body.any(axis=k))[[0, -1]] for k in (1, 0))
        inverse = np.linalg.inv(matrix)
        last = self.original.hu.shape[0] - 1
        faces = [
            [(inverse @ (np.array([z, b, a]) - offset))[0] for b in y for a in x] for z in (0, last)
        ]
        first, stop = int(np.ceil(max(faces[0]))), int(np.floor(min(faces[1]))) + 1
        return max(first, 0), min(stop, grid.hu.shape[0])


def _painted(
    hu: NDArray[np.float32], scan: Scan, placements: Sequence[Placement], look: Imaging
) -> tuple[Shown, ...]:
    """Paint in place, one after the other, and keep what each added."""
    out = []
    for place in placements:
        before = hu.copy()
        done = insert_into(hu, scan, [place], np.random.default_rng(0), look)
        painted = done[0] if done else None
        box = painted.box if painted else (slice(0, 0),) * 3
        out.append(Shown(place, painted, hu[box] - before[box]))
    return tuple(out)


def _whole(hu: NDArray[np.generic]) -> NDArray[np.int16]:
    return np.ascontiguousarray(np.clip(np.rint(hu), -1024, 3071).astype(np.int16))


def _slab(scan: Scan, first: int, stop: int) -> Scan:
    """Slices first to stop of a scan, where they were."""
    affine = scan.affine.copy()
    affine[:3, 3] = scan.to_lps(np.array([first, 0, 0]))
    hu = np.ascontiguousarray(scan.hu[first:stop])
    return replace(scan, hu=hu, frame=Frame.of(hu.shape, affine))


def _within(scan: Scan, field_z: tuple[float, float]) -> Scan:
    """The slices whose middles lie within a stretch of z, LPS mm."""
    z = scan.to_lps(np.array([[k, 0, 0] for k in range(scan.hu.shape[0])]))[:, 2]
    kept = np.flatnonzero((z >= field_z[0]) & (z <= field_z[1]))
    return _slab(scan, int(kept[0]), int(kept[-1]) + 1)


def _quiet(hu: NDArray[np.int16], sd: float) -> NDArray[np.float32]:
    """Without noise, edges kept: what varies less than twice the noise becomes its mean."""
    size, values = (3, 5, 5), hu.astype(np.float32)
    mean = ndimage.uniform_filter(values, size)
    spread = np.maximum(ndimage.uniform_filter(values * values, size) - mean * mean, 0)
    keep = spread / (spread + np.float32(2 * sd) ** 2)
    keep, rest = (ndimage.uniform_filter(part, size) for part in (keep, (1 - keep) * mean))
    return np.asarray(keep * values + rest, np.float32)


def _noise(
    shape: tuple[int, ...],
    spacing: tuple[float, float, float],
    measured: tuple[Noise, tuple[float, float, float]],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Fresh noise with a measured SD and autocorrelation, at any spacing."""
    grain, own = measured
    half = [n // 2 for n in grain.correlation.shape]
    reach = [int(h * a / b) for h, a, b in zip(half, own, spacing, strict=True)]
    lags = np.meshgrid(
        *(np.arange(-r, r + 1) * b / a + h
          for r, a, b, h in zip(reach, own, spacing, half, strict=True)),
        indexing="ij",
    )  # fmt: skip
    kernel = ndimage.map_coordinates(grain.correlation, lags, order=1)
    size = [fft.next_fast_len(n + 2 * r, real=True) for n, r in zip(shape, reach, strict=True)]
    whole = np.zeros(size, np.float32)
    whole[tuple(slice(0, n) for n in kernel.shape)] = kernel
    whole = np.roll(whole, [-r for r in reach], axis=(0, 1, 2))
    power = np.maximum(fft.rfftn(whole).real, 0)
    white = fft.rfftn(rng.standard_normal(size, dtype=np.float32))
    noise = fft.irfftn(white * np.sqrt(power), size)[tuple(slice(0, n) for n in shape)]
    return np.asarray(noise * (grain.sd / noise.std()), np.float32)
