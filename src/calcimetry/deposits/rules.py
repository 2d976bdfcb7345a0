"""The rules of the finder: from the evidence of one object to a verdict, or to none.

`FIRST_PASS` and `SECOND_PASS` are their order; `classify` asks them, and the first that speaks
decides.

Rules label, they never delete: what they set aside is listed with their reason. An isolated
dense object in soft tissue that no rule claims is at least `uncertain`.
"""

from __future__ import annotations

from collections.abc import Callable

from calcimetry.anatomy import Structure
from calcimetry.deposits.reasons import Verdict
from calcimetry.describe.evidence import Evidence
from calcimetry.records import Kind, Rule

METAL_PEAK_HU = 3000  # above enamel (about 2,900 HU) and the densest stones seen at 120 kVp
METAL_MEAN_HU = 1500
POOL_MEAN_HU = 330.0  # blood and bowel contrast stay below; see docs/finder.md
TYPICAL_NOISE_HU = 20.0
POOL_MM3 = 400.0
POOL_THICK_MM = 8.0  # thinner bright things are walls, septa and sheets
ALONE_DENSE = 0.12  # of the shell around it: more, and it is part of something bigger
ALONE_AIR = 0.4  # of the shell: more, and it lies on the skin or in a lung
MOSTLY_AIR = 0.5
MOSTLY_INSIDE = 0.5  # of an object, in the body
SUPERFICIAL_MM = 8.0
TUBE_RATIO = 4.0
SURE = 0.95  # the network's probability above which it outranks what geometry says
SURE_IN_TRUNK = 0.9  # it learnt from few ribs, spines and costal cartilages
SURE_OF_CUT = 0.35  # of a cut's core; with the next two chosen on validation limbs
SURE_AT_EDGE = 0.9
SURE_AMID_BONES = 0.5
DOUBT = 0.2  # below which it speaks against a deposit
SMALL_MM3, DEEP_MM = 270.0, 50.0  # a ball of 8 mm; deeper than most of a limb
INMOST_MM = 100.0  # deeper than limbs; great arteries run there, and through the field's edge
FRONT, AT_RIBS, RIB_DEPTH_MM = 0.55, 0.43, 9.0
RINGED, HALF_RINGED = 0.75, 0.5  # the same, within ribs or pelvis; and where it is deep, too
ENCLOSED = 0.6  # of the directions in its slice: bone before skin; docs/finder.md
ENCLOSED_AT_BONE, AT_BONE_MM = 0.85, 20.0  # beside a femur or in a knee it alone makes 0.7
CUT_BONE_MM3 = 250.0
TRUNK_WALL_MM = 40.0
BIG_AT_EDGE_MM3 = 2000.0  # deposits so big are mostly whole objects of their own
BIG_CUT_MM3, SURE_OF_BIG = 1000.0, 0.9  # of 62 painted cuts over 600 mm3 none true was less sure
SOFT_HU = 50.0
NOISE_SDS = 5.0  # on limb CTs with noise of 30-43 HU, 97-99 % of specks lie below; docs/finder.md
SPECK_VOXELS = 100


NAMED = {"bone": Kind.BONE, "cartilage": Kind.CARTILAGE, "vessel": Kind.VESSEL}
STONE_ORGANS = ("kidney", "gallbladder", "bladder", "ureter", "prostate")

RuleFunction = Callable[[Evidence], Verdict | None]


def _external(evidence: Evidence) -> Verdict | None:
    if evidence.fraction_in_body >= MOSTLY_INSIDE:
        return None
    return Verdict(Kind.EXTERNAL, Rule.EXTERNAL, 0.5 + 0.5 * (1 - evidence.fraction_in_body))


def _metal(evidence: Evidence) -> Verdict | None:
    if evidence.peak_hu < METAL_PEAK_HU or evidence.mean_hu < METAL_MEAN_HU:
        return None
    return Verdict(Kind.METAL, Rule.METAL, 0.9, {"peak_hu": evidence.peak_hu})


def _named(evidence: Evidence) -> Verdict | None:
    """What the user's label map says; it outranks all that was guessed from the images."""
    structure = evidence.structure
    if structure is None or (structure.kind == "bone" and evidence.network_positive):
        return None  # label maps of bone swallow what grows on bone: the network cuts that
    kind = NAMED.get(structure.kind)
    return None if kind is None else _lies_in(structure, kind, 0.9)


def _in_organ(evidence: Evidence) -> Verdict | None:
    """Calcium in a named organ: a stone where stones form, else not for us to say."""
    structure = evidence.structure
    if structure is None or structure.kind != "organ":
        return None
    stone = any(organ in structure.name for organ in STONE_ORGANS)
    return _lies_in(structure, Kind.STONE if stone else Kind.UNCERTAIN, 0.7)


def _lies_in(structure: Structure, kind: Kind, confidence: float) -> Verdict:
    values = {"structure": structure.name.replace("_", " ")}
    return Verdict(kind, Rule.LABEL_MAP, confidence, values)


def _field_edge(evidence: Evidence) -> Verdict | None:
    """Bones that the field cuts look like deposits: the network must be surer of these."""
    if not (evidence.network_positive and evidence.touches_field_edge):
        return None
    small = evidence.split_off or evidence.volume_mm3 <= BIG_AT_EDGE_MM3
    if _probability(evidence) >= SURE_AT_EDGE and small:
        return None
    if evidence.volume_mm3 < CUT_BONE_MM3 and not evidence.split_off:
        return None  # too small to be what is left of a bone
    return Verdict(Kind.UNCERTAIN, Rule.FIELD_EDGE, 0.4)


def _doubted_split(evidence: Evidence) -> Verdict | None:
    """Cut from bone by the network, which is not sure enough of it."""
    if not evidence.split_off:
        return None
    if evidence.volume_mm3 > BIG_CUT_MM3 and _probability(evidence) < SURE_OF_BIG:
        return Verdict(Kind.UNCERTAIN, Rule.LARGE_SPLIT_DOUBTED, 0.4)
    if _probability(evidence) < SURE_OF_CUT:
        return Verdict(Kind.UNCERTAIN, Rule.SPLIT_DOUBTED, 0.5)
    return None


def _split_from_bone(evidence: Evidence) -> Verdict | None:
    """Cut from bone: the network's word alone, since geometry sees one object with the bone."""
    if not evidence.split_off or evidence.in_trunk:
        return None  # in the trunk, where it lies decides: see _trunk
    ringed = evidence.enclosure is not None and evidence.enclosure >= RINGED
    if ringed and _probability(evidence) < SURE_AMID_BONES:
        return Verdict(Kind.UNCERTAIN, Rule.SPLIT_AMID_BONES, 0.5)
    return Verdict(Kind.DEPOSIT, Rule.SPLIT_FROM_BONE, _probability(evidence))


def _sure(evidence: Evidence) -> bool:
    return evidence.network_positive and _probability(evidence) >= SURE


def _probability(evidence: Evidence) -> float:
    return evidence.deposit_probability or 0.0


def _noise_hu(evidence: Evidence) -> float:
    """1 SD of the noise around it; a typical one where it could not be measured, or is none."""
    around = evidence.surroundings
    return (around.noise_hu if around else None) or TYPICAL_NOISE_HU


def _dense_around(evidence: Evidence) -> float:
    """How much of its shell is dense; a shell that is not in the scan speaks against nothing."""
    return evidence.surroundings.dense if evidence.surroundings else 0.0


def _air_around(evidence: Evidence) -> float:
    """How much of its shell is air, in the same way."""
    return evidence.surroundings.air if evidence.surroundings else 0.0


def _noise(evidence: Evidence) -> Verdict | None:
    """Peaks of noise above the threshold: many in a noisy scan, none far above it."""
    around, trusted = evidence.surroundings, evidence.split_off or _sure(evidence)
    if around is None or evidence.voxels >= SPECK_VOXELS or trusted:
        return None
    sd, median = around.noise_hu, around.median_hu
    if sd is None or median is None:
        return None
    if evidence.peak_hu >= max(median, SOFT_HU) + NOISE_SDS * sd:
        return None
    values = {"peak_hu": evidence.peak_hu, "sds": NOISE_SDS, "noise_hu": sd}
    return Verdict(Kind.NOISE, Rule.NOISE, 0.8, values)


def _bone(evidence: Evidence) -> Verdict | None:
    if not evidence.skeletal:
        return None
    return Verdict(Kind.BONE, Rule.SKELETON, 0.9)


def _pool(evidence: Evidence) -> Verdict | None:
    """A big, even, moderately bright pool: contrast medium, unless none was given."""
    if _sure(evidence):
        return None
    even = evidence.peak_hu - evidence.mean_hu < NOISE_SDS * _noise_hu(evidence)
    if (
        not even
        or evidence.thickness_mm is None
        or evidence.thickness_mm < POOL_THICK_MM
        or evidence.mean_hu >= POOL_MEAN_HU
        or evidence.volume_mm3 < POOL_MM3
        or evidence.contrast_given is False
    ):
        return None
    sure = 0.8 if evidence.contrast_given else 0.5
    return Verdict(Kind.CONTRAST, Rule.CONTRAST_POOL, sure)


def _tube(evidence: Evidence) -> Verdict | None:
    """Long and thin in soft tissue: more likely in a vessel's wall than in a muscle."""
    long, middle, _ = evidence.axes_mm
    alone = _dense_around(evidence) < ALONE_DENSE
    if not alone or long < TUBE_RATIO * middle or long < 12.0:
        return None
    shallow = evidence.skin_depth_mm is not None and evidence.skin_depth_mm < SUPERFICIAL_MM
    if shallow and _sure(evidence):
        return None  # deposits under the skin are often drawn out; arteries run deeper
    return Verdict(Kind.UNCERTAIN, Rule.LINEAR, 0.5)


def _enhanced(evidence: Evidence) -> Verdict | None:
    """No brighter than what contrast medium makes of vessels and organs in this scan."""
    level, noise = evidence.contrast_hu, _noise_hu(evidence)
    if level is None or evidence.deposit_probability is None or evidence.network_positive:
        return None
    if evidence.peak_hu >= level + NOISE_SDS * noise or _probability(evidence) >= DOUBT:
        return None
    return Verdict(Kind.CONTRAST, Rule.CONTRAST_LEVEL, 0.7, {"contrast_hu": level})


def _trunk(evidence: Evidence) -> Verdict | None:
    """In the trunk much else calcifies, and the network learnt from few trunks."""
    if not (evidence.in_trunk and evidence.network_positive):
        return None
    if _air_around(evidence) >= MOSTLY_AIR:
        return Verdict(Kind.EXTERNAL, Rule.AIR_AROUND, 0.6)
    if _within_trunk(evidence):
        return Verdict(Kind.UNCERTAIN, Rule.WITHIN_TRUNK, 0.5)
    if _at_the_ribs(evidence):
        return Verdict(Kind.UNCERTAIN, Rule.AT_RIBS, 0.5)
    if _probability(evidence) < SURE_IN_TRUNK:
        return Verdict(Kind.UNCERTAIN, Rule.TRUNK_WALL, 0.5)
    return (
        Verdict(Kind.DEPOSIT, Rule.SPLIT_FROM_BONE, _probability(evidence))
        if evidence.split_off
        else None
    )


def _within_trunk(evidence: Evidence) -> bool:
    """Not in its wall: ribs or pelvis all around, or far from the skin with bone on many sides."""
    deep = evidence.skin_depth_mm is not None and evidence.skin_depth_mm > TRUNK_WALL_MM
    if evidence.enclosure is None:
        return deep
    return evidence.enclosure >= RINGED or (deep and evidence.enclosure >= HALF_RINGED)


def _at_the_ribs(evidence: Evidence) -> bool:
    """Where the cartilages of the ribs run: not under the skin, and with ribs on many sides."""
    if evidence.enclosure is None or evidence.skin_depth_mm is None:
        return False
    deep = evidence.skin_depth_mm >= RIB_DEPTH_MM
    front = evidence.front is None or evidence.front >= FRONT  # unknown: it may be
    return front and evidence.enclosure >= AT_RIBS and deep


def _deep(evidence: Evidence) -> Verdict | None:
    """Within pelvis or trunk: phleboliths and arterial calcium look no different."""
    depth = evidence.skin_depth_mm
    if depth is None or depth <= DEEP_MM or not _in_cavity(evidence):
        return None
    if evidence.volume_mm3 <= SMALL_MM3:
        return Verdict(Kind.UNCERTAIN, Rule.SMALL_DEEP, 0.5)
    if depth > INMOST_MM and evidence.network_positive and evidence.touches_field_edge:
        return Verdict(Kind.UNCERTAIN, Rule.WITHIN_TRUNK, 0.5)
    return None


def _in_cavity(evidence: Evidence) -> bool:
    """Within pelvis or trunk; so is what nobody can tell of."""
    if evidence.in_trunk or evidence.enclosure is None:
        return True
    near = evidence.bone_distance_mm is not None and evidence.bone_distance_mm <= AT_BONE_MM
    return evidence.enclosure >= (ENCLOSED_AT_BONE if near else ENCLOSED)


def _alone(evidence: Evidence) -> Verdict | None:
    """Alone in soft tissue, with none of the marks of something else."""
    crowded = _dense_around(evidence) >= ALONE_DENSE or _air_around(evidence) >= ALONE_AIR
    if crowded and not evidence.network_positive:
        return None
    if evidence.touches_field_edge and not evidence.network_positive:
        return Verdict(Kind.UNCERTAIN, Rule.FIELD_EDGE, 0.4)
    if evidence.network_positive:
        return Verdict(Kind.DEPOSIT, Rule.NETWORK_POSITIVE, _probability(evidence))
    doubt = SURE_IN_TRUNK if evidence.in_trunk else DOUBT
    if evidence.deposit_probability is None or _probability(evidence) >= doubt:
        return Verdict(Kind.DEPOSIT, Rule.ISOLATED, 0.7)
    return Verdict(Kind.UNCERTAIN, Rule.ISOLATED_LOW_PROBABILITY, 0.5)


def _beside_bone(evidence: Evidence) -> Verdict | None:
    near = evidence.bone_distance_mm is not None and evidence.bone_distance_mm < 6.0
    if not near or evidence.deposit_probability is None or _probability(evidence) >= DOUBT:
        return None
    return Verdict(Kind.BONE, Rule.BESIDE_BONE, 0.6)


FIRST_PASS: tuple[RuleFunction, ...] = (
    _external,
    _metal,
    _named,
    _field_edge,
    _doubted_split,
    _bone,
    _noise,
)
"""Rules that need the object and its nearest surroundings only."""

SECOND_PASS: tuple[RuleFunction, ...] = (
    _split_from_bone,
    _in_organ,
    _pool,
    _trunk,
    _beside_bone,
    _enhanced,
    _tube,
    _deep,
    _alone,
)
"""Rules that ask how thick it is, and how far from skin and bone."""

EARLY_SECOND_PASS: tuple[RuleFunction, ...] = (_in_organ, _pool, _beside_bone, _enhanced)
"""Those of SECOND_PASS that do without the depth under the skin; see `early_second_pass`."""
