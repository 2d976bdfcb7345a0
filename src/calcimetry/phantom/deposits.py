"""Deposits of a phantom: which, where on its body, and how they are cut by what is there.

How many and where in hands: 6.3 a hand (SD 6.5: negative binomial, k 1.1), thumb 50, index
37, middle 34, ring 22, little finger 18 % (EVIDENCE2 9.3). Densities: 150-600 mg/cm3 milk,
400-1200 lobules, 1200-2200 stone (9.1, this project's choice). Depths and sheets: 9.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from calcimetry.errors import UsageError
from calcimetry.phantom.canvas import Canvas, Ellipsoid, Line, Point, Pose
from calcimetry.phantom.insertion import confine, lay_out
from calcimetry.phantom.joint import Joint
from calcimetry.phantom.shapes import Family, draw, step_for
from calcimetry.phantom.spec import DepositSpec, Imaging, PhantomSpec, Placement
from calcimetry.phantom.tissue import Body, Site, as_point
from calcimetry.records import Scan

_BY_TISSUE: dict[str, dict[Family, float]] = {
    "subcutis": {
        Family.NODULE: 3, Family.STONE: 1.5, Family.LOBULATED: 2, Family.CLUSTER: 2,
        Family.STIPPLED: 1, Family.RING: 0.5,
    },
    "muscle": {
        Family.NODULE: 2, Family.RING: 1.5, Family.STIPPLED: 2, Family.LINEAR: 1,
        Family.CLUSTER: 2,
    },
    "fascia": {Family.SHEET: 1},
    "periarticular": {
        Family.LOBULATED: 3, Family.CHICKEN_WIRE: 2, Family.FLUID_LEVEL: 1, Family.STONE: 1,
    },
    "on_bone": {Family.NODULE: 3, Family.LOBULATED: 2, Family.ELLIPSOID: 1, Family.STONE: 1},
}  # fmt: skip
_DIGITS = {"thumb": 0.50, "index": 0.37, "middle": 0.34, "ring": 0.22, "little": 0.18}


def random_deposits(
    region: str, body: Body, rng: np.random.Generator, count: int | None = None
) -> tuple[DepositSpec, ...]:
    """Deposits at different sites of a body, the first of them on bone where it has such."""
    number = _how_many(region, rng) if count is None else count
    names = _order(body.sites, rng)[: max(number, 0)]
    return tuple(_random_deposit(name, body.sites[name], rng) for name in names)


def _how_many(region: str, rng: np.random.Generator) -> int:
    if region != "hand":
        return int(rng.integers(3, 7))
    mean, k = 6.3, 1.1
    return int(np.clip(rng.negative_binomial(k, k / (k + mean)), 2, 12))


def _order(sites: Mapping[str, Site], rng: np.random.Generator) -> list[str]:
    """Names of sites, likelier ones earlier; one on bone first, one in soft tissue next."""
    weight = [_DIGITS.get(name.split()[0], 0.35) for name in sites]
    share = np.array(weight) / sum(weight)
    names = [list(sites)[k] for k in rng.choice(len(share), len(share), False, share)]
    bony = next((n for n in names if sites[n].on_bone), names[0])
    soft = next(n for n in names if not sites[n].on_bone)
    return [*dict.fromkeys([bony, soft, *names])]


def _random_deposit(name: str, site: Site, rng: np.random.Generator) -> DepositSpec:
    weights = _BY_TISSUE["on_bone" if site.on_bone else site.tissue]
    share = np.array(list(weights.values()))
    family = list(weights)[int(rng.choice(len(share), p=share / share.sum()))]
    least = max(3.0, 0.45 * site.room_mm)
    size = float(np.exp(rng.uniform(np.log(least), np.log(max(site.room_mm, least + 0.5)))))
    low, high = _densities(family)
    density = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return DepositSpec(name, str(family), size, density, int(rng.integers(2**31)))


def _densities(family: Family) -> tuple[float, float]:
    if family is Family.STONE:
        return 1200.0, 1900.0
    if family is Family.FLUID_LEVEL:
        return 200.0, 600.0
    return 250.0, 1200.0


def settled(body: Body, deposits: tuple[DepositSpec, ...]) -> list[NDArray[np.float64]]:
    """Body-frame centres of deposits, moved along their sites' normals into their tissue."""
    return [_settle(body, site_of(body, item), item) for item in deposits]


def bulges(
    body: Body, deposits: tuple[DepositSpec, ...], centres: list[NDArray[np.float64]]
) -> list[Ellipsoid]:
    """Rises of the skin over deposits that are too big to lie under it."""
    out = []
    for item, centre in zip(deposits, centres, strict=True):
        half = item.diameter_mm / 2 + 2.2
        reach, hu = _profile(body, centre, np.array(site_of(body, item).normal))
        air = reach[(hu < -300) & (reach > 0)]
        if air.size and air[0] < half:
            out.append(Ellipsoid(as_point(centre), (half, half, half)))
    return out


def site_of(body: Body, item: DepositSpec) -> Site:
    """A deposit's site. Raises UsageError where the body has none of that name."""
    sites = body.sites | body.mimics
    if item.site not in sites:
        raise UsageError(
            "PHANTOM_UNKNOWN_SITE",
            found=f"'{item.site}'",
            expected="one of " + ", ".join(sites),
            where="the phantom's deposits",
            remedy="choose a site that this region has",
        )
    return sites[item.site]


def placements(
    spec: PhantomSpec, body: Body, centres: list[NDArray[np.float64]]
) -> list[Placement]:
    """Every deposit of a spec and, if asked for, the mimics: cut, turned and placed."""
    pairs = list(zip(spec.deposits, centres, strict=True))
    if spec.mimics:
        rng = np.random.default_rng([spec.anatomy_seed, 3])
        items = tuple(_mimic(name, site, rng) for name, site in body.mimics.items())
        pairs += zip(items, settled(body, items), strict=True)
    out = [_placement(spec, body, item, centre) for item, centre in pairs]
    return [place for place in out if place.shape.any()]


def _mimic(name: str, site: Site, rng: np.random.Generator) -> DepositSpec:
    wall = site.tissue == "vessel_wall"
    family = Family.SHEET if wall else Family.STIPPLED
    return DepositSpec(name, family, site.room_mm, rng.uniform(350, 700), int(rng.integers(2**31)))


def _placement(
    spec: PhantomSpec, body: Body, item: DepositSpec, centre: NDArray[np.float64]
) -> Placement:
    site, step = site_of(body, item), step_for(item.diameter_mm)
    bend = (1 / (2 * site.curve_mm), 0.0) if site.curve_mm else None
    rng = np.random.default_rng(item.seed)
    upright = site.tissue in ("fascia", "vessel_wall")
    shape = draw(
        item.family, item.diameter_mm, rng, step,
        turn=_axes(site.normal) if upright else None, bend_per_mm=bend if upright else None,
    )  # fmt: skip
    place = Placement(
        shape, step, as_point(centre), item.density_mg_cm3, family=item.family, site=item.site,
        tissue=site.tissue, negative=item.site in body.mimics,
    )  # fmt: skip
    cut = carried(_cut(body, place), body, spec.pose)
    return replace(cut, family=f"{site.tissue}_calcium" if place.negative else cut.family)


def carried(place: Placement, body: Body, pose: Pose) -> Placement:
    """A deposit of the straight body's frame, where and how it lies in the scanner."""
    centre, turn = np.array(place.centre_mm), pose.rotation()
    joint = bent(body, pose)
    if joint is not None:
        share = body.share(centre)
        turn = turn @ joint.turn(centre, share)
        centre = joint.bent(centre, share)
    turn = turn[::-1, ::-1]
    return replace(
        place,
        centre_mm=as_point(pose.to_scanner(centre)),
        rotation=None if np.allclose(turn, np.eye(3)) else turn,
    )


def bent(body: Body, pose: Pose) -> Joint | None:
    """The joint of a body as a pose bends it; None for a straight one.

    Raises UsageError for a pose that bends a body without a joint.
    """
    if not pose.bend_deg:
        return None
    if body.joint is None:
        raise UsageError(
            "PHANTOM_NO_JOINT",
            found=f"a bend of {pose.bend_deg:g} degrees",
            expected="a region with a joint: knee or elbow",
            where="the phantom's pose",
            remedy="leave the bend out, or choose another region",
        )
    return replace(body.joint, angle_deg=pose.bend_deg)


def _axes(normal: Point) -> NDArray[np.float64]:
    """Rows in (z, y, x): the normal, round the limb, along the limb."""
    across = np.array(normal[::-1]) / np.linalg.norm(normal)
    along = np.array([1.0, 0.0, 0.0])
    around = np.cross(along, across)
    around /= np.linalg.norm(around)
    return np.stack([across, around, np.cross(across, around)])


def _settle(body: Body, site: Site, item: DepositSpec) -> NDArray[np.float64]:
    """A quarter of the size off bone; onto the border of muscle; or to the middle of fat."""
    normal = np.array(site.normal) / np.linalg.norm(site.normal)
    centre = np.array(site.centre) + np.array(item.shift_mm)
    if not site.on_bone and site.tissue not in ("fascia", "subcutis"):
        return np.asarray(centre)
    reach, hu = _profile(body, centre, normal)
    spots = _spots(site, reach, hu)
    nearest = float(spots[np.abs(spots).argmin()]) if spots.size else 0.0
    off = 0.25 * item.diameter_mm if site.on_bone else 0.0
    return np.asarray(centre + (nearest + off) * normal)


def _spots(site: Site, reach: NDArray[np.float64], hu: NDArray[np.float32]) -> NDArray[np.float64]:
    """Where along a line outwards a deposit of this site may lie, mm."""
    if site.on_bone:
        return np.asarray(reach[1:][(hu[:-1] >= 180) & (hu[1:] < 180)])
    if site.tissue == "fascia":
        return np.asarray(reach[1:][(hu[:-1] > -20) & (hu[1:] <= -20) & (hu[1:] > -200)])
    fat = (hu > -150) & (hu < -60)
    if fat[np.abs(reach).argmin()]:
        return np.zeros(1)
    parts, count = ndimage.label(fat)
    return np.asarray(ndimage.mean(reach, parts, range(1, count + 1)), dtype=np.float64)


def _profile(
    body: Body, centre: NDArray[np.float64], normal: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """HU of the plain anatomy along a line through a point: positions (mm) and values."""
    reach = np.arange(-27.0, 27.0, 0.25)
    line = Line(centre + reach[:, None] * normal)
    body.draw(line, 1.5)
    return reach, line.hu.ravel()


def _cut(body: Body, place: Placement) -> Placement:
    """A placement without what would lie in bone or air of the drawn body, texture apart."""
    half = max(place.shape.shape) / 2 * place.step_mm + 2 * place.step_mm
    local = _local(body, np.array(place.centre_mm), half, place.step_mm)
    work = lay_out(local, place, Imaging(fwhm_mm=(0.0, 0.0)))
    touches = confine(work, local.hu[work.box].astype(np.float32))
    return replace(place, shape=work.shape, touches_bone=touches)


def _local(body: Body, centre: NDArray[np.float64], half: float, step: float) -> Scan:
    """The plain anatomy about a point of the body's frame, as a small scan."""
    count = 2 * int(np.ceil(half / step)) + 1
    line = (np.arange(count) - count // 2) * step
    canvas = Canvas(centre[2] + line, centre[1] + line, centre[0] + line, plain=True)
    body.draw(canvas, 1.5)
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = centre + line[0]
    hu = np.rint(canvas.hu).astype(np.int16)
    return Scan.of(hu, affine)
