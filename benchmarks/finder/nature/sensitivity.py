"""Deposits painted where finding them is hardest: against bone beside joints, and in trunks.

Shapes and painter are those that training does not share (`phantom/shapes_independent.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from zlib import crc32

import numpy as np
from benchmarks.finder.nature.folds import PHANTOM
from benchmarks.finder.nature.judged import Ask
from benchmarks.finder.study import inserted, outcomes
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from calcimetry.phantom.body import make
from calcimetry.phantom.placement import BONE_HU, BONE_MM3, Mix, Pool, candidate_sites
from calcimetry.phantom.truth import Painted
from calcimetry.records import Examination, Finding, Kind, Scan
from calcimetry.runs import paint
from calcimetry.scan import from_array

JOINTS = {
    "STS_005": (50, 79),
    "STS_013": (0, 32),
    "STS_017": (0, 24),
    "STS_019": (0, 47),
    "STS_047": (0, 32),
    "STS_049": (0, 32),
    "STS_051": (0, 30),
}
"""Slices beside a joint: shoulder, knee, knee, wrist and hand, knee, ankle and foot, knee."""

PHANTOMS = {
    "hand": (921, (0.625, 0.5, 0.5), (0, 349)),
    "elbow": (922, (1.0, 0.8, 0.8), (70, 145)),
    "knee": (923, (2.0, 0.8, 0.8), (22, 65)),
    "shoulder": (924, (1.25, 0.8, 0.8), (50, 120)),
}
"""Seed, spacing and slices beside a joint."""

TRUNKS = (
    "chest_cptac-pda_3mm", "chest_acrin-flt13_4mm", "chest_rider-pilot_0.8mm",
    "chest_lidc0314_1.5mm", "chest_ct", "abdomen-pelvis_tcga-ov_3mm", "abdomen_crlm1004_1.5mm",
    "abdomen_crlm1006_1.5mm", "STS_002", "STS_007", "STS_018",
)  # fmt: skip
"""Chests, abdomens and pelves; in the last four of them gluteal muscle."""

HU_PER_MG_CM3 = 1.45
THICK_MM = 5.0
CONTACT_MM, NEAR_MM = 1.0, (1.5, 6.0)
"""Gap to bone of what touches it (a voxel's blur is no gap), and of what lies near it."""

WALL_MM, FRONT_MM = 45.0, 25.0
"""Deepest places of a trunk's wall, and in its front half, where bowel begins sooner."""

JOINT_MIX = Mix(
    pools={"touching_bone": 0.65, "near_bone": 0.35},
    diameter_mm=(4.0, 18.0),  # of the longest side; volumes are those of balls of 3 to 12 mm
    density_mg_cm3=(180.0, 1100.0),
    separation_mm=4.0,
)
TRUNK_MIX = Mix(
    pools={"subcutis": 0.3, "wall muscle": 0.35, "within": 0.35},
    diameter_mm=(5.0, 20.0),
    density_mg_cm3=(180.0, 1100.0),
)


@dataclass(frozen=True, slots=True)
class Painting:
    """A scan to paint into: where, with what, and how often.

    case : whose weights are asked; PHANTOM where there is no patient
    slices : "native" or "5 mm"
    """

    name: str
    case: str
    slices: str
    load: Callable[[], Scan]
    sites: Callable[[Scan], Mapping[str, Pool]]
    mix: Mix


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one painted deposit.

    real : painted into a patient's scan, not into a phantom's
    where : "contact", "near" or "between" beside a joint; the pool's name in a trunk
    error : of its mass where it was called and measured: measured over painted, less one
    covered : whether the interval of its mass holds the painted one
    """

    name: str
    real: bool
    slices: str
    where: str
    diameter_mm: float
    density_mg_cm3: float
    called: bool
    listed: bool
    error: float | None
    covered: bool | None


def thick(scan: Scan, mm: float = THICK_MM) -> Scan:
    """The scan in slices of so many mm, each the mean over its thickness."""
    step, count = scan.spacing[0], scan.hu.shape[0]
    made = int(count * step // mm)
    edges = np.arange(made + 1) * mm / step
    low, high = np.arange(count), np.arange(count) + 1
    shared = np.minimum(edges[1:, None], high) - np.maximum(edges[:-1, None], low)
    weights = np.clip(shared, 0, None) * step / mm
    hu = np.tensordot(weights, scan.hu.astype(np.float32), (1, 0))
    affine = scan.affine.copy()
    affine[:3, 2] *= mm / step
    affine[:3, 3] = scan.to_lps(np.array([mm / step / 2 - 0.5, 0, 0]))
    return from_array(
        hu, affine=affine, acquisition=replace(scan.acquisition, slice_thickness_mm=mm)
    )


def beside_joints(first: float, last: float) -> Callable[[Scan], dict[str, Pool]]:
    """Places against and near bone, between two heights, mm above the scan's first slice."""

    def sites(scan: Scan) -> dict[str, Pool]:
        pools = candidate_sites(scan)
        height = {name: pools[name].zyx[:, 0] * scan.spacing[0] for name in JOINT_MIX.pools}
        return {n: _some(pools[n], (h >= first) & (h <= last)) for n, h in height.items()}

    return sites


def of_trunk(scan: Scan) -> dict[str, Pool]:
    """Places under the skin, in the wall's muscle, and within: inside the hull of the bones."""
    pools = candidate_sites(scan)
    soft = pools["anywhere"]
    within = within_bones(scan, soft.zyx) & (soft.bone_mm > 4)
    lean = pools["muscle"]
    wall = ~within_bones(scan, lean.zyx) & (lean.skin_mm <= WALL_MM)
    front = lean.zyx[:, 1] < _midway(scan)
    return {
        "subcutis": pools["subcutis"],
        "wall muscle": _some(lean, wall & (~front | (lean.skin_mm <= FRONT_MM))),
        "within": _some(soft, within),
    }


def _some(pool: Pool, keep: NDArray[np.bool_]) -> Pool:
    return Pool(pool.zyx[keep], pool.bone_mm[keep], pool.skin_mm[keep])


def _midway(scan: Scan) -> float:
    """The row in the middle of all tissue."""
    rows = (scan.hu > -300).sum(axis=(0, 2))
    return float((rows * np.arange(len(rows))).sum() / max(rows.sum(), 1))


SLAB_MM = 60.0


def within_bones(scan: Scan, zyx: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether places lie in the convex hull of the bones, seen along z in a slab about each."""
    factor = max(round(4.0 / scan.spacing[1]), 1)
    parts, _ = ndimage.label(scan.hu[:, ::factor, ::factor] >= BONE_HU, np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel()) * scan.voxel_mm3 * factor**2
    sizes[0] = 0
    bone = (sizes >= 3 * BONE_MM3)[parts]  # no wires and hooks on the skin
    reach = max(round(SLAB_MM / scan.spacing[0]), 1)
    slabs = range(-(-scan.hu.shape[0] // reach))
    hulls = np.stack(
        [_hull(bone[max((k - 1) * reach, 0) : (k + 2) * reach].any(axis=0)) for k in slabs]
    )
    z, y, x = (zyx / (1, factor, factor)).astype(int).T
    return hulls[z // reach, y, x]


def _hull(seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels within the convex hull of some; none where they span no area."""
    try:
        sides = ConvexHull(np.argwhere(seen)).equations
    except (QhullError, ValueError):
        return np.zeros_like(seen)
    index = np.indices(seen.shape).reshape(2, -1)
    beyond = sides[:, :2] @ index + sides[:, 2:]
    return (beyond <= 1e-9).all(axis=0).reshape(seen.shape)


def phantom(region: str) -> Scan:
    """A phantom without deposits."""
    seed, spacing, _ = PHANTOMS[region]
    return make(region, seed=seed, spacing=spacing, deposits=0).scan


def painted(what: Painting, ask: Ask, turn: int, count: int) -> list[Fate]:
    """The fates of some deposits in a scan; each `turn` draws others."""
    clean = what.load()
    seed = crc32(f"{what.name} {what.slices} {turn}".encode())
    scan, truth = inserted(
        clean, "independent", seed, count,
        sites=what.sites(clean), mix=what.mix, hu_per_mg_cm3=HU_PER_MG_CM3,
    )  # fmt: skip
    exam = ask(what.case, scan)
    findings = [Finding(d.runs, d.kind, d.reason, d.confidence) for d in exam.listed]
    found = outcomes(what.name, "independent", scan, truth, findings)
    return [
        Fate(
            what.name, what.case != PHANTOM, what.slices, where(clean, item),
            item.diameter_mm, item.density_mg_cm3, out.hit, out.listed,
            *_mass(exam, scan, item),
        )
        for item, out in zip(truth.deposits, found, strict=True)
        if out.share_deposit is not None and not out.cut
    ]  # fmt: skip


def where(clean: Scan, item: Painted) -> str:
    """By what a deposit was painted: the gap to bone, measured on the scan without it."""
    if item.site not in ("touching_bone", "near_bone"):
        return str(item.site)
    gap = bone_gap(clean, item)
    if item.touches_bone or gap <= CONTACT_MM:
        return "contact"
    return "near" if NEAR_MM[0] <= gap <= NEAR_MM[1] else "between"


def bone_gap(clean: Scan, item: Painted) -> float:
    """From a deposit's half-filled voxels to the next voxel as bright as bone, mm, edge to edge."""
    margin = [int(np.ceil(10 / step)) for step in clean.spacing]
    box = tuple(
        slice(max(side.start - m, 0), side.stop + m)
        for side, m in zip(item.box, margin, strict=True)
    )
    bone = clean.hu[box] >= BONE_HU
    if not bone.any():
        return np.inf
    far = ndimage.distance_transform_edt(~bone, clean.spacing)
    corner = [side.start - big.start for side, big in zip(item.box, box, strict=True)]
    own = tuple(slice(c, c + n) for c, n in zip(corner, item.imaged.shape, strict=True))
    held = item.imaged > 0.5 * min(float(item.imaged.max()), 1.0)
    return float(far[own][held].min() - min(clean.spacing))


def _mass(exam: Examination, scan: Scan, item: Painted) -> tuple[float | None, bool | None]:
    """Measured mass over painted, less one, where one deposit alone holds the painted one.

    Painted is what the examination's own calibration makes of the HU that were painted: what is
    asked here is how well the object is cut out.
    """
    held = item.imaged > 0.25
    here = [
        (int(paint(item.box, d.runs)[held].sum()), d) for d in exam.listed if d.kind is Kind.DEPOSIT
    ]
    here = [(n, d) for n, d in here if n]
    if len(here) != 1 or here[0][1].mass_mg.value is None:
        return None, None
    mass, scale = here[0][1].mass_mg, exam.calibration
    z = int(scan.to_zyx(np.array(item.centroid_mm))[0])
    slope = scale.per_slice[z] if scale.per_slice else scale.mg_cm3_per_hu
    true = item.mass_mg * HU_PER_MG_CM3 * slope
    covered = (mass.low or 0.0) <= true and (mass.high is None or true <= mass.high)
    return mass.value / true - 1, covered


def paintings(scans: Mapping[str, Callable[[], Scan]]) -> Iterator[Painting]:
    """Every scan to paint into; of `scans` those that are named here."""
    for name, (first, last) in JOINTS.items():
        if name in scans:
            yield from _both(name, name, scans[name], (3.27 * first, 3.27 * last))
    for region, (_, spacing, (first, last)) in PHANTOMS.items():
        span = spacing[0] * first, spacing[0] * last
        yield from _both(f"phantom {region}", PHANTOM, partial(phantom, region), span)
    for name in TRUNKS:
        if name in scans:
            yield Painting(name, name, "native", scans[name], of_trunk, TRUNK_MIX)


def _both(
    name: str, case: str, load: Callable[[], Scan], span: tuple[float, float]
) -> Iterator[Painting]:
    sites = beside_joints(*span)
    yield Painting(name, case, "native", load, sites, JOINT_MIX)
    yield Painting(name, case, f"{THICK_MM:.0f} mm", lambda: thick(load()), sites, JOINT_MIX)
