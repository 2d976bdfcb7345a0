"""What was found and measured on one scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from calcimetry.arguments import bad_argument
from calcimetry.records.basics import Estimate, Flag, Kind, uid_from
from calcimetry.records.deposit import Deposit, OtherObject
from calcimetry.records.kept import Crops, Landmarks
from calcimetry.records.scan import Acquisition, Frame, Provenance
from calcimetry.records.words import exam_html, exam_words, total_words

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pyarrow import Table

    from calcimetry.edits import Edit
    from calcimetry.plan import Plan


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns HU above background into mineral, and how well that is known.

    mg_cm3_per_hu : slope c, mg HA per cm3 for each HU above background
    relative_sd : 1 SD of c over its value
    source : which rung of the ladder: "rods", "user", "internal", "table"
    detail : what of that source was taken, in words
    flags : coded remarks on it
    per_slice : c of each slice of the scan (the table depends on body size); None: the same
        everywhere. `mg_cm3_per_hu` is then their median
    water_hu : what water reads on this scan, where rods tell; else 0, HU
    """

    mg_cm3_per_hu: float
    relative_sd: float
    source: str
    detail: str = ""
    flags: tuple[Flag, ...] = ()
    per_slice: tuple[float, ...] | None = None
    water_hu: float = 0.0

    def __repr__(self) -> str:
        sd = f"SD {100 * self.relative_sd:.1f} %"
        return f"Calibration({self.mg_cm3_per_hu:.4g} mg/cm3 per HU, {sd}, {self.source})"


@dataclass(frozen=True, slots=True)
class Total:
    """A sum over deposits of kind `deposit`; `uncertain` ones are counted apart.

    Three masses that are always said together: what is counted, what of it is sure, and what
    hangs on doubt and is not counted.

    count : deposits that are counted
    uncertain : objects that may be deposits
    mass_mg : hydroxyapatite of those counted, mg
    volume_mm3 : of those counted, mm3
    agatston : score of those counted; None where it is meaningless
    sure : how many of those counted are of tier `sure`
    sure_mass_mg : mass of these, mg
    uncertain_mass_mg : mass of the uncertain ones, mg
    groups : how many lesions those counted are pieces of

    `sure` and the two masses after it are unknown (None) in examinations of before schema 1.3,
    `groups` in those of before 1.4.
    """

    count: int
    uncertain: int
    mass_mg: Estimate
    volume_mm3: Estimate
    agatston: float | None
    sure: int | None = None
    sure_mass_mg: Estimate = field(default_factory=Estimate)
    uncertain_mass_mg: Estimate = field(default_factory=Estimate)
    groups: int | None = None

    def __repr__(self) -> str:
        return f"Total({total_words(self)})"


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over deposits, mg and mm3.

    overall : of the whole scan
    by_region : of each region of the body, by its name; "unknown" where a deposit has none
    by_tissue : of each tissue that deposits lie in
    unlisted : how many objects are too unlikely a deposit to be listed (`Rule.UNLIKELY`); None in
        examinations of before schema 1.4
    unlisted_mass_mg : the sum of their masses; None where that of one is not known
    """

    overall: Total
    by_region: Mapping[str, Total]
    by_tissue: Mapping[str, Total]
    unlisted: int | None = None
    unlisted_mass_mg: float | None = None

    def __repr__(self) -> str:
        parts = [", ".join(names) or "none" for names in (self.by_region, self.by_tissue)]
        named = f"by region: {parts[0]}; by tissue: {parts[1]}"
        return f"Totals({total_words(self.overall)}; {named})"


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """All that was found and measured on one scan: a value, without the scan's voxels.

    frame, acquisition, provenance : grid, making and origin of the scan
    plan : every parameter
    calibration : what turns HU into mineral
    listed : what may be a deposit, in the order of its numbers: `deposits` and then `uncertain`
    objects : dense objects that were judged to be something else
    totals : sums over `deposits`, with what is sure and what hangs on doubt
    flags : coded remarks on the scan and its measurement
    timings : seconds, by stage
    versions : of this program and what it computes with
    created : when it was measured, ISO 8601, UTC
    landmarks, crops : what is kept of the scan for follow-up
    anatomy : the label map's scheme and maker
    site : the body part in the user's words
    skeleton : the objects that distances to bone are measured to; deposits by number, others by
        minus their number
    edits, original : a reader's corrections, and the examination that they were made of
    pictures : PNGs by name, where it was loaded with them; else they are made from the scan
    subject, visit : the user's own codes for the person and the visit, where they were given
    """

    frame: Frame
    acquisition: Acquisition
    provenance: Provenance
    plan: Plan
    calibration: Calibration
    listed: tuple[Deposit, ...]
    objects: tuple[OtherObject, ...]
    totals: Totals
    flags: tuple[Flag, ...]
    timings: Mapping[str, float]
    versions: Mapping[str, str]
    created: str
    landmarks: Landmarks | None = None
    crops: Crops | None = None
    site: str | None = None
    skeleton: tuple[int, ...] = ()
    anatomy: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    edits: tuple[Edit, ...] = ()
    original: Examination | None = field(default=None, repr=False)
    subject: str | None = None
    visit: str | None = None

    def __repr__(self) -> str:
        return exam_words(self)

    def _repr_html_(self) -> str:
        return exam_html(self)

    @property
    def deposits(self) -> tuple[Deposit, ...]:
        """What totals count: listed objects of kind `deposit`."""
        return tuple(d for d in self.listed if d.kind is Kind.DEPOSIT)

    @property
    def uncertain(self) -> tuple[Deposit, ...]:
        """What may be a deposit or something else; no total counts it."""
        return tuple(d for d in self.listed if d.kind is not Kind.DEPOSIT)

    @property
    def scan_uid(self) -> str | None:
        """A UID of this program's for the scan: from the digest of the input's files and the grid.

        The same files give the same again; nothing of the patient enters. None for a scan that
        was made in memory without a digest (`Scan.of`).
        """
        digest = self.provenance.sha256
        if digest is None:
            return None
        grid = self.frame.affine.round(4) + 0.0  # no -0.0, which is written otherwise
        return uid_from(f"{digest} {self.frame.shape} {grid.tolist()}")

    def mask(self, number: int) -> NDArray[np.bool_]:
        """The voxels of a listed object, bool (z, y, x) on the scan's grid.

        Raises UsageError BAD_ARGUMENT for a number that there is not.
        """
        for deposit in self.listed:
            if deposit.number == number:
                return deposit.runs.mask()
        listed = f"1 to {len(self.listed)}" if self.listed else "none: nothing was listed"
        raise bad_argument(repr(number)[:40], f"the number of a deposit, {listed}", "number")

    def table(self, *, identify: bool = False) -> Table:
        """Listed objects as a `pyarrow.Table`: what deposits.parquet holds, units with it.

        ``.to_pandas()`` and ``polars.from_arrow`` make data frames of it. `identify` as in
        `calcimetry.document`.
        """
        # pyarrow takes 0.2 s to import, and most uses do not need it.
        from calcimetry.records.table import table_of

        return table_of(self, identify=identify)

    def show(self) -> Figure:
        """The listed objects from the front and from the side, with their masses.

        Needs no scan. A notebook shows what is returned; ``.savefig(path)`` keeps it.

        Raises UsageError MISSING_EXTRA without the extra `plot` (matplotlib).
        """
        from calcimetry.records.plot import figure_of

        return figure_of(self)
