"""A deposit and what is known of it, and the dense objects that are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from calcimetry.records.basics import (
    SURE_CONFIDENCE,
    Estimate,
    Flag,
    Kind,
    Likeness,
    Rule,
    Tier,
)
from calcimetry.records.runs import Runs
from calcimetry.records.words import deposit_words, with_unit


@dataclass(frozen=True, slots=True)
class Place:
    """Where a deposit lies; None is unknown.

    tissue : what it lies in, such as "subcutis", "muscle", "periarticular"
    side : "left" or "right" of the patient
    site : part of the body, such as "hand"
    region : "upper limb", "lower limb", "trunk", "head and neck"
    skin_depth_mm : from the skin to the deposit's nearest point, mm
    bone_distance_mm : gap to the surface of the nearest bone, mm
    nearest_bone : its name, with a label map
    nearest_joint : its name, with a label map
    joint_distance_mm : to the space of the nearest joint, mm
    touches_bone : whether it touches bone
    """

    tissue: str | None = None
    side: str | None = None
    site: str | None = None
    region: str | None = None
    skin_depth_mm: float | None = None
    bone_distance_mm: float | None = None
    nearest_bone: str | None = None
    nearest_joint: str | None = None
    joint_distance_mm: float | None = None
    touches_bone: bool | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """Size and shape of a deposit.

    shape : "nodule", "ring", "sheet", "linear", "stippled" or "lobulated mass"
    diameter_mm : of the ball of equal volume, mm
    long_axis_mm : longest in any slice, mm
    short_axis_mm : its perpendicular there, mm
    numbers : those behind the shape's name, without unit
    """

    shape: str
    diameter_mm: float
    long_axis_mm: float
    short_axis_mm: float
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quantity:
    """How much there is of a deposit; formulas and sources: docs/quantity.md.

    mass_mg : hydroxyapatite (HA), mg
    volume_mm3 : partial volume counted in part, mm3
    density_mg_cm3 : mean density, mg HA per cm3
    volume_130_mm3 : voxels of the deposit at 130 HU and above, mm3
    mean_hu, max_hu : over the deposit's voxels, HU
    agatston : score, without unit; None where it is meaningless
    agatston_profile : the definition that the score follows
    background_hu : of the soft tissue around, HU
    relative_error : 1 SD of the mass as a fraction of it, by cause
    peak_mg_cm3 : density of the plateau, as far as the scan resolves it, mg HA per cm3
    detection_limit_mg : a deposit of this mass is found 19 times in 20, mg
    ceiling_voxels : voxels at the largest HU that the file can hold; above 0 the mass is a lower
        bound
    density_shares : of the mass, by class of density, as fractions
    flags : of measuring; a `Deposit` has them among its own
    """

    mass_mg: Estimate
    volume_mm3: Estimate
    density_mg_cm3: Estimate
    volume_130_mm3: float
    mean_hu: float
    max_hu: int
    agatston: float | None
    agatston_profile: str | None
    background_hu: float | None = None
    relative_error: Mapping[str, float] = field(default_factory=dict)
    peak_mg_cm3: float | None = None
    detection_limit_mg: float | None = None
    ceiling_voxels: int = 0
    density_shares: Mapping[str, float] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()

    def __repr__(self) -> str:
        named = ("mass_mg", "mg"), ("volume_mm3", "mm3"), ("density_mg_cm3", "mg/cm3")
        said = [with_unit(getattr(self, name), unit) for name, unit in named]
        return f"Quantity({', '.join(said)})"


@dataclass(frozen=True, slots=True, eq=False)
class Deposit:
    """A deposit of an examination, or an object that may be one (`kind` uncertain).

    number : from 1; its value in the label map
    uid : unique identifier; the same voxels of the same scan give the same again
    kind : `Kind.DEPOSIT`, or `Kind.UNCERTAIN`, which no total counts
    confidence : 0 to 1, that the kind is right
    reason : why it was judged so, in words
    rule : code of the rule that decided; None where the finder did not judge
    runs : its voxels
    centroid_mm : LPS x, y, z, mm: to the patient's left, to the back, to the head
    slices : first and last, index along the stored slice axis, from 0
    place : where it lies (`Place`: names, depths and distances in mm)
    form : size and shape (`Form`: mm)
    quantity : how much there is (`Quantity`: mg, mm3, mg/cm3, HU, each with its interval)
    flags : coded remarks on it
    likeness : what, other than a deposit, it looks most like; None where nothing tells
    group : number, from 1, of the lesion that it is a piece of; None in examinations of before
        schema 1.4

    What is asked for most stands at first level too:

    tier : `sure` or `probable` by confidence (`SURE_CONFIDENCE`), else `uncertain`
    mass_mg : hydroxyapatite with its 95 % interval, mg
    volume_mm3 : with its 95 % interval, mm3
    density_mg_cm3 : mean density with its 95 % interval, mg/cm3
    agatston : score, without unit, or None
    diameter_mm, long_axis_mm, short_axis_mm : mm
    shape, tissue, side, site, region : words
    skin_depth_mm, bone_distance_mm : mm, or None
    """

    number: int
    uid: str
    kind: Kind
    confidence: float
    reason: str
    rule: Rule | None
    runs: Runs
    centroid_mm: tuple[float, float, float]
    slices: tuple[int, int]
    place: Place
    form: Form
    quantity: Quantity
    flags: tuple[Flag, ...] = ()
    likeness: Likeness | None = None
    group: int | None = None

    def __repr__(self) -> str:
        return f"Deposit({deposit_words(self)})"

    @property
    def tier(self) -> Tier:
        """How far it can be relied on; by the confidence as documents write it."""
        if self.kind is not Kind.DEPOSIT:
            return Tier.UNCERTAIN
        return Tier.SURE if round(self.confidence, 4) >= SURE_CONFIDENCE else Tier.PROBABLE

    @property
    def mass_mg(self) -> Estimate:
        """Hydroxyapatite, mg."""
        return self.quantity.mass_mg

    @property
    def volume_mm3(self) -> Estimate:
        """Volume, mm3."""
        return self.quantity.volume_mm3

    @property
    def density_mg_cm3(self) -> Estimate:
        """Mean density, mg/cm3."""
        return self.quantity.density_mg_cm3

    @property
    def agatston(self) -> float | None:
        """Agatston score; None where it is meaningless."""
        return self.quantity.agatston

    @property
    def diameter_mm(self) -> float:
        """Diameter of the ball of equal volume, mm."""
        return self.form.diameter_mm

    @property
    def long_axis_mm(self) -> float:
        """Longest extent in any slice, mm."""
        return self.form.long_axis_mm

    @property
    def short_axis_mm(self) -> float:
        """The long axis' perpendicular in its slice, mm."""
        return self.form.short_axis_mm

    @property
    def shape(self) -> str:
        """Name of its shape."""
        return self.form.shape

    @property
    def tissue(self) -> str | None:
        """What it lies in."""
        return self.place.tissue

    @property
    def side(self) -> str | None:
        """ "left" or "right" of the patient."""
        return self.place.side

    @property
    def site(self) -> str | None:
        """Part of the body."""
        return self.place.site

    @property
    def region(self) -> str | None:
        """Region of the body."""
        return self.place.region

    @property
    def skin_depth_mm(self) -> float | None:
        """From the skin to its nearest point, mm."""
        return self.place.skin_depth_mm

    @property
    def bone_distance_mm(self) -> float | None:
        """Gap to the surface of the nearest bone, mm."""
        return self.place.bone_distance_mm


@dataclass(frozen=True, slots=True, eq=False)
class OtherObject:
    """A dense object that was judged not to be a deposit, and why.

    number : from 1, in objects.csv
    kind : what it is
    reason : why it was judged so, in words
    rule : code of the rule that decided; None where the finder did not judge
    confidence : 0 to 1, that the kind is right
    volume_mm3 : of its voxels, mm3
    mass_mg : hydroxyapatite that its HU would be, mg; None where that was not measured
    centroid_mm : LPS x, y, z, mm
    runs : its voxels; None: of an examination that did not keep them
    likeness : what, other than a deposit, it looks most like; None where nothing tells
    group : number of the line of vascular calcium that it is a piece of, in one series with the
        groups of deposits; None for all other kinds
    """

    number: int
    kind: Kind
    reason: str
    rule: Rule | None
    confidence: float
    volume_mm3: float
    mass_mg: float | None
    centroid_mm: tuple[float, float, float]
    runs: Runs | None = None
    likeness: Likeness | None = None
    group: int | None = None

    def __repr__(self) -> str:
        size = with_unit(Estimate(self.volume_mm3), "mm3")
        like = self.likeness and str(self.likeness) != str(self.kind)
        kind = f"{self.kind}, {self.likeness}-like" if like else str(self.kind)
        return f"OtherObject({self.number}: {kind}, {size}, {self.reason})"
